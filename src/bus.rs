// SPDX-License-Identifier: MIT OR Apache-2.0
//! The service on the bus: it checks access, answers from the snapshot, and asks the daemon for
//! work.
//!
//! One thread, `bus`, waits in one poll(2) for as long as the process lives, and owns all there is
//! to the service: nothing in it is shared but the [`Snapshot`]. The daemon sends it
//! [`BusCommand`]s; it tells the daemon [`BusEvent`]s through a closure.
//!
//! Each [`CallId`] that an event has brought ends once: by the daemon's [`BusCommand::Answer`], or
//! by [`BusEvent::Gone`].

mod address;
mod answers;
mod callers;
mod calls;
mod frames;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod gate;
mod link;
pub(crate) mod login;
mod lookup;
mod named;
mod objects;
mod refusals;
mod request;
mod service;
mod side;
mod signals;
mod snapshot;
mod waiting;
mod wire;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{read, retry_on_intr, write};

pub use address::{BadBusAddress, BusAddress};
pub use snapshot::Snapshot;
pub use wire::InfoValue;

use lookup::{Found, Run};

use crate::common::model::AppId;
use crate::common::secret::Secret;
use crate::common::time::BootTime;
use crate::lifecycle::view::{AppView, CallError};

/// The well-known name of the service.
pub const NAME: &str = "tv.tokend";
/// The path of the manager object.
pub const MANAGER_PATH: &str = "/tv/tokend";
/// What the path of an application's object begins with; its name follows.
pub const APPLICATION_PATH: &str = "/tv/tokend/application/";
/// The interface of the manager object.
pub const MANAGER_INTERFACE: &str = "tv.tokend.Manager1";
/// The interface of an application's object.
pub const APPLICATION_INTERFACE: &str = "tv.tokend.Application1";

/// A call that waits for the daemon; never used twice.
pub type CallId = u64;

/// What the bus tells the daemon.
#[derive(Debug)]
pub enum BusEvent {
    /// `GetToken` or `GetHeaders`, which the snapshot could not answer.
    Wanted {
        /// Whose token.
        app: AppId,
        /// To be answered with [`Answer::Token`].
        call: CallId,
        /// Seconds.
        min_validity: u32,
    },
    /// `ReplaceToken` of the current token, or without one.
    Replace {
        /// Whose token.
        app: AppId,
        /// To be answered with [`Answer::Token`].
        call: CallId,
        /// The token that the caller's API has refused.
        rejected: Secret,
        /// The API's error code: at most 64 characters, all of them printable ASCII. To be logged.
        code: String,
    },
    /// The caller has left the bus, or has waited for too long: no answer is needed any more.
    Gone {
        /// Which call.
        call: CallId,
    },
    /// `Reload`, by one who may.
    Reload {
        /// To be answered with [`Answer::Done`].
        call: CallId,
        /// By root: it ends waits.
        root: bool,
    },
    /// `Forget`, by root.
    Forget {
        /// To be answered with [`Answer::Done`].
        call: CallId,
        /// A legal name; whether anything is known of it, the daemon decides.
        id: AppId,
    },
    /// The answer to [`BusCommand::Ping`]: the bus thread runs.
    Pong,
    /// The bus or the name is lost, and why. Nothing follows.
    Lost(String),
}

/// What the daemon tells the bus. Commands are carried out in their order: a change that is sent
/// before an answer is seen on the bus before it. The daemon changes the snapshot first.
#[derive(Debug)]
pub enum BusCommand {
    /// Ends a waiting call. One that has ended already is passed over.
    Answer {
        /// Which call.
        call: CallId,
        /// What its caller gets.
        result: Result<Answer, CallError>,
    },
    /// The properties of an application have changed: one `PropertiesChanged` with what differs.
    Changed {
        /// Which application.
        app: AppId,
        /// What its properties were.
        before: Arc<AppView>,
        /// What they are.
        after: Arc<AppView>,
    },
    /// An application has come: it is in the snapshot.
    Added(AppId),
    /// An application has gone from the snapshot. Its waiting calls end with `UnknownObject`.
    Removed(AppId),
    /// The property `ClockSet` has changed.
    ClockSet(bool),
    /// The property `Faults` has changed.
    Faults(Vec<String>),
    /// Asks for [`BusEvent::Pong`].
    Ping,
}

