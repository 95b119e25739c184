// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the bus serves of an application, and the decision whether the cached token will do.
//! Pure: the moment comes in from outside.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::common::access;
use crate::common::secret::Secret;
use crate::common::time::BootTime;

/// A token is served until this long before its end, so that it is still good when it arrives
/// (contract, section 1, "Refresh point").
pub const SERVE_MARGIN: Duration = Duration::from_secs(5);

/// What an application is doing: the property `State`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppState {
    /// A token can be served.
    Ready,
    /// Registering, and without a token.
    Registering,
    /// Fetching, and without a token.
    Fetching,
    /// A try has failed, the next one is planned, and there is no token.
    Waiting,
    /// The server refuses, and there is no token.
    Rejected,
    /// The store or its key does not work, and there is no token.
    StorageError,
    /// The clock is not set, and there is no token.
    ClockUnset,
}

impl AppState {
    /// The value of the property `State`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Registering => "registering",
            Self::Fetching => "fetching",
            Self::Waiting => "waiting",
            Self::Rejected => "rejected",
            Self::StorageError => "storage-error",
            Self::ClockUnset => "clock-unset",
        }
    }
}

/// An access token, as far as serving it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedToken {
    /// The token itself.
    pub value: Secret,
    /// Its end.
    pub expires: BootTime,
    /// `expires_in` as the server gave it, in seconds.
    pub lifetime: u32,
    /// A caller has reported it, and no other has come yet: it may be good elsewhere, but it
    /// replaces no token.
    pub reported: bool,
}

impl ServedToken {
    /// Whether the token may still be handed out: more than [`SERVE_MARGIN`] before its end.
    #[must_use]
    pub fn usable(&self, now: BootTime) -> bool {
        self.expires.since(now) > SERVE_MARGIN
    }
}

/// The whole seconds from `now` to `expires`, rounded down: `expires_in` of a reply.
#[must_use]
pub fn seconds_left(expires: BootTime, now: BootTime) -> u32 {
    u32::try_from(expires.since(now).as_secs()).unwrap_or(u32::MAX)
}

/// One application as the lifecycle presents it: its token and its properties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppView {
    /// The property `State`.
    pub state: AppState,
    /// The token in use.
    pub token: Option<ServedToken>,
    /// The property `TokenNumber`; 0 = none.
    pub token_number: u64,
    /// The property `ExpiresAt`, UNIX seconds; 0 = no token.
    pub expires_at: u64,
    /// The property `RetryAt`, UNIX seconds; 0 = none planned.
    pub retry_at: u64,
    /// The property `LastError`: error name and message; empty after a success.
    pub last_error: (String, String),
    /// The property `Scopes`.
    pub scopes: Vec<String>,
    /// The property `RedirectUris`.
    pub redirect_uris: Vec<String>,
    /// The property `ClientIdIssuedAt`, UNIX seconds; 0 = not registered, or the server did not
    /// say.
    pub client_id_issued_at: u64,
    /// The property `Counters`.
    pub counters: Counters,
    /// The property `History`, the oldest first.
    pub history: Arc<Vec<Happened>>,
    /// Milliseconds: wall time less boot time, which dates the history.
    pub wall_less_boot: i64,
}

/// What is counted of an application: the property `Counters`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// When the server last gave a token, UNIX seconds; 0 = not that it is known.
    pub last_success: u64,
    /// Failures in a row of whatever stands between the application and a token.
    pub failures: u32,
    /// When the first of them came, UNIX seconds; 0 = none.
    pub failing_since: u64,
    /// Registrations that gave credentials, in the life of the store.
    pub registrations: u64,
}

impl Counters {
    /// The entries of the property, by name.
    #[must_use]
    pub fn entries(&self) -> [(&'static str, u64); 4] {
        [
            ("failing_since", self.failing_since),
            ("failures", self.failures.into()),
            ("last_success", self.last_success),
            ("registrations", self.registrations),
        ]
    }
}

/// Something that has happened to an application: an entry of the property `History`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    /// When.
    pub at: BootTime,
    /// `registered`, `token`, `reported`, `failed` or `forgotten`.
    pub event: &'static str,
    /// What there is to say of it.
    pub message: String,
}

/// UNIX seconds of a moment, `wall_less_boot` milliseconds apart.
#[must_use]
pub fn unix_seconds(at: BootTime, wall_less_boot: i64) -> u64 {
    u64::try_from(wall_less_boot.saturating_add_unsigned(at.0) / 1000).unwrap_or(0)
}

/// What a view has for a caller who may have the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Served {
    /// This token, with this many whole seconds left.
    Token {
        /// The token itself.
        value: Secret,
        /// Seconds, rounded down.
        expires_in: u32,
    },
    /// No token could ever satisfy the caller: the message says why.
    InvalidArgs(String),
    /// Nothing here that will do: ask the daemon for a fetch.
    Ask,
}

