// SPDX-License-Identifier: MIT OR Apache-2.0
//! One server by several names: `same_server_as`.

use super::world::*;
use crate::lifecycle::view::AppState;
use crate::lifecycle::{Action, Desired, Event, Policy};

/// Registered with server 1, and moved to its other name, 2.
fn moved() -> World {
    let mut world = World::ready(36_000);
    world.use_servers(2, &[1]);
    world
}

#[test]
fn a_token_of_the_other_name_is_served_on_and_its_credentials_fetch_the_next_one() {
    let mut world = moved();
    assert_eq!(world.state(), AppState::Ready);
    let old = world.slot_at(1, 1).current;
    world.restart();
    assert_eq!(world.state(), AppState::Ready);
    assert!(world.run_to_request(DAY));
    assert_eq!((&world.sent[0].origin, &world.sent[0].credentials), (&origin(2), &old));
    world.token_ok(3600);
    assert_eq!(world.slot_at(1, 1).current, old, "filed under who issued them");
    assert_eq!(world.slot(1), Default::default());
    assert!(world.logs.iter().all(|line| !line.contains("signs")), "{:?}", world.logs);
}

#[test]
fn credentials_are_found_again_after_a_move_back() {
    let mut world = moved();
    assert!(world.run_to_request(DAY));
    let token = world.token_ok(36_000);
    world.use_servers(1, &[2]);
    assert_eq!(world.token(), Some(token), "issued by the other name");
    world.use_servers(1, &[]);
    assert_eq!(world.token(), None, "without the list there is no other name");
    world.want(0);
    assert!(!world.sent[0].registers());
    assert_eq!(world.sent[0].credentials, world.slot(1).current);
}

/// Registered with both, each while it was the only name.
fn both() -> World {
    let mut world = World::ready(600);
    world.use_servers(2, &[]);
    world.want(0);
    world.register_ok();
    world.token_ok(600);
    world.use_servers(2, &[1]);
    world
}

#[test]
fn those_that_url_issued_are_asked_with_first_and_then_the_other_names_in_their_order() {
    let mut world = both();
    let (first, second) = (world.slot_at(1, 2).current, world.slot_at(1, 1).current);
    assert!(world.run_to_request(DAY));
    assert_eq!(world.sent[0].credentials, first);
    world.answer_token(Err(invalid_client()));
    assert!(world.run_to_request(seconds(2)), "at once, at the governor's pace");
    assert_eq!(world.sent[0].credentials, second);
    assert_eq!(world.attempts().refusals, 0, "only if all are refused does that count");
    world.token_ok(600);
    assert_eq!(world.slot_at(1, 2).current, first, "kept");
}

#[test]
fn both_refused_count_as_one_refusal_and_are_registered_anew_as_one() {
    let mut world = both();
    world.run(seconds(600));
    let began = world.now.boot;
    assert!(refuse_until_registration(&mut world, DAY));
    assert!(world.now.boot.since(began) >= seconds(300));
    assert!(world.attempts().refusals >= 3);
    assert_eq!(world.sent[0].origin, origin(2));
    world.register_ok();
    let sent = world.now.boot;
    // New ones are refused too: whatever the name, the next registration is an hour off.
    world.use_servers(1, &[2]);
    world.want(0);
    assert!(refuse_until_registration(&mut world, DAY));
    assert!(world.now.boot.since(sent) >= seconds(HOUR));
}

#[test]
fn old_credentials_of_the_other_name_that_are_accepted_again_put_the_new_ones_aside() {
    let mut world = both();
    let old = world.slot_at(1, 1).current;
    world.run(seconds(600));
    assert!(refuse_until_registration(&mut world, DAY));
    world.register_ok();
    while world.sent[0].credentials != old {
        world.answer_token(Err(invalid_client()));
        assert!(world.run_to_request(DAY));
    }
    world.token_ok(600);
    assert_eq!(world.slot_at(1, 2).pending, None);
    assert_eq!(world.slot_at(1, 2).replaced.len(), 1);
}

#[test]
fn a_name_that_is_no_name_of_this_server_is_found_out_and_registered_anew_with_a_warning() {
    let mut world = moved();
    world.run(seconds(36_000));
    assert!(refuse_until_registration(&mut world, DAY), "the server knows nothing of them");
    assert_eq!(world.sent[0].origin, origin(2));
    let told = world.logs.iter().find(|line| line.contains("registering again"));
    assert!(told.is_some_and(|line| line.contains("signs")), "{:?}", world.logs);
    world.register_ok();
    world.token_ok(3600);
    assert!(world.slot(1).current.is_some());
}

#[test]
fn a_registration_that_leaves_credentials_behind_is_warned_of_before_it_happens() {
    let desired = Desired { statement: Ok(digest(2)) };
    let servers = servers(2, &[]);
    for (event, words) in [
        (
            Event::PolicyChanged(Policy { servers, ..World::new().policy }),
            "this statement (01010101) at https://server-1.test",
        ),
        (Event::Configured { app: app("cinema"), desired }, "another statement (01010101)"),
    ] {
        let mut world = World::ready(3600);
        let actions = world.life.handle(world.now, event);
        let warns = |action: &Action| match action {
            Action::Log { level: log::Level::Warn, text } => {
                text.contains("signs this application's viewers out") && text.contains(words)
            }
            _ => false,
        };
        let warned = actions.iter().position(warns);
        let begun = actions.iter().position(|action| matches!(action, Action::SaveRecord { .. }));
        assert!(warned.is_some() && warned < begun, "{actions:?}");
    }
}

#[test]
fn a_first_registration_signs_nobody_out_and_is_not_warned_of() {
    let world = World::ready(3600);
    assert!(world.logs.iter().all(|line| !line.contains("signs")), "{:?}", world.logs);
}
