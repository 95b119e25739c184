// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is counted of a fleet: its size depends on the scene's length alone.

use super::client::Answer;
use super::scene::Scene;
use super::{DAY, HOUR, MIDNIGHT, MINUTE, SECOND};

/// The width of a bin of the curve of devices without a token.
const COARSE: u64 = 10 * SECOND;
/// A shorter gap between two tokens is none that a viewer would notice.
const GAP: u64 = SECOND;

/// The counts of a run.
#[derive(Debug, PartialEq)]
pub struct Tally {
    /// Devices that were led through the scene.
    pub devices: u64,
    /// Requests of tokend in each second.
    pub requests: Vec<u32>,
    /// All of them.
    pub asked: u64,
    /// Tokens issued.
    pub tokens: u64,
    /// Registrations that succeeded: as many viewers are signed out.
    pub registered: u64,
    /// Answers that refused tokend for asking too fast (429).
    pub throttled: u64,
    /// Calls of the players' own that were refused the same way.
    pub players_throttled: u64,
    /// Calls of the players' own.
    pub players_called: u64,
    /// Devices that were ever without a token from `from` to an hour after `to`.
    pub lost: u64,
    /// Devices that were failing when the trouble ended.
    pub overdue: u64,
    /// From the end of the trouble to the token, for those.
    pub caught_up: Spread,
    /// The same for those that were without a token when it ended, or were switched on then.
    pub regained: Spread,
    /// Programmes that began, or were to go on after a power cut.
    pub programmes: u64,
    /// Programmes in which the player once had to do without a token.
    pub spoilt: u64,
    /// Those among them that began in the hour of trouble or the hour after it.
    pub programmes_then: u64,
    /// The same.
    pub spoilt_then: u64,
    without: Vec<i64>,
    watch: (u64, u64),
    end_of_trouble: u64,
}

impl Tally {
    pub(super) fn new(scene: &Scene) -> Self {
        Self {
            devices: 0,
            requests: vec![0; (scene.days * DAY / SECOND) as usize],
            asked: 0,
            tokens: 0,
            registered: 0,
            throttled: 0,
            players_throttled: 0,
            players_called: 0,
            lost: 0,
            overdue: 0,
            caught_up: Spread::default(),
            regained: Spread::default(),
            programmes: 0,
            spoilt: 0,
            programmes_then: 0,
            spoilt_then: 0,
            without: vec![0; (scene.days * DAY / COARSE) as usize + 1],
            watch: (scene.from, scene.to + HOUR),
            end_of_trouble: scene.to,
        }
    }

    pub(super) fn request(&mut self, at: u64, answer: Answer) {
        let Some(since) = at.checked_sub(MIDNIGHT) else { return };
        self.asked += 1;
        self.requests[(since / SECOND) as usize] += 1;
        match answer {
            Answer::Token => self.tokens += 1,
            Answer::Credentials => self.registered += 1,
            Answer::Throttled => self.throttled += 1,
            _ => {}
        }
    }

    pub(super) const fn players_call(&mut self, admitted: bool) {
        self.players_called += 1;
        self.players_throttled += !admitted as u64;
    }

    pub(super) const fn programme(&mut self, began: u64, spoilt: bool) {
        let then = began >= self.watch.0 && began < self.watch.1;
        self.programmes += 1;
        self.spoilt += spoilt as u64;
        self.programmes_then += then as u64;
        self.spoilt_then += (spoilt && then) as u64;
    }

    /// A device had no token from one moment to the other; true where that is in the time that is
    /// watched.
    pub(super) fn gap(&mut self, from: u64, to: u64) -> bool {
        let from = from.max(MIDNIGHT);
        if to <= from + GAP {
            return false;
        }
        let bin = |at: u64| ((at - MIDNIGHT) / COARSE) as usize;
        self.without[bin(from)] += 1;
        self.without[bin(to)] -= 1;
        from < self.watch.1 && to > self.watch.0
    }

    /// A device is back, after being without a token at the end of the trouble.
    pub(super) fn regained(&mut self, at: u64) {
        self.regained.add(at.saturating_sub(self.end_of_trouble) / SECOND);
    }

    /// A device whose tries were failing at the end of the trouble has its token.
    pub(super) fn caught_up(&mut self, at: u64) {
        self.caught_up.add(at.saturating_sub(self.end_of_trouble) / SECOND);
    }

    /// Devices without a token at each moment: one number for every ten seconds.
    pub fn without(&self) -> Vec<i64> {
        let mut level = 0;
        let bins = self.without.iter().map(|step| {
            level += step;
            level
        });
        bins.collect()
    }

    /// The busiest stretch of so many seconds between two moments: requests per second.
    pub fn peak(&self, from: u64, to: u64, seconds: usize) -> f64 {
        let bin = |at: u64| ((at - MIDNIGHT) / SECOND) as usize;
        let range = &self.requests[bin(from)..bin(to).min(self.requests.len())];
        let sums =
            range.chunks(seconds).map(|bins| bins.iter().map(|n| u64::from(*n)).sum::<u64>());
        sums.max().unwrap_or(0) as f64 / seconds as f64
    }

    /// Requests between two moments.
    pub fn between(&self, from: u64, to: u64) -> u64 {
        let bin = |at: u64| ((at - MIDNIGHT) / SECOND) as usize;
        let range = &self.requests[bin(from)..bin(to).min(self.requests.len())];
        range.iter().map(|n| u64::from(*n)).sum()
    }

    /// The busiest stretch of so many seconds after the trouble against the even rate at which all
    /// that were overdue would have their tokens within ten minutes, and the others theirs when
    /// they are due.
    pub fn rush(&self, seconds: usize) -> f64 {
        let from = self.watch.0;
        let ordinary = self.between(MIDNIGHT, from) as f64 / ((from - MIDNIGHT) / SECOND) as f64;
        self.busiest(seconds) / (self.backlog() + ordinary)
    }

    /// The same against those that were overdue alone: the stricter reading.
    pub fn strict_rush(&self, seconds: usize) -> f64 {
        self.busiest(seconds) / self.backlog()
    }

    fn busiest(&self, seconds: usize) -> f64 {
        self.peak(self.end_of_trouble, self.end_of_trouble + HOUR, seconds)
    }

    fn backlog(&self) -> f64 {
        self.overdue as f64 / (10 * MINUTE / SECOND) as f64
    }

    /// Requests of a device in a day.
    pub fn each_day(&self) -> f64 {
        self.asked as f64 * DAY as f64 / (self.devices * self.requests.len() as u64 * SECOND) as f64
    }

    /// A count as a share of the devices, in percent.
    pub fn percent(&self, count: u64) -> f64 {
        100.0 * count as f64 / self.devices as f64
    }
}

/// How many took how many seconds; up to two days.
#[derive(Debug, Default, PartialEq)]
pub struct Spread(Vec<u32>);

impl Spread {
    fn add(&mut self, seconds: u64) {
        let at = seconds.min(2 * DAY / SECOND) as usize;
        if self.0.len() <= at {
            self.0.resize(at + 1, 0);
        }
        self.0[at] += 1;
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|n| u64::from(*n)).sum()
    }

    /// The seconds that a share of them took at the most; none where there are none.
    pub fn within(&self, share: f64) -> Option<u64> {
        let wanted = (self.count() as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        let found = self.0.iter().position(|n| {
            seen += u64::from(*n);
            seen >= wanted
        });
        found.map(|seconds| seconds as u64)
    }
}