/// The value of a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Property<'a> {
    /// `s`
    Text(&'a str),
    /// `t`
    Number(u64),
    /// `(ss)`
    Pair(&'a str, &'a str),
    /// `as`
    List(&'a [String]),
    /// `b`
    Flag(bool),
    /// `a{st}`
    Counters(&'a Counters),
    /// `a(tss)`, and what dates it, as in [`AppView`].
    History(&'a [Happened], i64),
}

impl AppView {
    /// Whether the token in use will do for a caller who needs it for `min_validity` seconds
    /// (contract, section 2, `GetToken`).
    #[must_use]
    pub fn serve(&self, min_validity: u32, now: BootTime) -> Served {
        let Some(token) = &self.token else { return Served::Ask };
        if let Err(message) = satisfiable(min_validity, token.lifetime) {
            return Served::InvalidArgs(message);
        }
        let expires_in = seconds_left(token.expires, now);
        if !token.usable(now) || expires_in < min_validity {
            return Served::Ask;
        }
        Served::Token { value: token.value.clone(), expires_in }
    }

    /// Whether the token in use answers a caller whose API has refused `rejected` (contract,
    /// section 2, `ReplaceToken`): yes, unless that is the one, or one that was reported itself.
    #[must_use]
    pub fn replace(&self, rejected: &Secret, now: BootTime) -> Served {
        match &self.token {
            Some(token) if token.usable(now) && !token.reported && token.value != *rejected => {
                let expires_in = seconds_left(token.expires, now);
                Served::Token { value: token.value.clone(), expires_in }
            }
            _ => Served::Ask,
        }
    }

    /// The properties whose changes nobody is told of, by name.
    #[must_use]
    pub fn silent_properties(&self) -> [(&'static str, Property<'_>); 2] {
        [
            ("Counters", Property::Counters(&self.counters)),
            ("History", Property::History(&self.history, self.wall_less_boot)),
        ]
    }

    /// All properties whose changes everybody is told of, by name.
    #[must_use]
    pub fn properties(&self) -> [(&'static str, Property<'_>); 8] {
        let (error, message) = &self.last_error;
        [
            ("ClientIdIssuedAt", Property::Number(self.client_id_issued_at)),
            ("ExpiresAt", Property::Number(self.expires_at)),
            ("LastError", Property::Pair(error, message)),
            ("RedirectUris", Property::List(&self.redirect_uris)),
            ("RetryAt", Property::Number(self.retry_at)),
            ("Scopes", Property::List(&self.scopes)),
            ("State", Property::Text(self.state.as_str())),
            ("TokenNumber", Property::Number(self.token_number)),
        ]
    }

    /// The properties whose values are other than they were in `before`, with the new values.
    #[must_use]
    pub fn changes(&self, before: &Self) -> Vec<(&'static str, Property<'_>)> {
        let pairs = self.properties().into_iter().zip(before.properties());
        pairs.filter(|(after, before)| after != before).map(|(after, _)| after).collect()
    }
}

/// A caller may ask for half the server's lifetime at most: more, and each call would fetch a
/// token. For the daemon too, which learns the lifetime while the caller waits.
///
/// # Errors
/// The message for the caller; it names both numbers.
pub fn satisfiable(min_validity: u32, lifetime: u32) -> Result<(), String> {
    if u64::from(min_validity) * 2 <= u64::from(lifetime) {
        return Ok(());
    }
    Err(format!(
        "min_validity is {min_validity} s, and a token of this server lives {lifetime} s: at most \
         half of that, {} s, can be asked for",
        lifetime / 2
    ))
}

/// What of an application is no business of the lifecycle's: who may call, and what goes along
/// with the token.
#[derive(Clone, Debug)]
pub struct Face {
    /// Who may have the token.
    pub access: access::Rules,
    /// The headers of `GetHeaders`, all but `Authorization`.
    pub headers: Vec<(String, String)>,
}

/// The D-Bus name of an error (contract, section 2, "Errors").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorName {
    /// No token, and none for now.
    Unavailable,
    /// The server, or the limit on replacements, asks for patience.
    Throttled,
    /// The server refuses.
    Rejected,
    /// The store or its key does not work.
    Storage,
    /// An argument is out of range.
    InvalidArgs,
    /// The caller has no right.
    AccessDenied,
    /// Too many calls are waiting.
    LimitsExceeded,
    /// There is no such application.
    UnknownObject,
}

impl ErrorName {
    /// The full name, as it goes over the bus.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "tv.tokend.Error.Unavailable",
            Self::Throttled => "tv.tokend.Error.Throttled",
            Self::Rejected => "tv.tokend.Error.Rejected",
            Self::Storage => "tv.tokend.Error.Storage",
            Self::InvalidArgs => "org.freedesktop.DBus.Error.InvalidArgs",
            Self::AccessDenied => "org.freedesktop.DBus.Error.AccessDenied",
            Self::LimitsExceeded => "org.freedesktop.DBus.Error.LimitsExceeded",
            Self::UnknownObject => "org.freedesktop.DBus.Error.UnknownObject",
        }
    }
}

/// Why a call failed, as its caller is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    /// Which error it is.
    pub name: ErrorName,
    /// What happened, since when, and when the next try is.
    pub message: String,
}

impl CallError {
    /// An error with its message.
    pub fn new(name: ErrorName, message: impl Into<String>) -> Self {
        Self { name, message: message.into() }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CallError {}

#[cfg(test)]
mod tests;
