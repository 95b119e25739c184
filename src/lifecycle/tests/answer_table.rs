// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every row of the answer table.

use std::time::Duration;

use super::world::*;
use crate::lifecycle::view::{AppState, ErrorName};
use crate::lifecycle::{Desired, Event, PATIENCE};

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
fn a_refusal_holds_for_five_minutes_doubling_to_a_day_and_callers_hear_rejected() {
    let mut world = World::cinema();
    let call = world.want(0);
    let mut minutes = Vec::new();
    for _ in 0..11 {
        let refused_at = world.now.boot;
        world.answer_registration(Err(refused()));
        assert_eq!(world.state(), AppState::Rejected);
        assert!(world.run_to_request(DAY + MINUTE));
        minutes.push(world.now.boot.since(refused_at).as_secs() / 60);
    }
    assert_eq!(minutes, [5, 10, 20, 40, 80, 160, 320, 640, 1280, 1440, 1440]);
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
fn a_statement_that_changes_while_the_old_one_is_being_refused_is_tried_at_once() {
    let mut world = World::cinema();
    world.want(0);
    let desired = Desired { statement: Ok(digest(2)) };
    world.handle(Event::Configured { app: app("cinema"), desired });
    world.answer_registration(Err(refused()));
    assert!(world.run_to_request(seconds(2)));
    assert_eq!(world.sent[0].statement, Some(digest(2)));
}

#[test]
fn a_statement_that_comes_back_during_a_fetch_is_fetched_for_at_once_whatever_that_fetch_brings() {
    for answer in [Ok(()), Err(refused())] {
        let mut world = World::ready(36_000);
        let first = world.slot(1).current;
        let configure = |world: &mut World, n| {
            let desired = Desired { statement: Ok(digest(n)) };
            world.handle(Event::Configured { app: app("cinema"), desired });
        };
        configure(&mut world, 2);
        world.register_ok();
        configure(&mut world, 1);
        match answer {
            Ok(()) => drop(world.token_ok(36_000)),
            Err(failure) => world.answer_token(Err(failure)),
        }
        assert!(world.run_to_request(seconds(2)));
        assert_eq!(world.sent[0].credentials, first);
    }
}

#[test]
fn a_refusal_by_the_old_server_does_not_hold_up_the_new_one() {
    let mut world = World::cinema();
    world.want(0);
    world.use_servers(2, &[]);
    world.answer_registration(Err(refused()));
    assert!(world.run_to_request(seconds(310)));
    assert_eq!(world.sent[0].origin, origin(2));
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
        let most = (left / 2).max(MINUTE).min(seconds(300 * 8));
        assert!(world.now.boot.since(refused_at) <= most);
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
fn a_registration_anew_that_was_held_comes_right_after_one_more_refusal_of_the_old_credentials() {
    let mut world = World::ready(600);
    let old = world.slot(1).current.unwrap();
    world.run(seconds(600));
    assert!(refuse_until_registration(&mut world, DAY));
    for _ in 0..6 {
        let held_at = world.now.boot;
        world.answer_registration(Err(refused()));
        let mut refused_at = held_at;
        loop {
            assert!(world.run_to_request(DAY));
            if world.sent[0].registers() {
                break;
            }
            assert_eq!(world.sent[0].credentials.as_ref(), Some(&old));
            refused_at = world.now.boot;
            world.answer_token(Err(invalid_client()));
        }
        assert!(world.now.boot.since(held_at) >= seconds(300));
        assert!(world.now.boot.since(refused_at) <= seconds(2), "the governor's pace at the most");
    }
}

#[test]
fn a_held_registration_signs_nobody_out_once_the_old_credentials_are_accepted_again() {
    for held in 1..100 {
        let mut world = World::ready(600);
        let old = world.slot(1).current.unwrap();
        world.run(seconds(600));
        assert!(refuse_until_registration(&mut world, DAY));
        world.answer_registration(Err(refused()));
        // The server's trouble ends at some moment of the hold.
        let end = world.now.boot.after(seconds(3 * held));
        while world.run_to_request(end.since(world.now.boot)) {
            assert!(!world.sent[0].registers());
            world.answer_token(Err(invalid_client()));
        }
        assert!(world.run_to_request(DAY));
        assert!(!world.sent[0].registers(), "registered anew {held} % into the hold");
        world.token_ok(600);
        assert_eq!(world.slot(1).current, Some(old));
    }
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

#[test]
fn a_registration_anew_that_failed_is_no_trouble_once_the_old_credentials_are_accepted_again() {
    for failure in [unavailable(), no_answer(), refused()] {
        let mut world = World::ready(600);
        world.run(seconds(600));
        assert!(refuse_until_registration(&mut world, DAY));
        while world.sent[0].registers() {
            world.answer_registration(Err(failure.clone()));
            world.want(0);
            assert!(world.run_to_request(DAY));
        }
        world.token_ok(3600);
        assert_eq!(world.state(), AppState::Ready);
        assert_eq!(world.view().last_error.0, "");
    }
}
