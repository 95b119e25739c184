// SPDX-License-Identifier: MIT OR Apache-2.0
//! What has happened, as support is told: `History`, `Counters` and `StartedAt`.

use rustix::process::geteuid;

use crate::support::authority::{Endpoint, Fault};
use crate::support::player::Properties;
use crate::support::scene::{CINEMA, Scene};

fn events(properties: &Properties) -> Vec<&str> {
    properties.history.iter().map(|(_, event, _)| event.as_str()).collect()
}

#[test]
fn what_has_happened_is_told_in_its_order_and_what_counts_outlives_a_restart() {
    let scene = Scene::new();
    scene.authority.next(Endpoint::Register, [Fault::html(500)]);
    let (tokend, player) = scene.start();
    let (token, _) = player.get_token(CINEMA, 0).unwrap();
    player.replace_token(CINEMA, &token, "").unwrap();
    let first = player.properties(CINEMA);
    assert_eq!(events(&first), ["failed", "registered", "token", "reported", "token"]);
    assert!(first.history[0].2.contains("answered 500"), "{:?}", first.history);
    assert_eq!(first.history[4].2, "token number 2");
    let dates: Vec<_> = first.history.iter().map(|(at, ..)| *at).collect();
    let started = player.manager_property::<u64>("StartedAt");
    assert!(started > 0 && started <= dates[0] && dates.is_sorted(), "{started} {dates:?}");
    let counted = |name: &str| first.counters[name];
    assert_eq!(
        (counted("registrations"), counted("failures"), counted("failing_since")),
        (1, 0, 0)
    );
    assert!(dates.contains(&counted("last_success")), "{first:?}");

    tokend.terminate();
    let (_tokend, player) = scene.start();
    let second = player.properties(CINEMA);
    assert_eq!(second.counters["registrations"], 1);
    // To the second: the token's end is kept, and its lifetime.
    assert!(second.counters["last_success"].abs_diff(counted("last_success")) <= 1);
    assert!(second.history.is_empty(), "{second:?}");
}

#[test]
fn a_series_of_failures_is_one_event_and_is_counted_and_dated_until_it_ends() {
    let scene = Scene::new();
    scene.authority.always(Endpoint::Register, Fault::html(500));
    let (_tokend, player) = scene.start();
    let waiting = player.start_get_token(1, CINEMA, 0);
    scene.authority.wait_until("three tries", |log| log.count(Endpoint::Register) >= 4);
    let failing = player.properties(CINEMA);
    assert!(failing.counters["failures"] >= 3, "{failing:?}");
    assert_eq!(failing.counters["failing_since"], failing.history[0].0);
    assert_eq!(events(&failing), ["failed"]);

    scene.authority.end_faults();
    drop(waiting);
    let changes = player.watch(CINEMA);
    if player.properties(CINEMA).token_number == 0 {
        changes.wait_for(|change| change.get::<u64>("TokenNumber") == Some(1));
    }
    let well = player.properties(CINEMA);
    assert_eq!((well.counters["failures"], well.counters["failing_since"]), (0, 0));
    assert_eq!(events(&well), ["failed", "registered", "token"]);
}

#[test]
fn a_forgotten_application_says_so_and_its_registrations_stay_counted() {
    if !geteuid().is_root() {
        eprintln!("not root: only root may forget");
        return;
    }
    let scene = Scene::new();
    let (_tokend, player) = scene.start();
    player.get_token(CINEMA, 0).unwrap();
    player.forget(CINEMA).unwrap();
    player.get_token(CINEMA, 0).unwrap();
    let properties = player.properties(CINEMA);
    let expected = ["registered", "token", "forgotten", "registered", "token"];
    assert_eq!(events(&properties), expected);
    assert_eq!(properties.counters["registrations"], 2);
}

#[test]
fn the_status_of_one_application_shows_them_in_80_columns() {
    let scene = Scene::new();
    let (_tokend, player) = scene.start();
    player.get_token(CINEMA, 0).unwrap();
    let ran = scene.command(&["status", CINEMA]);
    for words in ["registrations: 1\n", "last token from the server: ", " token: token number 1\n"]
    {
        assert!(ran.stdout.contains(words), "{words:?} in\n{}", ran.stdout);
    }
    assert!(ran.stdout.lines().all(|line| line.chars().count() <= 80), "{}", ran.stdout);
}
