// SPDX-License-Identifier: MIT OR Apache-2.0
//! The clock is set while the daemon has a valid token; and what else may be wrong with dates.

use serde_json::json;

use super::guest::*;
use super::kernel_clock;
use super::support::authority::{Endpoint, Fault};

const YEAR: i64 = 365 * 86_400;
/// 2028-12-31T23:59:50Z.
const BEFORE_MIDNIGHT: i64 = 1_861_919_990;
/// 2027-03-14T06:59:00Z: a minute before New York's clocks go forward, and 2027-11-07T05:59:00Z,
/// before they go back.
const BEFORE_SUMMER_AND_WINTER: [i64; 2] = [1_805_007_540, 1_825_567_140];

#[test]
fn years_forward_and_back_leave_the_token_its_life_and_ask_nobody() {
    let machine = Machine::enter();
    let mut served = served(6 * HOUR);
    let changes = served.player.watch(CINEMA);
    // The second one is before the release.
    for years in [10, -15, 6] {
        machine.move_date(years * YEAR);
        let restated = changes.wait_for(|change| change.get::<u64>("ExpiresAt").is_some());
        let stated = restated.get::<u64>("ExpiresAt").unwrap();
        let end = date() + (served.end - boot()).unsigned_abs();
        assert!(end.abs_diff(stated) <= NEARLY, "{stated} instead of {end}");
        served.assert_the_same();
        assert_undisturbed(&served.tokend, 10 * MINUTE);
        served.assert_the_same();
        served.tokend.kill();
        served.tokend = served.home.device.start();
        served.assert_the_same();
    }
}

#[test]
fn a_clock_set_far_ahead_and_back_does_not_move_the_refresh_point() {
    let machine = Machine::enter();
    let served = served(HOUR);
    let due = boot() + (served.player.properties(CINEMA).retry_at - date()) as i64;
    machine.move_date(3 * YEAR);
    pass(20 * MINUTE);
    machine.move_date(-5 * YEAR / 2);
    pass((due - boot()) as u64 - NEARLY);
    served.assert_the_same();
    pass(2 * NEARLY);
    served.wait_for_the_next();
}

#[test]
fn a_leap_second_changes_nothing() {
    let machine = Machine::enter();
    machine.set_date(BEFORE_MIDNIGHT);
    kernel_clock::confirm();
    let served = served(6 * HOUR);
    kernel_clock::insert_leap_second();
    let (boot_before, date_before) = (boot(), date());
    pass(30);
    let inserted = (boot() - boot_before) - (date() - date_before) as i64;
    assert!((1..=2).contains(&inserted), "the kernel inserted no second: {inserted}");
    served.assert_the_same();
    assert_undisturbed(&served.tokend, MINUTE);
}

#[test]
fn daylight_saving_begins_and_ends_and_nothing_happens() {
    let machine = Machine::enter();
    for begin in BEFORE_SUMMER_AND_WINTER {
        machine.set_date(begin);
        let mut home = household();
        home.device.set_environment("TZ", "EST5EDT,M3.2.0,M11.1.0");
        home.authority.set_expires_in(6 * HOUR);
        let tokend = home.device.start();
        let player = home.player();
        let (token, _) = player.get_token(CINEMA, 0).unwrap();
        let served = Served { end: boot() + 6 * HOUR as i64, home, tokend, player, token };
        assert_undisturbed(&served.tokend, 2 * MINUTE);
        assert!(date() > begin as u64 + 2 * MINUTE);
        served.assert_the_same();
    }
}

#[test]
fn dates_of_a_server_whose_clock_is_years_off_decide_nothing() {
    let _machine = Machine::enter();
    let far = json!(4_102_444_800_000_u64);
    for (created_at, issued_at) in [(json!(0), json!(0)), (far.clone(), json!(4_102_444_800_u64))] {
        let home = household();
        home.authority.set_expires_in(6 * HOUR);
        let register = Fault::Patch(json!({ "client_id_issued_at": issued_at }));
        home.authority.next(Endpoint::Register, [register]);
        home.authority.next(Endpoint::Token, [Fault::Patch(json!({ "created_at": created_at }))]);
        let tokend = home.device.start();
        let player = home.player();
        let (token, expires_in) = player.get_token(CINEMA, 0).unwrap();
        assert!(6 * HOUR - u64::from(expires_in) <= NEARLY, "{expires_in}");
        let served = Served { end: boot() + 6 * HOUR as i64, home, tokend, player, token };
        served.assert_the_same();
        assert_undisturbed(&served.tokend, 10 * MINUTE);
        served.assert_the_same();
    }
}
