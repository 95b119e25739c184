// SPDX-License-Identifier: MIT OR Apache-2.0
//! A connection to whichever address of a name answers first (RFC 8305, "Happy Eyeballs"): a
//! network whose IPv6 or IPv4 leads nowhere costs a moment, and not the time of the whole request.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::sockopt::socket_error;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};

/// How long an address is tried alone before the next one is tried beside it (RFC 8305, section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// Connects to one of the addresses. They are begun in their order, but with the families taking
/// turns; the next one when the one before fails, or when that has had its head start.
///
/// `left` says how much time there is still, and never zero.
///
/// # Errors
/// `TimedOut` where `left` says that there is none. Where all addresses have failed, why the first
/// one did: it is the one that the system prefers.
pub(super) fn connect_any(
    addresses: &[SocketAddr],
    left: impl Fn() -> Option<Duration>,
) -> io::Result<TcpStream> {
    let mut waiting = taking_turns(addresses);
    let mut running: Vec<Runner> = Vec::new();
    let mut failures = Vec::new();
    loop {
        if let Some((place, address)) = waiting.pop_front() {
            match start(&address) {
                Ok(socket) => running.push(Runner { place, socket }),
                Err(error) => {
                    failures.push((place, error));
                    continue;
                }
            }
        }
        if running.is_empty() {
            let first = failures.into_iter().min_by_key(|(place, _)| *place);
            return Err(first.map_or(io::ErrorKind::AddrNotAvailable.into(), |(_, error)| error));
        }
        let left = left().ok_or(io::ErrorKind::TimedOut)?;
        let pause = if waiting.is_empty() { left } else { left.min(HEAD_START) };
        for place in ready(&running, pause)? {
            let Some(at) = running.iter().position(|runner| runner.place == place) else {
                continue;
            };
            let socket = running.remove(at).socket;
            match socket_error(&socket)? {
                Ok(()) => {
                    let stream = TcpStream::from(socket);
                    stream.set_nonblocking(false)?;
                    return Ok(stream);
                }
                Err(error) => failures.push((place, error.into())),
            }
        }
    }
}

/// A connection that is being made.
struct Runner {
    /// Its address's place in the order of the race.
    place: usize,
    socket: OwnedFd,
}

/// The addresses with the families by turns, beginning with the family of the first one, and else
/// in their order: however many addresses one family has, the other's turn comes second.
fn taking_turns(addresses: &[SocketAddr]) -> VecDeque<(usize, SocketAddr)> {
    let first = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let family = |wanted: bool| addresses.iter().copied().filter(move |a| a.is_ipv6() == wanted);
    let (mut preferred, mut other) = (family(first), family(!first));
    let mut turns = Vec::new();
    while turns.len() < addresses.len() {
        turns.extend(preferred.next());
        turns.extend(other.next());
    }
    turns.into_iter().enumerate().collect()
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

/// The places of those that have ended, well or not; none where the pause has passed.
fn ready(running: &[Runner], pause: Duration) -> io::Result<Vec<usize>> {
    let mut fds: Vec<_> =
        running.iter().map(|runner| PollFd::new(&runner.socket, PollFlags::OUT)).collect();
    let pause = Timespec::try_from(pause).map_err(io::Error::other)?;
    retry_on_intr(|| poll(&mut fds, Some(&pause)))?;
    let ended = running.iter().zip(&fds).filter(|(_, fd)| !fd.revents().is_empty());
    Ok(ended.map(|(runner, _)| runner.place).collect())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::net::TcpListener;

    use super::*;

    /// Far more than a test takes.
    const LONG: Duration = Duration::from_secs(60);

    fn listener(address: &str) -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// Nobody listens there.
    fn refusing() -> SocketAddr {
        listener("127.0.0.1:0").1
    }

    /// A listener that takes no further connection: those who try get no answer.
    fn silent() -> (TcpListener, Vec<OwnedFd>, SocketAddr) {
        let (listener, address) = listener("127.0.0.1:0");
        rustix::net::listen(&listener, 0).unwrap();
        let mut held = Vec::new();
        loop {
            let runner = Runner { place: 0, socket: start(&address).unwrap() };
            let taken = ready(std::slice::from_ref(&runner), Duration::from_millis(200)).unwrap();
            held.push(runner.socket);
            if taken.is_empty() {
                return (listener, held, address);
            }
        }
    }

    #[test]
    fn the_families_take_turns_and_the_systems_preference_begins() {
        let parse = |text: &str| text.parse::<SocketAddr>().unwrap();
        let six = ["[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8::3]:1"].map(parse);
        let four = ["192.0.2.1:1", "192.0.2.2:1"].map(parse);
        let order = |addresses: &[SocketAddr]| -> Vec<_> {
            taking_turns(addresses).into_iter().map(|(_, address)| address).collect()
        };
        let expected = [six[0], four[0], six[1], four[1], six[2]];
        assert_eq!(order(&[&six[..], &four].concat()), expected);
        let expected = [four[0], six[0], four[1], six[1], six[2]];
        assert_eq!(order(&[&four[..], &six].concat()), expected);
        assert_eq!(order(&four), four);
        assert_eq!(order(&[]), []);
    }

    #[test]
    fn addresses_that_are_silent_do_not_keep_another_from_answering() {
        let (_listener, _held, silent) = silent();
        let (_good_listener, good) = listener("127.0.0.1:0");
        let addresses = [[silent; 8].as_slice(), &[good]].concat();
        let stream = connect_any(&addresses, || Some(LONG)).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
    }

    #[test]
    fn an_address_that_refuses_is_followed_by_the_next() {
        let (_listener, good) = listener("127.0.0.1:0");
        let addresses = [[refusing(); 15].as_slice(), &[good]].concat();
        let stream = connect_any(&addresses, || Some(LONG)).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
    }

    #[test]
    fn the_first_addresss_failure_is_told_and_a_race_without_time_is_a_time_out() {
        let error = connect_any(&[refusing(), refusing()], || Some(LONG)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let (_listener, _held, silent) = silent();
        let asked = Cell::new(false);
        let left = || (!asked.replace(true)).then_some(Duration::from_millis(1));
        let error = connect_any(&[silent], left).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let error = connect_any(&[], || Some(LONG)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
    }

    #[test]
    fn a_connection_that_was_won_waits_for_its_reads() {
        let (listener, good) = listener("127.0.0.1:0");
        let mut stream = connect_any(&[good], || Some(LONG)).unwrap();
        let writer = std::thread::spawn(move || {
            use std::io::Write;
            listener.accept().unwrap().0.write_all(b"x").unwrap();
        });
        io::Read::read_exact(&mut stream, &mut [0]).unwrap();
        writer.join().unwrap();
    }
}
