// SPDX-License-Identifier: MIT OR Apache-2.0
//! "All else": no connection, no answer, an answer of no use. Each is a failed try; the next one
//! comes by itself, and the caller who waits gets the token.

use std::net::TcpListener;
use std::thread;

use serde_json::json;

use super::{UNAVAILABLE, error, next_error};
use crate::support::authority::{Authority, Endpoint, Fault, Response};
use crate::support::household::Household;
use crate::support::player::Change;

#[test]
fn an_answer_of_no_use_is_a_failed_try_and_the_next_one_serves_the_waiting_caller() {
    let half = json!({ "error": "half" }).to_string();
    let json = |status, body: &str| Fault::Answer(Response::new(status, "application/json", body));
    let rows = [
        ("500", Fault::html(500)),
        ("502", Fault::html(502)),
        ("503", Fault::html(503)),
        ("404", Fault::html(404)),
        ("418", Fault::html(418)),
        // A captive portal, with each status that could be taken for an answer.
        ("400", Fault::html(400)),
        ("403", Fault::html(403)),
        ("400", json(400, "{}")),
        ("400", json(400, r#"{"status":400,"error":"Bad Request"}"#)),
        ("", Fault::Close),
        ("", Fault::CloseAfter(0)),
        ("", Fault::CloseAfter(5)),
        ("", Fault::Hang),
    ];
    let may_have_made_a_client = [
        Fault::html(200),
        Fault::html(201),
        json(201, &half[..half.len() - 3]),
        json(201, "[]"),
        json(201, ""),
        Fault::oversized(70_000),
        Fault::CloseAfter(30),
        Fault::CloseAfter(300),
        Fault::HangAfter(100),
    ];
    thread::scope(|scope| {
        for fault in &may_have_made_a_client {
            scope.spawn(move || waits_for_root(fault));
        }
    });
    // Each row waits most of its time: side by side, a few at once.
    let rows: Vec<_> = rows.into_iter().collect();
    for some in rows.chunks(10) {
        thread::scope(|scope| {
            for (told, fault) in some {
                scope.spawn(move || recovers(fault, told));
            }
        });
    }
}

/// A registration that is answered so is tried again after a minute, or when root asks for it; a
/// token request soon.
fn waits_for_root(fault: &Fault) {
    let mut home = Household::new(Authority::http(), &["cinema"]);
    if matches!(fault, Fault::HangAfter(_)) {
        home.device.set("server", "timeout_seconds", "1");
    }
    home.authority.next(Endpoint::Register, [fault.clone()]);
    home.authority.next(Endpoint::Token, [fault.clone()]);
    let _tokend = home.device.start();
    let player = home.player();
    let date = home.authority.date();
    let error = player.get_token("cinema", 0).unwrap_err();
    assert_eq!(error.name, UNAVAILABLE, "{fault:?}: {error}");
    let retry_at = player.properties("cinema").retry_at;
    assert!((date + 59..=home.authority.date() + 61).contains(&retry_at), "{fault:?}");
    assert_eq!(home.authority.count(Endpoint::Register), 1, "{fault:?}");
    player.reload().unwrap();
    player.get_token("cinema", 0).unwrap_or_else(|error| panic!("{fault:?}: {error}"));
    let log = home.authority.log();
    let counts = (log.count(Endpoint::Register), log.count(Endpoint::Token));
    assert_eq!(counts, (2, 2), "{fault:?}");
}

/// Both endpoints fail once with `fault`; `told` is in the error.
fn recovers(fault: &Fault, told: &str) {
    let mut home = Household::new(Authority::http(), &["cinema"]);
    if matches!(fault, Fault::Hang) {
        home.device.set("server", "timeout_seconds", "1");
    }
    home.authority.next(Endpoint::Register, [fault.clone()]);
    home.authority.next(Endpoint::Token, [fault.clone()]);
    let _tokend = home.device.start();
    let player = home.player();
    let changes = player.watch("cinema");
    let call = player.start_get_token(1, "cinema", 0);
    for what in ["registration failed: ", "no token could be fetched: "] {
        let failed = |change: &Change| error(change).is_some_and(|e| e.message.starts_with(what));
        let error = error(&changes.wait_for(failed)).unwrap();
        assert_eq!(error.name, UNAVAILABLE, "{fault:?}");
        for told in [told, "; since 2"] {
            assert!(error.message.contains(told), "{fault:?}: {error}");
        }
    }
    call.recv().unwrap().unwrap_or_else(|error| panic!("{fault:?}: {error}"));
    let log = home.authority.log();
    let counts = (log.count(Endpoint::Register), log.count(Endpoint::Token));
    assert_eq!((counts, log.most_at_once()), ((2, 2), 1), "{fault:?}");
    let mut registrations = log.of(Endpoint::Register).map(|request| request.at);
    let (first, second) = (registrations.next().unwrap(), registrations.next().unwrap());
    assert!(second > first);
    assert_eq!(player.properties("cinema").last_error, Default::default());
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = Authority::http();
    let home = Household::new(Authority::http(), &["cinema"]);
    for endpoint in [Endpoint::Register, Endpoint::Token] {
        let path = if endpoint == Endpoint::Register { "register" } else { "token" };
        let location = format!("{}/o/client/{path}", elsewhere.origin());
        let temporary = Response::html(307, "Moved").with("Location", &location);
        let faults = [Fault::redirect(&location), Fault::Answer(temporary)];
        home.authority.next(endpoint, faults);
    }
    let _tokend = home.device.start();
    home.player().get_token("cinema", 0).unwrap();
    let log = home.authority.log();
    assert_eq!((log.count(Endpoint::Register), log.count(Endpoint::Token)), (3, 3));
    assert_eq!(elsewhere.log().connections, 0);
}

#[test]
fn a_server_that_is_down_is_asked_again_until_it_is_up() {
    let home = Household::new(Authority::https(), &["cinema"]);
    home.authority.set_down(true);
    let _tokend = home.device.start();
    let player = home.player();
    let changes = player.watch("cinema");
    let call = player.start_get_token(1, "cinema", 0);
    assert_eq!(next_error(&changes).name, UNAVAILABLE);
    home.authority.set_down(false);
    call.recv().unwrap().unwrap();
    assert_eq!(home.authority.count(Endpoint::Register), 1);
}

#[test]
fn a_refused_connection_is_told_and_costs_no_longer_wait_than_a_backoff() {
    let mut home = Household::new(Authority::http(), &["cinema"]);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("\"http://{}\"", nobody.local_addr().unwrap());
    drop(nobody);
    home.device.set("server", "url", &url);
    let _tokend = home.device.start();
    let player = home.player();
    let changes = player.watch("cinema");
    let _call = player.start_get_token(1, "cinema", 0);
    let error = next_error(&changes);
    assert_eq!(error.name, UNAVAILABLE);
    assert!(error.message.contains("refused"), "{error}");
    assert_eq!(player.properties("cinema").state, "waiting");
}
