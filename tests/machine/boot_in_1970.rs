// SPDX-License-Identifier: MIT OR Apache-2.0
//! A device without a battery: its clock starts in 1970, and is set by the network's time later.

use super::guest::*;
use super::support::authority::Endpoint;

/// 2026-10-31T00:00:00Z: no release of tokend is that old.
const BEFORE_THE_RELEASE: i64 = 1_793_404_800;
/// 2027-03-01T00:00:00Z.
const SET: i64 = 1_803_859_200;

#[test]
fn nothing_is_tried_nothing_wakes_it_and_the_moment_the_clock_is_set_it_registers() {
    let machine = Machine::enter();
    assert!(date() < HOUR, "this boot is in {}", date());
    let home = household();
    let tokend = home.device.start();
    let player = home.player();
    assert_eq!(player.properties(CINEMA).state, "clock-unset");
    assert!(!player.manager_property::<bool>("ClockSet"));
    let refused = player.get_token(CINEMA, 0).unwrap_err();
    assert_eq!(refused.name, "tv.tokend.Error.Unavailable", "{refused}");
    assert_undisturbed(&tokend, 20 * MINUTE);

    let changes = player.watch(CINEMA);
    machine.set_date(BEFORE_THE_RELEASE);
    assert_undisturbed(&tokend, MINUTE);
    assert_eq!(player.properties(CINEMA).state, "clock-unset");
    assert_eq!(home.authority.log().connections, 0);

    let set = boot();
    machine.set_date(SET);
    changes.wait_for(|change| change.is_state("ready"));
    let took = boot() - set;
    assert!(took <= 5, "work went on after {took} s: that was a timer");
    assert!(player.manager_property::<bool>("ClockSet"));
    let log = home.authority.log();
    assert_eq!((log.count(Endpoint::Register), log.count(Endpoint::Token)), (1, 1));
    let (_, expires_in) = player.get_token(CINEMA, 0).unwrap();
    let end = date() + u64::from(expires_in);
    assert!(end.abs_diff(player.properties(CINEMA).expires_at) <= NEARLY);
}

#[test]
fn a_valid_token_is_served_on_when_the_clock_falls_back_to_1970() {
    let machine = Machine::enter();
    machine.set_date(SET);
    let served = served(6 * HOUR);
    machine.set_date_to_1970();
    served.assert_the_same();
    assert!(!served.player.manager_property::<bool>("ClockSet"));
    assert_undisturbed(&served.tokend, 10 * MINUTE);
    machine.set_date(SET + 700);
    served.assert_the_same();
}
