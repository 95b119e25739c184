// SPDX-License-Identifier: MIT OR Apache-2.0
//! Refresh, expiry, standby, reboots, clocks.

use super::world::*;
use crate::common::time::{BootTime, WallTime};
use crate::lifecycle::view::{AppState, ErrorName};
use crate::lifecycle::{Event, WriteKind};

#[test]
fn the_old_token_is_served_while_its_refresh_fails_until_five_seconds_before_its_end() {
    let mut world = World::ready(3600);
    let end = world.view().token.unwrap().expires;
    while world.now.boot < end.before(seconds(6)) {
        let left = end.before(seconds(6)).since(world.now.boot);
        if world.run_to_request(left) {
            world.answer_token(Err(unavailable()));
        }
        assert_eq!(world.state(), AppState::Ready);
    }
    world.run(seconds(1));
    assert_eq!(world.token(), None);
}

#[test]
fn a_refresh_writes_the_token_and_nothing_else() {
    let mut world = World::ready(3600);
    world.writes.clear();
    for _ in 0..50 {
        assert!(world.run_to_request(seconds(3600)));
        world.token_ok(3600);
    }
    assert_eq!(world.writes, vec![(app("cinema"), WriteKind::Token); 50]);
    assert_eq!(world.view().token_number, 51);
}

#[test]
fn a_device_that_wakes_with_an_expired_token_fetches_at_once_and_serves_no_dead_one() {
    let mut world = World::ready(3600);
    world.pass(DAY);
    let call = world.want(0);
    assert_eq!(world.got(call), None);
    assert_eq!(world.sent.len(), 1);
    let token = world.token_ok(3600);
    assert_eq!(world.got(call), Some(token));

    let mut idle = World::ready(3600);
    idle.pass(DAY);
    idle.handle(Event::Tick);
    assert_eq!(idle.sent.len(), 1);
    assert_eq!(idle.state(), AppState::Fetching);
}

#[test]
fn a_token_that_has_ended_in_standby_is_not_written_again() {
    let mut world = World::ready(3600);
    world.writes.clear();
    world.pass(DAY);
    world.handle(Event::ClockChanged);
    assert_eq!(world.writes, []);
    world.token_ok(3600);
    assert_eq!(world.writes, [(app("cinema"), WriteKind::Token)]);
}

#[test]
fn a_token_that_has_ended_while_the_clock_was_set_back_is_not_believed_after_a_reboot() {
    let mut world = World::ready(3600);
    let begin = world.now.wall;
    world.pass(seconds(2 * HOUR));
    world.now.wall = begin.after(seconds(600));
    world.handle(Event::ClockChanged);
    world.reboot(seconds(60), true);
    assert_eq!(world.token(), None);
}

#[test]
fn a_token_survives_a_restart() {
    let mut world = World::ready(3600);
    let token = world.token();
    world.pass(seconds(1000));
    world.restart();
    assert_eq!(world.token(), token);
    assert_eq!(world.view().token_number, 1);
    assert!(world.sent.is_empty());
}

#[test]
fn a_token_survives_a_reboot_once_the_clock_is_vouched_for() {
    let mut world = World::ready(3600);
    let token = world.token();
    world.reboot(seconds(600), false);
    assert_eq!(world.token(), None);
    world.now.confirmed = true;
    world.handle(Event::ClockChanged);
    assert_eq!(world.token(), token);
    let left = world.view().token.unwrap().expires.since(world.now.boot);
    assert!(left <= seconds(3000), "{left:?}");
}

