// SPDX-License-Identifier: MIT OR Apache-2.0
//! How often callers may have a token replaced.

use std::time::Duration;

use super::schedule::doubled;
use crate::common::time::BootTime;

const WINDOW: Duration = Duration::from_secs(60);
const MOST: usize = 3;
const PAUSE_FIRST: Duration = Duration::from_secs(60);
const PAUSE_LAST: Duration = Duration::from_secs(3600);
/// Tokens in a row that may be replaced in the first tenth of their lives.
const MOST_YOUNG: u32 = 3;

/// The replacements of one application: 3 in a minute, then a pause that doubles from 1 min to 1 h
/// while it goes on. And 3 in a row of tokens that have lived for less than a tenth of their
/// lifetime: it is not the token that the API objects to.
#[derive(Clone, Debug, Default)]
pub(super) struct Replacements {
    granted: Vec<BootTime>,
    pause_until: BootTime,
    pauses: u32,
    young: u32,
    /// The number of the token that was replaced last.
    last: u64,
}

/// The token that a caller wants replaced.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub(super) number: u64,
    /// When it is no longer young.
    pub(super) grown: BootTime,
}

impl Replacements {
    /// Grants a replacement, or says when the pause ends.
    pub(super) fn grant(&mut self, now: BootTime, token: Candidate) -> Result<(), BootTime> {
        let young = now < token.grown;
        // One that lived on until its refresh breaks the row.
        let row = if token.number == self.last + 1 { self.young } else { 0 };
        if young && row >= MOST_YOUNG {
            return Err(token.grown.max(self.pause_until));
        }
        if now < self.pause_until {
            return Err(self.pause_until);
        }
        self.granted.retain(|at| now.since(*at) < WINDOW);
        if self.granted.len() < MOST {
            self.granted.push(now);
            self.young = if young { row + 1 } else { 0 };
            self.last = token.number;
            return Ok(());
        }
        // "While it goes on": again within the window plus the length of the pause just over.
        let quiet = now.since(self.pause_until);
        if quiet > WINDOW + doubled(PAUSE_FIRST, self.pauses.saturating_sub(1), PAUSE_LAST) {
            self.pauses = 0;
        }
        let pause = doubled(PAUSE_FIRST, self.pauses, PAUSE_LAST);
        self.pauses = self.pauses.saturating_add(1);
        self.pause_until = now.after(pause);
        Err(self.pause_until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> BootTime {
        BootTime(10_000_000 + seconds * 1000)
    }

    /// A token that has lived for long.
    const OLD: Candidate = Candidate { number: 1, grown: BootTime(0) };

    #[test]
    fn tokens_that_were_young_are_replaced_three_times_in_a_row_and_the_fourth_must_grow_up() {
        let mut replacements = Replacements::default();
        let token = |number, born: u64| Candidate { number, grown: at(born + 2160) };
        for n in 0..3 {
            assert_eq!(replacements.grant(at(n * 100 + 21), token(n + 1, n * 100)), Ok(()));
        }
        let fourth = token(4, 300);
        for second in [321, 1000, 2459] {
            assert_eq!(replacements.grant(at(second), fourth), Err(at(2460)));
        }
        assert_eq!(replacements.grant(at(2460), fourth), Ok(()));
        assert_eq!(replacements.grant(at(2481), token(5, 2460)), Ok(()), "a new row");
    }

    #[test]
    fn a_token_that_lived_on_until_its_refresh_breaks_the_row() {
        let mut replacements = Replacements::default();
        for n in 0..10 {
            let token = Candidate { number: n * 2 + 1, grown: at(n * 100 + 50) };
            assert_eq!(replacements.grant(at(n * 100), token), Ok(()));
        }
    }

    #[test]
    fn three_replacements_in_a_minute_are_granted_and_the_fourth_is_not() {
        let mut replacements = Replacements::default();
        for second in 0..3 {
            assert_eq!(replacements.grant(at(second), OLD), Ok(()));
        }
        assert_eq!(replacements.grant(at(3), OLD), Err(at(63)));
        assert_eq!(replacements.grant(at(62), OLD), Err(at(63)));
        assert_eq!(replacements.grant(at(63), OLD), Ok(()));
    }

    #[test]
    fn one_replacement_in_half_a_minute_is_always_granted() {
        let mut replacements = Replacements::default();
        assert!((0..1000).all(|n| replacements.grant(at(n * 30), OLD).is_ok()));
    }

    #[test]
    fn the_pause_doubles_from_a_minute_to_an_hour_while_it_goes_on() {
        let mut replacements = Replacements::default();
        let mut now = 0;
        let mut pauses = Vec::new();
        while pauses.len() < 9 {
            match replacements.grant(at(now), OLD) {
                Ok(()) => now += 1,
                Err(until) => {
                    pauses.push(until.since(at(now)).as_secs());
                    now = until.since(at(0)).as_secs();
                }
            }
        }
        assert_eq!(pauses, [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]);
        now += 7201;
        for _ in 0..3 {
            assert_eq!(replacements.grant(at(now), OLD), Ok(()));
        }
        assert_eq!(replacements.grant(at(now), OLD), Err(at(now + 60)));
    }
}
