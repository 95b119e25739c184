// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the authorization server has answered, as everyone from the lifecycle to the command line
//! speaks of it.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::common::secret::Secret;

/// An access token as the server issued it (RFC 6749, section 5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// `access_token`: a legal b64token (RFC 6750, section 2.1) of at most 8 KiB.
    pub value: Secret,
    /// `expires_in`, in seconds from the moment the request was sent: 10 to 31,536,000.
    pub expires_in: u32,
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
