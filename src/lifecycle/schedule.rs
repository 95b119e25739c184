// SPDX-License-Identifier: MIT OR Apache-2.0
//! When the next try of something is: refresh point, backoff, hold, lazy start.
//!
//! Every number here is the contract's (section 1); every function is one of its sentences.

use std::time::Duration;

use fastrand::Rng;

use crate::common::time::BootTime;
use crate::lifecycle::view::SERVE_MARGIN;

/// Where nobody waits, a fetch without a valid token starts within this time, at random, so that
/// a region whose power comes back does not call in chorus.
pub const LAZY: Duration = Duration::from_secs(300);
/// The same where somebody waits, after the network has come back.
pub const EAGER: Duration = Duration::from_secs(5);
/// A network that comes back ends a backoff at most this often.
pub const NETWORK_EVERY: Duration = Duration::from_secs(60);

const BACKOFF_FIRST: Duration = Duration::from_secs(1);
const BACKOFF_LAST: Duration = Duration::from_secs(600);
const HOLD_FIRST: Duration = Duration::from_secs(300);
const HOLD_LAST: Duration = Duration::from_secs(24 * 3600);
/// However little a token has left, a refusal is asked for again no sooner.
pub const SHORTEST_HOLD: Duration = Duration::from_secs(60);
/// A series of 4xx answers backs off like any failure for this long.
pub const CLIENT_ERRORS_EARLY: Duration = Duration::from_secs(3600);
const CLIENT_ERRORS_LAST: Duration = Duration::from_secs(6 * 3600);

/// One planned try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// When it happens if nobody waits.
    pub at: BootTime,
    /// When it happens if somebody waits; equal to `at` where callers may not shorten the wait.
    pub earliest: BootTime,
    /// A network that comes back may bring it forward, but not before this moment.
    pub not_before: Option<BootTime>,
}

impl Plan {
    /// A start that nothing holds back: at random within [`LAZY`], at once if somebody waits.
    pub fn lazy(now: BootTime, rng: &mut Rng) -> Self {
        Self { at: now.after(within(LAZY, rng)), earliest: now, not_before: None }
    }

    /// A refresh: at its point, or as soon as somebody needs a fresher token.
    pub const fn refresh(point: BootTime) -> Self {
        Self { at: point, earliest: BootTime(0), not_before: None }
    }

    /// At a certain moment, whoever waits.
    pub const fn fixed(at: BootTime) -> Self {
        Self { at, earliest: at, not_before: None }
    }

    /// Not by itself: an answer that is under way plans anew.
    pub const fn never() -> Self {
        Self::fixed(BootTime(u64::MAX))
    }

    /// The try after the `failures`-th failure in a row, and not before `floor`: exponential
    /// backoff with full jitter. A network that comes back ends it.
    pub fn backoff(now: BootTime, failures: u32, floor: BootTime, rng: &mut Rng) -> Self {
        let at = now.after(within(backoff_cap(failures), rng)).max(floor);
        Self { at, earliest: at, not_before: Some(floor) }
    }

    /// A backoff of at most `cap`, half of it fixed and half random, and not before `floor`. A
    /// network that comes back ends it.
    pub fn half_random(now: BootTime, cap: Duration, floor: BootTime, rng: &mut Rng) -> Self {
        let at = now.after(cap / 2 + within(cap / 2, rng)).max(floor);
        Self { at, earliest: at, not_before: Some(floor) }
    }

    /// The moment of the try.
    pub const fn due(&self, somebody_waits: bool) -> BootTime {
        if somebody_waits { self.earliest } else { self.at }
    }

    /// The network has come back: a backoff becomes a short random wait.
    pub fn network_is_back(&mut self, now: BootTime, rng: &mut Rng) {
        let Some(floor) = self.not_before else { return };
        self.at = self.at.min(now.after(within(LAZY, rng)).max(floor));
        self.earliest = self.earliest.min(now.after(within(EAGER, rng)).max(floor)).min(self.at);
    }
}

/// The longest wait after the `failures`-th failure in a row: 1 s, doubling up to 10 min.
pub fn backoff_cap(failures: u32) -> Duration {
    doubled(BACKOFF_FIRST, failures.saturating_sub(1), BACKOFF_LAST)
}

/// The longest wait after the `late`-th 4xx answer that came when a series of them had lasted for
/// [`CLIENT_ERRORS_EARLY`]: 20 min, doubling up to 6 h.
pub fn client_error_cap(late: u32) -> Duration {
    doubled(BACKOFF_LAST, late, CLIENT_ERRORS_LAST)
}

/// The wait after the `refusals`-th refusal in a row: 5 min, doubling up to 24 h.
pub fn hold(refusals: u32) -> Duration {
    doubled(HOLD_FIRST, refusals.saturating_sub(1), HOLD_LAST)
}

/// `first`, doubled `times` times, at most `last`.
pub fn doubled(first: Duration, times: u32, last: Duration) -> Duration {
    2_u32.checked_pow(times).map_or(last, |factor| first.saturating_mul(factor).min(last))
}

/// A random duration from zero to `most`, in milliseconds.
pub fn within(most: Duration, rng: &mut Rng) -> Duration {
    Duration::from_millis(rng.u64(0..=most.as_millis() as u64))
}

