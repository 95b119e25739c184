// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls that wait: nothing else waits for them, they are limited, and they end.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;

use futures_core::Stream as _;
use tokend::bus::{Answer, BusCommand, BusEvent};
use tokend::lifecycle::view::{CallError, ErrorName};
use zbus::{MessageStream, OwnedVariant, Variant};

use crate::bus_rig::*;

fn refuse(rig: &Rig, call: u64) {
    let result = Err(CallError::new(ErrorName::Unavailable, "no"));
    rig.tokend.send(BusCommand::Answer { call, result });
}

#[test]
fn while_a_call_waits_everything_else_is_answered_at_once() {
    let rig = Rig::start();
    let waiting = rig.client().in_background(|client| client.get_token(0));
    let call = rig.call();
    let other = rig.client();

    let set = |property: &str, value: Variant<'_>| {
        let body = (APPLICATION1, property, value);
        other.call::<()>(CINEMA, PROPERTIES, "Set", &body).unwrap_err().0
    };
    let read_only = "org.freedesktop.DBus.Error.PropertyReadOnly";
    assert_eq!(set("State", "ready".into()), read_only);
    assert_eq!(set("State", 7u32.into()), read_only);
    assert_eq!(set("Id", "x".into()), read_only);
    assert_eq!(set("Nonsense", 7u32.into()), "org.freedesktop.DBus.Error.UnknownProperty");
    other.call::<()>(CINEMA, PROPERTIES, "Set", &7u32).unwrap_err();
    other.call::<()>(CINEMA, APPLICATION1, "GetToken", &"seven").unwrap_err();
    other.call::<()>(CINEMA, APPLICATION1, "Nonsense", &()).unwrap_err();

    assert_eq!(other.get_all(CINEMA, APPLICATION1).len(), 11);
    let state: OwnedVariant =
        other.call(CINEMA, PROPERTIES, "Get", &(APPLICATION1, "State")).unwrap();
    assert_eq!(Variant::from(state), Variant::from("fetching"));
    let manager = "org.freedesktop.DBus.ObjectManager";
    let objects: zbus::fdo::ManagedObjects =
        other.call(MANAGER, manager, "GetManagedObjects", &()).unwrap();
    assert_eq!(objects.len(), 1);

    let second = other.in_background(|client| client.get_token(0));
    let second_call = rig.call();
    rig.change(ready());
    rig.silence();
    assert_eq!(rig.client().get_token(0).unwrap().0, "the-token");
    refuse(&rig, call);
    refuse(&rig, second_call);
    assert!(waiting.join().unwrap().is_err());
    assert!(second.join().unwrap().is_err());
}

#[test]
fn a_connection_may_have_64_calls_waiting_and_no_more() {
    let rig = Rig::start();
    let client = rig.client();
    let waiting: Vec<_> =
        (0..64).map(|_| client.in_background(|client| client.get_token(0))).collect();
    let calls: Vec<_> = (0..64).map(|_| rig.call()).collect();
    let (name, message) = client.get_token(0).unwrap_err();
    assert_eq!(name, "org.freedesktop.DBus.Error.LimitsExceeded");
    assert!(message.contains("64"), "{message}");
    let other = rig.client().in_background(|client| client.get_token(0));
    let other_call = rig.call();
    for call in calls.into_iter().chain([other_call]) {
        refuse(&rig, call);
    }
    for call in waiting.into_iter().chain([other]) {
        assert_eq!(call.join().unwrap().unwrap_err().0, "tv.tokend.Error.Unavailable");
    }
}

#[test]
fn a_caller_that_leaves_takes_its_calls_along() {
    let rig = Rig::start();
    let (leaving, staying) = (rig.client(), rig.client());
    let stays = staying.in_background(|client| client.get_token(0));
    let staying_call = rig.call();
    for _ in 0..2 {
        send_without_waiting(&leaving);
    }
    let mut calls = [rig.call(), rig.call()];
    zbus::block_on(leaving.0.close()).unwrap();
    let gone = |rig: &Rig| {
        let BusEvent::Gone { call } = rig.event() else { panic!("nobody is gone") };
        call
    };
    let mut left = [gone(&rig), gone(&rig)];
    calls.sort_unstable();
    left.sort_unstable();
    assert_eq!(left, calls);
    refuse(&rig, calls[0]);
    refuse(&rig, staying_call);
    assert!(stays.join().unwrap().is_err());
    rig.silence();
}

