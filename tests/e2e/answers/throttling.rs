// SPDX-License-Identifier: MIT OR Apache-2.0
//! 429, and 503 with `Retry-After`: the whole daemon pauses.

use std::thread;
use std::time::Duration;

use super::{THROTTLED, next_error};
use crate::support::authority::{Authority, Endpoint, Fault, Log, Response};
use crate::support::household::Household;

fn too_many() -> Response {
    Response::html(429, "Too Many Requests")
}

#[test]
fn a_short_pause_is_kept_and_those_who_wait_get_their_token() {
    let rows = [
        (Endpoint::Register, Fault::throttled(), 1),
        (Endpoint::Token, Fault::throttled(), 1),
        (Endpoint::Register, Fault::Answer(too_many().with("Retry-After", 2)), 2),
        (Endpoint::Token, Fault::Answer(too_many().with("Retry-After", 0)), 1),
        (Endpoint::Token, Fault::busy(2), 2),
        (Endpoint::Register, Fault::busy(0), 1),
    ];
    thread::scope(|scope| {
        for (endpoint, fault, least) in rows {
            scope.spawn(move || pauses(endpoint, &fault, Duration::from_secs(least)));
        }
    });
}

fn pauses(endpoint: Endpoint, fault: &Fault, least: Duration) {
    let home = Household::new(Authority::http(), &["cinema"]);
    home.authority.next(endpoint, [fault.clone()]);
    let _tokend = home.device.start();
    let player = home.player();
    let changes = player.watch("cinema");
    let call = player.start_get_token(1, "cinema", 0);
    assert_eq!(next_error(&changes).name, THROTTLED, "{fault:?}");
    call.recv().unwrap().unwrap();
    let log = home.authority.log();
    let at: Vec<_> = log.of(endpoint).map(|request| request.at).collect();
    assert_eq!(at.len(), 2, "{fault:?}");
    // The pause begins when the answer comes, which is after the request came.
    assert!(at[1] - at[0] >= least, "{fault:?}: {:?}", at[1] - at[0]);
}

#[test]
fn throttling_that_goes_on_makes_the_pauses_longer() {
    let home = Household::new(Authority::http(), &["cinema"]);
    home.authority.next(Endpoint::Register, [Fault::throttled(), Fault::throttled()]);
    let _tokend = home.device.start();
    home.player().get_token("cinema", 0).unwrap();
    let log = home.authority.log();
    let at: Vec<_> = log.of(Endpoint::Register).map(|request| request.at).collect();
    assert_eq!(at.len(), 3);
    assert!(at[1] - at[0] >= Duration::from_secs(1) && at[2] - at[1] >= Duration::from_secs(2));
}

#[test]
fn a_long_pause_is_told_at_once_and_holds_for_every_application() {
    for fault in [Fault::Answer(too_many().with("Retry-After", 60)), Fault::busy(60)] {
        let home = Household::new(Authority::http(), &["cinema", "news"]);
        home.authority.always(Endpoint::Register, fault);
        let _tokend = home.device.start();
        let player = home.player();
        let date = home.authority.date();
        for id in ["cinema", "cinema", "news", "news"] {
            let error = player.get_token(id, 0).unwrap_err();
            assert_eq!(error.name, THROTTLED, "{error}");
            assert!(error.message.contains("next try at 2"), "{error}");
        }
        assert_eq!(home.authority.log().connections, 1, "a pause is a pause");
        let properties = player.properties("cinema");
        assert_eq!((properties.state.as_str(), properties.token_number), ("waiting", 0));
        assert_eq!(properties.last_error.0, THROTTLED);
        // With a jitter of up to one half; two clocks, each rounded to seconds.
        assert!(properties.retry_at + 1 >= date + 60, "{properties:?}");
        assert!(properties.retry_at <= home.authority.date() + 91, "{properties:?}");
    }
}

#[test]
fn a_pause_is_not_ended_by_a_reload() {
    let home = Household::new(Authority::http(), &["cinema"]);
    home.authority.next(Endpoint::Token, [Fault::busy(60)]);
    let _tokend = home.device.start();
    let player = home.player();
    assert_eq!(player.get_token("cinema", 0).unwrap_err().name, THROTTLED);
    player.reload().unwrap();
    assert_eq!(player.get_token("cinema", 0).unwrap_err().name, THROTTLED);
    assert_eq!(home.authority.log().connections, 2);
}

#[test]
fn a_token_in_use_is_served_through_a_pause() {
    let home = Household::new(Authority::http(), &["cinema", "news"]);
    let _tokend = home.device.start();
    let player = home.player();
    let (token, _) = player.get_token("cinema", 0).unwrap();
    home.authority.always(Endpoint::Register, Fault::busy(60));
    assert_eq!(player.get_token("news", 0).unwrap_err().name, THROTTLED);
    assert_eq!(player.get_token("cinema", 0).unwrap().0, token);
    let registered = |log: &Log| log.answered(Endpoint::Register, 201);
    assert_eq!(registered(&home.authority.log()), 1);
}
