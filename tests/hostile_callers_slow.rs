// SPDX-License-Identifier: MIT OR Apache-2.0
//! The slow part of `hostile_callers`: many more calls, and messages as large as a bus can allow.
//! `cargo test --test hostile_callers_slow`.

#![allow(unreachable_pub, reason = "a test has no outside")]
#![allow(dead_code, reason = "the quick part uses the rest of these files")]

#[path = "e2e/hostile_callers"]
mod hostile_callers {
    pub mod attack;
    pub mod random;
    pub mod rig;
}
mod support;

use hostile_callers::attack::on_each_bus;
use hostile_callers::random;
use hostile_callers::rig::{CINEMA, Rig};
use support::bus::Bus;
use support::raw::Message;

#[test]
fn twenty_thousand_random_calls_are_answered_and_others_are_served() {
    for seed in 1000..1008 {
        random::storm(seed, 2500);
    }
}

#[test]
fn twenty_processes_that_connect_call_once_and_leave_drown_nobody() {
    on_each_bus("churn-small", &[20]);
}

#[test]
fn twenty_processes_that_leave_60_kb_behind_each_time_drown_nobody() {
    on_each_bus("churn-large", &[20]);
}

/// As large as a message can be, but for its header: the specification's 128 MiB.
const MOST: usize = (127 << 20) + (1 << 19);

#[test]
fn messages_of_64_and_almost_128_mib_do_not_come_in() {
    // As dbus-broker is, and dbus-daemon can be configured.
    let limits = ["max_message_size", "max_incoming_bytes", "max_outgoing_bytes"]
        .map(|name| format!("<limit name=\"{name}\">1000000000</limit>"));
    let rig = Rig::on(Bus::start_with(&limits.concat()).unwrap());
    let before = rig.memory();
    let mut hostile = rig.hostile();
    let path = format!("/tv/tokend/application/{CINEMA}");
    for size in [64 << 20, MOST] {
        let text = "x".repeat(size);
        let replace = Message::call(&path, "tv.tokend.Application1", "ReplaceToken");
        let get = Message::call(&path, "org.freedesktop.DBus.Properties", "Get");
        for call in [replace.with_strings(&[&text, ""]), get.with_strings(&["a.b", &text])] {
            let refused = hostile.ask(&call).unwrap();
            let error = refused.error.expect("an error");
            assert!(error.starts_with("org.freedesktop.DBus.Error."), "{error}");
            rig.others_are_served();
        }
    }
    rig.memory_has_returned(before, 1024);
}

#[test]
fn sixty_four_large_messages_in_a_row_take_no_memory() {
    let rig = Rig::start();
    let before = rig.memory();
    let mut hostile = rig.hostile();
    let path = format!("/tv/tokend/application/{CINEMA}");
    let call = Message::call(&path, "tv.tokend.Application1", "ReplaceToken");
    let call = call.with_strings(&[&"x".repeat(30 << 20), ""]);
    for i in 0..64 {
        hostile.send(&call).unwrap();
        if i % 8 == 0 {
            rig.others_are_served();
        }
    }
    rig.memory_has_returned(before, 1024);
}