#[test]
fn a_caller_that_has_left_before_it_was_looked_up_leaves_nothing_behind() {
    let rig = Rig::start();
    for _ in 0..50 {
        let client = rig.client();
        send_without_waiting(&client);
        zbus::block_on(client.0.close()).unwrap();
    }
    // Whichever of them got as far as the daemon is said to be gone.
    let client = rig.client();
    let waiting = client.in_background(|client| client.get_token(77));
    let mut open = HashMap::new();
    loop {
        match rig.event() {
            BusEvent::Wanted { call, min_validity, .. } => open.insert(call, min_validity),
            BusEvent::Gone { call } => open.remove(&call),
            other => panic!("{other:?}"),
        };
        let mine = open.iter().find(|(_, min_validity)| **min_validity == 77);
        if let Some((call, _)) = mine
            && open.len() == 1
        {
            refuse(&rig, *call);
            break;
        }
    }
    assert!(waiting.join().unwrap().is_err());
}

#[test]
fn calls_that_want_no_reply_are_read_past_unless_they_act() {
    let rig = Rig::start();
    let client = rig.client();
    let send = |path: &str, interface: &str, member: &str| {
        let call = zbus::Message::method_call(path, member)
            .destination("tv.tokend")
            .interface(interface)
            .with_flags(zbus::message::Flags::NO_REPLY_EXPECTED)
            .build(&());
        zbus::block_on(client.0.send(&call.unwrap())).unwrap();
    };
    send(CINEMA, APPLICATION1, "GetToken");
    send(MANAGER, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects");
    client.get_all(CINEMA, APPLICATION1);
    rig.silence();
    if rustix::process::geteuid().is_root() {
        send(MANAGER, MANAGER1, "Reload");
        let BusEvent::Reload { call, .. } = rig.event() else { panic!("nothing is reloaded") };
        rig.tokend.send(BusCommand::Answer { call, result: Ok(Answer::Done) });
    }
}

#[test]
fn reloads_that_come_while_one_is_under_way_are_answered_by_one_more() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not root: root cannot be played");
        return;
    }
    let rig = Rig::start();
    let done = |call| BusCommand::Answer { call, result: Ok(Answer::Done) };
    let first =
        rig.client().in_background(|client| client.call::<()>(MANAGER, MANAGER1, "Reload", &()));
    let BusEvent::Reload { call, .. } = rig.event() else { panic!() };
    let later: Vec<_> = (0..5).map(|_| rig.client()).collect();
    let later: Vec<_> = later
        .iter()
        .map(|client| {
            let reload = zbus::Message::method_call(MANAGER, "Reload")
                .destination("tv.tokend")
                .interface(MANAGER1)
                .build(&())
                .unwrap();
            let messages = MessageStream::from(&client.0);
            zbus::block_on(client.0.send(&reload)).unwrap();
            // It has come: what the same connection asks after it is answered.
            client.get_all(MANAGER, MANAGER1);
            (messages, reload.primary_header().serial_num())
        })
        .collect();
    rig.silence();
    rig.tokend.send(done(call));
    assert_eq!(first.join().unwrap(), Ok(()));
    let BusEvent::Reload { call, .. } = rig.event() else { panic!() };
    rig.tokend.send(done(call));
    for (mut messages, serial) in later {
        loop {
            let next = poll_fn(|context| Pin::new(&mut messages).poll_next(context));
            let message = zbus::block_on(next).expect("an answer comes").unwrap();
            if message.header().reply_serial() == Some(serial) {
                assert_eq!(message.message_type(), zbus::message::Type::MethodReturn);
                break;
            }
        }
    }
    rig.silence();
}

#[test]
fn a_call_may_leave_the_interface_out() {
    let rig = Rig::with(ready());
    let client = rig.client();
    let call = client.0.call_method(Some("tv.tokend"), CINEMA, None::<&str>, "GetToken", &0u32);
    let (token, _): (String, u32) = zbus::block_on(call).unwrap().body().deserialize().unwrap();
    assert_eq!(token, "the-token");
}

#[test]
fn a_token_or_a_code_that_is_too_long_is_invalid_for_one_who_may() {
    let rig = Rig::with(ready());
    for (token, code) in [("x".repeat(8193), String::new()), ("x".into(), "y".repeat(257))] {
        let (name, message) = rig.client().replace_token(&token, &code).unwrap_err();
        assert_eq!(name, "org.freedesktop.DBus.Error.InvalidArgs");
        assert!(message.contains("longer than"), "{message}");
    }
    rig.silence();
}

/// GetToken, whose reply nobody will read.
fn send_without_waiting(client: &Client) {
    let call = zbus::Message::method_call(CINEMA, "GetToken")
        .destination("tv.tokend")
        .interface(APPLICATION1)
        .build(&0u32)
        .unwrap();
    zbus::block_on(client.0.send(&call)).unwrap();
}
