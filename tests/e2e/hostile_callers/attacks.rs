// SPDX-License-Identifier: MIT OR Apache-2.0
//! The attacks of `attack` that take a moment. The others are in `tests/hostile_callers_slow.rs`.

use std::thread;

use crate::hostile_callers::attack::{AFTERWARDS, on_dbus_daemon, on_each_bus, settled, survives};
use crate::hostile_callers::rig::{CINEMA, Rig};
use crate::support::authority::{Endpoint, Gate};
use crate::support::bus::Bus;
use crate::support::player::Player;
use crate::support::raw::{Message, Raw};

#[test]
fn connections_that_call_once_and_leave_drown_nobody() {
    on_each_bus("churn-small", &[1, 3]);
}

#[test]
fn connections_that_leave_60_kb_behind_drown_nobody() {
    on_each_bus("churn-large", &[1, 3]);
}

#[test]
fn connections_that_leave_after_the_answer_drown_nobody() {
    on_each_bus("churn-answered", &[3]);
}

#[test]
fn connections_that_leave_in_the_middle_of_a_message_drown_nobody() {
    on_each_bus("churn-half", &[3]);
}

/// One connection that never stops sending.
#[test]
fn calls_that_want_no_reply_cost_the_others_nothing() {
    on_dbus_daemon("silent", "");
}

#[test]
fn calls_whose_replies_nobody_reads_drown_nobody() {
    on_dbus_daemon("never-reads", "");
}

#[test]
fn answers_that_are_read_byte_by_byte_drown_nobody() {
    on_dbus_daemon("reads-slowly", "");
}

/// With the limits of dbus-daemon's system bus. A dbus-broker ends the connection.
#[test]
fn one_who_uses_up_its_match_rules_and_pending_replies_harms_nobody_else() {
    let limits = [("max_match_rules_per_connection", 512), ("max_replies_per_connection", 128)]
        .map(|(name, most)| format!("<limit name=\"{name}\">{most}</limit>"));
    on_dbus_daemon("limits", &limits.concat());
}

#[test]
fn two_hundred_and_fifty_connections_that_stay_drown_nobody() {
    on_each_bus("lasting", &[1]);
}

/// And the caller who waits for the fetch gets its token.
#[test]
fn floods_while_a_fetch_is_under_way_drown_nobody() {
    for bus in Bus::start_each().unwrap() {
        let gate = Gate::new();
        let rig = Rig::with_cinema_behind(bus, Some(&gate));
        let waiting = Player::connect(rig.bus.address()).unwrap();
        // A call waits for 20 s at most, and its caller asks again.
        let waiting = thread::spawn(move || {
            loop {
                match waiting.get_token(CINEMA, 0) {
                    Err(error) if error.name == "tv.tokend.Error.Unavailable" => {}
                    answer => return answer,
                }
            }
        });
        rig.authority.wait_until("the registration", |log| log.requests.len() == 3);
        survives(&rig, "asks", 3);
        survives(&rig, "churn-large", 1);
        gate.open();
        assert!(waiting.join().unwrap().is_ok());
        assert_eq!(rig.authority.count(Endpoint::Register), 2);
    }
}

#[test]
fn calls_of_every_member_by_one_who_may_nothing_drown_nobody() {
    on_each_bus("asks", &[3]);
}

#[test]
fn a_thousand_connections_leave_no_more_than_a_fixed_table() {
    let rig = Rig::start();
    let before = rig.memory();
    let mut callers: Vec<Raw> = (0..1000).map(|_| rig.hostile()).collect();
    for _ in 0..2 {
        let calls: Vec<u32> = callers
            .iter_mut()
            .map(|caller| caller.send(&Message::get_token(CINEMA, 0)).unwrap())
            .collect();
        for (caller, call) in callers.iter_mut().zip(calls) {
            assert!(caller.answer(call).unwrap().error.is_none());
        }
    }
    let (after, since) = settled(&rig, before);
    println!("RssAnon: {before} KiB before, {after} KiB {since:?} after 1000 callers");
    assert!(after <= before + AFTERWARDS, "{before} KiB became {after} KiB");
}
