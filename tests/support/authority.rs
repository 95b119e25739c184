// SPDX-License-Identifier: MIT OR Apache-2.0
//! A loopback authorization server that behaves as section 1 of the contract says: real TLS,
//! statements whose signature is really verified, 201, milliseconds, throttling with HTML.
//!
//! A test scripts its faults, moves its clock and reads its log. Each connection has a thread and
//! carries one request.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use tempfile::TempDir;

use super::Failure;
use super::lines::Lines;
use super::tls::Certificates;

mod clock;
mod connection;
mod control;
mod device_info;
mod fault;
mod http;
mod log;
mod rules;
mod state;
mod throttle;

pub use fault::{Fault, Gate};
pub use http::Response;
pub use log::{Endpoint, Log, Outcome, Request};

use clock::Clock;
use state::State;
use throttle::Throttle;

/// Seconds that the real server's access tokens live.
const DAY: u64 = 86_400;

/// How a server starts.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Encrypted; else plain HTTP.
    pub tls: bool,
    /// 1 request a second after a one-time burst of 10.
    pub throttle: bool,
    /// Seconds that a new access token lives.
    pub expires_in: u64,
}

impl Default for Options {
    /// As the real one: TLS, throttled, tokens for a day.
    fn default() -> Self {
        Self { tls: true, throttle: true, expires_in: DAY }
    }
}

/// A running server. Dropped: its connections break off and its threads end.
pub struct Authority {
    shared: Arc<Shared>,
    /// With the port, where it is not the scheme's own.
    host: String,
    scheme: &'static str,
    acceptor: Option<JoinHandle<()>>,
    dir: TempDir,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    clock: Clock,
    /// Open once the server ends.
    stop: Gate,
    /// One line for each request that ended.
    lines: Lines,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Authority {
    /// Starts a server on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// No port, no certificate or no temporary file.
    pub fn start(options: Options) -> Result<Self, Failure> {
        let failure = |error| Failure::new("cannot start the authorization server", error);
        let listener = TcpListener::bind("127.0.0.1:0").map_err(failure)?;
        let address = listener.local_addr().map_err(failure)?;
        Self::start_on(listener, address.to_string(), &Certificates::new()?, options)
    }

    /// Starts a server behind this listener, whose clients know it as `host`.
    ///
    /// # Errors
    /// No temporary file.
    pub fn start_on(
        listener: TcpListener,
        host: String,
        certificates: &Certificates,
        options: Options,
    ) -> Result<Self, Failure> {
        let failure = |error| Failure::new("cannot start the authorization server", error);
        let dir = super::scratch("tokend-authority-").map_err(failure)?;
        let state = State {
            log: Log::default(),
            clients: HashMap::new(),
            tokens: HashMap::new(),
            revoked: HashSet::new(),
            queued: HashMap::new(),
            standing: BTreeMap::new(),
            throttle: options.throttle.then(Throttle::default),
            expires_in: options.expires_in,
            repeats_tokens: false,
            down: false,
            tls: None,
            origins: Vec::new(),
            pages: HashMap::new(),
            secrets: Vec::new(),
            open: HashMap::new(),
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
            clock: Clock::start(),
            stop: Gate::new(),
            lines: Lines::default(),
        });
        let scheme = if options.tls { "https" } else { "http" };
        let mut server = Self { shared, host, scheme, acceptor: None, dir };
        if options.tls {
            server.use_certificates(certificates);
            server.trust(certificates)?;
        }
        let shared = server.shared.clone();
        server.acceptor = Some(thread::spawn(move || accept(&shared, &listener)));
        Ok(server)
    }

    /// Over TLS, without a throttle: what most tests want.
    pub fn https() -> Self {
        Self::start(Options { throttle: false, ..Options::default() }).unwrap()
    }

    /// Without TLS and without a throttle.
    pub fn http() -> Self {
        Self::start(Options { tls: false, throttle: false, ..Options::default() }).unwrap()
    }

    /// What goes into `url`.
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.host)
    }

    /// What goes into `ca_file`; without TLS there is no such file.
    pub fn ca_file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        self.shared.stop.open();
        if let Some(acceptor) = self.acceptor.take() {
            // A panic there has been printed already.
            let _ = acceptor.join();
        }
    }
}

/// Takes connections until the server ends, and then ends them all.
fn accept(shared: &Arc<Shared>, listener: &TcpListener) {
    let mut threads = Vec::new();
    while shared.stop.wait_beside(listener) {
        let Ok((tcp, peer)) = listener.accept() else { continue };
        if let Some((number, tcp)) = admit(shared, tcp) {
            let shared = shared.clone();
            threads.push(thread::spawn(move || {
                connection::serve(&shared, &tcp, number, peer);
                let _ = tcp.shutdown(Shutdown::Both);
                shared.lock().open.remove(&number);
            }));
        }
    }
    for tcp in shared.lock().open.values() {
        let _ = tcp.shutdown(Shutdown::Both);
    }
    for thread in threads {
        let _ = thread.join();
    }
}

/// Counts a connection; `None` where it is not to be served.
fn admit(shared: &Shared, tcp: TcpStream) -> Option<(u64, TcpStream)> {
    let mut state = shared.lock();
    state.log.connections += 1;
    let number = state.log.connections;
    if state.down {
        state.log.fruitless += 1;
        shared.changed.notify_all();
        return None;
    }
    state.open.insert(number, tcp.try_clone().ok()?);
    Some((number, tcp))
}
