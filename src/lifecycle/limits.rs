// SPDX-License-Identifier: MIT OR Apache-2.0
//! When a statement may be registered, and registered anew: the counts in an attempt record.
//!
//! Every registration signs the viewer out of every TV provider, so the counts err on the side of
//! waiting, and they are written before they are acted on.

use std::time::Duration;

use super::schedule::doubled;
use crate::common::model::{Attempts, Stamp, Unusable};
use crate::common::time::{BootId, Now};

/// `invalid_client` answers that it takes, at the least, before a registration anew.
const REFUSALS: u32 = 3;
/// While a token is still valid, the refusals must last this many times as long.
const WITH_A_TOKEN: u32 = 6;
const UNANSWERED_FIRST: Duration = Duration::from_secs(1);
const UNANSWERED_LAST: Duration = Duration::from_secs(60);
const UNUSABLE_FIRST: Duration = Duration::from_secs(60);
const UNUSABLE_LAST: Duration = Duration::from_secs(24 * 3600);
const ANEW_FIRST: Duration = Duration::from_secs(3600);
const ANEW_LAST: Duration = Duration::from_secs(24 * 3600);

/// A registration is about to be sent.
pub(super) fn begin(attempts: &mut Attempts, anew: bool, boot_id: &BootId, now: Now) {
    attempts.unanswered = attempts.unanswered.saturating_add(1);
    attempts.registered = Some(Stamp::new(boot_id, now));
    if anew {
        attempts.anew = attempts.anew.saturating_add(1);
    }
}

/// The server issued new credentials.
pub(super) fn registered(attempts: &mut Attempts) {
    attempts.unanswered = 0;
    attempts.unusable = None;
    clear_refusals(attempts);
}

/// A token was fetched: the credentials are good. The limit on registrations anew is lifted once
/// they have been good for a day.
pub(super) fn proven(attempts: &mut Attempts, boot_id: &BootId, now: Now) {
    attempts.unanswered = 0;
    attempts.unusable = None;
    clear_refusals(attempts);
    let since = attempts.registered.as_ref().map(|stamp| stamp.elapsed(boot_id, now));
    if since.is_none_or(|since| since >= ANEW_LAST) {
        attempts.anew = 0;
    }
}

/// The server answered `invalid_client`.
pub(super) fn refused(attempts: &mut Attempts, boot_id: &BootId, now: Now) {
    if let Some(last) = &attempts.refused {
        let gone = last.elapsed(boot_id, now).as_millis() as u64;
        attempts.refused_for = attempts.refused_for.saturating_add(gone);
    }
    attempts.refusals = attempts.refusals.saturating_add(1);
    attempts.refused = Some(Stamp::new(boot_id, now));
}

/// Whether the refusals so far are enough for a registration anew, by number and by time.
pub(super) fn refused_enough(attempts: &Attempts, least: Duration, token_valid: bool) -> bool {
    let least = if token_valid { least * WITH_A_TOKEN } else { least };
    attempts.refusals >= REFUSALS && u128::from(attempts.refused_for) >= least.as_millis()
}

/// How long the next registration anew must still wait: 1 h after the one before, growing to 24 h.
pub(super) fn anew_wait(attempts: &Attempts, boot_id: &BootId, now: Now) -> Duration {
    let Some(times) = attempts.anew.checked_sub(1) else { return Duration::ZERO };
    let Some(last) = &attempts.registered else { return Duration::ZERO };
    doubled(ANEW_FIRST, times, ANEW_LAST).saturating_sub(last.elapsed(boot_id, now))
}

/// How long the next first registration must still wait because the last ones got no answer,
/// in this process or before it: 1 s, doubling up to 60 s.
pub(super) fn unanswered_wait(attempts: &Attempts, boot_id: &BootId, now: Now) -> Duration {
    let Some(times) = attempts.unanswered.checked_sub(1) else { return Duration::ZERO };
    let Some(last) = &attempts.registered else { return Duration::ZERO };
    doubled(UNANSWERED_FIRST, times, UNANSWERED_LAST).saturating_sub(last.elapsed(boot_id, now))
}

/// How long the next registration must still wait for the 2xx answers without credentials, each of
/// which may have made a client: 1 min, doubling up to 24 h.
pub(super) fn unusable_wait(attempts: &Attempts, boot_id: &BootId, now: Now) -> Duration {
    let Some(Unusable { count, last, .. }) = &attempts.unusable else { return Duration::ZERO };
    let full = doubled(UNUSABLE_FIRST, count.saturating_sub(1), UNUSABLE_LAST);
    full.saturating_sub(last.elapsed(boot_id, now))
}

/// How long the next registration must still wait, whatever else is planned.
pub(super) fn wait(attempts: &Attempts, anew: bool, boot_id: &BootId, now: Now) -> Duration {
    let own = if anew { anew_wait } else { unanswered_wait };
    own(attempts, boot_id, now).max(unusable_wait(attempts, boot_id, now))
}

/// The server answered a registration with a 2xx that has no credentials.
pub(super) fn no_credentials(attempts: &mut Attempts, boot_id: &BootId, now: Now) {
    let (count, ended) = attempts.unusable.as_ref().map_or((0, false), |u| (u.count, u.ended));
    attempts.unanswered = 0;
    attempts.unusable =
        Some(Unusable { count: count.saturating_add(1), last: Stamp::new(boot_id, now), ended });
}

