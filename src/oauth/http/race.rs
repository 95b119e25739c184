// SPDX-License-Identifier: MIT OR Apache-2.0
//! A connection to whichever address of a name answers first (RFC 8305, "Happy Eyeballs"): a
//! network whose IPv6 or IPv4 leads nowhere, or whose name servers lose one kind of question, costs
//! a moment, and not the time of the whole request. [`Plan`] decides; here are its sockets.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::sockopt::socket_error;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};

use super::names::{Answer, Questions};
use super::plan::{Next, Plan};

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum Lost {
    /// No address is known; `TimedOut` if the time was over, `NotFound` if there is none.
    Lookup(io::Error),
    /// An address is none that may be connected to.
    Forbidden,
    /// Why the first address failed, the one that is preferred; `TimedOut` if the time was over.
    Connect(io::Error),
}

/// Connects to one of the addresses that the questions bring.
///
/// `left` says how much time there is still, and never zero.
pub(super) fn connect_any(
    questions: &Questions,
    allowed: impl Fn(IpAddr) -> bool,
    suspects: Vec<SocketAddr>,
    left: impl Fn() -> Option<Duration>,
) -> Result<TcpStream, Lost> {
    let whole = left().ok_or_else(|| Lost::Lookup(io::ErrorKind::TimedOut.into()))?;
    let mut plan = Plan::new(suspects, whole);
    let mut race = Race::default();
    let mut unanswered = None;
    loop {
        let left = left();
        let now = whole.saturating_sub(left.unwrap_or_default());
        while let Some((family, answer)) = questions.answer() {
            let (addresses, earlier) = match answer {
                Answer::Addresses(addresses) => (addresses, false),
                Answer::Earlier(addresses) => (addresses, true),
                Answer::Nothing(why) => {
                    unanswered = why.or(unanswered);
                    (Vec::new(), false)
                }
            };
            if !addresses.iter().all(|address| allowed(address.ip())) {
                return Err(Lost::Forbidden);
            }
            match earlier {
                true => plan.learned(family, &addresses),
                false => plan.answered(family, &addresses, now),
            }
        }
        let until = match plan.next(now) {
            Next::Begin(address) => {
                if !race.begin(address) {
                    plan.failed(address);
                }
                continue;
            }
            Next::Over if plan.has_addresses() => return Err(Lost::Connect(race.why())),
            Next::Over => {
                let nothing = || io::Error::from(io::ErrorKind::NotFound);
                return Err(Lost::Lookup(unanswered.unwrap_or_else(nothing)));
            }
            Next::Wait(until) => until,
        };
        let Some(left) = left else {
            let late = io::ErrorKind::TimedOut.into();
            return Err(match plan.has_addresses() {
                true => Lost::Connect(late),
                false => Lost::Lookup(late),
            });
        };
        let pause = until.map_or(left, |until| left.min(until.saturating_sub(now)));
        for ended in race.wait(questions, pause).map_err(Lost::Connect)? {
            match ended {
                Ok(stream) => return Ok(stream),
                Err(address) => plan.failed(address),
            }
        }
    }
}

/// The connections that are being made.
#[derive(Default)]
struct Race {
    begun: usize,
    running: Vec<Runner>,
    /// With the places of those that failed.
    failures: Vec<(usize, io::Error)>,
}

struct Runner {
    /// In the order in which they were begun.
    place: usize,
    address: SocketAddr,
    socket: OwnedFd,
}

impl Race {
    /// Whether it goes on.
    fn begin(&mut self, address: SocketAddr) -> bool {
        let place = self.begun;
        self.begun += 1;
        match start(&address) {
            Ok(socket) => self.running.push(Runner { place, address, socket }),
            Err(error) => {
                self.failures.push((place, error));
                return false;
            }
        }
        true
    }

    /// Why the first address failed; one to which there is no route says the least.
    fn why(self) -> io::Error {
        let rank = |(place, error): &(usize, io::Error)| {
            (error.kind() == io::ErrorKind::NetworkUnreachable, *place)
        };
        let first = self.failures.into_iter().min_by_key(rank);
        first.map_or_else(|| io::ErrorKind::AddrNotAvailable.into(), |(_, error)| error)
    }

    /// Waits for connections and answers: the connections that stand, and the addresses of those
    /// that have failed.
    fn wait(
        &mut self,
        questions: &Questions,
        pause: Duration,
    ) -> io::Result<Vec<Result<TcpStream, SocketAddr>>> {
        let mut fds: Vec<_> =
            self.running.iter().map(|runner| PollFd::new(&runner.socket, PollFlags::OUT)).collect();
        let answers = questions.as_fd();
        fds.push(PollFd::new(&answers, PollFlags::IN));
        let pause = Timespec::try_from(pause).map_err(io::Error::other)?;
        retry_on_intr(|| poll(&mut fds, Some(&pause)))?;
        let ended: Vec<_> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        let (mut results, mut still) = (Vec::new(), Vec::new());
        for (runner, ended) in self.running.drain(..).zip(ended) {
            if !ended {
                still.push(runner);
                continue;
            }
            let stands = socket_error(&runner.socket)
                .and_then(|error| error)
                .map_err(io::Error::from)
                .and_then(|()| {
                    let stream = TcpStream::from(runner.socket);
                    stream.set_nonblocking(false).map(|()| stream)
                });
            results.push(stands.map_err(|error| {
                self.failures.push((runner.place, error));
                runner.address
            }));
        }
        self.running = still;
        Ok(results)
    }
}

fn start(address: &SocketAddr) -> io::Result<OwnedFd> {
    let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    match connect(&socket, address) {
        Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => Ok(socket),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests;