/// The refresh point of a token that ends at `expires`: random between 75 % and 85 % of its
/// lifetime, but no later than 60 s before its end where it lives for 120 s or more. One that is
/// past already (a restart late in a token's life) is spread over what is left, like a lazy start.
pub fn refresh_point(
    now: BootTime,
    expires: BootTime,
    lifetime: Duration,
    rng: &mut Rng,
) -> BootTime {
    let last_call = if lifetime >= Duration::from_secs(120) { 60_000 } else { 0 };
    let life = lifetime.as_millis() as u64;
    // A short-lived token is refreshed early in its window, while it can still be served.
    let usable = (SERVE_MARGIN + Duration::from_secs(1)).as_millis() as u64;
    let latest_left = (life * 15 / 100).max(last_call).max(usable.min(life * 25 / 100));
    let earliest_left = (life * 25 / 100).max(latest_left);
    let left = Duration::from_millis(rng.u64(latest_left..=earliest_left));
    let point = expires.before(left);
    if point > now {
        return point;
    }
    let usable = expires.before(SERVE_MARGIN).since(now);
    now.after(within(LAZY.min(usable / 2), rng))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: BootTime = BootTime(1_000_000);

    fn points(lifetime_s: u64) -> (f64, f64) {
        let mut rng = Rng::with_seed(7);
        let lifetime = Duration::from_secs(lifetime_s);
        let all = (0..2_000).map(|_| {
            refresh_point(NOW, NOW.after(lifetime), lifetime, &mut rng).since(NOW).as_secs_f64()
        });
        all.fold((f64::MAX, 0.0), |(low, high), point| (low.min(point), high.max(point)))
    }

    #[test]
    fn a_refresh_starts_between_75_and_85_percent_of_the_lifetime() {
        let (low, high) = points(21_600);
        assert!((16_200.0..16_250.0).contains(&low), "{low}");
        assert!((18_300.0..=18_360.0).contains(&high), "{high}");
        let (low, high) = points(10);
        assert!(low >= 7.5 && high <= 8.5, "{low} {high}");
        let (low, high) = points(30);
        assert!(low >= 22.5 && high <= 24.0, "while the old one is still served: {low} {high}");
    }

    #[test]
    fn a_refresh_starts_60_seconds_before_expiry_at_the_latest() {
        assert_eq!(points(120), (60.0, 60.0));
        let (low, high) = points(300);
        assert!(low >= 225.0 && high <= 240.0, "{low} {high}");
        assert_eq!(points(200), (140.0, 140.0));
        let (low, high) = points(119);
        assert!(low >= 119.0 * 0.75 && high <= 119.0 * 0.85 + 0.01, "{low} {high}");
    }

    #[test]
    fn a_refresh_point_in_the_past_is_spread_over_what_is_left() {
        let mut rng = Rng::with_seed(7);
        let lifetime = Duration::from_secs(21_600);
        let expires = NOW.after(Duration::from_secs(900));
        for _ in 0..1_000 {
            let point = refresh_point(NOW, expires, lifetime, &mut rng);
            assert!(point >= NOW && point <= NOW.after(LAZY));
        }
        let soon = NOW.after(Duration::from_secs(65));
        for _ in 0..1_000 {
            assert!(refresh_point(NOW, soon, lifetime, &mut rng) <= NOW.after(LAZY / 10));
        }
    }

    #[test]
    fn backoff_has_full_jitter_from_one_second_to_ten_minutes() {
        let mut rng = Rng::with_seed(1);
        for (failures, cap) in [(1, 1), (2, 2), (3, 4), (10, 512), (11, 600), (99, 600)] {
            assert_eq!(backoff_cap(failures), Duration::from_secs(cap));
            let waits: Vec<_> = (0..500)
                .map(|_| Plan::backoff(NOW, failures, NOW, &mut rng).at.since(NOW))
                .collect();
            let cap = Duration::from_secs(cap);
            assert!(waits.iter().all(|wait| *wait <= cap));
            assert!(waits.iter().any(|wait| *wait < cap / 5));
            assert!(waits.iter().any(|wait| *wait > cap * 4 / 5));
        }
    }

    #[test]
    fn a_hold_doubles_from_five_minutes_to_a_day() {
        let minutes = [1, 2, 3, 4, 8, 9, 10, 60].map(|refusals| hold(refusals).as_secs() / 60);
        assert_eq!(minutes, [5, 10, 20, 40, 640, 1280, 1440, 1440]);
    }

    #[test]
    fn a_series_of_4xx_answers_doubles_from_ten_minutes_to_six_hours_after_its_first_hour() {
        let minutes = [1, 2, 3, 4, 5, 6, 60].map(|late| client_error_cap(late).as_secs() / 60);
        assert_eq!(minutes, [20, 40, 80, 160, 320, 360, 360]);
        let mut rng = Rng::with_seed(1);
        let waits = || Plan::half_random(NOW, LAZY, NOW, &mut rng).at.since(NOW);
        let waits: Vec<_> = std::iter::repeat_with(waits).take(500).collect();
        assert!(waits.iter().all(|wait| (LAZY / 2..=LAZY).contains(wait)));
        assert!(waits.iter().any(|wait| *wait < LAZY * 6 / 10));
        assert!(waits.iter().any(|wait| *wait > LAZY * 9 / 10));
    }

    #[test]
    fn a_network_that_comes_back_shortens_a_backoff_and_no_hold() {
        let mut rng = Rng::with_seed(3);
        for _ in 0..200 {
            let mut plan = Plan::fixed(NOW.after(BACKOFF_LAST));
            plan.network_is_back(NOW, &mut rng);
            assert_eq!(plan, Plan::fixed(NOW.after(BACKOFF_LAST)));
            plan.not_before = Some(NOW);
            plan.network_is_back(NOW, &mut rng);
            assert!(plan.due(true) <= NOW.after(EAGER));
            assert!(plan.due(false) <= NOW.after(LAZY));
            plan = Plan::fixed(NOW.after(BACKOFF_LAST));
            plan.not_before = Some(NOW.after(BACKOFF_LAST / 2));
            plan.network_is_back(NOW, &mut rng);
            assert!(plan.due(true) >= NOW.after(BACKOFF_LAST / 2));
        }
    }
}
