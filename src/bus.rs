// SPDX-License-Identifier: MIT OR Apache-2.0
//! The D-Bus objects: they check access, read the snapshot and ask the daemon for work. The only
//! user of zbus.
//!
//! One thread, `bus`, runs `zbus::block_on` for as long as the process lives. The daemon sends it
//! [`BusCommand`]s; it tells the daemon [`BusEvent`]s through a closure. All objects share one
//! [`Snapshot`], and every method takes `&self`: nothing ever waits for the write lock that zbus
//! has around an object, behind which its other calls would queue.
//!
//! Each [`CallId`] that an event has brought ends once: by the daemon's [`BusCommand::Answer`], or
//! by [`BusEvent::Gone`].

mod address;
mod application;
mod callers;
/// The client side, for the command line.
pub mod client;
mod desk;
mod manager;
mod object_manager;
mod read_only;
mod service;
mod signals;
mod snapshot;
mod socket;
mod waiting;
mod wire;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use zruntime::Event;

pub use address::{BadBusAddress, BusAddress};
pub use snapshot::{InfoValue, Snapshot};
#[cfg(any(test, fuzzing))]
pub use socket::fuzzing::bus_socket;

use crate::model::AppId;
use crate::secret::Secret;
use crate::time::BootTime;
use crate::view::{AppView, CallError};

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
        self.queue.push(command);
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
    let queue = Arc::new(Queue::default());
    let (ready, started) = mpsc::sync_channel(1);
    let serving = {
        let (address, queue) = (address.clone(), Arc::clone(&queue));
        move || zbus::block_on(service::run(address, snapshot, Box::new(events), &queue, &ready))
    };
    thread::Builder::new().name("bus".into()).spawn(serving).map_err(BusError::Thread)?;
    started.recv().map_err(|_| BusError::Died)??;
    Ok(Bus { queue })
}

/// The way from the daemon to the bus thread: commands are few.
#[derive(Debug, Default)]
struct Queue {
    commands: Mutex<VecDeque<BusCommand>>,
    stopped: AtomicBool,
    nudge: Event,
}

impl Queue {
    fn push(&self, command: BusCommand) {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner).push_back(command);
        self.nudge.notify(1);
    }

    fn pop(&self) -> Option<BusCommand> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.nudge.notify(1);
    }

    fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
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
        source: zbus::Error,
    },
    /// Another process owns the name.
    NameTaken,
    /// The bus does not let this user own the name.
    NameDenied(zbus::Error),
    /// The bus was reached, and then something else failed.
    Setup(zbus::Error),
    /// The runtime of the bus thread could not be made.
    Runtime(io::Error),
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
            Self::Setup(_) => f.write_str("cannot set up the D-Bus objects"),
            Self::Runtime(_) => f.write_str("cannot set up the bus thread"),
            Self::Thread(_) => f.write_str("cannot start the bus thread"),
            Self::Died => f.write_str("the bus thread has ended unexpectedly"),
        }
    }
}

impl std::error::Error for BusError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Connect { source, .. } => Some(source),
            Self::NameDenied(source) | Self::Setup(source) => Some(source),
            Self::Runtime(source) | Self::Thread(source) => Some(source),
            Self::NameTaken | Self::Died => None,
        }
    }
}
