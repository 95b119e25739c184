// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a test makes the server do instead of its duty.

use std::fmt;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use serde_json::Value;

use super::http::Response;

/// What becomes of one request. "The good answer" is the one that the rules give, which may well
/// be a refusal; before it is given, its effects (a new client, a new token) have come about.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The good answer.
    None,
    /// This answer, and no effects.
    Answer(Response),
    /// The connection is closed without an answer; no effects.
    Close,
    /// The connection is closed after so many bytes of the good answer: with 0, the effects have
    /// come about and the client does not know.
    CloseAfter(usize),
    /// No answer until the client leaves; no effects.
    Hang,
    /// So many bytes of the good answer, then nothing more until the client leaves.
    HangAfter(usize),
    /// The good answer, so much later; its effects come about only then.
    Late(Duration),
    /// The good answer with these fields of its JSON body put in, or taken out where they are
    /// `null` here.
    Patch(Value),
    /// Waits until the gate is open; then this fault.
    Behind(Gate, Box<Fault>),
}

impl Fault {
    /// The good answer, once the gate is open. Its effects come about only then.
    pub fn hold(gate: &Gate) -> Self {
        gate.then(Self::None)
    }

    /// 429 as the server throttles: HTML, no `Retry-After`.
    pub fn throttled() -> Self {
        Self::Answer(throttled())
    }

    /// 503 with `Retry-After` in seconds.
    pub fn busy(retry_after: u64) -> Self {
        let answer = Response::html(503, "Service Unavailable");
        Self::Answer(answer.with("Retry-After", retry_after))
    }

    /// 400 `invalid_client`.
    pub fn invalid_client() -> Self {
        Self::refusal(400, "invalid_client")
    }

    /// 400 `access_denied`.
    pub fn access_denied() -> Self {
        Self::refusal(400, "access_denied")
    }

    /// This status with this `error` as JSON.
    pub fn refusal(status: u16, error: &str) -> Self {
        Self::Answer(Response::error(status, error, "as the test asked"))
    }

    /// This status with a page of HTML, as a proxy or a captive portal sends it.
    pub fn html(status: u16) -> Self {
        Self::Answer(Response::html(status, "Welcome"))
    }

    /// This status with this JSON.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::Answer(Response::json(status, body))
    }

    /// 302 to elsewhere.
    pub fn redirect(location: &str) -> Self {
        Self::Answer(Response::html(302, "Moved").with("Location", location))
    }

    /// 201 with so many bytes of JSON string.
    pub fn oversized(bytes: usize) -> Self {
        let body = format!("\"{}\"", "x".repeat(bytes));
        Self::Answer(Response::new(201, "application/json;charset=UTF-8", body))
    }
}

/// 429 as the server sends it.
pub fn throttled() -> Response {
    Response::html(429, "Too Many Requests")
}

/// A door that a test opens once; requests wait behind it.
#[derive(Clone)]
pub struct Gate(Arc<OwnedFd>);

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl Gate {
    /// A closed one.
    pub fn new() -> Self {
        Self(Arc::new(eventfd(0, EventfdFlags::CLOEXEC).expect("an eventfd")))
    }

    /// Opens it for all who wait and for all who come.
    pub fn open(&self) {
        rustix::io::write(&*self.0, &1u64.to_ne_bytes()).expect("an eventfd takes a one");
    }

    /// Once it is open: `fault`.
    pub fn then(&self, fault: Fault) -> Fault {
        Fault::Behind(self.clone(), Box::new(fault))
    }

    /// Waits until this gate or `stop` is open or the peer has hung up; `false` where it is not
    /// this gate that opened.
    pub(super) fn wait(&self, stop: &Self, peer: &TcpStream) -> bool {
        loop {
            let mut fds = [
                PollFd::new(&*self.0, PollFlags::IN),
                PollFd::new(&*stop.0, PollFlags::IN),
                PollFd::new(peer, PollFlags::RDHUP),
            ];
            match poll(&mut fds, None) {
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return false,
                Ok(_) => return !fds[0].revents().is_empty() && fds[1].revents().is_empty(),
            }
        }
    }

    /// Lets so much time pass; `false` where this gate opens or the peer hangs up before it is over.
    pub(super) fn pass(&self, time: Duration, peer: &TcpStream) -> bool {
        let timeout = Timespec::try_from(time).expect("a delay of some seconds");
        let mut fds = [PollFd::new(&*self.0, PollFlags::IN), PollFd::new(peer, PollFlags::RDHUP)];
        poll(&mut fds, Some(&timeout)) == Ok(0)
    }
}

impl Gate {
    /// Waits until somebody connects, or this gate is open; `false` in the latter case.
    pub(super) fn wait_beside(&self, listener: &TcpListener) -> bool {
        loop {
            let mut fds =
                [PollFd::new(&*self.0, PollFlags::IN), PollFd::new(listener, PollFlags::IN)];
            match poll(&mut fds, None) {
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return false,
                Ok(_) => return fds[0].revents().is_empty(),
            }
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate")
    }
}

/// Whether the peer has closed its side. A close on this machine is seen at once.
pub(super) fn has_hung_up(peer: &TcpStream) -> bool {
    let mut fds = [PollFd::new(peer, PollFlags::RDHUP)];
    poll(&mut fds, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}
