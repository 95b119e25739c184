// SPDX-License-Identifier: MIT OR Apache-2.0
//! From a name to a TLS connection, under one deadline: ureq's own pieces lack a limit on lookups
//! that hang, on http to other machines, on addresses that do not answer, and on a peer that reads
//! slowly.

use std::error::Error;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ureq::Timeout;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::time::Instant;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, RustlsConnector, Transport,
};

use super::names::{NAMES, Questions};
use super::race::{Lost, connect_any};

/// Where an exchange ended before anything of the request was sent. Wrapped in
/// [`ureq::Error::Other`].
#[derive(Debug)]
pub(super) enum Unsent {
    Lookup(ureq::Error),
    NotLoopback,
    Connect(ureq::Error),
    Handshake(ureq::Error),
}

impl fmt::Display for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lookup(_) => "cannot find its address",
            Self::NotLoopback => "http is for loopback addresses only",
            Self::Connect(_) => "cannot connect",
            Self::Handshake(_) => "cannot agree on TLS",
        })
    }
}

impl Error for Unsent {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Lookup(error) | Self::Connect(error) | Self::Handshake(error) => Some(error),
            Self::NotLoopback => None,
        }
    }
}

impl From<Unsent> for ureq::Error {
    fn from(unsent: Unsent) -> Self {
        Self::Other(Box::new(unsent))
    }
}

/// Finds no addresses: that belongs to the race for a connection. ureq asks for some all the same.
#[derive(Debug)]
pub(super) struct NoResolver;

impl Resolver for NoResolver {
    fn resolve(
        &self,
        _: &Uri,
        _: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        Ok(self.empty())
    }
}

// ---- a name to a connection -----------------------------------------------------------------

/// Connects to whichever address of the server answers first.
#[derive(Debug)]
pub(super) struct Tcp {
    suspects: Vec<SocketAddr>,
    connected: Arc<OnceLock<SocketAddr>>,
}

impl Tcp {
    /// These addresses are tried last. The address that a connection is made to goes to
    /// `connected`.
    pub(super) fn new(suspects: Vec<SocketAddr>, connected: Arc<OnceLock<SocketAddr>>) -> Self {
        Self { suspects, connected }
    }

    fn race(&self, uri: &Uri, deadline: &Deadline) -> Result<TcpStream, Unsent> {
        let https = uri.scheme_str() == Some("https");
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        let questions = match host.parse::<IpAddr>() {
            Ok(ip) => Questions::answered(&[SocketAddr::new(ip, port)]),
            Err(_) => NAMES.ask(host, port),
        };
        let questions = questions.map_err(|error| Unsent::Lookup(error.into()))?;
        let allowed = |ip| https || is_loopback(ip);
        let left = || deadline.left().ok();
        connect_any(&questions, allowed, self.suspects.clone(), left).map_err(|lost| match lost {
            Lost::Lookup(error) => Unsent::Lookup(match error.kind() {
                io::ErrorKind::TimedOut if questions.are_all_unasked() => {
                    io::Error::other("earlier name lookups still hang").into()
                }
                io::ErrorKind::NotFound => ureq::Error::HostNotFound,
                _ => timed(error),
            }),
            Lost::Forbidden => Unsent::NotLoopback,
            Lost::Connect(error) => Unsent::Connect(timed(error)),
        })
    }
}

pub(super) fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

impl<In: Transport> Connector<In> for Tcp {
    type Out = Stream;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<In>,
    ) -> Result<Option<Stream>, ureq::Error> {
        let clock = details.current_time.clone();
        let deadline = Deadline { clock, end: details.now + details.timeout.after };
        let stream = self.race(details.uri, &deadline)?;
        let connected = stream.peer_addr().and_then(|peer| stream.set_nodelay(true).map(|()| peer));
        let peer = connected.map_err(|error| Unsent::Connect(error.into()))?;
        // One agent makes one connection.
        let _ = self.connected.set(peer);
        let config = details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Ok(Some(Stream { stream, buffers, deadline }))
    }
}

/// The moment at which the whole request ends, by ureq's clock (`CLOCK_MONOTONIC`).
struct Deadline {
    clock: Arc<dyn Fn() -> Instant + Send + Sync>,
    end: Instant,
}

