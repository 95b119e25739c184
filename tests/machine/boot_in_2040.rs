// SPDX-License-Identifier: MIT OR Apache-2.0
//! A boot after 2038-01-19, when seconds no longer fit into 32 bits.

use super::guest::*;

/// 2040-01-01T00:00:00Z.
const IN_2040: u64 = 2_208_988_800;

#[test]
fn it_registers_fetches_and_tells_the_right_dates_across_a_restart() {
    let _machine = Machine::enter();
    assert!((IN_2040..IN_2040 + 366 * 24 * HOUR).contains(&date()), "this boot is in {}", date());
    let mut served = served(24 * HOUR);
    served.assert_the_same();
    let before = served.player.properties(CINEMA);
    assert!(before.expires_at > IN_2040 + 24 * HOUR);
    let begun = before.expires_at - 24 * HOUR;
    let refresh = begun + 18 * HOUR - NEARLY..=begun + 24 * HOUR * 85 / 100 + NEARLY;
    assert!(refresh.contains(&before.retry_at), "{before:?}");
    assert!(before.client_id_issued_at.abs_diff(begun) <= NEARLY, "{before:?}");

    let stored = served.home.stored();
    assert_eq!(served.tokend.terminate().code(), 0);
    served.tokend = served.home.device.start();
    served.assert_the_same();
    let after = served.player.properties(CINEMA);
    assert!(after.expires_at.abs_diff(before.expires_at) <= 1, "{after:?}");
    assert!(refresh.contains(&after.retry_at), "{after:?}");
    assert_eq!(served.home.stored(), stored);
}

#[test]
fn the_refresh_comes_at_its_point_and_nothing_comes_before() {
    let _machine = Machine::enter();
    let served = served(HOUR);
    let due = served.player.properties(CINEMA).retry_at;
    assert_undisturbed(&served.tokend, due - date() - MINUTE);
    served.assert_the_same();
    pass(MINUTE);
    served.wait_for_the_next();
    assert!(due.abs_diff(date()) <= MINUTE, "due {due}, done {}", date());
}

#[test]
fn a_server_that_does_not_answer_is_asked_again_after_the_backoff() {
    let _machine = Machine::enter();
    let home = household();
    home.authority.set_down(true);
    let _tokend = home.device.start();
    let player = home.player();
    let refused = player.get_token(CINEMA, 0).unwrap_err();
    assert_eq!(refused.name, "tv.tokend.Error.Unavailable", "{refused}");
    pass(HOUR);
    let due = player.properties(CINEMA).retry_at;
    assert!((date()..=date() + 10 * MINUTE).contains(&due), "{due} at {}", date());
    home.authority.set_down(false);
    pass(due - date() + 1);
    home.authority.wait_until("the next try", |log| log.requests.len() == 2);
    player.get_token(CINEMA, 0).unwrap();
}
