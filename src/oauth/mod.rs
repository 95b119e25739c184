// SPDX-License-Identifier: MIT OR Apache-2.0
//! The two requests of Adobe Pass DCR (RFC 7591, section 3; RFC 6749, section 4.4): one answer or
//! one `Failure` each, within one hard time limit. Both block; they belong in a worker thread.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::model::{Credentials, Origin};
use crate::secret::Secret;

mod http;
/// What lies between this device and the server, one step after the other.
pub(crate) use http::probe;
/// The root certificates that the server's certificate is checked against.
pub mod roots;
/// The messages: pure, and never panics.
pub mod wire;

/// All that a request needs besides its own content. Owned, so that it can go to a worker thread.
#[derive(Clone, Debug)]
pub struct Context {
    /// The server.
    pub origin: Origin,
    /// PEM file with the root certificates; the system's without one.
    pub ca_file: Option<PathBuf>,
    /// The limit for the whole request, from the name lookup to the last byte of the answer. It
    /// stops with `CLOCK_MONOTONIC` in standby.
    pub timeout: Duration,
    /// `User-Agent`; `tokend/VERSION` without one.
    pub user_agent: Option<String>,
    /// The value of `X-Device-Info`.
    pub device_info: String,
}

/// What a registration says of the application (RFC 7591, section 2.3).
#[derive(Clone, Copy, Debug)]
pub struct Registration<'a> {
    /// The software statement, a JWT.
    pub statement: &'a Secret,
    /// `redirect_uri`, left out without one.
    pub redirect_uri: Option<&'a str>,
}

/// An access token as the server issued it (RFC 6749, section 5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// `access_token`: a legal b64token (RFC 6750, section 2.1) of at most 8 KiB.
    pub value: Secret,
    /// `expires_in`, in seconds from the moment the request was sent: 10 to 31,536,000.
    pub expires_in: u32,
}

/// Client credentials as the server issued them (RFC 7591, section 3.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The credentials, and of the rest what is legible.
    pub credentials: Credentials,
    /// The members that say nothing legible. They count as absent: a registration costs viewers
    /// too much to be thrown away for what is information only.
    pub ignored: Vec<&'static str>,
}

/// What an answer, or the lack of one, means: the rows of the contract's table, section 1. Holds
/// no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// 429, or 503 with `Retry-After`: the whole daemon pauses.
    Throttled {
        /// The HTTP status.
        status: u16,
        /// `Retry-After`, at most 1 h; none where the server did not say, or not legibly.
        retry_after: Option<Duration>,
    },
    /// The token endpoint's `invalid_client`.
    InvalidClient {
        /// The HTTP status.
        status: u16,
        /// The server's `error_description`: printable ASCII, at most 200 characters, may be empty.
        description: String,
    },
    /// 400, 401 or 403 with one of the error words that the endpoint is documented to say.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The server's `error`, one of the documented words.
        error: String,
        /// The server's `error_description`: printable ASCII, at most 200 characters, may be empty.
        description: String,
    },
    /// The registration endpoint: a 2xx status line without usable credentials. The server may have
    /// made a client.
    NoCredentials {
        /// What is wrong with the answer, for a person.
        reason: String,
    },
    /// Any other 4xx but 408: something between here and the server, or a server that does not
    /// speak the protocol just now.
    ClientError {
        /// What the answer was, for a person.
        reason: String,
    },
    /// All else.
    Unavailable {
        /// What happened, for a person.
        reason: String,
        /// The TLS handshake failed, or the root certificates cannot be read.
        tls: bool,
        /// The request may have reached the server; false only where it certainly has not.
        sent: bool,
    },
}

/// Registers an application (RFC 7591, section 3.1) and returns its client credentials.
///
/// # Errors
/// What the answer means; every 2xx without credentials is [`Failure::NoCredentials`].
pub fn register(context: &Context, request: &Registration<'_>) -> Result<Registered, Failure> {
    let body = wire::registration(request);
    let received = http::post(context, wire::REGISTER, wire::JSON, &body)?;
    wire::registered(&received.answer(), request.statement)
}

/// Fetches an access token with the client credentials grant (RFC 6749, section 4.4).
///
/// # Errors
/// What the answer means; every unusable answer is [`Failure::Unavailable`].
pub fn token(
    context: &Context,
    client_id: &Secret,
    client_secret: &Secret,
) -> Result<AccessToken, Failure> {
    let body = wire::token_request(client_id, client_secret);
    let received = http::post(context, wire::TOKEN, wire::FORM, body.as_bytes())?;
    wire::issued(&received.answer(), client_id, client_secret)
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let described = |f: &mut fmt::Formatter<'_>, description: &str| match description {
            "" => Ok(()),
            text => write!(f, ": {text}"),
        };
        match self {
            Self::Throttled { status, retry_after: None } => {
                write!(f, "the server answered {status}: too many requests")
            }
            Self::Throttled { status, retry_after: Some(pause) } => {
                write!(f, "the server answered {status}: too many requests, ")?;
                write!(f, "next one in {}", humantime::format_duration(*pause))
            }
            Self::InvalidClient { status, description } => {
                write!(f, "the server refused the client credentials with {status}: ")?;
                f.write_str("invalid_client")?;
                described(f, description)
            }
            Self::Refused { status, error, description } => {
                write!(f, "the server refused with {status}: {error}")?;
                described(f, description)
            }
            Self::NoCredentials { reason }
            | Self::ClientError { reason }
            | Self::Unavailable { reason, .. } => f.write_str(reason),
        }
    }
}

impl Error for Failure {}
