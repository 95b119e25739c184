// SPDX-License-Identifier: MIT OR Apache-2.0
//! The viewer in front of a device. Assumed, not measured: two programmes a day, most of them in
//! the evening, 40 minutes long in the mean; the player asks for a token at the beginning and then
//! each minute.

use fastrand::Rng;

use super::{DAY, HOUR, MINUTE};

/// How many of a hundred programmes begin in each hour of the day.
const HOURS: [u64; 24] = [2, 1, 1, 1, 1, 1, 2, 3, 3, 3, 3, 3, 4, 4, 4, 4, 5, 6, 9, 12, 12, 9, 5, 2];
const PROGRAMMES: usize = 2;
const LONGEST: u64 = 4 * HOUR;
const MEAN: f64 = 40.0 * MINUTE as f64;

/// When the player asks.
#[derive(Debug)]
pub(super) struct Viewer {
    rng: Rng,
    midnight: u64,
    /// Today's programmes, the last one first: begin and end.
    today: Vec<(u64, u64)>,
    next: u64,
    end: u64,
    /// The next question begins a programme.
    begins: bool,
}

impl Viewer {
    pub(super) fn new(midnight: u64, rng: Rng) -> Self {
        let today = Vec::with_capacity(PROGRAMMES);
        let mut viewer = Self { rng, midnight, today, next: 0, end: 0, begins: true };
        viewer.choose();
        viewer
    }

    /// When the player asks next.
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// It has asked; true where that began a programme.
    pub(super) fn asked(&mut self) -> bool {
        let began = std::mem::take(&mut self.begins);
        self.next += MINUTE;
        if self.next >= self.end {
            self.choose();
        }
        began
    }

    /// Nothing was on before `at`; what should have been going on begins then.
    pub(super) fn skip_to(&mut self, at: u64) {
        while self.next < at {
            if self.end > at {
                (self.next, self.begins) = (at, true);
            } else {
                self.choose();
            }
        }
    }

    /// Switches on now, whatever was planned before.
    pub(super) fn switch_on(&mut self, at: u64) {
        (self.next, self.end, self.begins) = (at, at + 2 * HOUR, true);
    }

    fn choose(&mut self) {
        let earliest = self.end;
        while self.today.is_empty() || self.today.last().is_some_and(|(begin, _)| *begin < earliest)
        {
            if self.today.pop().is_none() {
                self.plan_day();
            }
        }
        if let Some((begin, end)) = self.today.pop() {
            (self.next, self.end, self.begins) = (begin, end, true);
        }
    }

    fn plan_day(&mut self) {
        for _ in 0..PROGRAMMES {
            let mut at = self.rng.u64(0..HOURS.iter().sum());
            let hour = HOURS.iter().position(|share| {
                let here = at < *share;
                at = at.wrapping_sub(*share);
                here
            });
            let begin = self.midnight + hour.unwrap_or(0) as u64 * HOUR + self.rng.u64(0..HOUR);
            let length = (-MEAN * (1.0 - self.rng.f64()).ln()) as u64;
            self.today.push((begin, begin + length.clamp(MINUTE, LONGEST)));
        }
        self.today.sort_unstable_by_key(|(begin, _)| std::cmp::Reverse(*begin));
        self.midnight += DAY;
    }
}
