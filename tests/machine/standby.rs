// SPDX-License-Identifier: MIT OR Apache-2.0
//! Real standby: ACPI S3, from which the machine wakes hours later.

use super::guest::*;
use super::support::authority::Endpoint;

#[test]
fn a_token_that_outlives_it_is_served_on_without_a_request() {
    let machine = Machine::enter();
    let served = served(6 * HOUR);
    machine.standby(HOUR);
    served.assert_the_same();
    machine.standby(HOUR);
    served.assert_the_same();
    assert_undisturbed(&served.tokend, 5 * MINUTE);
}

#[test]
fn a_token_that_dies_in_it_is_never_handed_out_and_one_fetch_brings_the_next() {
    let machine = Machine::enter();
    let served = served(6 * HOUR);
    machine.standby(8 * HOUR);
    // All at once, and the first of them the moment it wakes.
    let answers = served.player.start_get_token(8, CINEMA, 0);
    let tokens: Vec<_> = answers.iter().map(|answer| answer.unwrap().0).collect();
    assert!(tokens.iter().all(|token| *token == tokens[0] && *token != served.token));
    assert_eq!(served.requests(), (1, 2));
    let properties = served.player.properties(CINEMA);
    assert_eq!(properties.token_number, 2);
    assert!((date() + 6 * HOUR).abs_diff(properties.expires_at) <= NEARLY, "{properties:?}");
}

#[test]
fn a_token_that_dies_in_it_is_replaced_though_nobody_calls() {
    let machine = Machine::enter();
    let served = served(6 * HOUR);
    machine.standby(8 * HOUR);
    // At once, or within the five minutes that spread a fleet.
    pass(5 * MINUTE + 1);
    served.wait_for_the_next();
}

#[test]
fn a_refresh_point_that_passes_in_it_is_made_up_for() {
    let machine = Machine::enter();
    let served = served(6 * HOUR);
    machine.standby(5 * HOUR + 30 * MINUTE);
    let (token, expires_in) = served.player.get_token(CINEMA, 0).unwrap();
    assert!(token != served.token || u64::from(expires_in) <= 30 * MINUTE, "{expires_in}");
    served.wait_for_the_next();
}

#[test]
fn a_night_without_a_network_ends_with_a_fetch_once_the_server_is_there() {
    let machine = Machine::enter();
    let served = served(6 * HOUR);
    served.home.authority.set_down(true);
    machine.standby(8 * HOUR);
    let refused = served.player.get_token(CINEMA, 0).unwrap_err();
    assert_eq!(refused.name, "tv.tokend.Error.Unavailable", "{refused}");
    served.home.authority.set_down(false);
    pass(10 * MINUTE);
    let wanted = "the fetch after the backoff";
    let log =
        served.home.authority.wait_until(wanted, |log| log.answered(Endpoint::Token, 201) == 2);
    assert_eq!(log.count(Endpoint::Register), 1);
    pass(1);
    assert_ne!(served.player.get_token(CINEMA, 0).unwrap().0, served.token);
}

#[test]
fn a_clock_that_is_set_on_waking_changes_nothing() {
    let machine = Machine::enter();
    let served = served(6 * HOUR);
    machine.standby(HOUR);
    machine.move_date(-400 * 86_400);
    served.assert_the_same();
    machine.standby(HOUR);
    machine.move_date(800 * 86_400);
    served.assert_the_same();
}
