// SPDX-License-Identifier: MIT OR Apache-2.0
//! A test about the process itself: started again, it is a process of its own in which nothing else
//! happens.

#![allow(dead_code, reason = "each program uses its own part of this")]

use std::env;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::thread;

use crate::support::child;

const CHILD: &str = "TOKEND_TEST_CHILD";

/// Whether this is the process that [`this_test`] started.
pub fn is_child() -> bool {
    env::var_os(CHILD).is_some()
}

/// The test that calls this, as a program of its own.
pub fn this_test() -> Command {
    with_arguments(child::command(this_program()))
}

/// The same, started by what `wrapper` begins: the path of this program is its next argument.
pub fn this_test_by(mut wrapper: Command) -> Command {
    wrapper.arg(this_program());
    with_arguments(wrapper)
}

/// What makes the program that `command` begins run the test that calls this, and no other.
pub fn with_arguments(mut command: Command) -> Command {
    let thread = thread::current();
    let name = thread.name().expect("a test has a name");
    command.args(["--exact", name, "--nocapture"]).env(CHILD, "1");
    command
}

fn this_program() -> PathBuf {
    env::current_exe().expect("a process has a program")
}

/// Runs it to its end. Panics where the test has not passed there, or was not run at all.
pub fn passes(mut command: Command) -> String {
    let Output { status, stdout, stderr } = command.output().expect("a test can be started again");
    let said = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
    assert!(status.success() && said.contains("1 passed"), "{status}\n{said}");
    said
}
