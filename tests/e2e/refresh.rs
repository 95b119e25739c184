// SPDX-License-Identifier: MIT OR Apache-2.0
//! A token is replaced before it expires, by itself and unnoticed; and when an API has refused
//! one, callers may have it replaced, but not without end.

#![allow(unreachable_pub, reason = "a test has no outside")]

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use crate::support::authority::{Authority, Endpoint, Fault, Request};
use crate::support::household::Household;
use crate::support::player::Player;

/// A token is not handed out in its last seconds.
const MARGIN: u32 = 5;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_token_is_replaced_by_itself_between_75_and_85_percent_of_its_life_and_one_file_is_written() {
    let home = Household::new(Authority::https(), &["cinema"]);
    let lifetime = 20;
    home.authority.set_expires_in(lifetime);
    let _tokend = home.device.start();
    let player = home.player();
    let called = home.authority.now();
    let (first, _) = player.get_token("cinema", 0).unwrap();
    let end = home.authority.end_of(&first).unwrap();
    let stored = home.stored();
    let issued = player.properties("cinema").client_id_issued_at;
    let changes = player.watch("cinema");

    let refreshed = changes.wait_for(|change| change.get::<u64>("TokenNumber") == Some(2));
    assert!(refreshed.get::<u64>("ExpiresAt").is_some());
    let log = home.authority.log();
    let at = log.of(Endpoint::Token).nth(1).unwrap().at;
    assert!(at >= called + seconds(lifetime) * 3 / 4, "{called:?} {at:?}");
    assert!(at < end, "before it expires");
    assert_ne!(player.get_token("cinema", 0).unwrap().0, first);
    assert_eq!((log.count(Endpoint::Register), log.count(Endpoint::Token)), (1, 2));

    let mut now = home.stored();
    assert!(now.keys().eq(stored.keys()), "no file more, no file less");
    now.retain(|name, content| stored[name] != *content);
    let changed: Vec<_> = now.keys().map(String::as_str).collect();
    assert_eq!(changed, ["cinema.token"]);
    assert_eq!(player.properties("cinema").client_id_issued_at, issued);
}

#[test]
fn eight_clients_across_a_refresh_get_nothing_but_valid_tokens() {
    let home = Household::new(Authority::https(), &["cinema"]);
    home.authority.set_expires_in(12);
    let _tokend = home.device.start();
    let changes = home.player().watch("cinema");
    thread::scope(|scope| {
        for _ in 0..8 {
            let player = home.player();
            scope.spawn(|| call_until_refreshed(&home, player));
        }
    });
    changes.wait_for(|change| change.get::<u64>("TokenNumber") == Some(2));
    let log = home.authority.log();
    assert_eq!((log.count(Endpoint::Register), log.most_at_once()), (1, 1));
    let fetches = log.count(Endpoint::Token);
    assert!((2..=4).contains(&fetches), "{fetches} fetches for two tokens");
}

/// Calls until a second token has come, and checks each answer.
fn call_until_refreshed(home: &Household, player: Player) {
    let changes = player.watch("cinema");
    let mut tokens = BTreeSet::new();
    // Each round waits for something: the answer, or after 50 of them the next change.
    for round in 0..2_000 {
        let called = home.authority.now();
        let (token, expires_in) = player.get_token("cinema", 0).unwrap();
        let end = home.authority.end_of(&token).expect("a token that the server issued");
        assert!(called + seconds(expires_in.into()) <= end, "{expires_in} s are too many");
        assert!(expires_in >= MARGIN);
        tokens.insert(token);
        if tokens.len() == 2 {
            return;
        }
        if round % 50 == 49 {
            changes.next();
        }
    }
    panic!("no second token came");
}

#[test]
fn while_a_refresh_is_refused_the_old_token_is_served_and_nothing_is_registered() {
    let home = Household::new(Authority::http(), &["cinema", "clock"]);
    // The application `clock` refreshes when `cinema` is past the half of its token's life.
    home.authority.set_expires_in(24);
    let _tokend = home.device.start();
    let player = home.player();
    let (token, _) = player.get_token("cinema", 0).unwrap();
    home.authority.set_expires_in(16);
    player.get_token("clock", 0).unwrap();
    let of_clock = |log: &crate::support::authority::Log| {
        log.of(Endpoint::Token).filter(|r| r.application.as_deref() == Some("clock")).count()
    };
    home.authority.wait_until("the refresh of clock", |log| of_clock(log) == 2);

    home.authority.always(Endpoint::Token, Fault::invalid_client());
    let waiting = player.start_get_token(1, "cinema", 12);
    home.authority.wait_until("a refusal", |log| log.answered(Endpoint::Token, 400) >= 1);
    let (served, expires_in) = player.get_token("cinema", 0).unwrap();
    assert_eq!(served, token);
    assert!(expires_in >= MARGIN);
    let properties = player.properties("cinema");
    assert_eq!((properties.state.as_str(), properties.token_number), ("ready", 1));

    home.authority.set_expires_in(24);
    home.authority.end_faults();
    assert_ne!(waiting.recv().unwrap().unwrap().0, token);
    assert_eq!(home.authority.count(Endpoint::Register), 2);
    assert_eq!(player.properties("cinema").last_error, Default::default());
}

