// SPDX-License-Identifier: MIT OR Apache-2.0
//! From a name to a TLS connection, under one deadline: ureq's own pieces lack a limit on the
//! number of lookups that hang, on http to other machines, on addresses that do not answer, and on
//! a peer that reads slowly.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;
use std::{fmt, thread};

use ureq::Timeout;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::time::Instant;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, RustlsConnector, Transport,
};

use super::race::connect_any;

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

// ---- name to addresses ----------------------------------------------------------------------

/// The most lookups that may hang at once: each is a thread that only the system's resolver ends.
const MAX_LOOKUPS: usize = 8;
/// The lookups under way in this process.
static LOOKUPS: AtomicUsize = AtomicUsize::new(0);

/// The most addresses of a name that are tried; ureq holds no more.
const MAX_ADDRESSES: usize = 16;

/// The system's resolver, with a time limit.
#[derive(Debug)]
pub(super) struct Lookup;

impl Resolver for Lookup {
    fn resolve(
        &self,
        uri: &Uri,
        _: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let port = uri.port_u16().unwrap_or(if is_https(uri) { 443 } else { 80 });
        let found = match host.parse::<IpAddr>() {
            Ok(ip) => vec![SocketAddr::new(ip, port)],
            Err(_) => look_up(host, port, *timeout.after, &LOOKUPS).map_err(Unsent::Lookup)?,
        };
        if found.is_empty() {
            return Err(Unsent::Lookup(ureq::Error::HostNotFound).into());
        }
        if !is_https(uri) && !found.iter().all(|address| is_loopback(address.ip())) {
            return Err(Unsent::NotLoopback.into());
        }
        let mut addresses = self.empty();
        found.into_iter().take(MAX_ADDRESSES).for_each(|address| addresses.push(address));
        Ok(addresses)
    }
}

fn is_https(uri: &Uri) -> bool {
    uri.scheme_str() == Some("https")
}

pub(super) fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

/// `getaddrinfo` cannot be told a limit or be interrupted, so it gets a thread, which outlives the
/// request where it hangs.
fn look_up(
    host: &str,
    port: u16,
    limit: Duration,
    under_way: &'static AtomicUsize,
) -> Result<Vec<SocketAddr>, ureq::Error> {
    let place = Place::take(under_way)
        .ok_or_else(|| io::Error::other("earlier name lookups still hang"))?;
    let (tell, told) = mpsc::channel();
    let host = host.to_owned();
    thread::Builder::new().name("lookup".into()).spawn(move || {
        let _place = place;
        let found = (host.as_str(), port).to_socket_addrs();
        // Nobody listens any more where the limit has passed.
        let _ = tell.send(found.map(Iterator::collect));
    })?;
    match told.recv_timeout(limit) {
        Ok(found) => Ok(found?),
        Err(RecvTimeoutError::Timeout) => Err(ureq::Error::Timeout(Timeout::Global)),
        Err(RecvTimeoutError::Disconnected) => Err(ureq::Error::HostNotFound),
    }
}

/// One of the [`MAX_LOOKUPS`], until it is dropped.
struct Place(&'static AtomicUsize);

impl Place {
    fn take(taken: &'static AtomicUsize) -> Option<Self> {
        let more = |taken: usize| (taken < MAX_LOOKUPS).then_some(taken + 1);
        taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok().map(|_| Self(taken))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

// ---- addresses to a connection --------------------------------------------------------------

/// Connects to whichever address answers first.
#[derive(Debug)]
pub(super) struct Tcp;

impl<In: Transport> Connector<In> for Tcp {
    type Out = Stream;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<In>,
    ) -> Result<Option<Stream>, ureq::Error> {
        let clock = details.current_time.clone();
        let deadline = Deadline { clock, end: details.now + details.timeout.after };
        let stream = connect_any(&details.addrs, || deadline.left().ok())
            .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
            .map_err(|error| Unsent::Connect(timed(error)))?;
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
    fn a_name_lookup_beyond_the_limit_is_refused_until_a_place_comes_free_again() {
        static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);
        let taken: Vec<_> = std::iter::from_fn(|| Place::take(&UNDER_WAY)).collect();
        assert_eq!(taken.len(), MAX_LOOKUPS);
        let look_up = || look_up("localhost", 1, Duration::from_secs(60), &UNDER_WAY);
        let error = look_up().unwrap_err();
        assert!(error.to_string().contains("earlier name lookups still hang"), "{error}");
        drop(taken);
        assert!(!look_up().unwrap().is_empty());
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
