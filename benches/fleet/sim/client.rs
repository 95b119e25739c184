// SPDX-License-Identifier: MIT OR Apache-2.0
//! What keeps a device's token fresh, seen from outside: the same for tokend and for other rules.

use super::real::Real;
use super::rule::Follower;

/// One of the two.
#[derive(Debug)]
pub(super) enum Client {
    Real(Box<Real>),
    Follower(Follower),
}

/// Something happens to a client.
#[derive(Clone, Copy, Debug)]
pub(super) enum Input {
    /// Its own moment has come.
    Tick,
    /// The device has been switched on.
    Boot,
    /// Somebody vouches for the wall clock.
    ClockConfirmed,
    /// A player wants a token, and the cache has none.
    Asked,
    /// The server has answered.
    Answered(Answer),
}

/// The server's answer, or that there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Token,
    Credentials,
    /// `access_denied`, or the statement is refused.
    Refused,
    InvalidClient,
    /// A 4xx that says nothing.
    ClientError,
    /// 429.
    Throttled,
    Unreachable,
}

/// A client does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    Fetch,
    Register,
    /// The player has its token.
    Served,
    /// The player has an error.
    Denied,
}

impl Client {
    /// When it wants its next `Tick`; `u64::MAX` for never.
    pub(super) const fn next(&self) -> u64 {
        match self {
            Self::Real(real) => real.next(),
            Self::Follower(follower) => follower.next(),
        }
    }

    /// Until when its token can be served; 0 where it has none.
    pub(super) const fn valid_until(&self) -> u64 {
        match self {
            Self::Real(real) => real.valid_until(),
            Self::Follower(follower) => follower.valid_until(),
        }
    }

    pub(super) fn handle(&mut self, at: u64, input: Input, out: &mut Vec<Output>) {
        match self {
            Self::Real(real) => real.handle(at, input, out),
            Self::Follower(follower) => follower.handle(at, input, out),
        }
    }
}
