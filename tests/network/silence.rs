// SPDX-License-Identifier: MIT OR Apache-2.0
//! A first address that takes the connection and is silent afterwards: one try learns of it, and the
//! next one takes the other.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::dns::{Mode, Reply};
use super::families::tries;
use super::home::{FOUR, HOST, Home, six};
use super::hosts::{ip, on_its_own_hosts};
use super::support::tls::Certificates;

/// What the server behind the first address still does.
#[derive(Clone, Copy)]
enum SilentAfter {
    Connect,
    Tls,
    Request,
}

/// How many connections a silent server has had.
#[derive(Clone, Default)]
struct Count(Arc<AtomicUsize>);

impl SilentAfter {
    /// Its threads end with the process.
    fn serve(self, listener: TcpListener, tls: Arc<ServerConfig>) -> Count {
        let count = Count::default();
        let counted = count.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                counted.0.fetch_add(1, Ordering::Relaxed);
                let tls = Arc::clone(&tls);
                thread::spawn(move || self.hold(stream, tls));
            }
        });
        count
    }

    /// Until the client hangs up.
    fn hold(self, mut stream: TcpStream, tls: Arc<ServerConfig>) {
        let mut tls = ServerConnection::new(tls).unwrap();
        match self {
            Self::Connect => {}
            Self::Tls => while tls.is_handshaking() && tls.complete_io(&mut stream).is_ok() {},
            Self::Request => {
                let mut stream = StreamOwned::new(tls, stream);
                while stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {}
                return;
            }
        }
        // Nothing more is read, so that the client's end alone shows.
        let _ = stream.flush();
        let mut fds = [rustix::event::PollFd::new(&stream, rustix::event::PollFlags::RDHUP)];
        let _ = rustix::event::poll(&mut fds, None);
    }
}

fn the_other_address_is_taken(silent: SilentAfter) {
    on_its_own_hosts(|| {
        let certificates = Certificates::of(HOST).unwrap();
        let mut home = Home::at("[2001:db8:ffff::2]:443", &certificates, &["cinema"]);
        home.device.set("server", "timeout_seconds", "2");
        home.plug("eth0", 2);
        home.plug_six("eth0", 2);
        let listener =
            home.world.run(|| TcpListener::bind(SocketAddr::from((six(1), 443))).unwrap());
        let count = silent.serve(listener, Arc::clone(&certificates.server));
        home.dns.set(Mode::Answers(Vec::new(), vec![six(1), six(2)]));
        let (tokend, player) = home.start();
        player.get_token("cinema", 0).unwrap_or_else(|e| panic!("{e}\n{}", tokend.output()));
        assert_eq!(tries(&tokend), (2, 1), "{}", tokend.output());
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert_eq!(home.authority.log().connections, 2);
    });
}

#[test]
fn an_address_that_is_silent_after_the_connection_costs_one_try() {
    the_other_address_is_taken(SilentAfter::Connect);
}

#[test]
fn an_address_that_is_silent_after_tls_costs_one_try() {
    the_other_address_is_taken(SilentAfter::Tls);
}

#[test]
fn an_address_that_is_silent_after_the_request_costs_one_try() {
    the_other_address_is_taken(SilentAfter::Request);
}

#[test]
fn a_path_that_loses_packets_over_1280_bytes_by_ipv6_costs_one_try() {
    on_its_own_hosts(|| {
        let certificates = Certificates::large_of(HOST).unwrap();
        let mut home = Home::at("[::]:443", &certificates, &["cinema"]);
        home.device.set("server", "timeout_seconds", "2");
        home.plug("eth0", 2);
        home.plug_six("eth0", 2);
        // What comes in larger is dropped without a word. By IPv4 the server is told so beforehand,
        // by IPv6 it is told otherwise.
        ip("link set eth0 mtu 1280");
        ip("-6 route change default via 2001:db8:2::1 dev eth0 advmss 1440");
        home.world.ip("link set far-eth0 gso_max_segs 1");
        // IPv6 is begun first.
        let four = Reply::After(Duration::from_millis(500), vec![FOUR]);
        home.dns.set(Mode::Each(four, Reply::After(Duration::ZERO, vec![six(1)])));
        let (tokend, player) = home.start();
        player.get_token("cinema", 0).unwrap_or_else(|e| panic!("{e}\n{}", tokend.output()));
        assert_eq!(tries(&tokend), (2, 1), "{}", tokend.output());
        let log = home.authority.log();
        assert_eq!(log.connections, 3);
        assert!(log.requests.iter().all(|request| request.peer.ip().to_string().contains("192.")));
    });
}
