// SPDX-License-Identifier: MIT OR Apache-2.0
use std::cell::Cell;
use std::net::TcpListener;

use super::*;
use crate::system::clock::monotonic_usec;

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
        let socket = start(&address).unwrap();
        let mut fds = [PollFd::new(&socket, PollFlags::OUT)];
        let pause = Timespec::try_from(Duration::from_millis(200)).unwrap();
        let full = retry_on_intr(|| poll(&mut fds, Some(&pause))).unwrap() == 0;
        held.push(socket);
        if full {
            return (listener, held, address);
        }
    }
}

/// What is left of a limit that begins now.
fn limit(limit: Duration) -> impl Fn() -> Option<Duration> {
    let begun = monotonic_usec();
    move || {
        let spent = u64::try_from(monotonic_usec() - begun).unwrap();
        limit.checked_sub(Duration::from_micros(spent)).filter(|left| !left.is_zero())
    }
}

fn connect_to(addresses: &[SocketAddr], suspects: &[SocketAddr]) -> Result<TcpStream, Lost> {
    let questions = Questions::answered(addresses).unwrap();
    connect_any(&questions, |_| true, suspects.to_vec(), limit(LONG))
}

#[test]
fn addresses_that_are_silent_do_not_keep_another_from_answering() {
    let silent: Vec<_> = (0..4).map(|_| silent()).collect();
    let (_good_listener, good) = listener("127.0.0.1:0");
    let mut addresses: Vec<_> = silent.iter().map(|(.., address)| *address).collect();
    addresses.push(good);
    assert_eq!(connect_to(&addresses, &[]).unwrap().peer_addr().unwrap(), good);
}

#[test]
fn an_address_that_refuses_is_followed_by_the_next() {
    let (_listener, good) = listener("127.0.0.1:0");
    let mut addresses: Vec<_> = (0..12).map(|_| refusing()).collect();
    addresses.push(good);
    assert_eq!(connect_to(&addresses, &[]).unwrap().peer_addr().unwrap(), good);
}

#[test]
fn of_two_addresses_that_answer_the_suspect_is_not_taken() {
    let ((_one, suspect), (_other, good)) = (listener("127.0.0.1:0"), listener("127.0.0.1:0"));
    for addresses in [[suspect, good], [good, suspect]] {
        let stream = connect_to(&addresses, &[suspect]).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
    }
    assert_eq!(connect_to(&[suspect], &[suspect]).unwrap().peer_addr().unwrap(), suspect);
}

#[test]
fn the_first_addresss_failure_is_told_and_a_race_without_time_is_a_time_out() {
    let failure = |lost| match lost {
        Lost::Connect(error) => error.kind(),
        other => panic!("{other:?}"),
    };
    let lost = connect_to(&[refusing(), refusing()], &[]).unwrap_err();
    assert_eq!(failure(lost), io::ErrorKind::ConnectionRefused);
    let (_listener, _held, silent) = silent();
    let asked = Cell::new(false);
    let left = || (!asked.replace(true)).then_some(Duration::from_millis(1));
    let questions = Questions::answered(&[silent]).unwrap();
    let lost = connect_any(&questions, |_| true, Vec::new(), left).unwrap_err();
    assert_eq!(failure(lost), io::ErrorKind::TimedOut);
}

#[test]
fn an_address_that_is_not_allowed_is_not_connected_to() {
    let (listener, address) = listener("127.0.0.1:0");
    listener.set_nonblocking(true).unwrap();
    let questions = Questions::answered(&[address]).unwrap();
    let lost = connect_any(&questions, |_| false, Vec::new(), limit(LONG)).unwrap_err();
    assert!(matches!(lost, Lost::Forbidden), "{lost:?}");
    assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn a_connection_that_was_won_waits_for_its_reads() {
    let (listener, good) = listener("127.0.0.1:0");
    let mut stream = connect_to(&[good], &[]).unwrap();
    let writer = std::thread::spawn(move || {
        use std::io::Write;
        listener.accept().unwrap().0.write_all(b"x").unwrap();
    });
    io::Read::read_exact(&mut stream, &mut [0]).unwrap();
    writer.join().unwrap();
}
