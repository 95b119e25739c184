// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a process without root's rights can and cannot see of itself once it is hardened. This
//! test, started again, is that process.

use std::fs::{File, read_to_string};

use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit};

use crate::again::{is_child, passes, with_arguments};
use crate::support::child;

#[test]
fn a_hardened_process_shows_no_memory_and_still_sees_the_network() {
    if is_child() {
        return hardened();
    }
    // By its descriptor, so that the other user need not be able to reach the directory.
    let mut command = with_arguments(child::command("/proc/self/fd/0"));
    command.stdin(File::open(std::env::current_exe().unwrap()).unwrap()).current_dir("/");
    if nix::unistd::geteuid().is_root() {
        child::becomes(&mut command, 65_534, &[]);
    }
    passes(command);
}

fn hardened() {
    assert!(!nix::unistd::geteuid().is_root());
    File::open("/proc/self/mem").expect("readable before");

    tokend::system::process::harden().unwrap();

    assert!(File::open("/proc/self/mem").is_err());
    assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    let core = getrlimit(Resource::Core);
    assert_eq!((core.current, core.maximum), (Some(0), Some(0)));
    let status = read_to_string("/proc/self/status").unwrap();
    assert!(status.contains("\nUmask:\t0077\n"), "{status}");

    assert!(read_to_string("/proc/self/net/route").unwrap().starts_with("Iface"));
    assert!(read_to_string("/proc/net/ipv6_route").is_ok());
    tokend::system::clock::boot_id().unwrap();
    std::env::current_exe().unwrap();
}
