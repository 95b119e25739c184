// SPDX-License-Identifier: MIT OR Apache-2.0
//! Credentials belong to a statement and an origin.

use super::world::*;
use crate::lifecycle::view::{AppState, ErrorName};
use crate::lifecycle::{Desired, Event};

#[test]
fn a_new_statement_registers_anew_and_the_old_token_is_served_until_it_has_its_own() {
    let mut world = World::ready(3600);
    let old = world.token();
    world.statements.insert(app("cinema"), Ok(digest(2)));
    let desired = Desired { statement: Ok(digest(2)) };
    world.handle(Event::Configured { app: app("cinema"), desired });
    assert_eq!(world.token(), old);
    assert_eq!(world.sent[0].statement, Some(digest(2)));
    world.register_ok();
    assert_eq!(world.token(), old);
    let new = world.token_ok(3600);
    assert_eq!(world.token(), Some(new));
    assert!(world.slot(1).current.is_some(), "the old credentials stay stored");
}

#[test]
fn a_statement_that_comes_back_finds_its_credentials_again() {
    let mut world = World::ready(3600);
    let first = world.slot(1).current;
    for statement in [2, 1] {
        world.statements.insert(app("cinema"), Ok(digest(statement)));
        let desired = Desired { statement: Ok(digest(statement)) };
        world.handle(Event::Configured { app: app("cinema"), desired });
        if statement == 2 {
            world.register_ok();
        }
        assert!(world.run_to_request(seconds(5)));
        world.token_ok(3600);
    }
    assert_eq!(world.slot(1).current, first);
    world.restart();
    assert!(world.sent.is_empty());
}

#[test]
fn a_statement_that_came_back_while_the_daemon_was_away_gets_a_token_of_its_own_at_once() {
    let mut world = World::ready(3600);
    world.statements.insert(app("cinema"), Ok(digest(2)));
    let desired = Desired { statement: Ok(digest(2)) };
    world.handle(Event::Configured { app: app("cinema"), desired });
    world.register_ok();
    let second = world.token_ok(3600);
    world.statements.insert(app("cinema"), Ok(digest(1)));
    world.restart();
    assert_eq!(world.token(), Some(second), "served until there is another");
    let sent = world.take_sent();
    assert_eq!(sent.credentials, world.slot(1).current);
}

#[test]
fn a_refused_new_statement_leaves_the_old_credentials_in_use_with_the_refusal_in_last_error() {
    let mut world = World::ready(3600);
    world.statements.insert(app("cinema"), Ok(digest(2)));
    world.restart();
    world.run_to_request(seconds(5));
    world.answer_registration(Err(refused()));
    for _ in 0..5 {
        while world.run_to_request(seconds(3600)) && world.sent[0].registers() {
            world.answer_registration(Err(refused()));
        }
        world.token_ok(3600);
        let view = world.view();
        assert_eq!(view.state, AppState::Ready);
        assert_eq!(view.last_error.0, "tv.tokend.Error.Rejected");
        assert!(view.last_error.1.contains("unapproved_software_statement"));
    }
    let call = world.want(0);
    assert!(world.got(call).is_some());
}

#[test]
fn what_the_server_said_of_a_statement_that_is_taken_back_is_no_trouble_any_more() {
    let mut world = World::ready(3600);
    for statement in [2, 1] {
        world.statements.insert(app("cinema"), Ok(digest(statement)));
        let desired = Desired { statement: Ok(digest(statement)) };
        world.handle(Event::Configured { app: app("cinema"), desired });
        if statement == 2 {
            world.run_to_request(seconds(5));
            world.answer_registration(Err(refused()));
            assert_eq!(world.view().last_error.0, "tv.tokend.Error.Rejected");
        }
    }
    let view = world.view();
    assert_eq!((view.last_error, view.state), (Default::default(), AppState::Ready));
    assert_eq!((view.counters.failures, view.counters.failing_since), (0, 0));
}

