// SPDX-License-Identifier: MIT OR Apache-2.0
//! Callers who wait, and callers who report a token.

use std::time::Duration;

use super::world::*;
use crate::lifecycle::{Desired, Event};
use crate::secret::Secret;
use crate::view::ErrorName;

#[test]
fn callers_share_the_one_request_under_way() {
    let mut world = World::cinema();
    let calls: Vec<_> = (0..50).map(|_| world.want(0)).collect();
    world.register_ok();
    let token = world.token_ok(3600);
    assert!(calls.iter().all(|call| world.got(*call).as_ref() == Some(&token)));
}

#[test]
fn a_caller_waits_twenty_seconds_at_most() {
    let mut world = World::cinema();
    let call = world.want(0);
    world.run(Duration::from_millis(19_999));
    assert!(!world.answers.contains_key(&call));
    world.run(Duration::from_millis(1));
    assert_eq!(world.error_of(call), Some(ErrorName::Unavailable));
}

#[test]
fn a_caller_who_needs_a_fresher_token_gets_one() {
    let mut world = World::ready(3600);
    world.pass(seconds(2000));
    let call = world.want(1700);
    assert_eq!(world.sent.len(), 1);
    let token = world.token_ok(3600);
    assert_eq!(world.got(call), Some(token));
    let too_much = world.want(1801);
    assert_eq!(world.error_of(too_much), Some(ErrorName::InvalidArgs));
}

#[test]
fn requests_that_somebody_waits_for_go_first() {
    let mut world = World::new();
    for n in 0..9 {
        world.statements.insert(app(&format!("app{n}")), Ok(digest(n)));
    }
    world.start();
    world.pass(seconds(301));
    world.handle(Event::Tick);
    assert_eq!(world.sent.len(), 4, "a bucket of four");
    let idle: Vec<_> = world.sent.iter().map(|sent| sent.app.clone()).collect();
    let last = (0..9).rev().map(|n| format!("app{n}")).find(|n| !idle.contains(&app(n))).unwrap();
    world.want_from(&last, 0);
    world.run(seconds(1));
    assert_eq!(world.sent[4].app, app(&last));
}

#[test]
fn a_replaced_token_is_served_no_longer_and_one_fetch_answers_all_who_reported_it() {
    let mut world = World::ready(3600);
    let old = world.token().unwrap();
    let calls: Vec<_> = (0..5).map(|_| world.replace(&old)).collect();
    assert_eq!(world.sent.len(), 1);
    assert!(!world.sent[0].registers());
    assert_eq!(world.token(), None);
    assert_eq!(world.disk[&app("cinema")].token, None);
    let new = world.token_ok(3600);
    assert!(calls.iter().all(|call| world.got(*call).as_ref() == Some(&new)));
    let late = world.replace(&old);
    assert_eq!(world.got(late), Some(new));
    assert!(world.sent.is_empty());
}

#[test]
fn a_replacement_whose_caller_leaves_before_the_fetch_starts_is_fetched_within_300_seconds() {
    let mut world = World::ready(36_000);
    // Another application learns that the server throttles.
    world.statements.insert(app("sports"), Ok(digest(2)));
    let desired = Desired { statement: Ok(digest(2)) };
    world.handle(Event::Configured { app: app("sports"), desired });
    world.want_from("sports", 0);
    world.answer_registration(Err(throttled(Some(100))));
    let token = world.token().unwrap();
    let call = world.replace(&token);
    assert_eq!(world.error_of(call), Some(ErrorName::Throttled));
    world.statements.remove(&app("sports"));
    world.handle(Event::Removed { app: app("sports") });
    assert!(
        world.run_to_request(seconds(310)),
        "with no token, it is fetched although nobody waits"
    );
}

#[test]
fn a_fourth_replacement_within_a_minute_is_throttled_and_leaves_the_token_in_use() {
    let mut world = World::ready(3600);
    for _ in 0..3 {
        let current = world.token().unwrap();
        world.replace(&current);
        world.run_to_request(seconds(5));
        world.token_ok(3600);
    }
    let current = world.token().unwrap();
    let call = world.replace(&current);
    assert_eq!(world.error_of(call), Some(ErrorName::Throttled));
    assert_eq!(world.token(), Some(current));
}

#[test]
fn a_rejected_token_that_the_server_returns_again_is_served_again_and_is_no_new_token() {
    let mut world = World::ready(3600);
    let old = world.token().unwrap();
    let call = world.replace(&old);
    let value = Secret::new(old.clone());
    world.answer_token(Ok(crate::oauth::AccessToken { value, expires_in: 3600 }));
    assert_eq!(world.got(call), Some(old));
    assert_eq!(world.view().token_number, 1);
}
