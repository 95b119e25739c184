// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the tests and the sandbox share: a loopback authorization server that behaves as the
//! contract says, a private bus, and a device on which the real tokend runs.
//!
//! Everything here is an independent peer of the daemon: it takes no code from the crate.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "each test file uses its own part of this"
)]

use std::fmt;
use std::time::Duration;

/// The loopback authorization server.
pub mod authority;
/// A private message bus.
pub mod bus;
/// Child processes that never outlive their parent.
pub mod child;
/// An HTTP client that is not tokend.
pub mod client;
/// One household: a server, a bus and a device.
pub mod household;
/// Lines of output, and waiting for one.
pub mod lines;
/// The manual page of the command line.
pub mod manual;
/// A player application: a client of the daemon on the bus.
pub mod player;
/// What the kernel says of a process.
pub mod process;
/// A connection to the bus that no library guards.
pub mod raw;
/// A server, a bus and a device, as most end-to-end tests need them.
pub mod scene;
/// Directories of a test's own.
mod scratch;
/// Software statements, signed.
pub mod statement;
/// A terminal with a program on it.
pub mod terminal;
/// Throw-away certificates.
pub mod tls;
/// A device and the real daemon on it.
pub mod tokend;
/// Which system calls a process makes.
pub mod trace;

pub(crate) use scratch::scratch;

/// How long a test waits for what must come. Nothing is measured with it: it is far above what
/// any machine needs, and only ends a wait that would never end.
pub const BOUND: Duration = Duration::from_secs(60);

/// Why something could not be started, in one line for a person.
pub struct Failure(pub String);

impl Failure {
    /// `what` failed because of `source`.
    pub fn new(what: impl fmt::Display, source: impl fmt::Display) -> Self {
        Self(format!("{what}: {source}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Failure {
    /// The plain line, as `unwrap` prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}
