// SPDX-License-Identifier: MIT OR Apache-2.0
//! Many calls, many connections, and callers that never read or leave in the middle.

use std::time::Instant;

use crate::hostile_callers::rig::{CINEMA, Rig, SPORTS};
use crate::support::BOUND;
use crate::support::authority::{Endpoint, Gate};
use crate::support::bus::Bus;
use crate::support::player::Player;
use crate::support::raw::{ERROR, Message, RETURN, Raw};

/// What the daemon may hold more right after a storm, in KiB, before it gives back what it can.
const BOUND_KIB: u64 = 2048;
/// Calls in flight from one connection.
const CALLS: usize = 10_000;

#[test]
fn ten_thousand_calls_of_one_who_never_reads_keep_nobody_waiting() {
    let rig = Rig::start();
    let before = rig.memory();
    let mut hostile = rig.hostile();
    for i in 0..CALLS {
        hostile.send(&Message::get_token(CINEMA, 0)).unwrap();
        if i % 1000 == 0 {
            rig.others_are_served();
        }
    }
    rig.others_are_served();
    drop(hostile);
    rig.memory_has_returned(before, BOUND_KIB);
    assert_eq!(rig.authority.count(Endpoint::Token), 2);
}

#[test]
fn ten_thousand_calls_that_would_wait_keep_nobody_waiting() {
    let gate = Gate::new();
    let rig = Rig::with_cinema_behind(Bus::start().unwrap(), Some(&gate));
    let before = rig.memory();
    let mut hostile = rig.hostile();
    for i in 0..CALLS {
        hostile.send(&Message::get_token(CINEMA, 0)).unwrap();
        if i % 1000 == 0 {
            rig.others_are_served();
        }
    }
    rig.others_are_served();
    // All but those that may wait have been refused already, in order.
    for _ in 64..CALLS {
        let refused = hostile.next_answer().unwrap();
        let limits = "org.freedesktop.DBus.Error.LimitsExceeded";
        assert_eq!((refused.kind, refused.error.as_deref()), (ERROR, Some(limits)));
    }
    gate.open();
    for _ in 0..64 {
        assert_eq!(hostile.next_answer().unwrap().kind, RETURN);
    }
    rig.memory_has_returned(before, BOUND_KIB);
    let log = rig.authority.log();
    assert_eq!((log.count(Endpoint::Register), log.count(Endpoint::Token)), (2, 2));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the bound of a wait")]
fn callers_that_leave_while_they_wait_leave_their_places() {
    let gate = Gate::new();
    let rig = Rig::with_cinema_behind(Bus::start().unwrap(), Some(&gate));
    let before = rig.memory();
    // Many times what may wait for one application.
    for _ in 0..60 {
        let mut callers: Vec<Raw> = (0..4).map(|_| rig.hostile()).collect();
        for caller in &mut callers {
            for _ in 0..64 {
                caller.send(&Message::get_token(CINEMA, 0)).unwrap();
            }
        }
        rig.others_are_served();
    }
    rig.memory_has_returned(before, BOUND_KIB);
    // The bus may tell of the last ones' end a moment later.
    let mut honest = rig.hostile();
    // From here on the bus has told who this connection is: no call of it is held.
    assert_eq!(honest.ask(&Message::get_token(SPORTS, 0)).unwrap().kind, RETURN);
    let began = Instant::now();
    let places = std::iter::repeat(()).take_while(|()| began.elapsed() < BOUND).any(|()| {
        let call = honest.send(&Message::get_token(CINEMA, 0)).unwrap();
        let mut other = Message::get_token(CINEMA, 0);
        other.member = "NoSuchMethod".into();
        let other = honest.send(&other).unwrap();
        let first = honest.next_answer().unwrap().reply_serial;
        if first == Some(call) {
            assert_eq!(honest.next_answer().unwrap().reply_serial, Some(other));
        }
        // Where nothing refused the call, only the other one is answered.
        first == Some(other)
    });
    assert!(places, "callers that have left still wait");
    gate.open();
    let answer = honest.next_answer().unwrap();
    assert_eq!(answer.error, None, "{}", answer.text());
    let log = rig.authority.log();
    assert_eq!((log.count(Endpoint::Register), log.count(Endpoint::Token)), (2, 2));
}

#[test]
fn five_hundred_connections_are_answered_and_forgotten() {
    let rig = Rig::start();
    let before = rig.memory();
    let mut callers: Vec<Raw> = (0..500).map(|_| rig.hostile()).collect();
    let calls: Vec<u32> = callers
        .iter_mut()
        .map(|caller| caller.send(&Message::get_token(CINEMA, 0)).unwrap())
        .collect();
    rig.others_are_served();
    for (caller, call) in callers.iter_mut().zip(calls) {
        assert_eq!(caller.answer(call).unwrap().kind, RETURN);
    }
    // Once more: by now the first ones have been forgotten for lack of room, and are asked for anew.
    for caller in &mut callers {
        assert_eq!(caller.ask(&Message::get_token(CINEMA, 0)).unwrap().kind, RETURN);
    }
    drop(callers);
    rig.memory_has_returned(before, BOUND_KIB);
}

#[test]
fn players_that_come_and_go_leave_no_trace() {
    let rig = Rig::start();
    let before = rig.memory();
    for _ in 0..200 {
        let player = Player::connect(rig.bus.address()).unwrap();
        player.get_token(CINEMA, 0).unwrap();
        player.leave();
    }
    rig.memory_has_returned(before, 2048);
}
