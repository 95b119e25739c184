// SPDX-License-Identifier: MIT OR Apache-2.0
//! What to do and when, as a plain function of state, event and time.
//!
//! Events come in, actions go out; another file ([`crate::daemon`]) does the I/O. Nothing here
//! reads a clock, a file, the network or the bus, so the tests run years of it in seconds.
//!
//! The rules are those of the contract's section 1. Their places: when the next try is
//! (`schedule`), how often anything may be sent (`governor`), when a statement may be
//! registered (`limits`), what an answer means (`answers`), what callers see (`report`).

mod answers;
mod app;
mod callers;
mod changes;
mod engine;
pub mod governor;
mod history;
mod limits;
mod replacement;
mod report;
mod saving;
pub mod schedule;
#[cfg(test)]
mod tests;
/// What the bus shows of an application, and whether its token will do.
pub mod view;

use std::time::Duration;

pub use callers::{PATIENCE, means_registration};
pub use engine::Lifecycle;

use crate::common::answer::{AccessToken, Failure};
use crate::common::model::{
    AppId, AttemptLog, Credentials, CredentialsByOrigin, Origin, StatementDigest, Stored, Token,
};
use crate::common::secret::Secret;
use crate::common::time::{BootTime, WallTime};
use crate::lifecycle::view::CallError;

/// Names one call that waits for an answer.
pub type CallId = u64;
/// Names one request to the server.
pub type RequestId = u64;

/// The authorization server, by all its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Servers {
    /// Where requests go.
    pub url: Origin,
    /// Other names of the same server, whose credentials are used on.
    pub others: Vec<Origin>,
}

impl Servers {
    /// All names, `url` first.
    pub fn iter(&self) -> impl Iterator<Item = &Origin> {
        std::iter::once(&self.url).chain(&self.others)
    }

    /// Whether this is one of the names.
    #[must_use]
    pub fn contains(&self, origin: &Origin) -> bool {
        self.iter().any(|name| name == origin)
    }

    /// The server that `origin` is a name of: this one, or another that was left meanwhile.
    fn of(&self, origin: &Origin) -> Self {
        if self.contains(origin) {
            return self.clone();
        }
        Self { url: origin.clone(), others: Vec::new() }
    }
}

/// The settings that the decisions depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The authorization server.
    pub servers: Servers,
    /// How long refusals of client credentials must last before a registration anew.
    pub reregister_after: Duration,
    /// A wall clock before this date is not set.
    pub released: WallTime,
}

/// What the configuration wants of one application: its software statement, or why that cannot be
/// read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// The digest of the statement.
    pub statement: Result<StatementDigest, String>,
}

/// One thing that the store writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteKind {
    /// The attempt record; the number tells one write from the next.
    Record(u64),
    /// The credentials of a statement.
    Credentials(StatementDigest),
    /// The token.
    Token,
    /// The removal of the token.
    NoToken,
}

/// The files that are kept on the disk so that credentials fit into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// They stay as they are.
    Keep,
    /// They must be there before this statement is registered.
    Allocate(StatementDigest),
    /// This statement's are not needed: its registration was refused.
    Release(StatementDigest),
}

