// SPDX-License-Identifier: MIT OR Apache-2.0
//! How often callers may have a token replaced.

use std::time::Duration;

use super::schedule::doubled;
use crate::time::BootTime;

const WINDOW: Duration = Duration::from_secs(60);
const MOST: usize = 3;
const PAUSE_FIRST: Duration = Duration::from_secs(60);
const PAUSE_LAST: Duration = Duration::from_secs(3600);

/// The replacements of one application: 3 in a minute, then a pause that doubles from 1 min to 1 h
/// while it goes on.
#[derive(Clone, Debug, Default)]
pub(super) struct Replacements {
    granted: Vec<BootTime>,
    pause_until: BootTime,
    pauses: u32,
}

impl Replacements {
    /// Grants a replacement, or says when the pause ends.
    pub(super) fn grant(&mut self, now: BootTime) -> Result<(), BootTime> {
        if now < self.pause_until {
            return Err(self.pause_until);
        }
        self.granted.retain(|at| now.since(*at) < WINDOW);
        if self.granted.len() < MOST {
            self.granted.push(now);
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

    #[test]
    fn three_replacements_in_a_minute_are_granted_and_the_fourth_is_not() {
        let mut replacements = Replacements::default();
        for second in 0..3 {
            assert_eq!(replacements.grant(at(second)), Ok(()));
        }
        assert_eq!(replacements.grant(at(3)), Err(at(63)));
        assert_eq!(replacements.grant(at(62)), Err(at(63)));
        assert_eq!(replacements.grant(at(63)), Ok(()));
    }

    #[test]
    fn one_replacement_in_half_a_minute_is_always_granted() {
        let mut replacements = Replacements::default();
        assert!((0..1000).all(|n| replacements.grant(at(n * 30)).is_ok()));
    }

    #[test]
    fn the_pause_doubles_from_a_minute_to_an_hour_while_it_goes_on() {
        let mut replacements = Replacements::default();
        let mut now = 0;
        let mut pauses = Vec::new();
        while pauses.len() < 9 {
            match replacements.grant(at(now)) {
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
            assert_eq!(replacements.grant(at(now)), Ok(()));
        }
        assert_eq!(replacements.grant(at(now)), Err(at(now + 60)));
    }
}
