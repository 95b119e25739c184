// SPDX-License-Identifier: MIT OR Apache-2.0
//! One governor for the whole daemon: how often anything may be sent to the server.
//!
//! The server allows a household 1 request a second after a burst of 10, the players' own calls
//! included; tokend keeps to a burst of 4, and stands still for a while when it is told to.

use std::time::Duration;

use fastrand::Rng;

use super::schedule::{doubled, within};
use crate::common::time::BootTime;

/// Requests that may start at once after a quiet time.
pub const BURST: u64 = 4;
const COST: u64 = 1_000;
const PAUSE_FIRST: Duration = Duration::from_secs(1);
/// With its jitter of up to one half, the longest pause that the server did not ask for is 10 min.
const PAUSE_LAST: Duration = Duration::from_secs(400);

/// A bucket of permits, and the pause.
#[derive(Clone, Debug)]
pub struct Governor {
    /// Thousandths of permits, at `filled`: one comes in each millisecond.
    level: u64,
    filled: BootTime,
    pause_until: BootTime,
    throttled: u32,
    in_flight: u32,
}

/// What a request carries from its start to its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permit {
    throttled: u32,
    pause_until: BootTime,
}

impl Governor {
    /// With a full bucket.
    pub const fn new(now: BootTime) -> Self {
        Self {
            level: BURST * COST,
            filled: now,
            pause_until: BootTime(0),
            throttled: 0,
            in_flight: 0,
        }
    }

    /// Takes a permit, if there is one now.
    pub fn take(&mut self, now: BootTime) -> Option<Permit> {
        if self.ready(now)? > now {
            return None;
        }
        self.fill(now);
        self.level -= COST;
        self.in_flight += 1;
        Some(Permit { throttled: self.throttled, pause_until: self.pause_until })
    }

    /// When the next permit is there; none while the one request is under way that finds out
    /// whether the server still throttles.
    pub fn ready(&self, now: BootTime) -> Option<BootTime> {
        if self.throttled > 0 && self.in_flight > 0 {
            return None;
        }
        let missing = COST.saturating_sub(self.level_at(now));
        Some(now.after(Duration::from_millis(missing)).max(self.pause_until))
    }

    /// An answer that is no throttling came (or the request came to nothing).
    pub fn answered(&mut self, permit: Permit) {
        self.in_flight = self.in_flight.saturating_sub(1);
        // An answer to what was asked before a pause says nothing about the pause.
        if permit.throttled == self.throttled && permit.pause_until == self.pause_until {
            self.throttled = 0;
        }
    }

    /// The request came to nothing before the server could have an opinion: a failure to connect
    /// neither ends nor prolongs a throttling.
    pub fn unanswered(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// The server throttles: the whole daemon pauses. Answers that were on their way when the
    /// pause began do not double it.
    pub fn throttled(
        &mut self,
        now: BootTime,
        permit: Permit,
        retry_after: Option<Duration>,
        rng: &mut Rng,
    ) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let asked = retry_after.unwrap_or_default().min(Duration::from_secs(3600));
        if permit.pause_until == self.pause_until {
            self.throttled = self.throttled.saturating_add(1);
        }
        let step = self.throttled.saturating_sub(1);
        let pause = doubled(PAUSE_FIRST, step, PAUSE_LAST).max(asked);
        let until = now.after(pause + within(pause / 2, rng));
        self.pause_until = self.pause_until.max(until);
    }

    /// The end of the pause, while there is one.
    pub fn pause(&self, now: BootTime) -> Option<BootTime> {
        (self.pause_until > now).then_some(self.pause_until)
    }

    fn fill(&mut self, now: BootTime) {
        self.level = self.level_at(now);
        self.filled = now;
    }

    fn level_at(&self, now: BootTime) -> u64 {
        let gained = now.since(self.filled).as_millis() as u64;
        self.level.saturating_add(gained).min(BURST * COST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> BootTime {
        BootTime((seconds * 1000.0) as u64)
    }

    #[test]
    fn four_requests_start_at_once_and_then_one_a_second() {
        let mut governor = Governor::new(at(0.0));
        for _ in 0..4 {
            let permit = governor.take(at(0.0)).unwrap();
            governor.answered(permit);
        }
        assert_eq!(governor.take(at(0.0)), None);
        assert_eq!(governor.ready(at(0.0)), Some(at(1.0)));
        assert_eq!(governor.take(at(0.999)), None);
        assert!(governor.take(at(1.0)).is_some());
        assert_eq!(governor.take(at(1.5)), None);
        assert!(governor.take(at(2.0)).is_some());
    }

    #[test]
    fn a_throttling_pauses_at_least_a_second_and_doubles_up_to_ten_minutes() {
        let mut rng = Rng::with_seed(9);
        let mut governor = Governor::new(at(0.0));
        let mut now = at(0.0);
        let mut least = Duration::from_secs(1);
        for _ in 0..14 {
            let permit = governor.take(now).unwrap();
            governor.throttled(now, permit, None, &mut rng);
            let pause = governor.ready(now).unwrap().since(now);
            assert!(pause >= least && pause <= least * 3 / 2, "{pause:?} {least:?}");
            least = (least * 2).min(PAUSE_LAST);
            now = governor.ready(now).unwrap();
        }
        assert!(least * 3 / 2 <= Duration::from_secs(600));
        let permit = governor.take(now).unwrap();
        governor.answered(permit);
        now = now.after(Duration::from_secs(1));
        let permit = governor.take(now).unwrap();
        governor.throttled(now, permit, None, &mut rng);
        assert!(governor.ready(now).unwrap().since(now) <= Duration::from_millis(1500));
    }

    #[test]
    fn retry_after_is_kept_up_to_an_hour() {
        let mut rng = Rng::with_seed(9);
        for (asked, least) in [(7, 7), (0, 1), (3600, 3600), (86_400, 3600)] {
            let mut governor = Governor::new(at(0.0));
            let permit = governor.take(at(0.0)).unwrap();
            governor.throttled(at(0.0), permit, Some(Duration::from_secs(asked)), &mut rng);
            let pause = governor.ready(at(0.0)).unwrap().since(at(0.0)).as_secs_f64();
            assert!(pause >= f64::from(least) && pause <= f64::from(least) * 1.5, "{pause}");
        }
    }

    #[test]
    fn answers_that_were_under_way_when_the_pause_began_do_not_double_it() {
        let mut rng = Rng::with_seed(9);
        let mut governor = Governor::new(at(0.0));
        let permits: Vec<_> = (0..4).map(|_| governor.take(at(0.0)).unwrap()).collect();
        for permit in permits {
            governor.throttled(at(0.1), permit, None, &mut rng);
        }
        assert!(governor.pause(at(0.1)).unwrap() <= at(1.6));
    }

    #[test]
    fn after_a_pause_one_request_finds_out_before_others_start() {
        let mut rng = Rng::with_seed(9);
        let mut governor = Governor::new(at(0.0));
        let permit = governor.take(at(0.0)).unwrap();
        governor.throttled(at(0.0), permit, None, &mut rng);
        let probe = governor.take(at(10.0)).unwrap();
        assert_eq!(governor.take(at(10.0)), None);
        assert_eq!(governor.ready(at(10.0)), None);
        governor.answered(probe);
        assert!(governor.take(at(10.0)).is_some());
        assert!(governor.take(at(10.0)).is_some());
    }
}
