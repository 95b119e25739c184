// SPDX-License-Identifier: MIT OR Apache-2.0
//! The name and the bus: owned, taken, lost.

use std::sync::Arc;

use tokend::bus::{BusAddress, BusError, BusEvent, Snapshot, start as start_at};

use crate::bus_interface::signals::Signals;
use crate::bus_rig::*;

fn snapshot() -> Arc<Snapshot> {
    Arc::new(Snapshot::new("0.1.0", "key-file"))
}

#[test]
fn whoever_sees_the_name_sees_every_object() {
    let rig = Rig::with(ready());
    assert_eq!(rig.client().get_token(0).unwrap().0, "the-token");
    assert_eq!(rig.client().get_all(MANAGER, MANAGER1).len(), 5);
}

#[test]
fn a_name_that_is_taken_is_an_error() {
    let rig = Rig::start();
    let error = start(&rig.bus, &snapshot()).unwrap_err();
    assert!(matches!(error, BusError::NameTaken), "{error}");
    rig.silence();
}

#[test]
fn nobody_can_take_the_name_away() {
    let rig = Rig::start();
    let client = rig.client();
    // Replace, and do not queue.
    let request = client.0.call_method(
        Some("org.freedesktop.DBus"),
        "/org/freedesktop/DBus",
        Some("org.freedesktop.DBus"),
        "RequestName",
        &("tv.tokend", 6u32),
    );
    let exists = 3;
    assert_eq!(zbus::block_on(request).unwrap().body().deserialize::<u32>().unwrap(), exists);
    rig.silence();
}

#[test]
fn a_bus_that_is_not_there_is_an_error_that_names_it() {
    let nowhere = BusAddress::Explicit("unix:path=/nonexistent/bus".into());
    let error = start_at(&nowhere, snapshot(), |_| ()).unwrap_err();
    assert!(matches!(error, BusError::Connect { .. }));
    assert!(error.to_string().contains("/nonexistent/bus"), "{error}");
}

#[test]
fn a_lost_bus_is_told_at_once() {
    let mut rig = Rig::start();
    rig.bus.kill();
    assert!(matches!(rig.event(), BusEvent::Lost(_)));
}

#[test]
fn a_bus_lost_while_calls_wait_is_told_too() {
    let mut rig = Rig::start();
    let client = rig.client();
    let call = zbus::Message::method_call(CINEMA, "GetToken")
        .destination("tv.tokend")
        .interface(APPLICATION1)
        .build(&0u32)
        .unwrap();
    zbus::block_on(client.0.send(&call)).unwrap();
    rig.call();
    rig.bus.kill();
    assert!(matches!(rig.event(), BusEvent::Lost(_)));
}

#[test]
fn a_dropped_bus_gives_the_name_back() {
    let rig = Rig::start();
    let Rig { tokend, bus, .. } = rig;
    let client = bus.client();
    let rule = "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',\
                arg0='tv.tokend'";
    let mut changes = Signals::listen(&client, rule);
    drop(tokend);
    let (_, _, new): (String, String, String) = changes.next().body().deserialize().unwrap();
    assert_eq!(new, "");
    start(&bus, &snapshot()).unwrap();
}

#[test]
fn nothing_is_announced_before_the_name_is_owned() {
    let rig = Rig::start();
    let Rig { tokend, bus, snapshot, .. } = rig;
    let client = bus.client();
    let mut signals = Signals::listen(&client, "type='signal'");
    // The owners that the name gets, one after the other; no one but the bus speaks meanwhile.
    let mut next_owner = || loop {
        let signal = signals.next();
        let header = signal.header();
        let sender = header.sender().unwrap().to_string();
        assert_eq!(sender, "org.freedesktop.DBus", "{signal}");
        if header.member().unwrap() == "NameOwnerChanged" {
            let (name, _, owner): (String, String, String) = signal.body().deserialize().unwrap();
            if name == "tv.tokend" {
                return owner;
            }
        }
    };
    drop(tokend);
    assert_eq!(next_owner(), "");
    let _tokend = start(&bus, &snapshot).unwrap();
    assert_ne!(next_owner(), "");
}

#[test]
fn more_callers_than_the_bus_allows_match_rules_are_served() {
    let rig = Rig::with(ready());
    // All at the same time: the longest idle ones are forgotten, and asked for again.
    let clients: Vec<_> = (0..400).map(|_| rig.client()).collect();
    for client in clients.iter().chain(&clients) {
        assert_eq!(client.get_token(0).unwrap().0, "the-token");
    }
    rig.silence();
}
