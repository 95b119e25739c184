// SPDX-License-Identifier: MIT OR Apache-2.0
//! The store, when it fails; forgetting; the network; idleness.

use super::world::*;
use crate::common::time::BootTime;
use crate::lifecycle::view::{AppState, ErrorName};
use crate::lifecycle::{Desired, Event};

#[test]
fn a_store_that_does_not_open_means_storage_error_and_no_registration() {
    let mut world = World::new();
    world.store_broken = true;
    world.statements.insert(app("cinema"), Ok(digest(1)));
    world.start();
    let call = world.want(0);
    assert_eq!(world.error_of(call), Some(ErrorName::Storage));
    assert_eq!(world.state(), AppState::StorageError);
    world.run(seconds(500));
    assert!(world.sent.is_empty());
    world.store_broken = false;
    world.run(seconds(600));
    assert!(matches!(world.state(), AppState::Waiting | AppState::Registering));
}

#[test]
fn a_reload_looks_at_a_closed_store_again() {
    let mut world = World::new();
    world.store_broken = true;
    world.statements.insert(app("cinema"), Ok(digest(1)));
    world.start();
    world.run(seconds(3000));
    world.store_broken = false;
    world.handle(Event::Reloaded);
    assert_eq!(world.state(), AppState::Waiting);
}

fn not_opened() -> Event {
    Event::StoreFailed { message: "no token".into(), final_key: false }
}

#[test]
fn a_key_that_takes_its_time_is_asked_for_once_and_callers_wait_for_it() {
    let mut world = World::new();
    world.store_slow = true;
    world.statements.insert(app("cinema"), Ok(digest(1)));
    world.start();
    let call = world.want(0);
    world.run(seconds(10));
    assert_eq!((world.opens, world.error_of(call)), (1, None));
    world.handle(Event::StoreOpened);
    world.register_ok();
    world.token_ok(3600);
    assert!(world.token().is_some());
}

#[test]
fn while_a_closed_store_is_tried_again_callers_get_their_error_at_once_and_nothing_is_tried_twice()
{
    let mut world = World::new();
    world.store_slow = true;
    world.statements.insert(app("cinema"), Ok(digest(1)));
    world.start();
    world.handle(not_opened());
    world.run(seconds(5));
    assert_eq!(world.opens, 2);
    let view = world.view();
    let call = world.want(0);
    assert_eq!(world.error_of(call), Some(ErrorName::Storage));
    world.run(seconds(3000));
    assert_eq!((world.opens, world.view()), (2, view));
    world.handle(not_opened());
    world.run(seconds(5));
    assert_eq!(world.opens, 3);
}

#[test]
fn a_reload_while_the_key_is_asked_for_asks_again_as_soon_as_that_has_failed() {
    let mut world = World::new();
    world.store_slow = true;
    world.statements.insert(app("cinema"), Ok(digest(1)));
    world.start();
    world.handle(not_opened());
    world.run(seconds(5));
    world.handle(Event::Reloaded);
    assert_eq!(world.opens, 2);
    world.handle(not_opened());
    assert_eq!(world.opens, 3);
}

#[test]
fn a_key_that_cannot_change_makes_the_process_start_anew_after_ten_minutes() {
    let mut world = World::new();
    world.store_broken = true;
    world.key_is_final = true;
    world.statements.insert(app("cinema"), Ok(digest(1)));
    world.start();
    world.run(seconds(599));
    assert_eq!(world.exits, 0);
    world.run(seconds(1));
    assert_eq!(world.exits, 1);
}

#[test]
fn a_token_that_cannot_be_stored_is_served_from_memory_and_last_error_says_so() {
    let mut world = World::ready(3600);
    assert!(world.run_to_request(seconds(3600)));
    world.disk_full = true;
    let token = world.token_ok(3600);
    assert_eq!(world.token(), Some(token.clone()));
    assert_eq!(world.state(), AppState::Ready);
    assert_eq!(world.view().last_error.0, "tv.tokend.Error.Storage");
    world.run(seconds(100));
    world.disk_full = false;
    world.run(seconds(700));
    assert_eq!(world.view().last_error.0, "");
    assert_eq!(world.disk[&app("cinema")].token.as_ref().unwrap().value.expose(), token);
}