impl Deadline {
    /// What is left; an error, and never zero, when nothing is.
    fn left(&self) -> Result<Duration, ureq::Error> {
        let left = match (self.end, (self.clock)()) {
            (Instant::Exact(end), Instant::Exact(now)) => end.saturating_duration_since(now),
            _ => Duration::ZERO,
        };
        if left.is_zero() { Err(ureq::Error::Timeout(Timeout::Global)) } else { Ok(left) }
    }
}

/// A TCP connection on which every single read and write ends by the deadline, however many
/// ureq or rustls make of them.
pub(super) struct Stream {
    stream: TcpStream,
    buffers: LazyBuffers,
    deadline: Deadline,
}

impl Transport for Stream {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        let mut left = &self.buffers.output()[..amount];
        while !left.is_empty() {
            self.stream.set_write_timeout(Some(self.deadline.left()?))?;
            match self.stream.write(left) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                Ok(written) => left = &left[written..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(timed(error)),
            }
        }
        Ok(())
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
        loop {
            self.stream.set_read_timeout(Some(self.deadline.left()?))?;
            match self.stream.read(self.buffers.input_append_buf()) {
                Ok(received) => {
                    self.buffers.input_appended(received);
                    return Ok(received > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(timed(error)),
            }
        }
    }

    /// Never for a second request.
    fn is_open(&mut self) -> bool {
        false
    }
}

/// A passed `SO_RCVTIMEO` or `SO_SNDTIMEO` shows as "would block".
fn timed(error: io::Error) -> ureq::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            ureq::Error::Timeout(Timeout::Global)
        }
        _ => error.into(),
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("stream", &self.stream).finish_non_exhaustive()
    }
}

// ---- a connection to TLS --------------------------------------------------------------------

/// ureq's rustls connector, whose failures are marked as what they are.
#[derive(Debug, Default)]
pub(super) struct Tls(RustlsConnector);

impl<In: Transport> Connector<In> for Tls {
    type Out = <RustlsConnector as Connector<In>>::Out;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        self.0.connect(details, chained).map_err(|error| Unsent::Handshake(error).into())
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn loopback_pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (near, listener.accept().unwrap().0)
    }

    fn stream(stream: TcpStream, deadline: Deadline, output: usize) -> Stream {
        Stream { stream, buffers: LazyBuffers::new(1024, output), deadline }
    }

    #[test]
    fn only_loopback_addresses_count_as_loopback() {
        for ip in ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"] {
            assert!(is_loopback(ip.parse().unwrap()), "{ip}");
        }
        for ip in ["0.0.0.0", "10.0.0.1", "192.0.2.1", "::", "fe80::1", "::ffff:10.0.0.1"] {
            assert!(!is_loopback(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn the_deadline_holds_for_a_peer_that_takes_the_request_in_small_parts() {
        let (near, _far) = loopback_pair();
        rustix::net::sockopt::set_socket_send_buffer_size(&near, 4096).unwrap();
        let start = Instant::now();
        // The first question finds time left, so that one write is made; the next finds none.
        let asked = AtomicUsize::new(0);
        let clock = move || match asked.fetch_add(1, Ordering::Relaxed) {
            0 => start,
            _ => start + Duration::from_secs(2).into(),
        };
        let end = start + Duration::from_millis(50).into();
        // More than any receive buffer holds.
        let output = 64 * 1024 * 1024;
        let mut stream = stream(near, Deadline { clock: Arc::new(clock), end }, output);
        let error = stream.transmit_output(output, NextTimeout::default()).unwrap_err();
        assert!(matches!(error, ureq::Error::Timeout(_)), "{error}");
    }

    #[test]
    fn past_the_deadline_nothing_is_read_although_it_is_there() {
        let (near, mut far) = loopback_pair();
        far.write_all(b"late").unwrap();
        let now = Instant::now();
        let deadline = Deadline { clock: Arc::new(move || now), end: now };
        let error = stream(near, deadline, 1).await_input(NextTimeout::default()).unwrap_err();
        assert!(matches!(error, ureq::Error::Timeout(_)), "{error}");
    }
}
