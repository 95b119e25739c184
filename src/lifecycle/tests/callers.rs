// SPDX-License-Identifier: MIT OR Apache-2.0
//! Callers who wait, and callers who report a token.

use std::time::Duration;

use super::world::*;
use crate::lifecycle::view::{AppState, ErrorName};
use crate::lifecycle::{Desired, Event};

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
fn a_reported_token_is_withheld_until_the_first_try_ends_and_one_fetch_answers_all_who_reported_it()
{
    let mut world = World::ready(3600);
    let old = world.token().unwrap();
    let calls: Vec<_> = (0..5).map(|_| world.replace(&old)).collect();
    assert_eq!(world.sent.len(), 1);
    assert!(!world.sent[0].registers());
    let view = world.view();
    assert_eq!((view.token, view.token_number, view.state), (None, 1, AppState::Fetching));
    assert_ne!(view.expires_at, 0);
    assert_eq!(world.disk[&app("cinema")].token, None);
    let new = world.token_ok(3600);
    assert!(calls.iter().all(|call| world.got(*call).as_ref() == Some(&new)));
    let late = world.replace(&old);
    assert_eq!(world.got(late), Some(new));
    assert!(world.sent.is_empty());
}

#[test]
fn a_token_whose_replacement_cannot_begin_yet_is_served_and_replaced_when_it_can() {
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
    assert_eq!(world.token(), Some(token), "it may be good elsewhere");
    world.statements.remove(&app("sports"));
    world.handle(Event::Removed { app: app("sports") });
    assert!(world.run_to_request(seconds(160)), "it is fetched although nobody waits");
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
fn a_reported_token_that_the_server_issues_again_is_served_and_replaces_nothing() {
    let mut world = World::ready(3600);
    let old = world.token().unwrap();
    let (call, other) = (world.replace(&old), world.want(0));
    let value = secret(&old);
    world.answer_token(Ok(crate::common::answer::AccessToken { value, expires_in: 3600 }));
    assert_eq!(world.error_of(call), Some(ErrorName::Unavailable));
    assert_eq!(world.got(other), Some(old));
    assert_eq!((world.view().token_number, world.state()), (1, AppState::Ready));
    world.restart();
    assert_eq!(world.token(), None, "and a restart does not serve it");
}

#[test]
fn a_reported_token_is_served_again_once_the_first_try_has_failed_and_while_later_ones_run() {
    for failure in [unavailable(), client_error(), refused(), invalid_client(), throttled(None)] {
        let mut world = World::ready(3600);
        let old = world.token().unwrap();
        let (replacing, wanting) = (world.replace(&old), world.want(0));
        assert!(!world.answers.contains_key(&wanting), "until the first try has ended");
        world.answer_token(Err(failure.clone()));
        assert_eq!(world.got(wanting), Some(old.clone()), "{failure:?}");
        assert_eq!(world.got(replacing), None);
        let view = world.view();
        assert_eq!((view.state, view.token_number), (AppState::Ready, 1));
        assert!(world.run_to_request(seconds(300)), "{failure:?}");
        let during = world.want(0);
        assert_eq!(world.got(during), Some(old));
        let new = world.token_ok(3600);
        assert_eq!(world.token(), Some(new));
    }
}

#[test]
fn a_report_with_any_token_joins_the_try_under_way_and_never_gets_the_reported_one() {
    let mut world = World::ready(3600);
    let old = world.token().unwrap();
    world.replace(&old);
    world.answer_token(Err(unavailable()));
    assert!(world.run_to_request(seconds(20)));
    let calls = [world.replace(&old), world.replace("another"), world.replace("")];
    assert!(calls.iter().all(|call| !world.answers.contains_key(call)));
    let new = world.token_ok(3600);
    assert!(calls.iter().all(|call| world.got(*call).as_ref() == Some(&new)));
}

#[test]
fn a_report_that_no_try_follows_soon_gets_the_error_at_once() {
    let mut world = World::ready(36_000);
    let old = world.token().unwrap();
    world.replace(&old);
    world.answer_token(Err(refused()));
    let call = world.replace(&old);
    assert_eq!(world.error_of(call), Some(ErrorName::Rejected));
    assert!(world.sent.is_empty(), "nobody shortens a wait");
    assert_eq!(world.token(), Some(old));
}

#[test]
fn a_report_that_cannot_be_stored_is_acted_on_all_the_same() {
    let mut world = World::ready(3600);
    let old = world.token().unwrap();
    world.disk_full = true;
    let call = world.replace(&old);
    assert_eq!(world.sent.len(), 1);
    world.disk_full = false;
    world.answer_token(Err(unavailable()));
    world.run(seconds(3));
    let stored = world.disk[&app("cinema")].token.clone();
    assert_eq!(stored, None, "and stored when it can be");
    assert!(world.run_to_request(seconds(20)));
    let new = world.token_ok(3600);
    assert!(world.got(call).is_none_or(|got| got == new));
}

#[test]
fn a_report_that_could_not_be_stored_is_stored_when_it_is_reported_again() {
    let mut world = World::ready(3600);
    let token = world.token().unwrap();
    world.disk_full = true;
    world.replace(&token);
    world.answer_token(Err(unavailable()));
    assert!(world.disk[&app("cinema")].token.is_some());
    world.disk_full = false;
    world.replace(&token);
    assert!(world.disk[&app("cinema")].token.is_none(), "before the next try");
}

#[test]
fn a_clock_that_is_set_while_a_token_is_reported_does_not_store_it_again() {
    let mut world = World::ready(3600);
    let old = world.token().unwrap();
    world.replace(&old);
    world.answer_token(Err(unavailable()));
    world.now.wall = world.now.wall.after(DAY);
    world.handle(Event::ClockChanged);
    assert_eq!(world.disk[&app("cinema")].token, None);
}

#[test]
fn three_young_tokens_in_a_row_are_replaced_and_the_fourth_stays_until_it_has_grown_up() {
    let mut world = World::ready(21_600);
    for _ in 0..3 {
        world.run(seconds(21));
        let current = world.token().unwrap();
        world.replace(&current);
        world.token_ok(21_600);
    }
    let current = world.token().unwrap();
    world.run(seconds(2000));
    let call = world.replace(&current);
    assert_eq!(world.error_of(call), Some(ErrorName::Throttled));
    assert_eq!((world.token(), world.sent.len()), (Some(current.clone()), 0));
    world.run(seconds(160));
    world.replace(&current);
    assert_eq!(world.sent.len(), 1);
}

const CODE: &str = "invalid_access_token_client_application";

#[test]
fn a_code_that_means_the_registration_stays_in_last_error_for_a_day_through_fetches() {
    let mut world = World::ready(3600);
    world.report("another", CODE);
    for _ in 0..20 {
        assert!(world.run_to_request(seconds(3600)));
        world.token_ok(3600);
        let (name, message) = world.view().last_error;
        assert_eq!(name, "tv.tokend.Error.Rejected");
        assert!(message.contains(CODE), "{message}");
        assert_eq!(world.state(), AppState::Ready);
    }
    world.report("another", CODE);
    let end = world.now.boot.after(DAY);
    while world.run_to_request(end.since(world.now.boot)) {
        assert_ne!(world.view().last_error.0, "");
        world.token_ok(3600);
    }
    assert_eq!(world.view().last_error.0, "", "a day without such a report");
}

#[test]
fn a_code_that_means_the_registration_is_forgotten_with_another_statement() {
    let mut world = World::ready(3600);
    world.report("another", CODE);
    world.report("another", "some_other_code");
    assert_ne!(world.view().last_error.0, "");
    let desired = Desired { statement: Ok(digest(2)) };
    world.handle(Event::Configured { app: app("cinema"), desired });
    assert_eq!(world.view().last_error.0, "");
    world.report("another", "authentication_session_missing");
    assert_eq!(world.view().last_error.0, "", "any other code is only logged");
}