#[test]
fn an_answer_about_a_statement_that_was_taken_back_meanwhile_is_no_trouble() {
    let mut world = World::ready(3600);
    for statement in [2, 1] {
        world.statements.insert(app("cinema"), Ok(digest(statement)));
        let desired = Desired { statement: Ok(digest(statement)) };
        world.handle(Event::Configured { app: app("cinema"), desired });
        world.run_to_request(seconds(5));
    }
    world.answer_registration(Err(refused()));
    assert_eq!(world.view().last_error, Default::default());
}

#[test]
fn credentials_that_fail_are_no_trouble_once_their_statement_is_taken_back() {
    let mut world = World::ready(3600);
    for statement in [2, 1] {
        world.statements.insert(app("cinema"), Ok(digest(statement)));
        let desired = Desired { statement: Ok(digest(statement)) };
        world.handle(Event::Configured { app: app("cinema"), desired });
        if statement == 2 {
            world.register_ok();
            assert!(world.run_to_request(seconds(5)));
            world.answer_token(Err(refused()));
            assert_eq!(world.view().last_error.0, "tv.tokend.Error.Rejected");
        }
    }
    assert_eq!(world.view().last_error, Default::default());
}

#[test]
fn credentials_are_sent_only_to_the_origin_that_issued_them() {
    let mut world = World::ready(3600);
    let old = world.slot(1);
    world.use_servers(2, &[]);
    assert_eq!(world.token(), None);
    world.want(0);
    assert!(world.sent[0].registers());
    assert_eq!(world.sent[0].origin, origin(2));
    world.register_ok();
    world.token_ok(3600);
    world.use_servers(1, &[]);
    assert_eq!(world.slot(1), old, "they are still there for the first origin");
    world.want(0);
    assert!(world.run_to_request(seconds(5)));
    assert_eq!(world.sent[0].credentials, old.current);
}

#[test]
fn a_removed_application_that_returns_with_another_statement_starts_anew() {
    let mut world = World::ready(3600);
    world.statements.clear();
    world.handle(Event::Removed { app: app("cinema") });
    assert!(world.life.view(&app("cinema"), world.now).is_none());
    world.statements.insert(app("cinema"), Ok(digest(2)));
    world.start();
    assert_eq!(world.token(), None);
    let call = world.want(0);
    world.answer_registration(Err(refused()));
    assert_eq!(world.error_of(call), Some(ErrorName::Rejected));
    world.run(DAY);
    assert!(world.sent.iter().all(Sent::registers));
}

#[test]
fn a_removed_application_that_returns_with_its_statement_finds_all_again() {
    let mut world = World::ready(36_000);
    let token = world.token();
    let statements = std::mem::take(&mut world.statements);
    world.restart();
    world.restart();
    world.statements = statements;
    world.restart();
    assert_eq!(world.token(), token);
    assert!(world.sent.is_empty());
}

#[test]
fn a_statement_that_cannot_be_read_never_disables_stored_credentials() {
    let mut world = World::ready(3600);
    world.statements.insert(app("cinema"), Err("cinema.jwt: permission denied".into()));
    world.restart();
    assert_eq!(world.state(), AppState::Ready);
    for _ in 0..3 {
        assert!(world.run_to_request(seconds(3600)));
        world.token_ok(3600);
    }
}

#[test]
fn an_unreadable_statement_without_credentials_is_said_and_read_again() {
    let mut world = World::new();
    world.statements.insert(app("cinema"), Err("cinema.jwt: permission denied".into()));
    world.start();
    let call = world.want(0);
    assert_eq!(world.error_of(call), Some(ErrorName::Unavailable));
    assert!(world.view().last_error.1.contains("cinema.jwt"));
    world.statements.insert(app("cinema"), Ok(digest(1)));
    world.run(seconds(700));
    assert!(world.run_to_request(seconds(600)));
}
