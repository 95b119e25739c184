// SPDX-License-Identifier: MIT OR Apache-2.0
//! The messages of the authorization server: requests to bytes, answers to what they mean. Pure:
//! no I/O, no clock, and whatever the server sends, no panic. Nothing of an answer is trusted
//! (contract, section 1, rule 6), and none of its text gets into a message but what
//! `untrusted::shown` lets through.

use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use zeroize::Zeroizing;

use super::{AccessToken, Failure, Registration};
use crate::model::Credentials;
use crate::secret::Secret;

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod object;
pub(super) mod untrusted;

#[cfg(test)]
mod tests;

use object::Object;
use untrusted::{shown, told};

/// The path of the registration endpoint.
pub const REGISTER: &str = "/o/client/register";
/// The path of the token endpoint.
pub const TOKEN: &str = "/o/client/token";
/// The media type of a registration, and the `Accept` of both requests.
pub const JSON: &str = "application/json;charset=utf-8";
/// The media type of a token request.
pub const FORM: &str = "application/x-www-form-urlencoded";

/// The largest body that is looked at, in bytes.
pub const MAX_BODY: usize = 64 * 1024;
const MAX_CREDENTIAL: usize = 4 * 1024;
const MAX_TOKEN: usize = 8 * 1024;
const MAX_PAUSE: Duration = Duration::from_secs(3600);
const MIN_LIFETIME: u64 = 10;
const MAX_LIFETIME: u32 = 31_536_000;

/// All but the unreserved characters of RFC 3986: what every decoder of forms reads back alike.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The body of a registration.
#[must_use]
pub fn registration(request: &Registration<'_>) -> Zeroizing<Vec<u8>> {
    #[derive(Serialize)]
    struct Body<'a> {
        software_statement: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        redirect_uri: Option<&'a str>,
    }
    let statement = request.statement.expose();
    let uri = request.redirect_uri;
    // Room for every escape that visible ASCII can need (in a URI, any), so that no copy stays
    // behind in freed memory.
    let room = 64 + 2 * statement.len() + 6 * uri.map_or(0, str::len);
    let mut body = Zeroizing::new(Vec::with_capacity(room));
    serde_json::to_writer(&mut *body, &Body { software_statement: statement, redirect_uri: uri })
        .expect("two strings are written to memory");
    body
}

/// The body of a token request.
#[must_use]
pub fn token_request(client_id: &Secret, client_secret: &Secret) -> Zeroizing<String> {
    // As above: three characters for each byte.
    let room = 80 + 3 * (client_id.expose().len() + client_secret.expose().len());
    let mut form = Zeroizing::new(String::with_capacity(room));
    form.push_str("client_id=");
    form.extend(utf8_percent_encode(client_id.expose(), ENCODED));
    form.push_str("&client_secret=");
    form.extend(utf8_percent_encode(client_secret.expose(), ENCODED));
    form.push_str("&grant_type=client_credentials");
    form
}

/// What the server sent. A header that is not visible ASCII counts as empty.
#[derive(Clone, Copy)]
pub struct Answer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: Option<&'a str>,
    /// `Retry-After`.
    pub retry_after: Option<&'a str>,
    /// `Date`.
    pub date: Option<&'a str>,
    /// The body, or as much of it as is more than [`MAX_BODY`]; may be empty where
    /// [`body_matters`] says no.
    pub body: &'a [u8],
}

/// Whether the body of an answer with this status is looked at.
#[must_use]
pub fn body_matters(status: u16) -> bool {
    matches!(status, 200 | 201 | 400 | 401 | 403)
}

/// What the answer to a registration with this `statement` means.
///
/// # Errors
/// See [`super::register`].
pub fn registered(answer: &Answer<'_>, statement: &Secret) -> Result<Credentials, Failure> {
    let mut object = success(answer, &[statement]).map_err(|failure| match failure {
        // It is the token endpoint's word; here it only says that the statement is refused.
        Failure::InvalidClient { description } => {
            Failure::Refused { status: answer.status, error: "invalid_client".into(), description }
        }
        other => other,
    })?;
    credentials(&mut object).map_err(|fault| unusable(answer, &fault))
}

/// What the answer to a token request with these credentials means.
///
/// # Errors
/// See [`super::token`].
pub fn issued(
    answer: &Answer<'_>,
    client_id: &Secret,
    client_secret: &Secret,
) -> Result<AccessToken, Failure> {
    let mut object = success(answer, &[client_id, client_secret])?;
    access_token(&mut object).map_err(|fault| unusable(answer, &fault))
}

fn credentials(object: &mut Object) -> Result<Credentials, String> {
    let client_id = object.secret("client_id", MAX_CREDENTIAL)?;
    let client_secret = object.secret("client_secret", MAX_CREDENTIAL)?;
    let issued_at = object.seconds("client_id_issued_at")?.unwrap_or(0);
    let redirect_uris = object.strings("redirect_uris")?.unwrap_or_default();
    object.strings("grant_types")?;
    let words = object.string("scope")?;
    let scopes = object.strings("scopes")?.unwrap_or_else(|| {
        words.iter().flat_map(|words| words.split_whitespace()).map(str::to_owned).collect()
    });
    Ok(Credentials { client_id, client_secret, issued_at, scopes, redirect_uris })
}

