// SPDX-License-Identifier: MIT OR Apache-2.0
//! 2038-01-19T03:14:07Z, the last second that 32 bits hold, passes while the daemon runs.

use super::guest::*;

/// The last second.
const LAST: i64 = i32::MAX as i64;

#[test]
fn the_last_second_of_32_bits_passes_and_nothing_happens() {
    let machine = Machine::enter();
    machine.set_date(LAST - 60);
    let served = served(6 * HOUR);
    assert!(date() < LAST as u64);
    assert!(served.player.properties(CINEMA).expires_at > LAST as u64);
    served.assert_the_same();
    assert_undisturbed(&served.tokend, 2 * MINUTE);
    assert!(date() > LAST as u64 + 30);
    served.assert_the_same();
}

#[test]
fn a_clock_set_across_it_forth_and_back_changes_the_date_of_expiry_alone() {
    let machine = Machine::enter();
    machine.set_date(LAST - 10 * 365 * 86_400);
    let mut served = served(6 * HOUR);
    for date in [LAST + 86_400, LAST - 86_400, LAST + 20 * 365 * 86_400] {
        machine.set_date(date);
        served.assert_the_same();
        served.tokend.kill();
        served.tokend = served.home.device.start();
        served.assert_the_same();
    }
}

#[test]
fn the_refresh_point_of_a_token_from_before_is_kept_after() {
    let machine = Machine::enter();
    machine.set_date(LAST - 60);
    let served = served(20 * MINUTE);
    pass(17 * MINUTE + 5);
    served.wait_for_the_next();
    assert!(served.player.properties(CINEMA).expires_at > LAST as u64 + 30 * MINUTE);
}
