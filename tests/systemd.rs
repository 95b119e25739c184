// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the environment says about the service manager. Each case is a process of its own: this
//! test, started again.

use std::process::Command;

use tokend::systemd::Notifier;

const CHILD: &str = "TOKEND_TEST_CHILD";

#[test]
fn the_watchdog_is_fed_at_half_its_period_by_the_process_it_is_meant_for() {
    if std::env::var_os(CHILD).is_some() {
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
        let said = child(environment);
        assert!(said.contains(&format!("interval {interval}\n")), "{environment}: {said}");
    }
}

/// Runs the test that calls this in a process with these assignments in its environment.
fn child(environment: &str) -> String {
    let name = std::thread::current().name().unwrap().to_owned();
    let output = Command::new("sh")
        .arg("-c")
        .arg(format!("{environment} exec \"$0\" --exact {name} --nocapture"))
        .arg(std::env::current_exe().unwrap())
        .env_remove("WATCHDOG_USEC")
        .env_remove("WATCHDOG_PID")
        .env(CHILD, "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
