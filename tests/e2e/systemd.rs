// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the environment says about the service manager. Each case is a process of its own: this
//! test, started again.

use tokend::system::notify::Notifier;

use crate::again::{is_child, passes, this_test_by};
use crate::support::child;

#[test]
fn the_watchdog_is_fed_at_half_its_period_by_the_process_it_is_meant_for() {
    if is_child() {
        println!("interval {:?}", Notifier::from_env().watchdog_interval());
        return;
    }
    for (environment, interval) in [
        ("", "None"),
        ("WATCHDOG_USEC=20000000", "Some(10s)"),
        ("WATCHDOG_USEC=20000000 WATCHDOG_PID=$$", "Some(10s)"),
        ("WATCHDOG_USEC=20000000 WATCHDOG_PID=1", "None"),
        ("WATCHDOG_USEC=0", "None"),
        ("WATCHDOG_USEC=soon", "None"),
    ] {
        let said = said_with(environment);
        assert!(said.contains(&format!("interval {interval}\n")), "{environment}: {said}");
    }
}

/// Runs the test that calls this in a process with these assignments in its environment. A shell
/// begins it, since only it can tell the process its own number.
fn said_with(environment: &str) -> String {
    let mut command = child::command("/bin/sh");
    command.env_remove("WATCHDOG_USEC").env_remove("WATCHDOG_PID");
    command.arg("-c").arg(format!("{environment} exec \"$0\" \"$@\""));
    passes(this_test_by(command))
}
