// SPDX-License-Identifier: MIT OR Apache-2.0
//! Simulated histories of a server in trouble: how often it is asked, and how soon it is used again
//! once it is well.

use std::time::Duration;

use fastrand::Rng;

use super::world::*;
use crate::common::answer::Failure;
use crate::lifecycle::{Desired, Event};

const HISTORIES: u64 = 300;
const TEN_MINUTES: Duration = Duration::from_secs(600);

/// A row of the answer table, as a server that does not get well answers.
#[derive(Clone, Copy, Debug)]
struct Row {
    failure: fn() -> Failure,
    /// Requests in 24 hours.
    most: usize,
    longest_wait: Duration,
}

const REFUSED: Row = Row { failure: refused, most: 10, longest_wait: DAY };
const NO_CREDENTIALS: Row = Row { failure: no_credentials, most: 12, longest_wait: DAY };
const CLIENT_ERROR: Row =
    Row { failure: client_error, most: 30, longest_wait: Duration::from_secs(6 * HOUR) };
const UNREACHABLE: Row = Row { failure: unavailable, most: 600, longest_wait: TEN_MINUTES };
const TIMEOUT: Row = Row { failure: no_answer, most: 600, longest_wait: TEN_MINUTES };

/// A device that is about to register, or one whose token has ended.
fn device(registers: bool, seed: u64) -> World {
    let mut world = World::new();
    world.seed = seed;
    world.statements.insert(app("cinema"), Ok(digest(1)));
    world.start();
    world.want(0);
    if !registers {
        world.register_ok();
        world.token_ok(60);
        // The refresh is asked for, and the answer comes only after the token's end.
        world.run(seconds(60));
    }
    assert_eq!(world.sent.len(), 1);
    world
}

fn fail(world: &mut World, failure: Failure) {
    if world.sent[0].registers() {
        world.answer_registration(Err(failure));
    } else {
        world.answer_token(Err(failure));
    }
}

/// Answers each request with the same failure for so long; how many there were, and when the last.
fn trouble(world: &mut World, row: Row, lasts: Duration, rng: &mut Rng) -> usize {
    let end = world.now.boot.after(lasts);
    let mut requests = 0;
    while world.run_to_request(end.since(world.now.boot)) {
        requests += 1;
        let delay = Duration::from_millis(rng.u64(10..400));
        world.pass(delay);
        fail(world, (row.failure)());
        if rng.u8(..3) == 0 {
            world.want(0);
        }
    }
    requests
}

fn rows() -> Vec<(Row, bool)> {
    let both = [REFUSED, CLIENT_ERROR, UNREACHABLE, TIMEOUT];
    let both = both.into_iter().flat_map(|row| [(row, true), (row, false)]);
    both.chain([(NO_CREDENTIALS, true)]).collect()
}

#[test]
fn in_a_day_of_trouble_a_device_sends_few_requests() {
    for (row, registers) in rows() {
        for seed in 0..HISTORIES {
            let mut rng = Rng::with_seed(seed);
            let mut world = device(registers, seed);
            let requests = trouble(&mut world, row, DAY, &mut rng);
            assert!(requests <= row.most, "{requests} for {:?}", (row.failure)());
            assert!(requests >= 5, "it is asked again");
        }
    }
}

#[test]
fn a_server_that_is_well_again_is_used_within_ten_minutes_and_twice_the_time_of_its_trouble() {
    for (row, registers) in rows() {
        for seed in 0..HISTORIES {
            let mut rng = Rng::with_seed(seed);
            let mut world = device(registers, seed);
            let began = world.now.boot;
            // From seconds to days, as many of each.
            let lasts = Duration::from_secs_f64(2_f64.powf(rng.f64() * 18.0));
            trouble(&mut world, row, lasts, &mut rng);
            let well = world.now.boot;
            let most = TEN_MINUTES + 2 * well.since(began);
            let most = most.min(row.longest_wait + seconds(1));
            assert!(world.run_to_request(most), "{:?} {registers} {lasts:?}", (row.failure)());
        }
    }
}

