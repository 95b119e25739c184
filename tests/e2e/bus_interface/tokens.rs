// SPDX-License-Identifier: MIT OR Apache-2.0
//! GetToken, GetHeaders and ReplaceToken.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokend::bus::{Answer, BusCommand, BusEvent};
use tokend::common::secret::Secret;
use tokend::lifecycle::view::{CallError, ErrorName, Face};
use tokend::system::clock;

use crate::bus_rig::*;

fn answer(rig: &Rig, call: u64, token: &str) {
    let expires = clock::boot().after(Duration::from_millis(100_900));
    let result = Ok(Answer::Token { value: Secret::new(token.into()), expires });
    rig.tokend.send(BusCommand::Answer { call, result });
}

#[test]
fn a_cached_token_is_served_without_the_daemon() {
    let rig = Rig::with(ready());
    let (token, expires_in) = rig.client().get_token(1800).unwrap();
    assert_eq!(token, "the-token");
    assert!((3500..=3600).contains(&expires_in), "{expires_in}");
    rig.silence();
}

#[test]
fn headers_are_ready_to_send() {
    let rig = Rig::with(ready());
    let (headers, expires_in): (HashMap<String, String>, u32) =
        rig.client().call(CINEMA, APPLICATION1, "GetHeaders", &0u32).unwrap();
    let expected = [("Authorization", "Bearer the-token"), ("X-Device-Info", "e30=")];
    assert_eq!(headers, expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
    assert!(expires_in > 3500);
    rig.silence();
}

#[test]
fn headers_are_those_of_the_moment_of_the_reply() {
    let rig = Rig::start();
    let waiting = rig.client().in_background(|client| {
        client.call::<(HashMap<String, String>, u32)>(CINEMA, APPLICATION1, "GetHeaders", &0u32)
    });
    let call = rig.call();
    let headers = vec![("X-Device-Info".into(), "later".into())];
    rig.snapshot.set_face(&app("cinema"), Arc::new(Face { headers, ..face() }));
    answer(&rig, call, "fetched");
    let (headers, _) = waiting.join().unwrap().unwrap();
    assert_eq!(headers["X-Device-Info"], "later");
    assert_eq!(headers["Authorization"], "Bearer fetched");
}

#[test]
fn a_call_waits_for_the_daemon_and_gets_whole_seconds_rounded_down() {
    let rig = Rig::start();
    let waiting = rig.client().in_background(|client| client.get_token(60));
    let BusEvent::Wanted { app, call, min_validity } = rig.event() else { panic!() };
    assert_eq!((app.as_str(), min_validity), ("cinema", 60));
    answer(&rig, call, "fetched");
    let (token, expires_in) = waiting.join().unwrap().unwrap();
    assert_eq!(token, "fetched");
    assert!(expires_in <= 100, "{expires_in}");
    rig.silence();
}

#[test]
fn the_daemons_error_reaches_the_caller_with_name_and_message() {
    let rig = Rig::start();
    let names = [
        (ErrorName::Unavailable, "tv.tokend.Error.Unavailable"),
        (ErrorName::Throttled, "tv.tokend.Error.Throttled"),
        (ErrorName::Rejected, "tv.tokend.Error.Rejected"),
        (ErrorName::Storage, "tv.tokend.Error.Storage"),
        (ErrorName::InvalidArgs, "org.freedesktop.DBus.Error.InvalidArgs"),
    ];
    let client = rig.client();
    for (name, on_the_bus) in names {
        let waiting = client.in_background(|client| client.get_token(0));
        let result = Err(CallError::new(name, "because"));
        rig.tokend.send(BusCommand::Answer { call: rig.call(), result });
        assert_eq!(waiting.join().unwrap(), Err((on_the_bus.into(), "because".into())));
    }
}

#[test]
fn more_than_half_the_lifetime_is_refused_with_both_numbers() {
    let rig = Rig::with(ready());
    let (name, message) = rig.client().get_token(1801).unwrap_err();
    assert_eq!(name, "org.freedesktop.DBus.Error.InvalidArgs");
    assert!(message.contains("1801") && message.contains("3600"), "{message}");
    rig.silence();
}

#[test]
fn a_rejected_token_that_is_not_the_current_one_fetches_nothing() {
    let rig = Rig::with(ready());
    let (token, _) = rig.client().replace_token("older", "expired").unwrap();
    assert_eq!(token, "the-token");
    rig.silence();
}

#[test]
fn the_current_token_is_replaced_by_the_daemon() {
    let rig = Rig::with(ready());
    let waiting = rig.client().in_background(|client| {
        client.replace_token("the-token", &format!("{}\n", "c".repeat(80)))
    });
    let BusEvent::Replace { app, call, rejected, code } = rig.event() else { panic!() };
    assert_eq!((app.as_str(), rejected.expose()), ("cinema", "the-token"));
    assert_eq!(code, "c".repeat(64));
    answer(&rig, call, "new");
    assert_eq!(waiting.join().unwrap().unwrap().0, "new");
}

#[test]
fn without_a_token_a_replacement_is_up_to_the_daemon() {
    let rig = Rig::start();
    let waiting = rig.client().in_background(|client| client.replace_token("older", ""));
    let BusEvent::Replace { call, .. } = rig.event() else { panic!() };
    answer(&rig, call, "new");
    assert_eq!(waiting.join().unwrap().unwrap().0, "new");
}
