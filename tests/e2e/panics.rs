// SPDX-License-Identifier: MIT OR Apache-2.0
//! A panic in any thread ends the whole process, also where the build unwinds (this one does, and so
//! do Yocto's): better started again than going on without its bus or an answer.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::{fs::File, thread};

use crate::again::{is_child, this_test};

const SIGABRT: i32 = 6;

#[test]
fn a_panic_in_a_thread_that_somebody_catches_still_ends_the_process() {
    if is_child() {
        return child();
    }
    let output = this_test().output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_aborted(output.status, &said);
    assert!(said.contains("the bus thread is gone"), "{said}");
    assert!(!said.contains("went on"), "{said}");
}

/// This test, started again: its main thread outlives the one that panics.
fn child() {
    tokend::system::process::end_on_panic();
    let bus = thread::Builder::new().name("bus".into());
    let caught = bus.spawn(|| panic!("the bus thread is gone")).unwrap().join();
    eprintln!("went on: {}", caught.is_err());
}

/// `eprintln!` panics where stderr is full: the one way to make the program panic from outside. Once
/// there is none left, what remains of this test is that `main` says `end_on_panic` first.
#[test]
fn the_program_itself_ends_that_way() {
    let status = Command::new(env!("CARGO_BIN_EXE_tokend"))
        .arg("no-such-command")
        .stdin(Stdio::null())
        .stderr(File::options().write(true).open("/dev/full").unwrap())
        .status()
        .unwrap();
    assert_aborted(status, "");
}

fn assert_aborted(status: ExitStatus, said: &str) {
    assert_eq!(status.signal(), Some(SIGABRT), "{status}\n{said}");
}
