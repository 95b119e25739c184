// SPDX-License-Identifier: MIT OR Apache-2.0
//! The two requests of Adobe Pass DCR (RFC 7591, section 3; RFC 6749, section 4.4): one answer or
//! one `Failure` each, within one hard time limit. Both block; they belong in a worker thread.

use std::path::PathBuf;
use std::time::Duration;

use crate::common::answer::{AccessToken, Failure};
use crate::common::model::{Credentials, Origin};
use crate::common::secret::Secret;

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

/// Client credentials as the server issued them (RFC 7591, section 3.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The credentials, and of the rest what is legible.
    pub credentials: Credentials,
    /// The members that are missing or say nothing legible. They count as absent: a registration
    /// costs viewers too much to be thrown away for what is information only.
    pub absent: Vec<&'static str>,
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