#[test]
fn any_day_of_2xx_answers_without_credentials_makes_at_most_12_clients() {
    for seed in 0..HISTORIES {
        let mut rng = Rng::with_seed(seed);
        let mut world = device(true, seed);
        let end = world.now.boot.after(DAY);
        let mut registrations = 0;
        let mut reloads = 0;
        while world.now.boot < end {
            if !world.sent.is_empty() {
                registrations += 1;
                world.answer_registration(Err(no_credentials()));
            }
            match rng.u8(..8) {
                0 => world.restart(),
                1 => world.handle(Event::NetworkBack),
                2 => drop(world.want(0)),
                3 => world.handle(Event::FilesChanged { app: app("cinema") }),
                // Root helps once or twice, an application manager all the time.
                4 if reloads < 2 => {
                    reloads += 1;
                    world.handle(Event::Reloaded);
                }
                5 => {
                    let desired = Desired { statement: Ok(digest(1)) };
                    world.handle(Event::Configured { app: app("cinema"), desired });
                }
                _ => {
                    let span = seconds(rng.u64(1..3000)).min(end.since(world.now.boot));
                    world.run_to_request(span);
                }
            }
        }
        assert!(registrations <= 12, "seed {seed}: {registrations}");
    }
}

#[test]
fn the_count_of_2xx_answers_without_credentials_survives_a_restart() {
    let mut world = device(true, 1);
    for minutes in [1, 2, 4, 8, 16] {
        world.answer_registration(Err(no_credentials()));
        let answered = world.now.boot;
        world.restart();
        assert!(world.run_to_request(DAY));
        let waited = world.now.boot.since(answered);
        // At a start nobody waits at, it comes within 300 s.
        assert!(waited >= seconds(60 * minutes) && waited <= seconds((60 * minutes).max(300)));
    }
}

#[test]
fn a_reload_by_root_ends_one_of_the_waits_for_credentials_and_the_networks_return_none() {
    let mut world = device(true, 1);
    for _ in 0..6 {
        world.answer_registration(Err(no_credentials()));
        world.run_to_request(DAY);
    }
    world.answer_registration(Err(no_credentials()));
    world.handle(Event::NetworkBack);
    world.want(0);
    assert!(!world.run_to_request(seconds(600)));
    world.handle(Event::Reloaded);
    assert_eq!(world.sent.len(), 1);
    world.answer_registration(Err(no_credentials()));
    world.restart();
    world.handle(Event::Reloaded);
    assert!(!world.run_to_request(seconds(600)), "once, restarts counted in");
}

#[test]
fn another_statement_is_registered_at_once_whatever_the_old_one_waits_for() {
    let mut world = device(true, 1);
    world.answer_registration(Err(no_credentials()));
    let desired = Desired { statement: Ok(digest(2)) };
    world.handle(Event::Configured { app: app("cinema"), desired });
    assert_eq!(world.sent[0].statement, Some(digest(2)));
}

#[test]
fn a_registration_anew_without_credentials_waits_for_both_reasons() {
    let mut world = World::ready(600);
    world.run(seconds(600));
    assert!(refuse_until_registration(&mut world, DAY));
    let sent_at = world.now.boot;
    world.answer_registration(Err(no_credentials()));
    world.restart();
    assert!(refuse_until_registration(&mut world, DAY));
    assert!(world.now.boot.since(sent_at) >= seconds(HOUR), "it may have made a client");
}

#[test]
fn files_that_have_changed_end_a_hold_and_nothing_else_ends_it_for_a_reload_user() {
    let mut world = device(true, 1);
    world.answer_registration(Err(refused()));
    world.handle(Event::FilesChanged { app: app("music") });
    assert!(world.sent.is_empty());
    world.handle(Event::FilesChanged { app: app("cinema") });
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn the_networks_return_ends_the_backoff_of_a_firewalls_403() {
    let mut world = device(true, 1);
    let mut rng = Rng::with_seed(1);
    trouble(&mut world, CLIENT_ERROR, DAY, &mut rng);
    world.handle(Event::NetworkBack);
    world.want(0);
    assert!(world.run_to_request(seconds(5)));
}

#[test]
fn a_refused_registration_gives_its_room_on_the_disk_back_and_any_other_failure_keeps_it() {
    for (failure, kept) in [(refused(), false), (no_credentials(), true), (client_error(), true)] {
        let mut world = device(true, 1);
        assert_eq!(world.rooms.get(&app("cinema")), Some(&digest(1)));
        world.answer_registration(Err(failure));
        assert_eq!(world.rooms.contains_key(&app("cinema")), kept);
    }
}