#[test]
fn a_validity_that_no_token_can_have_is_an_invalid_argument() {
    let home = Household::new(Authority::http(), &["cinema"]);
    home.authority.set_expires_in(600);
    let _tokend = home.device.start();
    let player = home.player();
    assert!(player.get_token("cinema", 300).unwrap().1 >= 300);
    let error = player.get_token("cinema", 301).unwrap_err();
    assert_eq!(error.name, "org.freedesktop.DBus.Error.InvalidArgs");
    assert_eq!(home.authority.count(Endpoint::Token), 1);
}

#[test]
fn eight_callers_that_report_the_same_token_cause_one_fetch() {
    let home = Household::new(Authority::http(), &["cinema"]);
    let _tokend = home.device.start();
    let player = home.player();
    let (rejected, _) = player.get_token("cinema", 0).unwrap();
    let replacements: BTreeSet<_> = thread::scope(|scope| {
        let calls: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| home.player().replace_token("cinema", &rejected, "expired")))
            .collect();
        calls.into_iter().map(|call| call.join().unwrap().unwrap().0).collect()
    });
    assert_eq!(replacements.len(), 1);
    assert!(!replacements.contains(&rejected));
    let log = home.authority.log();
    assert_eq!((log.count(Endpoint::Register), log.count(Endpoint::Token)), (1, 2));
    assert_eq!(player.properties("cinema").token_number, 2);
    let mut ids = log.of(Endpoint::Token).map(|request| &request.fields["client_id"]);
    assert_eq!(ids.next(), ids.next(), "with the same credentials");

    // A latecomer with the old token, and a stranger, get the current one.
    for stale in [rejected.as_str(), "never-issued", ""] {
        let (current, _) = player.replace_token("cinema", stale, "").unwrap();
        assert!(replacements.contains(&current));
    }
    assert_eq!(home.authority.count(Endpoint::Token), 2);
}

#[test]
fn the_fourth_replacement_within_a_minute_is_throttled_and_the_token_stays() {
    let home = Household::new(Authority::http(), &["cinema", "news"]);
    let _tokend = home.device.start();
    let player = home.player();
    let (mut token, _) = player.get_token("cinema", 0).unwrap();
    for _ in 0..3 {
        token = player.replace_token("cinema", &token, "").unwrap().0;
    }
    for _ in 0..2 {
        let error = player.replace_token("cinema", &token, "").unwrap_err();
        assert_eq!(error.name, "tv.tokend.Error.Throttled");
        assert_eq!(player.get_token("cinema", 0).unwrap().0, token);
    }
    assert_eq!(player.replace_token("cinema", "another", "").unwrap().0, token);
    let log = home.authority.log();
    let of_cinema = |request: &&Request| request.application.as_deref() == Some("cinema");
    assert_eq!(log.of(Endpoint::Token).filter(of_cinema).count(), 4);
    assert_eq!(player.properties("cinema").state, "ready");

    // Another application is not concerned.
    let (token, _) = player.get_token("news", 0).unwrap();
    assert_ne!(player.replace_token("news", &token, "").unwrap().0, token);
}

#[test]
fn a_reported_token_is_served_again_after_a_failed_try_and_replaces_nothing() {
    let home = Household::new(Authority::http(), &["cinema"]);
    let _tokend = home.device.start();
    let player = home.player();
    let (token, _) = player.get_token("cinema", 0).unwrap();
    let expires_at = player.properties("cinema").expires_at;
    let changes = player.watch("cinema");
    home.authority.next(Endpoint::Token, [Fault::html(500)]);
    // The next try brings the same token.
    home.authority.repeat_tokens(true);
    let error = player.replace_token("cinema", &token, "").unwrap_err();
    assert_eq!(error.name, "tv.tokend.Error.Unavailable");
    assert!(changes.next().is_state("fetching"));
    assert_eq!(player.get_token("cinema", 0).unwrap().0, token);
    let properties = player.properties("cinema");
    assert_eq!((properties.state.as_str(), properties.token_number), ("ready", 1));
    assert!(properties.expires_at.abs_diff(expires_at) <= 5, "as long as the server says");
    assert_eq!(home.authority.count(Endpoint::Token), 3);
}