/// Something has happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The store is open: its key is proven.
    StoreOpened,
    /// The store could not be opened. `final_key`: a new process is needed to have another key.
    StoreFailed {
        /// What is wrong.
        message: String,
        /// A new process might see another key, this one never will.
        final_key: bool,
    },
    /// An application is configured, or its statement has changed.
    Configured {
        /// Which.
        app: AppId,
        /// What is wanted of it.
        desired: Desired,
    },
    /// An application is configured no longer, but may have something in the store.
    Removed {
        /// Which.
        app: AppId,
    },
    /// The settings have changed.
    PolicyChanged(Policy),
    /// Root asked for a reload: holds end.
    Reloaded,
    /// The files of an application have changed: its holds end, whoever asked for the reload.
    FilesChanged {
        /// Which.
        app: AppId,
    },
    /// What the store has of an application.
    Loaded {
        /// Which.
        app: AppId,
        /// All of it.
        stored: Box<Stored>,
    },
    /// What the store has of an application cannot be read just now.
    LoadFailed {
        /// Which.
        app: AppId,
        /// What is wrong.
        message: String,
    },
    /// A write is on the disk.
    Saved {
        /// Whose.
        app: AppId,
        /// Which.
        what: WriteKind,
    },
    /// A write failed.
    NotSaved {
        /// Whose.
        app: AppId,
        /// Which.
        what: WriteKind,
        /// What is wrong.
        message: String,
    },
    /// A call wants a token with at least `min_validity` seconds left.
    Wanted {
        /// Whose.
        app: AppId,
        /// The call.
        call: CallId,
        /// In seconds.
        min_validity: u32,
    },
    /// A call reports a token that a protected API refused.
    Replace {
        /// Whose.
        app: AppId,
        /// The call.
        call: CallId,
        /// The refused token.
        rejected: Secret,
        /// The API's error code, as the caller passes it on; may be empty.
        code: String,
    },
    /// A call waits no longer.
    Gone {
        /// The call.
        call: CallId,
    },
    /// A registration has ended.
    Registered {
        /// Whose.
        app: AppId,
        /// The request.
        request: RequestId,
        /// How.
        result: Result<Credentials, Failure>,
    },
    /// A token request has ended.
    Fetched {
        /// Whose.
        app: AppId,
        /// The request.
        request: RequestId,
        /// How.
        result: Result<AccessToken, Failure>,
    },
    /// All that the store had of an application has been deleted on request.
    Forgotten {
        /// Which.
        app: AppId,
    },
    /// A network has come (back).
    NetworkBack,
    /// The wall clock has been set, or somebody now vouches for it.
    ClockChanged,
    /// A deadline has come.
    Tick,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Try to open the store; answer with `StoreOpened` or `StoreFailed`.
    OpenStore,
    /// Read an application from the store; answer with `Loaded` or `LoadFailed`.
    Load {
        /// Which.
        app: AppId,
    },
    /// Read the application's statement again; answer with `Configured`.
    ReadStatement {
        /// Which.
        app: AppId,
    },
    /// Write the attempt record; answer with `Saved` or `NotSaved`.
    SaveRecord {
        /// Whose.
        app: AppId,
        /// Which write.
        serial: u64,
        /// What becomes of the room for credentials; without it there is no registration either.
        room: Room,
        /// The content.
        record: AttemptLog,
    },
    /// Write the credentials of a statement, both copies; answer with `Saved` or `NotSaved`.
    SaveCredentials {
        /// Whose.
        app: AppId,
        /// Filed under.
        statement: StatementDigest,
        /// The content.
        filed: CredentialsByOrigin,
    },
    /// Write the token; answer with `Saved` or `NotSaved`.
    SaveToken {
        /// Whose.
        app: AppId,
        /// The content.
        token: Token,
    },
    /// Remove the stored token; answer with `Saved` or `NotSaved`.
    RemoveToken {
        /// Whose.
        app: AppId,
    },
    /// Register the statement; answer with `Registered`.
    Register {
        /// Whose.
        app: AppId,
        /// The request.
        request: RequestId,
        /// Where.
        origin: Origin,
        /// Which.
        statement: StatementDigest,
    },
    /// Fetch a token; answer with `Fetched`.
    Fetch {
        /// Whose.
        app: AppId,
        /// The request.
        request: RequestId,
        /// Where.
        origin: Origin,
        /// With what.
        credentials: Credentials,
    },
    /// Answer a call.
    Answer {
        /// The call.
        call: CallId,
        /// The token and the moment it ends, or why there is none.
        result: Result<(Secret, BootTime), CallError>,
    },
    /// Tell the operator.
    Log {
        /// How bad it is.
        level: log::Level,
        /// One line without secrets.
        text: String,
    },
    /// End the process so that the service manager starts it anew (exit 75).
    StartAnew,
}
