// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which address of a server is tried next, and when (RFC 8305, sections 3 to 5). Pure: without
//! sockets, name servers and clocks. Times are counted from the start of the try.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// How long the first answer waits for the preferred family's (RFC 8305, section 3).
pub(super) const GRACE: Duration = Duration::from_millis(50);
/// How long an address is tried alone before the next one is tried beside it (section 5).
pub(super) const HEAD_START: Duration = Duration::from_millis(250);
/// The most addresses of one family that are tried.
const MAX_ADDRESSES: usize = 16;
/// The most suspects that are remembered.
const MAX_SUSPECTS: usize = 32;

/// A family of addresses, the preferred one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Six,
    Four,
}

impl Family {
    pub(super) const BOTH: [Self; 2] = [Self::Six, Self::Four];

    fn of(address: SocketAddr) -> Self {
        if address.is_ipv6() { Self::Six } else { Self::Four }
    }

    fn other(self) -> Self {
        match self {
            Self::Six => Self::Four,
            Self::Four => Self::Six,
        }
    }
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Begin a connection to this address.
    Begin(SocketAddr),
    /// Wait for an answer or a connection, at the longest until this moment.
    Wait(Option<Duration>),
    /// Every address has failed, and no question is open.
    Over,
}

/// The course of one try, from the questions to the first connection.
#[derive(Debug)]
pub(super) struct Plan {
    /// The addresses that are tried last, the one that failed longest ago first.
    suspects: Vec<SocketAddr>,
    /// When suspects are tried even though others are still under way.
    last_resort: Duration,
    six: Side,
    four: Side,
    /// The end of the grace; set by the first answer.
    grace: Option<Duration>,
    /// Until when the latest connection is tried alone.
    head_start: Duration,
    turn: Family,
    running: Vec<SocketAddr>,
}

/// One family.
#[derive(Debug)]
struct Side {
    /// Its question has no answer yet.
    open: bool,
    /// What an earlier try's question has brought.
    earlier: Vec<SocketAddr>,
    known: Vec<SocketAddr>,
    waiting: VecDeque<SocketAddr>,
}

impl Side {
    fn new() -> Self {
        let (earlier, known, waiting) = (Vec::new(), Vec::new(), VecDeque::new());
        Self { open: true, earlier, known, waiting }
    }

    fn add(&mut self, addresses: &[SocketAddr]) {
        for address in addresses {
            if self.known.len() < MAX_ADDRESSES && !self.known.contains(address) {
                self.known.push(*address);
                self.waiting.push_back(*address);
            }
        }
    }
}

impl Plan {
    /// A try that ends after `limit`; `suspects` are the addresses on which earlier ones failed.
    pub(super) fn new(suspects: Vec<SocketAddr>, limit: Duration) -> Self {
        Self {
            suspects,
            last_resort: limit / 2,
            six: Side::new(),
            four: Side::new(),
            grace: None,
            head_start: Duration::ZERO,
            turn: Family::Six,
            running: Vec::new(),
        }
    }

    /// The question about this family has an answer, which may be that there is no address. A
    /// second answer adds to the first.
    pub(super) fn answered(&mut self, family: Family, addresses: &[SocketAddr], now: Duration) {
        let side = self.side(family);
        side.open = false;
        side.earlier.clear();
        side.add(addresses);
        if !addresses.is_empty() {
            self.grace.get_or_insert(now + GRACE);
        }
    }

    /// The answer to an earlier try's question. It counts after the grace, while this try's has none.
    pub(super) fn learned(&mut self, family: Family, addresses: &[SocketAddr]) {
        self.side(family).earlier = addresses.to_vec();
    }

    /// A connection that was begun has failed: the next one has its turn at once.
    pub(super) fn failed(&mut self, address: SocketAddr) {
        self.running.retain(|running| *running != address);
        self.head_start = Duration::ZERO;
    }

    /// Whether any address is known.
    pub(super) fn has_addresses(&self) -> bool {
        !self.six.known.is_empty() || !self.four.known.is_empty()
    }

    /// What to do at this moment.
    pub(super) fn next(&mut self, now: Duration) -> Next {
        let mut earlier = false;
        for side in [&mut self.six, &mut self.four] {
            if now >= GRACE {
                let addresses = std::mem::take(&mut side.earlier);
                side.add(&addresses);
            }
            earlier |= !side.earlier.is_empty();
        }
        match self.decide(now) {
            Next::Wait(until) if earlier => Next::Wait(Some(until.unwrap_or(GRACE).min(GRACE))),
            next => next,
        }
    }

    fn decide(&mut self, now: Duration) -> Next {
        if !self.running.is_empty() && now < self.head_start && self.is_anything_waiting() {
            return Next::Wait(Some(self.head_start));
        }
        if let Some(address) = self.next_unsuspected() {
            // IPv6 first, if it is no more than the grace behind.
            let early = Family::of(address) == Family::Four && self.six.open;
            return match self.grace.filter(|end| early && now < *end) {
                Some(end) => Next::Wait(Some(end)),
                None => self.begin(address, now),
            };
        }
        let Some(suspect) = self.next_suspect() else {
            let over = self.running.is_empty() && !self.six.open && !self.four.open;
            return if over { Next::Over } else { Next::Wait(None) };
        };
        let others = self.running.iter().any(|running| !self.suspects.contains(running));
        let open = self.six.open || self.four.open;
        let when = match () {
            () if others => self.last_resort,
            () if open => self.grace.unwrap_or_default(),
            () => now,
        };
        if now < when { Next::Wait(Some(when)) } else { self.begin(suspect, now) }
    }

    fn begin(&mut self, address: SocketAddr, now: Duration) -> Next {
        let family = Family::of(address);
        self.side(family).waiting.retain(|waiting| *waiting != address);
        self.turn = family.other();
        self.head_start = now + HEAD_START;
        self.running.push(address);
        Next::Begin(address)
    }

    /// The families take turns: however many addresses one has, the other's come second.
    fn next_unsuspected(&mut self) -> Option<SocketAddr> {
        [self.turn, self.turn.other()].into_iter().find_map(|family| {
            let suspects = std::mem::take(&mut self.suspects);
            let next = self.side(family).waiting.iter().find(|a| !suspects.contains(a)).copied();
            self.suspects = suspects;
            next
        })
    }

    fn next_suspect(&self) -> Option<SocketAddr> {
        let waits = |a: &&SocketAddr| self.six.waiting.contains(a) || self.four.waiting.contains(a);
        self.suspects.iter().find(waits).copied()
    }

    fn is_anything_waiting(&self) -> bool {
        !self.six.waiting.is_empty() || !self.four.waiting.is_empty()
    }

    fn side(&mut self, family: Family) -> &mut Side {
        match family {
            Family::Six => &mut self.six,
            Family::Four => &mut self.four,
        }
    }
}

/// The addresses on which a try failed after it had connected: TLS, silence, a path that loses
/// large packets. A connection alone does not show which of two addresses is such a one.
#[derive(Debug)]
pub(super) struct Suspects(Vec<SocketAddr>);

impl Suspects {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// A try over this address has brought an answer, or has not.
    pub(super) fn note(&mut self, address: SocketAddr, worked: bool) {
        self.0.retain(|suspect| *suspect != address);
        if !worked {
            if self.0.len() == MAX_SUSPECTS {
                self.0.remove(0);
            }
            self.0.push(address);
        }
    }

    /// They, the one that failed longest ago first.
    pub(super) fn list(&self) -> Vec<SocketAddr> {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests;
