//! Every row of the answer table, and every rule above it.

use std::time::Duration;

use super::world::*;
use crate::lifecycle::{Desired, Event, PATIENCE, What};
use crate::secret::Secret;
use crate::time::{BootTime, WallTime};
use crate::view::{AppState, ErrorName};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Refuses the credentials whenever asked, for as long as `limit`; true if it then registers.
fn refuse_until_registration(world: &mut World, limit: Duration) -> bool {
    let end = world.now.boot.after(limit);
    while world.run_to_request(end.since(world.now.boot)) {
        if world.sent[0].registers() {
            return true;
        }
        world.answer_token(Err(invalid_client()));
    }
    false
}

// First start.

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

// The rows.

#[test]
fn a_429_pauses_the_whole_daemon_and_callers_hear_throttled() {
    let mut world = World::cinema();
    world.statements.insert(app("music"), Ok(digest(9)));
    world.start();
    let call = world.want(0);
    world.answer_registration(Err(throttled(Some(600))));
    assert_eq!(world.error_of(call), Some(ErrorName::Throttled));
    let other = world.want_from("music", 0);
    assert!(world.sent.is_empty());
    assert_eq!(world.error_of(other), Some(ErrorName::Throttled));
    assert!(!world.run_to_request(seconds(599)));
    assert!(world.run_to_request(seconds(600)));
}

#[test]
fn a_short_pause_is_waited_out() {
    let mut world = World::cinema();
    let call = world.want(0);
    world.answer_registration(Err(throttled(None)));
    assert!(!world.run_to_request(Duration::from_millis(999)));
    assert!(world.run_to_request(seconds(1)));
    world.register_ok();
    let token = world.token_ok(3600);
    assert_eq!(world.got(call), Some(token));
}

#[test]
fn other_failures_back_off_with_jitter_up_to_ten_minutes_and_callers_hear_unavailable() {
    let mut world = World::ready(3600);
    world.run(seconds(3600));
    let mut longest = Duration::ZERO;
    for _ in 0..60 {
        assert!(world.run_to_request(seconds(601)), "never longer than ten minutes");
        let failed_at = world.now.boot;
        world.answer_token(Err(unavailable()));
        assert!(world.run_to_request(seconds(601)));
        longest = longest.max(world.now.boot.since(failed_at));
    }
    assert!(longest > seconds(200) && longest <= seconds(600));
    world.answer_token(Err(unavailable()));
    world.answers.clear();
    let call = world.want(0);
    world.run(PATIENCE);
    if world.sent.is_empty() {
        assert_eq!(world.error_of(call), Some(ErrorName::Unavailable));
    }
}

#[test]
fn callers_never_shorten_a_backoff() {
    let mut world = World::ready(3600);
    world.run(seconds(3600));
    for _ in 0..20 {
        assert!(world.run_to_request(seconds(601)));
        world.answer_token(Err(unavailable()));
    }
    let planned = world.view().retry_at;
    for _ in 0..50 {
        world.want(0);
        assert!(world.sent.is_empty());
    }
    assert_eq!(world.view().retry_at, planned);
}

#[test]
fn a_refusal_holds_for_an_hour_doubling_to_a_day_and_callers_hear_rejected() {
    let mut world = World::cinema();
    let call = world.want(0);
    let mut hours = Vec::new();
    for _ in 0..7 {
        let refused_at = world.now.boot;
        world.answer_registration(Err(refused()));
        assert_eq!(world.state(), AppState::Rejected);
        assert!(world.run_to_request(DAY + MINUTE));
        hours.push(world.now.boot.since(refused_at).as_secs() / HOUR);
    }
    assert_eq!(hours, [1, 2, 4, 8, 16, 24, 24]);
    assert_eq!(world.error_of(call), Some(ErrorName::Rejected));
    let error = world.answers[&call].as_ref().unwrap_err();
    assert!(error.message.contains("unapproved_software_statement"), "{}", error.message);
    assert!(error.message.contains("ask your operator"), "{}", error.message);
}

