// SPDX-License-Identifier: MIT OR Apache-2.0
//! The first start: registration, its record, its promotion.

use std::time::Duration;

use super::world::*;
use crate::lifecycle::view::{AppState, ErrorName};

#[test]
fn a_caller_without_a_token_starts_the_registration_at_once_and_gets_the_token() {
    let mut world = World::cinema();
    assert_eq!(world.state(), AppState::Waiting);
    let call = world.want(0);
    assert_eq!(world.state(), AppState::Registering);
    world.register_ok();
    assert_eq!(world.state(), AppState::Fetching);
    let token = world.token_ok(21_600);
    assert_eq!(world.got(call), Some(token));
    assert_eq!(world.state(), AppState::Ready);
    assert_eq!(world.view().token_number, 1);
    assert_eq!(world.view().last_error, (String::new(), String::new()));
}

#[test]
fn with_nobody_waiting_the_first_request_comes_within_300_seconds_at_random() {
    let mut waits = Vec::new();
    for seed in 0..100 {
        let mut world = World::new();
        world.seed = seed;
        world.statements.insert(app("cinema"), Ok(digest(1)));
        world.start();
        let start = world.now.boot;
        assert!(world.run_to_request(seconds(300)));
        waits.push(world.now.boot.since(start).as_secs());
    }
    assert!(waits.iter().any(|wait| *wait < 60) && waits.iter().any(|wait| *wait > 240));
}

#[test]
fn the_attempt_record_is_durable_before_the_registration_is_sent() {
    let mut world = World::cinema();
    world.disk_full = true;
    let call = world.want(0);
    assert!(world.sent.is_empty());
    assert_eq!(world.state(), AppState::StorageError);
    world.run(seconds(25));
    assert_eq!(world.error_of(call), Some(ErrorName::Storage));
    assert!(world.sent.is_empty());
    world.disk_full = false;
    assert!(world.run_to_request(DAY));
    let record = &world.disk[&app("cinema")].record;
    assert_eq!(record.attempts[&digest(1)][&origin(1)].unanswered, 1);
}

#[test]
fn received_credentials_are_stored_as_pending_at_once_and_promoted_by_a_token() {
    let mut world = World::cinema();
    world.want(0);
    world.register_ok();
    assert!(world.slot(1).pending.is_some() && world.slot(1).current.is_none());
    world.token_ok(3600);
    assert!(world.slot(1).pending.is_none() && world.slot(1).current.is_some());
}

#[test]
fn after_a_restart_pending_credentials_are_tried_and_nothing_is_registered() {
    let mut world = World::cinema();
    world.want(0);
    world.register_ok();
    world.restart();
    world.want(0);
    assert!(!world.sent[0].registers());
    world.token_ok(3600);
    assert!(world.slot(1).current.is_some());
}

#[test]
fn registrations_without_an_answer_wait_longer_restarts_counted_in() {
    let mut world = World::cinema();
    let mut least = 1;
    for _ in 0..8 {
        world.want(0);
        assert!(world.run_to_request(seconds(400)));
        let sent_at = world.now.boot;
        world.restart();
        let call = world.want(0);
        assert!(world.sent.is_empty());
        if least > 20 {
            assert!(world.error_of(call).is_some(), "no try is due within 20 s");
        }
        assert!(world.run_to_request(seconds(400)));
        assert!(world.now.boot.since(sent_at) >= seconds(least));
        assert!(!world.run_to_request(Duration::ZERO) || !world.sent.is_empty());
        least = (least * 4).min(60);
        world.restart();
    }
}

#[test]
fn a_caller_after_a_restart_hears_that_registrations_got_no_answer_and_when_the_next_is() {
    let mut world = World::cinema();
    for _ in 0..7 {
        world.want(0);
        assert!(world.run_to_request(seconds(400)));
        world.restart();
    }
    let call = world.want(0);
    let message = world.answers[&call].as_ref().unwrap_err().message.clone();
    assert!(message.starts_with("the last registration got no answer; since "), "{message}");
    assert!(message.contains("; next try at "), "{message}");
}

#[test]
fn an_answered_registration_is_never_sent_twice_for_the_same_statement() {
    let mut world = World::ready(3600);
    for _ in 0..20 {
        world.restart();
        world.run(DAY);
        while let Some(sent) = world.sent.first().cloned() {
            assert!(!sent.registers());
            world.answer_token(Err(unavailable()));
        }
    }
}
