// SPDX-License-Identifier: MIT OR Apache-2.0
//! A client that follows a published rule: when it refreshes, and when it tries again.

use fastrand::Rng;

use super::client::{Answer, Input, Output};
use super::{MINUTE, SECOND};

/// How long a player waits for a token, as at tokend.
const PATIENCE: u64 = 20 * SECOND;

/// When a token is refreshed, and what follows a failure, whatever failed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// As tables call it.
    pub name: &'static str,
    /// When a token is refreshed.
    pub refresh: Refresh,
    /// When a failed try is repeated.
    pub retry: Retry,
    /// Milliseconds over which a start is spread, where nobody waits.
    pub start: u64,
}

/// The refresh point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Refresh {
    /// At random between two shares of the lifetime.
    Between(f64, f64),
    /// So many milliseconds before the end.
    Before(u64),
}

/// The next try.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Retry {
    /// So many milliseconds later.
    After(u64),
    /// Ever later.
    Growing {
        /// The first wait, in milliseconds.
        first: u64,
        /// What each is multiplied with.
        factor: f64,
        /// The longest.
        last: u64,
        /// What is random about it.
        jitter: Jitter,
    },
}

/// What is random about a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jitter {
    /// From nothing to the whole of it.
    Full,
    /// From half of it to the whole.
    Equal,
    /// A tenth more or less.
    Tenth,
}

impl Rule {
    /// Refreshes at expiry, tries again each second.
    pub const NAIVE: Self =
        Self { name: "naive", refresh: Refresh::Before(0), retry: Retry::After(SECOND), start: 0 };
    /// Half of the lifetime with a jitter of 10 %, waits from 5 s by the half up to 2 min with the
    /// same jitter.
    pub const HALF_LIFE: Self = Self {
        name: "half-life",
        refresh: Refresh::Between(0.45, 0.55),
        retry: Retry::Growing {
            first: 5 * SECOND,
            factor: 1.5,
            last: 2 * MINUTE,
            jitter: Jitter::Tenth,
        },
        start: 0,
    };
    /// Five minutes before the end, then every 30 s.
    pub const MARGIN: Self = Self {
        name: "margin",
        refresh: Refresh::Before(5 * MINUTE),
        retry: Retry::After(30 * SECOND),
        start: 0,
    };
    /// The numbers of tokend's contract, for comparisons with other numbers: what tokend does while
    /// a server is down, and no more.
    pub const CONTRACT: Self = Self {
        name: "contract",
        refresh: Refresh::Between(0.75, 0.85),
        retry: Retry::Growing {
            first: SECOND,
            factor: 2.0,
            last: 10 * MINUTE,
            jitter: Jitter::Full,
        },
        start: 5 * MINUTE,
    };
    /// What tokend is compared with.
    pub const PEERS: [Self; 3] = [Self::NAIVE, Self::HALF_LIFE, Self::MARGIN];
}

impl Refresh {
    /// The mean time from one token to the next.
    pub const fn mean(self, lifetime: u64) -> u64 {
        match self {
            Self::Between(low, high) => (lifetime as f64 * (low + high) / 2.0) as u64,
            Self::Before(margin) => lifetime - margin,
        }
    }

    fn after(self, lifetime: u64, rng: &mut Rng) -> u64 {
        match self {
            Self::Between(low, high) => (lifetime as f64 * (low + (high - low) * rng.f64())) as u64,
            Self::Before(margin) => lifetime - margin,
        }
    }
}

impl Retry {
    fn wait(self, failures: u32, rng: &mut Rng) -> u64 {
        match self {
            Self::After(wait) => wait,
            Self::Growing { first, factor, last, jitter } => {
                let grown = first as f64 * factor.powi(failures.saturating_sub(1).min(64) as i32);
                let whole = grown.min(last as f64);
                let share = match jitter {
                    Jitter::Full => rng.f64(),
                    Jitter::Equal => 0.5 + rng.f64() / 2.0,
                    Jitter::Tenth => 0.9 + rng.f64() / 5.0,
                };
                (whole * share) as u64
            }
        }
    }
}

/// One device that follows a rule. It keeps its token in memory, and its client credentials for
/// ever.
#[derive(Debug)]
pub(super) struct Follower {
    rule: Rule,
    lifetime: u64,
    rng: Rng,
    expires: u64,
    plan: u64,
    failures: u32,
    sent: Option<u64>,
    asked: Option<u64>,
}

impl Follower {
    pub(super) fn new(rule: Rule, lifetime: u64, issued: u64, mut rng: Rng) -> Self {
        let plan = issued + rule.refresh.after(lifetime, &mut rng);
        let expires = issued + lifetime;
        Self { rule, lifetime, rng, expires, plan, failures: 0, sent: None, asked: None }
    }

    pub(super) const fn next(&self) -> u64 {
        let plan = if self.sent.is_none() { self.plan } else { u64::MAX };
        match self.asked {
            Some(since) if since + PATIENCE < plan => since + PATIENCE,
            _ => plan,
        }
    }

    pub(super) const fn valid_until(&self) -> u64 {
        self.expires
    }

    pub(super) fn handle(&mut self, at: u64, input: Input, out: &mut Vec<Output>) {
        match input {
            Input::Tick => {}
            Input::Boot => {
                (self.expires, self.failures, self.sent, self.asked) = (0, 0, None, None);
                self.plan = at + self.rng.u64(0..=self.rule.start);
            }
            Input::ClockConfirmed => return,
            Input::Asked => {
                self.asked = Some(at);
                if self.failures == 0 {
                    self.plan = self.plan.min(at);
                }
            }
            Input::Answered(answer) => self.answered(at, answer, out),
        }
        if self.sent.is_none() && self.plan <= at {
            self.sent = Some(at);
            out.push(Output::Fetch);
        }
        if self.asked.take_if(|since| *since + PATIENCE <= at).is_some() {
            out.push(Output::Denied);
        }
    }

    fn answered(&mut self, at: u64, answer: Answer, out: &mut Vec<Output>) {
        let sent = self.sent.take().unwrap_or(at);
        if answer == Answer::Token {
            self.failures = 0;
            self.expires = sent + self.lifetime;
            self.plan = sent + self.rule.refresh.after(self.lifetime, &mut self.rng);
            if self.asked.take().is_some() {
                out.push(Output::Served);
            }
        } else {
            self.failures = self.failures.saturating_add(1);
            self.plan = at + self.rule.retry.wait(self.failures, &mut self.rng);
        }
    }
}
