// SPDX-License-Identifier: MIT OR Apache-2.0
//! The end of a daemon, by SIGTERM or by SIGKILL, at rest and in the middle of a request: nothing
//! is lost, and no viewer is signed out by a registration that need not be.

#![allow(unreachable_pub, reason = "a test has no outside")]

use std::time::Duration;

use crate::support::authority::{Authority, Endpoint, Fault, Gate};
use crate::support::household::Household;

/// Less than the 15 s that a request may take: who ends within this has not waited for one.
const AT_ONCE: Duration = Duration::from_secs(10);

#[test]
fn a_restart_serves_the_same_token_without_a_request() {
    let home = Household::new(Authority::https(), &["cinema"]);
    let tokend = home.device.start();
    let player = home.player();
    let (token, first) = player.get_token("cinema", 0).unwrap();
    let properties = player.properties("cinema");
    let stored = home.stored();
    assert_eq!(tokend.terminate().code(), 0);
    assert_eq!(home.stored(), stored, "the end writes nothing");

    let _tokend = home.device.start();
    let (again, second) = player.get_token("cinema", 0).unwrap();
    assert_eq!(again, token);
    assert!(second <= first);
    let now = player.properties("cinema");
    assert_eq!((now.token_number, now.scopes), (1, properties.scopes));
    assert_eq!(now.client_id_issued_at, properties.client_id_issued_at);
    assert!(now.expires_at.abs_diff(properties.expires_at) <= 1);
    assert_eq!(home.authority.log().connections, 2);
    assert_eq!(home.stored(), stored, "a start that changes nothing writes nothing");
}

#[test]
fn kill_9_at_rest_loses_nothing() {
    let home = Household::new(Authority::https(), &["cinema", "news"]);
    let mut tokend = home.device.start();
    let player = home.player();
    let tokens = ["cinema", "news"].map(|id| player.get_token(id, 0).unwrap().0);
    for _ in 0..5 {
        tokend.kill();
        tokend = home.device.start();
        assert_eq!(["cinema", "news"].map(|id| player.get_token(id, 0).unwrap().0), tokens);
    }
    assert_eq!(home.authority.log().connections, 4);
}

#[test]
fn kill_9_while_the_server_holds_a_registration_leads_to_one_more_after_the_floor() {
    let home = Household::new(Authority::http(), &["cinema"]);
    home.authority.next(Endpoint::Register, [Fault::hold(&Gate::new())]);
    let tokend = home.device.start();
    let begun = home.authority.now();
    let player = home.player();
    let call = player.start_get_token(1, "cinema", 0);
    home.authority.wait_until("the registration", |log| log.count(Endpoint::Register) == 1);
    tokend.kill();
    assert!(call.recv().unwrap().is_err(), "no daemon, no answer");

    let _tokend = home.device.start();
    player.get_token("cinema", 0).unwrap();
    let log = home.authority.log();
    assert_eq!((log.count(Endpoint::Register), log.answered(Endpoint::Register, 201)), (2, 1));
    let again = log.of(Endpoint::Register).nth(1).unwrap().at;
    // The attempt was recorded after `begun`, and a second must have passed since.
    assert!(again - begun >= Duration::from_secs(1), "{:?}", again - begun);
    assert_eq!(log.most_at_once(), 1);
}

#[test]
fn registrations_whose_answer_is_lost_wait_longer_each_time_across_kills() {
    let home = Household::new(Authority::http(), &["cinema"]);
    home.authority.always(Endpoint::Register, Fault::CloseAfter(0));
    let begun = home.authority.now();
    let player = home.player();
    for lost in 1..=2 {
        let tokend = home.device.start();
        let _call = player.start_get_token(1, "cinema", 0);
        let what = "a registration whose answer is lost";
        home.authority.wait_until(what, |log| log.count(Endpoint::Register) >= lost);
        tokend.kill();
    }
    home.authority.end_faults();
    let _tokend = home.device.start();
    player.get_token("cinema", 0).unwrap();
    let log = home.authority.log();
    let third = log.of(Endpoint::Register).nth(2).unwrap().at;
    assert!(third - begun >= Duration::from_secs(1 + 2), "{:?}", third - begun);
}

