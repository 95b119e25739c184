// SPDX-License-Identifier: MIT OR Apache-2.0
//! The way to the authorization server, tried step by step: name, connection, TLS, one `GET /`.
//! Nothing of the device or of an application is sent. Each step ends within its limit, and its
//! sockets and threads with it; only a `getaddrinfo` that hangs lasts until the process ends.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use ureq::http::Uri;
use ureq::http::header::{CONNECTION, CONTENT_TYPE, USER_AGENT};

use super::connect::is_loopback;
use super::names::{Answer, NAMES, Questions};
use super::plan::Family;
use super::status_line::StatusLine;
use super::{OWN_USER_AGENT, agent, reason};
use crate::common::answer::Failure;
use crate::common::model::Origin;
use crate::oauth::Context;
use crate::system::clock;

mod certificate;
mod tls;

pub(crate) use certificate::Certificate;
pub(crate) use tls::{Handshake, TlsFault, handshake};

/// The most addresses of a family that are connected to.
const MAX_ADDRESSES: usize = 4;

/// Where the server is.
pub(crate) struct Target {
    /// Over TLS.
    pub(crate) https: bool,
    host: String,
    port: u16,
}

impl Target {
    /// Of the configured origin, which is a legal one.
    pub(crate) fn of(origin: &Origin) -> Option<Self> {
        let uri: Uri = origin.0.parse().ok()?;
        let https = uri.scheme_str() == Some("https");
        let host = uri.host()?.trim_matches(['[', ']']).to_owned();
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        Some(Self { https, host, port })
    }

    /// Its address, if that is what it is named by.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.host.parse().ok()?, self.port))
    }
}

/// What became of the question about one family of addresses.
#[derive(Debug)]
pub(crate) struct Lookup {
    /// `A` or `AAAA`.
    pub(crate) record: &'static str,
    /// How long the answer took.
    pub(crate) took: Duration,
    /// The addresses, none if the name has none of this family; or why there is no answer.
    pub(crate) found: Result<Vec<SocketAddr>, String>,
}

/// Asks for the addresses of both families at once.
pub(crate) fn look_up(target: &Target, limit: Duration) -> Vec<Lookup> {
    let watch = Stopwatch::start();
    let mut lookups = Vec::new();
    match NAMES.ask(&target.host, target.port) {
        Ok(questions) => await_answers(&questions, &watch, limit, &mut lookups),
        Err(error) => lookups.extend(Family::BOTH.map(|family| {
            let (record, took) = (record(family), watch.read());
            Lookup { record, took, found: Err(error.to_string()) }
        })),
    }
    lookups
}

fn await_answers(
    questions: &Questions,
    watch: &Stopwatch,
    limit: Duration,
    lookups: &mut Vec<Lookup>,
) {
    let mut open = Family::BOTH.to_vec();
    while !open.is_empty() {
        let left = limit.saturating_sub(watch.read());
        while let Some((family, answer)) = questions.answer() {
            let found = match answer {
                Answer::Addresses(addresses) => Ok(addresses),
                Answer::Nothing(None) => Ok(Vec::new()),
                Answer::Nothing(Some(error)) => Err(error.to_string()),
                // Of an earlier question, and there was none.
                Answer::Earlier(_) => continue,
            };
            open.retain(|other| *other != family);
            lookups.push(Lookup { record: record(family), took: watch.read(), found });
        }
        if open.is_empty() {
            break;
        }
        if left.is_zero() {
            let silent = || Err(format!("no answer within {}", seconds(limit)));
            let late = |family| Lookup { record: record(family), took: limit, found: silent() };
            lookups.extend(open.drain(..).map(late));
            break;
        }
        let questions = questions.as_fd();
        let pause = Timespec::try_from(left).ok();
        // Interrupted or not, the answers are looked at again.
        let _ = poll(&mut [PollFd::new(&questions, PollFlags::IN)], pause.as_ref());
    }
}

fn record(family: Family) -> &'static str {
    match family {
        Family::Six => "AAAA",
        Family::Four => "A",
    }
}

/// What became of one connection.
#[derive(Debug)]
pub(crate) struct Connected {
    /// To where.
    pub(crate) address: SocketAddr,
    /// How long it took.
    pub(crate) took: Duration,
    /// The connection, or why there is none.
    pub(crate) stream: io::Result<TcpStream>,
}

/// Connects to all addresses at once, a few of each family, in their order.
pub(crate) fn connect(
    target: &Target,
    addresses: &[SocketAddr],
    limit: Duration,
) -> Vec<Connected> {
    let some = |six: bool| {
        let of_family = addresses.iter().filter(move |address| address.is_ipv6() == six);
        of_family.take(MAX_ADDRESSES)
    };
    let attempt = |address: SocketAddr| {
        let watch = Stopwatch::start();
        let stream = match target.https || is_loopback(address.ip()) {
            true => TcpStream::connect_timeout(&address, limit),
            false => Err(io::Error::other("http is for loopback addresses only")),
        };
        Connected { address, took: watch.read(), stream }
    };
    thread::scope(|scope| {
        let begun: Vec<_> = some(true)
            .chain(some(false))
            .map(|address| scope.spawn(move || attempt(*address)))
            .collect();
        begun.into_iter().filter_map(|thread| thread.join().ok()).collect()
    })
}

/// An answer to `GET /`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// The HTTP status.
    pub(crate) status: u16,
    /// Its content is HTML.
    pub(crate) html: bool,
    /// How long it took, connecting included.
    pub(crate) took: Duration,
}

/// Asks for `/` as the daemon would: over a connection of its own, with its time limit, and without
/// a word of the device. The body is not read.
///
/// # Errors
/// Why there is no answer.
pub(crate) fn get(context: &Context) -> Result<Page, Failure> {
    let watch = Stopwatch::start();
    let agent = agent(context, Arc::new(OnceLock::new()), &StatusLine::default())?;
    let response = agent
        .get(format!("{}/", context.origin))
        .header(USER_AGENT, OWN_USER_AGENT)
        .header(CONNECTION, "close")
        .call()
        .map_err(|error| reason::failure(error, context))?;
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let html = content_type.is_some_and(|value| {
        let kind = value.split(';').next().unwrap_or_default().trim();
        ["text/html", "application/xhtml+xml"].iter().any(|html| kind.eq_ignore_ascii_case(html))
    });
    Ok(Page { status: response.status().as_u16(), html, took: watch.read() })
}

/// Time that passes, by `CLOCK_MONOTONIC`.
pub(crate) struct Stopwatch(i128);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(clock::monotonic_usec())
    }

    pub(crate) fn read(&self) -> Duration {
        let passed = clock::monotonic_usec() - self.0;
        Duration::from_micros(u64::try_from(passed).unwrap_or_default())
    }
}

/// `0.4 s`
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// `IPv4` or `IPv6`.
pub(crate) fn family(ip: IpAddr) -> &'static str {
    if ip.is_ipv6() { "IPv6" } else { "IPv4" }
}