/// The counts of all names of one server as one, each the one that waits the longest.
pub(super) fn together<'a>(all: impl Iterator<Item = &'a Attempts>) -> Attempts {
    let later = |a: Option<Stamp>, b: &Option<Stamp>| match (&a, b) {
        (Some(x), Some(y)) if x.boot_id == y.boot_id && x.boot < y.boot => Some(y.clone()),
        (Some(x), Some(y)) if x.boot_id != y.boot_id && x.wall < y.wall => Some(y.clone()),
        _ => a.or_else(|| b.clone()),
    };
    let count = |u: &Option<Unusable>| u.as_ref().map_or(0, |unusable| unusable.count);
    all.fold(Attempts::default(), |mut sum, next| {
        sum.unanswered = sum.unanswered.max(next.unanswered);
        sum.anew = sum.anew.max(next.anew);
        sum.registered = later(sum.registered, &next.registered);
        if next.refusals > sum.refusals {
            sum.refusals = next.refusals;
            sum.refused_for = next.refused_for;
            sum.refused.clone_from(&next.refused);
        }
        if count(&next.unusable) > count(&sum.unusable) {
            sum.unusable.clone_from(&next.unusable);
        }
        sum
    })
}

/// A moment that is still to come is taken for now: stamped in another time namespace, it would
/// hold up a registration for as long as that one's clock is ahead.
pub(super) fn not_to_come(attempts: &mut Attempts, boot_id: &BootId, now: Now) {
    let last = attempts.unusable.as_mut().map(|unusable| &mut unusable.last);
    let stamps = attempts.registered.as_mut().into_iter().chain(attempts.refused.as_mut());
    for stamp in stamps.chain(last).filter(|stamp| stamp.is_to_come(boot_id, now)) {
        *stamp = Stamp::new(boot_id, now);
    }
}

/// What to assume where an attempt record was lost: that every limit was reached just now.
pub(super) fn lost(boot_id: &BootId, now: Now) -> Attempts {
    Attempts {
        unanswered: u32::MAX,
        registered: Some(Stamp::new(boot_id, now)),
        anew: u32::MAX,
        ..Attempts::default()
    }
}

fn clear_refusals(attempts: &mut Attempts) {
    attempts.refusals = 0;
    attempts.refused_for = 0;
    attempts.refused = None;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::time::{BootTime, WallTime};

    fn boot() -> BootId {
        BootId("b".into())
    }

    fn at(seconds: u64) -> Now {
        Now { boot: BootTime(seconds * 1000), wall: WallTime(0), confirmed: false }
    }

    #[test]
    fn credentials_are_given_up_after_three_refusals_over_the_whole_time() {
        let least = Duration::from_secs(300);
        let mut attempts = Attempts::default();
        for second in [0, 1, 2] {
            refused(&mut attempts, &boot(), at(second));
            assert!(!refused_enough(&attempts, least, false));
        }
        refused(&mut attempts, &boot(), at(299));
        assert!(!refused_enough(&attempts, least, false));
        refused(&mut attempts, &boot(), at(300));
        assert!(refused_enough(&attempts, least, false));
        assert!(!refused_enough(&attempts, least, true));
        refused(&mut attempts, &boot(), at(1800));
        assert!(refused_enough(&attempts, least, true));

        let mut two = Attempts::default();
        refused(&mut two, &boot(), at(0));
        refused(&mut two, &boot(), at(9000));
        assert!(!refused_enough(&two, least, false));
    }

    #[test]
    fn one_token_forgets_all_refusals() {
        let mut attempts = Attempts::default();
        for second in [0, 200, 400] {
            refused(&mut attempts, &boot(), at(second));
        }
        proven(&mut attempts, &boot(), at(500));
        assert_eq!(attempts, Attempts::default());
    }

    #[test]
    fn registrations_anew_are_an_hour_apart_and_then_up_to_a_day() {
        let mut attempts = Attempts::default();
        begin(&mut attempts, false, &boot(), at(0));
        registered(&mut attempts);
        assert_eq!(anew_wait(&attempts, &boot(), at(1)), Duration::ZERO);
        let mut hours = Vec::new();
        for _ in 0..7 {
            begin(&mut attempts, true, &boot(), at(1000));
            registered(&mut attempts);
            hours.push(anew_wait(&attempts, &boot(), at(1000)).as_secs() / 3600);
        }
        assert_eq!(hours, [1, 2, 4, 8, 16, 24, 24]);
        let half = anew_wait(&attempts, &boot(), at(1000 + 12 * 3600));
        assert_eq!(half, Duration::from_secs(12 * 3600));
        proven(&mut attempts, &boot(), at(2000));
        assert_eq!(attempts.anew, 7, "a token within the day lifts no limit");
        proven(&mut attempts, &boot(), at(1000 + 24 * 3600));
        assert_eq!(attempts.anew, 0);
    }

    #[test]
    fn registrations_without_an_answer_wait_longer_each_time_up_to_a_minute() {
        let mut attempts = Attempts::default();
        let mut waits = Vec::new();
        for _ in 0..8 {
            begin(&mut attempts, false, &boot(), at(50));
            waits.push(unanswered_wait(&attempts, &boot(), at(50)).as_secs());
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(unanswered_wait(&attempts, &boot(), at(80)), Duration::from_secs(30));
    }

    #[test]
    fn a_lost_record_counts_as_every_limit_reached() {
        let attempts = lost(&boot(), at(0));
        assert_eq!(unanswered_wait(&attempts, &boot(), at(0)), UNANSWERED_LAST);
        assert_eq!(anew_wait(&attempts, &boot(), at(0)), ANEW_LAST);
    }
}
