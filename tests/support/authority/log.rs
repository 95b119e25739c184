// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the server has seen.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use super::http::Head;

/// What a request is about, by method and path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// `/o/client/register`
    Register,
    /// `/o/client/token`
    Token,
    /// `/api/v2/hello`: a protected API, as players call it.
    Hello,
    /// `OPTIONS /api/v2/hello`: a browser asks whether a page may call it (CORS).
    Preflight,
    /// Any other path.
    Unknown,
}

impl Endpoint {
    pub(super) fn of(head: &Head) -> Self {
        match head.target.split(['?', '#']).next().unwrap_or_default() {
            "/o/client/register" => Self::Register,
            "/o/client/token" => Self::Token,
            "/api/v2/hello" if head.method == "OPTIONS" => Self::Preflight,
            "/api/v2/hello" => Self::Hello,
            _ => Self::Unknown,
        }
    }
}

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    pub endpoint: Endpoint,
    pub head: Head,
    pub body: Vec<u8>,
    /// The string fields of the body, JSON or form; empty where it is neither.
    pub fields: BTreeMap<String, String>,
    /// The application (the statement's `software_name`) that it is about, where that is known.
    pub application: Option<String>,
    pub peer: SocketAddr,
    /// Server time at its arrival.
    pub at: Duration,
    /// Requests of the same application under way at its arrival, itself counted in.
    pub at_once: usize,
    /// The number of its connection.
    pub connection: u64,
    pub outcome: Outcome,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It has not.
    UnderWay,
    /// With an answer of this status, whole or cut off.
    Answered(u16),
    /// Without an answer.
    Dropped,
}

impl fmt::Display for Request {
    /// One line without a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.head.target.split('?').next().unwrap_or_default();
        let name = self.application.as_deref().unwrap_or("unknown");
        write!(f, "{} {path} for the application {name}: ", self.head.method)?;
        match self.outcome {
            Outcome::UnderWay => f.write_str("arrived"),
            Outcome::Answered(status) => write!(f, "answered {status}"),
            Outcome::Dropped => f.write_str("dropped without an answer"),
        }
    }
}

/// All that the server has seen, in the order of arrival.
#[derive(Clone, Debug, Default)]
pub struct Log {
    pub requests: Vec<Request>,
    /// Connections that were opened, whatever came of them.
    pub connections: u64,
    /// Connections that ended before they brought a whole request: failed TLS handshakes, and
    /// clients that left.
    pub fruitless: u64,
}

impl Log {
    /// The requests of one kind.
    pub fn of(&self, endpoint: Endpoint) -> impl Iterator<Item = &Request> {
        self.requests.iter().filter(move |request| request.endpoint == endpoint)
    }

    /// How many of a kind have come.
    pub fn count(&self, endpoint: Endpoint) -> usize {
        self.of(endpoint).count()
    }

    /// How many of a kind were answered with this status.
    pub fn answered(&self, endpoint: Endpoint, status: u16) -> usize {
        self.of(endpoint).filter(|request| request.outcome == Outcome::Answered(status)).count()
    }

    /// How many requests of one application were ever under way at once; 1 is the rule.
    pub fn most_at_once(&self) -> usize {
        let of_daemon = [Endpoint::Register, Endpoint::Token, Endpoint::Unknown];
        let daemon = self.requests.iter().filter(|request| of_daemon.contains(&request.endpoint));
        daemon.map(|request| request.at_once).max().unwrap_or(0)
    }
}