/// The good end of a waiting call.
#[derive(Clone, Debug)]
pub enum Answer {
    /// For `GetToken`, `GetHeaders` and `ReplaceToken`.
    Token {
        /// The token itself.
        value: Secret,
        /// Its end: the seconds left are counted when the reply is written.
        expires: BootTime,
    },
    /// For `Reload` and `Forget`.
    Done,
}

/// A running bus thread. Dropping it ends the thread and leaves the bus.
#[derive(Debug)]
pub struct Bus {
    queue: Arc<Queue>,
}

impl Bus {
    /// Hands a command to the bus thread, and returns at once.
    pub fn send(&self, command: BusCommand) {
        self.queue.push(Note::Command(command));
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.queue.stop();
    }
}

/// Connects, exports all objects of the snapshot, then owns the name, so that whoever sees the
/// name sees every object. `events` is called on the bus thread: it must return at once.
///
/// # Errors
/// [`BusError`]; nothing is left running.
pub fn start(
    address: &BusAddress,
    snapshot: Arc<Snapshot>,
    events: impl Fn(BusEvent) + Send + Sync + 'static,
) -> Result<Bus, BusError> {
    let queue = Arc::new(Queue::new().map_err(BusError::Thread)?);
    let (ready, started) = mpsc::sync_channel(1);
    let serving = {
        let (address, queue) = (address.clone(), Arc::clone(&queue));
        move || service::run(address, snapshot, Box::new(events), queue, ready)
    };
    thread::Builder::new().name("bus".into()).spawn(serving).map_err(BusError::Thread)?;
    started.recv().map_err(|_| BusError::Died)??;
    Ok(Bus { queue })
}

/// What other threads tell the bus thread.
#[derive(Debug)]
enum Note {
    Command(BusCommand),
    /// What a name service has answered.
    LookedUp(Run, Found),
}

/// The way to the bus thread: what is told is little.
#[derive(Debug)]
struct Queue {
    notes: Mutex<VecDeque<Note>>,
    stopped: AtomicBool,
    wake: OwnedFd,
}

impl Queue {
    fn new() -> io::Result<Self> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { notes: Mutex::default(), stopped: AtomicBool::new(false), wake })
    }

    fn push(&self, note: Note) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push_back(note);
        self.wake();
    }

    fn pop(&self) -> Option<Note> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.wake();
    }

    fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    fn wake(&self) {
        // Fails only with 2^64 - 2 of them pending: then the thread wakes up anyway.
        let _ = retry_on_intr(|| write(&self.wake, &1_u64.to_ne_bytes()));
    }

    /// What woke the thread up is to be found from here on.
    fn drain(&self) {
        let _ = retry_on_intr(|| read(&self.wake, &mut [0; 8]));
    }
}

impl AsFd for Queue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

/// Why the bus could not be started.
#[derive(Debug)]
pub enum BusError {
    /// The bus cannot be reached.
    Connect {
        /// Which bus.
        address: BusAddress,
        /// What happened.
        source: io::Error,
    },
    /// Another process owns the name.
    NameTaken,
    /// The bus does not let this user own the name.
    NameDenied(io::Error),
    /// The bus was reached, and then something else failed.
    Setup(io::Error),
    /// The thread could not be started.
    Thread(io::Error),
    /// The thread ended before it was ready.
    Died,
}

impl fmt::Display for BusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect { address, .. } => write!(f, "cannot connect to {address}"),
            Self::NameTaken => write!(f, "another process owns the bus name {NAME}"),
            Self::NameDenied(_) => write!(
                f,
                "this user may not own the bus name {NAME}: the bus policy tv.tokend.conf is not \
                 installed, or names another user"
            ),
            Self::Setup(_) => f.write_str("the bus was lost before tokend was on it"),
            Self::Thread(_) => f.write_str("cannot start the bus thread"),
            Self::Died => f.write_str("the bus thread has ended unexpectedly"),
        }
    }
}

impl std::error::Error for BusError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Connect { source, .. } => Some(source),
            Self::NameDenied(source) | Self::Setup(source) | Self::Thread(source) => Some(source),
            Self::NameTaken | Self::Died => None,
        }
    }
}