#[test]
fn forgotten_applications_start_anew_and_answers_under_way_are_for_nobody() {
    let mut world = World::ready(3600);
    assert!(world.run_to_request(seconds(3600)));
    world.disk.clear();
    world.handle(Event::Forgotten { app: app("cinema") });
    assert_eq!(world.token(), None);
    world.token_ok(3600);
    assert_eq!(world.token(), None);
    world.want(0);
    assert!(world.sent[0].registers());
}

#[test]
fn credentials_for_an_application_removed_meanwhile_are_kept_until_the_disk_takes_them() {
    let mut world = World::cinema();
    world.want(0);
    world.handle(Event::Removed { app: app("cinema") });
    world.disk_full = true;
    world.register_ok();
    world.run(seconds(30));
    world.disk_full = false;
    world.run(seconds(700));
    assert_eq!(world.slot(1).pending, Some(credentials(1)));
    let desired = Desired { statement: Ok(digest(1)) };
    world.handle(Event::Configured { app: app("cinema"), desired });
    assert!(world.run_to_request(seconds(310)));
    assert!(!world.sent[0].registers());
}

#[test]
fn that_an_application_was_removed_is_written_once_the_disk_takes_it() {
    let mut world = World::ready(3600);
    world.disk_full = true;
    world.handle(Event::Removed { app: app("cinema") });
    world.disk_full = false;
    world.run(seconds(30));
    assert_eq!(world.disk[&app("cinema")].record.active, None);
    assert!(world.disk[&app("cinema")].token.is_some());
}

/// Long out of reach of the server, and without a token.
fn failing(seed: u64) -> World {
    let mut world = World::new();
    world.seed = seed;
    world.statements.insert(app("cinema"), Ok(digest(1)));
    world.start();
    world.want(0);
    world.register_ok();
    world.token_ok(3600);
    world.run(seconds(3600));
    for _ in 0..20 {
        assert!(world.run_to_request(seconds(601)));
        world.answer_token(Err(unavailable()));
    }
    world
}

#[test]
fn a_network_that_comes_back_ends_a_backoff() {
    let mut world = failing(2);
    world.handle(Event::NetworkBack);
    let back = world.now.boot;
    world.want(0);
    assert!(world.run_to_request(seconds(5)));
    world.answer_token(Err(unavailable()));
    let planned = world.view().retry_at;
    world.handle(Event::NetworkBack);
    assert_eq!(world.view().retry_at, planned, "at most once a minute");
    assert!(world.now.boot.since(back) <= seconds(5));
}

#[test]
fn a_network_that_comes_back_again_within_the_minute_counts_at_its_end() {
    for seed in 0..20 {
        let mut world = failing(seed);
        world.handle(Event::NetworkBack);
        let back = world.now.boot;
        world.want(0);
        assert!(world.run_to_request(seconds(5)));
        world.answer_token(Err(unavailable()));
        world.handle(Event::NetworkBack);
        world.run(seconds(60).saturating_sub(world.now.boot.since(back)));
        world.want(0);
        assert!(world.run_to_request(seconds(6)), "seed {seed}");
    }
}

#[test]
fn a_request_that_was_under_way_when_the_network_came_back_is_soon_followed_by_another() {
    for seed in 0..20 {
        let mut world = failing(seed);
        assert!(world.run_to_request(seconds(601)));
        world.handle(Event::NetworkBack);
        world.answer_token(Err(unavailable()));
        world.want(0);
        assert!(world.run_to_request(seconds(5)), "seed {seed}");
    }
}

#[test]
fn a_network_that_keeps_coming_back_wakes_no_daemon_that_has_nothing_to_try_again() {
    let mut world = World::ready(21_600);
    let planned = world.life.deadline(world.now);
    world.handle(Event::NetworkBack);
    world.handle(Event::NetworkBack);
    assert_eq!(world.life.deadline(world.now), planned);
}

#[test]
fn an_idle_daemon_with_a_token_has_one_deadline_its_refresh() {
    let world = World::ready(21_600);
    let at = world.life.deadline(world.now).unwrap();
    assert!(at.since(world.now.boot) >= seconds(16_200 - 1));
    assert_eq!(
        world.view().retry_at,
        (world.now.wall.0 as u64 + at.since(world.now.boot).as_millis() as u64) / 1000
    );
    assert_ne!(at, BootTime(0));
}