#[test]
fn a_token_that_was_stored_by_an_unconfirmed_clock_is_not_believed_after_a_reboot() {
    let mut world = World::new();
    world.now.confirmed = false;
    world.statements.insert(app("cinema"), Ok(digest(1)));
    world.start();
    world.want(0);
    world.register_ok();
    let token = world.token_ok(36_000);
    // The clock was two hours fast; five hours later it is right.
    world.now.wall = world.now.wall.before(seconds(2 * HOUR));
    let (disk, now) = (world.disk.clone(), world.now);
    world.reboot(seconds(5 * HOUR), true);
    assert_eq!(world.token(), None);

    // Had somebody vouched for it in time, the token would have got its right date.
    (world.disk, world.now) = (disk, now);
    world.boot = 0;
    world.start();
    world.now.confirmed = true;
    world.handle(Event::ClockChanged);
    world.reboot(seconds(5 * HOUR), true);
    assert_eq!(world.token(), Some(token));
    let left = world.view().token.unwrap().expires.since(world.now.boot);
    assert!(left <= seconds(5 * HOUR), "{left:?}");
}

#[test]
fn after_a_reboot_with_an_unconfirmed_clock_a_caller_gets_a_new_token() {
    let mut world = World::ready(3600);
    world.reboot(seconds(10), false);
    let call = world.want(0);
    let token = world.token_ok(3600);
    assert_eq!(world.got(call), Some(token));
}

#[test]
fn a_stored_token_that_claims_more_than_its_lifetime_is_not_believed() {
    let mut world = World::ready(3600);
    world.now.wall = world.now.wall.before(DAY);
    world.reboot(seconds(10), true);
    assert_eq!(world.token(), None);
}

#[test]
fn within_a_boot_the_wall_clock_changes_nothing() {
    let mut world = World::ready(3600);
    let token = world.token();
    for days in [400, -800, 10_000] {
        world.now.wall = WallTime(world.now.wall.0 + days * 86_400_000);
        world.handle(Event::ClockChanged);
        assert_eq!(world.token(), token);
        world.restart();
        assert_eq!(world.token(), token);
    }
}

#[test]
fn with_the_clock_unset_nothing_is_tried_and_the_moment_it_is_set_work_goes_on() {
    let mut world = World::new();
    world.now.wall = WallTime(0);
    world.now.confirmed = false;
    world.statements.insert(app("cinema"), Ok(digest(1)));
    world.start();
    assert_eq!(world.state(), AppState::ClockUnset);
    let call = world.want(0);
    assert_eq!(world.error_of(call), Some(ErrorName::Unavailable));
    world.run(DAY);
    assert!(world.sent.is_empty());
    assert_eq!(world.life.deadline(world.now), None, "nothing wakes it but the clock");
    world.now.wall = RELEASED;
    world.handle(Event::ClockChanged);
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn a_valid_token_is_served_with_the_clock_unset() {
    let mut world = World::ready(3600);
    world.now.wall = WallTime(0);
    world.handle(Event::ClockChanged);
    assert_eq!(world.state(), AppState::Ready);
}

#[test]
fn an_expiry_date_follows_the_clock_when_it_is_set() {
    let mut world = World::ready(36_000);
    let before = world.view().expires_at;
    world.now.wall = world.now.wall.after(DAY);
    world.handle(Event::ClockChanged);
    assert_eq!(world.view().expires_at, before + 86_400);
    let stored = world.disk[&app("cinema")].token.clone().unwrap();
    assert_eq!(stored.expires_wall.unix_seconds(), before + 86_400);
}

#[test]
fn a_stored_token_with_more_left_than_its_lifetime_is_never_served() {
    let mut world = World::ready(130);
    let boot = world.now.boot;
    // The same boot, in a time namespace whose clock is some days behind.
    world.now.boot = BootTime(1_000);
    world.restart();
    assert_eq!(world.token(), None);
    world.now.boot = boot;
    world.restart();
    assert!(world.token().is_some());
}

#[test]
fn an_attempt_of_a_time_namespace_ahead_holds_up_no_registration_for_longer_than_its_wait() {
    let mut world = World::cinema();
    world.now.boot = BootTime(200_000_000);
    world.restart();
    world.want(0);
    world.answer_registration(Err(no_answer()));
    world.now.boot = BootTime(60_000);
    world.restart();
    world.want(0);
    assert!(world.run_to_request(MINUTE));
}