fn access_token(object: &mut Object) -> Result<AccessToken, String> {
    let value = object.secret("access_token", MAX_TOKEN)?;
    if !is_b64token(value.expose()) {
        return Err("access_token has characters that no Authorization header may have".into());
    }
    let kind = object.string("token_type")?.ok_or("token_type is missing")?;
    if !kind.eq_ignore_ascii_case("bearer") {
        return Err("token_type is not bearer".into());
    }
    let seconds = object.seconds("expires_in")?.ok_or("expires_in is missing")?;
    if seconds < MIN_LIFETIME {
        return Err(format!("expires_in is less than {MIN_LIFETIME} s"));
    }
    let expires_in = u32::try_from(seconds).map_or(MAX_LIFETIME, |s| s.min(MAX_LIFETIME));
    Ok(AccessToken { value, expires_in })
}

/// RFC 6750, section 2.1.
fn is_b64token(token: &str) -> bool {
    let core = token.trim_end_matches('=');
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b);
    !core.is_empty() && core.bytes().all(legal)
}

/// The object in a 200 or 201; else what the answer means, first match. `secrets` are those of
/// the request.
fn success(answer: &Answer<'_>, secrets: &[&Secret]) -> Result<Object, Failure> {
    match answer.status {
        200 | 201 => object(answer, secrets),
        429 => Err(throttled(answer)),
        503 if answer.retry_after.is_some() => Err(throttled(answer)),
        400 | 401 | 403 => Err(refusal(answer, secrets)),
        202..=299 => Err(answered(answer, " instead of 200 or 201")),
        301 | 302 | 303 | 307 | 308 => {
            Err(answered(answer, ", a redirect, and those are not followed"))
        }
        511 => Err(answered(answer, ": the network wants a sign-in")),
        _ => Err(answered(answer, "")),
    }
}

fn throttled(answer: &Answer<'_>) -> Failure {
    let retry_after = answer.retry_after.and_then(|after| pause(after, answer.date));
    Failure::Throttled { status: answer.status, retry_after }
}

/// `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date, which counts from the answer's own
/// `Date`: the device's clock may be wrong.
fn pause(after: &str, date: Option<&str>) -> Option<Duration> {
    let after = after.trim();
    if !after.is_empty() && after.bytes().all(|b| b.is_ascii_digit()) {
        // Too long for the type is also too long for the limit.
        return Some(after.parse().map_or(MAX_PAUSE, Duration::from_secs).min(MAX_PAUSE));
    }
    let until = OffsetDateTime::parse(after, &Rfc2822).ok()?;
    let from = OffsetDateTime::parse(date?.trim(), &Rfc2822).ok()?;
    Some(Duration::try_from(until - from).unwrap_or_default().min(MAX_PAUSE))
}

fn refusal(answer: &Answer<'_>, secrets: &[&Secret]) -> Failure {
    let mut object = match object(answer, secrets) {
        Ok(object) => object,
        Err(failure) => return failure,
    };
    let Some(error) = object.raw("error").filter(|error| !error.is_empty()) else {
        return answered(answer, " with JSON that has no error code");
    };
    let description = object.raw("error_description").unwrap_or_default();
    let description = told(&description, 200, secrets);
    if *error == "invalid_client" {
        return Failure::InvalidClient { description };
    }
    let mut error = told(&error, 64, secrets);
    if error.is_empty() {
        error.push_str("(nothing printable)");
    }
    Failure::Refused { status: answer.status, error, description }
}

fn object(answer: &Answer<'_>, secrets: &[&Secret]) -> Result<Object, Failure> {
    if answer.body.is_empty() {
        return Err(answered(answer, " with an empty body"));
    }
    if answer.body.len() > MAX_BODY {
        return Err(answered(answer, &format!(" with more than {} KiB", MAX_BODY / 1024)));
    }
    let kind = answer.content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    match Object::parse(answer.body) {
        Some(object) if object.ambiguous => {
            Err(answered(answer, " with JSON in which a key stands twice"))
        }
        Some(object) => Ok(object),
        None if kind.is_empty() || kind.to_ascii_lowercase().ends_with("json") => {
            Err(answered(answer, " with a body that is no JSON object"))
        }
        None => {
            let kind = shown(kind, 40, secrets);
            Err(answered(answer, &format!(" with {kind} instead of JSON")))
        }
    }
}

fn unusable(answer: &Answer<'_>, fault: &str) -> Failure {
    answered(answer, &format!(" with a body that is of no use: {fault}"))
}

fn answered(answer: &Answer<'_>, how: &str) -> Failure {
    let reason = format!("the server answered {}{how}", answer.status);
    Failure::Unavailable { reason, tls: false, sent: true }
}
