// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a process without root's rights can and cannot see of itself once it is hardened. This
//! test, started again, is that process.

use std::fs::{File, read_to_string};
use std::process::Command;

use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit};

const CHILD: &str = "TOKEND_TEST_CHILD";

#[test]
fn a_hardened_process_shows_no_memory_and_still_sees_the_network() {
    if std::env::var_os(CHILD).is_some() {
        return child();
    }
    let name = std::thread::current().name().unwrap().to_owned();
    let this = std::env::current_exe().unwrap();
    // By its descriptor, so that the other user need not be able to reach the directory.
    let mut command = if nix::unistd::geteuid().is_root() {
        let mut setpriv = Command::new("setpriv");
        setpriv.args(["--reuid=65534", "--regid=65534", "--clear-groups", "/proc/self/fd/0"]);
        setpriv
    } else {
        Command::new("/proc/self/fd/0")
    };
    let output = command
        .args(["--exact", &name, "--nocapture"])
        .stdin(File::open(this).unwrap())
        .current_dir("/")
        .env(CHILD, "1")
        .output()
        .expect("setpriv runs (package util-linux)");
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{output:?}");
}

fn child() {
    assert!(!nix::unistd::geteuid().is_root());
    File::open("/proc/self/mem").expect("readable before");

    tokend::harden::process().unwrap();

    assert!(File::open("/proc/self/mem").is_err());
    assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    let core = getrlimit(Resource::Core);
    assert_eq!((core.current, core.maximum), (Some(0), Some(0)));
    let status = read_to_string("/proc/self/status").unwrap();
    assert!(status.contains("\nUmask:\t0077\n"), "{status}");

    assert!(read_to_string("/proc/self/net/route").unwrap().starts_with("Iface"));
    assert!(read_to_string("/proc/net/ipv6_route").is_ok());
    tokend::clock::boot_id().unwrap();
    std::env::current_exe().unwrap();
}