#[test]
fn a_hold_ends_at_once_after_a_reload() {
    let mut world = World::cinema();
    world.want(0);
    world.answer_registration(Err(refused()));
    world.handle(Event::Reloaded);
    assert!(world.sent[0].registers());
}

#[test]
fn a_hold_ends_at_once_after_a_changed_statement() {
    let mut world = World::cinema();
    world.want(0);
    world.answer_registration(Err(refused()));
    let desired = Desired { statement: Ok(digest(2)) };
    world.handle(Event::Configured { app: app("cinema"), desired });
    assert_eq!(world.sent[0].statement, Some(digest(2)));
}

#[test]
fn a_refused_refresh_is_tried_again_within_half_of_what_the_token_has_left() {
    let mut world = World::ready(3600);
    assert!(world.run_to_request(seconds(3600)));
    let mut left = world.view().token.unwrap().expires.since(world.now.boot);
    for _ in 0..4 {
        world.answer_token(Err(refused()));
        assert_eq!(world.state(), AppState::Ready);
        let refused_at = world.now.boot;
        assert!(world.run_to_request(seconds(3600)));
        assert!(world.now.boot.since(refused_at) <= left / 2);
        left = world.view().token.unwrap().expires.since(world.now.boot);
    }
}

#[test]
fn refused_credentials_are_given_up_only_after_three_refusals_over_five_minutes() {
    let mut world = World::ready(3600);
    world.run(seconds(2500));
    while world.token().is_some() {
        world.run_to_request(seconds(3600));
        world.answer_token(Err(unavailable()));
        world.run(seconds(30));
    }
    let mut refusals = Vec::new();
    while world.run_to_request(DAY) && !world.sent[0].registers() {
        refusals.push(world.now.boot);
        world.answer_token(Err(invalid_client()));
        assert!(matches!(world.state(), AppState::Waiting | AppState::Registering));
    }
    assert!(refusals.len() >= 3);
    assert!(refusals[refusals.len() - 1].since(refusals[0]) >= seconds(300));
    let one_less = refusals[refusals.len() - 2].since(refusals[0]);
    assert!(refusals.len() == 3 || one_less < seconds(300), "and no later");
}

#[test]
fn while_a_token_is_valid_refusals_must_last_six_times_as_long() {
    let mut world = World::ready(21_600);
    assert!(world.run_to_request(seconds(21_600)));
    let first = world.now.boot;
    assert!(refuse_until_registration(&mut world, seconds(5_000)));
    assert!(world.now.boot.since(first) >= seconds(1800));
    assert_eq!(world.state(), AppState::Ready, "the old token is still served");
}

#[test]
fn a_servers_bad_minutes_sign_nobody_out() {
    let mut world = World::ready(600);
    world.run(seconds(600));
    let end = world.now.boot.after(seconds(290));
    while world.run_to_request(end.since(world.now.boot)) {
        world.answer_token(Err(invalid_client()));
    }
    assert!(world.run_to_request(seconds(600)));
    assert!(!world.sent[0].registers());
    world.token_ok(600);
    assert_eq!(world.slot(1).replaced.len(), 0);
    assert_eq!(world.disk[&app("cinema")].record.attempts[&digest(1)][&origin(1)].refusals, 0);
}

#[test]
fn the_count_and_time_of_refusals_survive_a_restart() {
    let mut world = World::ready(600);
    world.run(seconds(600));
    let first = world.now.boot;
    let mut registered = false;
    for _ in 0..200 {
        if world.run_to_request(seconds(700)) {
            registered = world.sent[0].registers();
            if registered {
                break;
            }
            world.answer_token(Err(invalid_client()));
            registered = world.sent.iter().any(Sent::registers);
            if registered {
                break;
            }
            world.restart();
        }
    }
    assert!(registered, "restarts do not begin the count anew");
    assert!(world.now.boot.since(first) >= seconds(300));
}

