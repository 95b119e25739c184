// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is started here ends with who started it, even where that is killed.

use rustix::process::Signal;

use crate::again::{is_child, this_test};
use crate::support::BOUND;
use crate::support::child::{self, Child};
use crate::support::lines::Lines;

#[test]
fn a_test_that_is_killed_leaves_no_process_behind() {
    if is_child() {
        let mut sleep = child::command("sleep");
        sleep.arg("120");
        let mut sleep = Child::spawn(sleep).unwrap();
        println!("it sleeps");
        sleep.wait(2 * BOUND);
        return;
    }
    let mut command = this_test();
    let lines = Lines::default();
    // Whoever lives of the two holds the other end.
    lines.collect(child::capture(&mut command).unwrap(), || {});
    let test = Child::spawn(command).unwrap();
    lines.wait_for(0, BOUND, |line| line.contains("it sleeps")).expect("it starts");
    test.signal(Signal::KILL);
    assert!(lines.wait_for_end(BOUND), "{}", lines.text(0));
}
