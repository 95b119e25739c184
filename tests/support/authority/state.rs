// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the server knows: its clients, the tokens it issued, the faults that wait.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;

use super::fault::Fault;
use super::http::Response;
use super::log::{Endpoint, Log};
use super::throttle::Throttle;

/// Behind the server's one lock.
pub(super) struct State {
    pub log: Log,
    pub clients: HashMap<String, Client>,
    pub tokens: HashMap<String, Token>,
    pub revoked: HashSet<String>,
    /// For the next requests, one each.
    pub queued: HashMap<Endpoint, VecDeque<Fault>>,
    /// For every request for which none is queued.
    pub standing: BTreeMap<Endpoint, Fault>,
    /// None: switched off.
    pub throttle: Option<Throttle>,
    pub expires_in: u64,
    pub repeats_tokens: bool,
    pub down: bool,
    pub tls: Option<Arc<ServerConfig>>,
    /// The origins whose pages may call the protected API.
    pub origins: Vec<String>,
    /// What is served besides, by its path.
    pub pages: HashMap<String, Response>,
    /// Every secret that was issued, and every statement that was seen.
    pub secrets: Vec<String>,
    /// The connections that are open, by number.
    pub open: HashMap<u64, TcpStream>,
}

/// A registered client.
pub(super) struct Client {
    pub secret: String,
    pub statement: String,
    pub application: Option<String>,
}

/// An access token that was issued.
pub(super) struct Token {
    pub client_id: String,
    /// Server time.
    pub expires: Duration,
}

impl State {
    /// What is to become of the next request of this kind.
    pub fn next_fault(&mut self, endpoint: Endpoint) -> Fault {
        let queued = self.queued.get_mut(&endpoint).and_then(VecDeque::pop_front);
        queued.or_else(|| self.standing.get(&endpoint).cloned()).unwrap_or(Fault::None)
    }

    /// The application behind a client, where there is one.
    pub fn application_of(&self, client_id: &str) -> Option<String> {
        self.clients.get(client_id)?.application.clone()
    }

    /// What is served at this target, besides the endpoints.
    pub fn page(&self, target: &str) -> Response {
        let path = target.split('?').next().unwrap_or_default();
        self.pages.get(path).cloned().unwrap_or_else(|| Response::html(404, "Not Found"))
    }

    /// Remembers a secret, for the search of everything that anybody printed.
    pub fn keep_secret(&mut self, secret: &str) {
        if !self.secrets.iter().any(|kept| kept == secret) {
            self.secrets.push(secret.to_owned());
        }
    }
}