#[test]
fn new_credentials_are_proven_before_the_old_are_put_aside_and_the_old_stay_stored() {
    let mut world = World::ready(600);
    let old = world.slot(1).current.unwrap();
    world.run(seconds(600));
    assert!(refuse_until_registration(&mut world, DAY));
    world.register_ok();
    let slot = world.slot(1);
    assert_eq!(slot.current.as_ref(), Some(&old));
    assert!(slot.pending.is_some());
    world.token_ok(600);
    let slot = world.slot(1);
    assert_ne!(slot.current.as_ref(), Some(&old));
    assert_eq!(slot.replaced.len(), 1);
    assert_eq!(slot.replaced[0].client_secret, old.client_secret);
}

#[test]
fn old_credentials_that_are_accepted_again_stay_in_use() {
    let mut world = World::ready(600);
    let old = world.slot(1).current.unwrap();
    world.run(seconds(600));
    assert!(refuse_until_registration(&mut world, DAY));
    world.register_ok();
    world.answer_token(Err(invalid_client()));
    assert!(world.run_to_request(MINUTE));
    assert_eq!(world.sent[0].credentials.as_ref(), Some(&old));
    world.token_ok(600);
    let slot = world.slot(1);
    assert_eq!(slot.current, Some(old));
    assert_eq!((slot.pending.is_none(), slot.replaced.len()), (true, 1));
    world.restart();
    world.want(600);
    world.run(seconds(599));
    assert!(world.sent.iter().all(|sent| sent.credentials == world.slot(1).current));
}

#[test]
fn once_new_credentials_are_refused_too_callers_hear_rejected_and_the_next_try_is_an_hour_off() {
    let mut world = World::ready(600);
    world.run(seconds(600));
    assert!(refuse_until_registration(&mut world, DAY));
    let mut hours = Vec::new();
    for _ in 0..6 {
        let registered_at = world.now.boot;
        world.register_ok();
        world.answer_token(Err(invalid_client()));
        assert_eq!(world.state(), AppState::Rejected);
        assert!(refuse_until_registration(&mut world, DAY + DAY));
        hours.push(world.now.boot.since(registered_at).as_secs() / HOUR);
        assert!(world.now.boot.since(registered_at) >= seconds(3600));
    }
    assert_eq!(hours, [1, 2, 4, 8, 16, 24]);
}

#[test]
fn a_registration_anew_without_an_answer_is_not_repeated_within_the_hour() {
    let mut world = World::ready(600);
    world.run(seconds(600));
    assert!(refuse_until_registration(&mut world, DAY));
    let sent_at = world.now.boot;
    world.answer_registration(Err(no_answer()));
    world.restart();
    assert!(refuse_until_registration(&mut world, DAY));
    assert!(world.now.boot.since(sent_at) >= seconds(3600));
}

// Refresh, expiry, standby, reboot.

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
    assert_eq!(world.writes, vec![(app("cinema"), What::Token); 50]);
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

// Callers.

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

// ReplaceToken.

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

// Statements and origins.

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
fn credentials_are_sent_only_to_the_origin_that_issued_them() {
    let mut world = World::ready(3600);
    let old = world.slot(1);
    world.policy.origin = origin(2);
    world.handle(Event::PolicyChanged(world.policy.clone()));
    assert_eq!(world.token(), None);
    world.want(0);
    assert!(world.sent[0].registers());
    assert_eq!(world.sent[0].origin, origin(2));
    world.register_ok();
    world.token_ok(3600);
    world.policy.origin = origin(1);
    world.handle(Event::PolicyChanged(world.policy.clone()));
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

// Storage.

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
fn a_key_that_cannot_change_makes_the_process_start_anew_after_ten_minutes() {
    let mut world = World::new();
    world.store_broken = true;
    world.key_is_final = true;
    world.statements.insert(app("cinema"), Ok(digest(1)));
    world.start();
    world.run(seconds(599));
    assert_eq!(world.exits, 0);
    world.run(seconds(601));
    assert!(world.exits > 0);
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
fn a_network_that_comes_back_ends_a_backoff() {
    let mut world = World::ready(3600);
    world.run(seconds(3600));
    for _ in 0..20 {
        assert!(world.run_to_request(seconds(601)));
        world.answer_token(Err(unavailable()));
    }
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