#[test]
fn kill_9_between_the_registration_and_the_first_token_registers_nothing_again() {
    let home = Household::new(Authority::https(), &["cinema"]);
    home.authority.next(Endpoint::Token, [Fault::hold(&Gate::new())]);
    let tokend = home.device.start();
    let player = home.player();
    let call = player.start_get_token(1, "cinema", 0);
    home.authority.wait_until("the token request", |log| log.count(Endpoint::Token) == 1);
    tokend.kill();
    assert!(call.recv().unwrap().is_err());
    assert_eq!(home.stored_credentials(), 2, "stored before they are used");

    let _tokend = home.device.start();
    let issued = player.properties("cinema").client_id_issued_at;
    assert!(issued > 0, "the pending credentials are there");
    player.get_token("cinema", 0).unwrap();
    let log = home.authority.log();
    assert_eq!((log.count(Endpoint::Register), log.count(Endpoint::Token)), (1, 2));
    let mut ids = log.of(Endpoint::Token).map(|request| &request.fields["client_id"]);
    assert_eq!(ids.next(), ids.next());
}

#[test]
fn kill_9_again_and_again_while_tokens_are_fetched_registers_nothing_again() {
    let home = Household::new(Authority::http(), &["cinema"]);
    let player = home.player();
    home.authority.always(Endpoint::Token, Fault::CloseAfter(0));
    for fetched in 1..=4 {
        let tokend = home.device.start();
        let _call = player.start_get_token(1, "cinema", 0);
        home.authority.wait_until("a fetch", |log| log.count(Endpoint::Token) >= fetched);
        tokend.kill();
    }
    home.authority.end_faults();
    let _tokend = home.device.start();
    player.get_token("cinema", 0).unwrap();
    let log = home.authority.log();
    assert_eq!((log.count(Endpoint::Register), log.most_at_once()), (1, 1));
}

#[test]
fn kill_9_during_a_replacement_keeps_the_credentials_and_serves_no_rejected_token() {
    let home = Household::new(Authority::http(), &["cinema"]);
    let tokend = home.device.start();
    let player = home.player();
    let (rejected, _) = player.get_token("cinema", 0).unwrap();
    home.authority.next(Endpoint::Token, [Fault::hold(&Gate::new())]);
    let caller = (player.clone(), rejected.clone());
    let call = std::thread::spawn(move || caller.0.replace_token("cinema", &caller.1, ""));
    home.authority.wait_until("the replacement", |log| log.count(Endpoint::Token) == 2);
    tokend.kill();
    assert!(call.join().unwrap().is_err());

    let _tokend = home.device.start();
    assert_ne!(player.get_token("cinema", 0).unwrap().0, rejected);
    assert_eq!(home.authority.count(Endpoint::Register), 1);
}

#[test]
fn sigterm_during_a_token_request_ends_at_once_with_exit_0_and_loses_nothing() {
    let home = Household::new(Authority::https(), &["cinema"]);
    home.authority.next(Endpoint::Token, [Fault::hold(&Gate::new())]);
    let mut tokend = home.device.start();
    let player = home.player();
    let call = player.start_get_token(1, "cinema", 0);
    home.authority.wait_until("the token request", |log| log.count(Endpoint::Token) == 1);
    tokend.signal(rustix::process::Signal::TERM);
    assert_eq!(tokend.wait(AT_ONCE).and_then(|status| status.code()), Some(0));
    assert!(call.recv().unwrap().is_err());

    let _tokend = home.device.start();
    player.get_token("cinema", 0).unwrap();
    assert_eq!(home.authority.count(Endpoint::Register), 1);
}

#[test]
fn sigterm_during_a_registration_ends_at_once_with_exit_0_and_one_more_follows() {
    let home = Household::new(Authority::https(), &["cinema"]);
    home.authority.next(Endpoint::Register, [Fault::hold(&Gate::new())]);
    let mut tokend = home.device.start();
    let player = home.player();
    let _call = player.start_get_token(1, "cinema", 0);
    home.authority.wait_until("the registration", |log| log.count(Endpoint::Register) == 1);
    tokend.signal(rustix::process::Signal::TERM);
    assert_eq!(tokend.wait(AT_ONCE).and_then(|status| status.code()), Some(0));
    assert!(tokend.notified().text(0).contains("STOPPING=1"));

    let _tokend = home.device.start();
    player.get_token("cinema", 0).unwrap();
    assert_eq!(home.authority.count(Endpoint::Register), 2);
}
