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

use super::{Registered, Registration};
use crate::common::answer::{AccessToken, Failure};
use crate::common::model::Credentials;
use crate::common::secret::Secret;

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
    /// [`body_matters`] says no. The error says how it broke off.
    pub body: Result<&'a [u8], &'a str>,
}

/// Whether the body of an answer with this status is looked at.
#[must_use]
pub fn body_matters(status: u16) -> bool {
    matches!(status, 200 | 201 | 400 | 401 | 403)
}

/// The refusals that the registration endpoint is documented to give (Adobe Pass, Dynamic Client
/// Registration).
const REGISTER_WORDS: [&str; 4] = [
    "invalid_request",
    "invalid_redirect_uri",
    "invalid_software_statement",
    "unapproved_software_statement",
];
/// The same of the token endpoint, besides [`INVALID_CLIENT`].
const TOKEN_WORDS: [&str; 4] =
    ["invalid_request", "unauthorized_client", "unsupported_grant_type", "access_denied"];
const INVALID_CLIENT: &str = "invalid_client";

/// What the answer to a registration with this `statement` means.
///
/// # Errors
/// See [`super::register`].
pub fn registered(answer: &Answer<'_>, statement: &Secret) -> Result<Registered, Failure> {
    let found = match answer.status {
        200 | 201 => credentials(answer, &[statement]),
        202..=299 => Err(answered(answer, " instead of 200 or 201")),
        _ => {
            return Err(match failure(answer, &REGISTER_WORDS, &[statement]) {
                // The token endpoint's word: here it is one that is not documented.
                Failure::InvalidClient { .. } => client_error(answer, &[statement]),
                other => other,
            });
        }
    };
    found.map_err(|reason| Failure::NoCredentials { reason })
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
    let secrets = [client_id, client_secret];
    if !matches!(answer.status, 200 | 201) {
        return Err(failure(answer, &TOKEN_WORDS, &secrets));
    }
    access_token(answer, &secrets).map_err(unavailable)
}

fn credentials(answer: &Answer<'_>, secrets: &[&Secret]) -> Result<Registered, String> {
    let fault = |fault: String| unusable(answer, &fault);
    let mut object = object(answer, &["client_id", "client_secret"], secrets)?;
    let client_id = object.secret("client_id").map_err(fault)?;
    let client_secret = object.secret("client_secret").map_err(fault)?;
    // All else is information: what is missing or says nothing legible is named, and counts as absent.
    let mut absent = Vec::new();
    let mut named = |key, told: &Told| {
        if *told != Told::Legible {
            absent.push(key);
        }
    };
    let (issued_at, told) = told_of(answer, "client_id_issued_at", |object, key| {
        object.number(key).and_then(|at| match at {
            Some(milliseconds) if milliseconds > LAST_SECOND => Err(String::new()),
            at => Ok(at),
        })
    });
    named("client_id_issued_at", &told);
    let (redirect_uris, told) = told_of(answer, "redirect_uris", Object::strings);
    named("redirect_uris", &told);
    let (_, told) = told_of(answer, "grant_types", Object::strings);
    named("grant_types", &told);
    // RFC 7591 has the one, Adobe's answers have the other.
    let (words, scope) = told_of(answer, "scope", Object::string);
    let (scopes, told) = told_of(answer, "scopes", Object::strings);
    if scope == Told::Illegible {
        named("scope", &scope);
    }
    if told == Told::Illegible || scope == Told::Missing {
        named("scopes", &told);
    }
    let scopes = scopes.unwrap_or_else(|| {
        words.iter().flat_map(|words| words.split_whitespace()).map(str::to_owned).collect()
    });
    let credentials = Credentials {
        client_id,
        client_secret,
        issued_at: issued_at.unwrap_or(0),
        scopes,
        redirect_uris: redirect_uris.unwrap_or_default(),
    };
    Ok(Registered { credentials, absent })
}

/// The end of the year 9999: a later date is one in milliseconds.
const LAST_SECOND: u64 = 253_402_300_799;

/// What became of a member that decides nothing.
#[derive(PartialEq)]
enum Told {
    Legible,
    Missing,
    Illegible,
}

/// A member that decides nothing.
fn told_of<T>(
    answer: &Answer<'_>,
    key: &'static str,
    read: impl FnOnce(&mut Object, &str) -> Result<Option<T>, String>,
) -> (Option<T>, Told) {
    let object = Object::parse(answer.body.unwrap_or_default(), &[key]);
    let mut object = object.filter(|object| !object.ambiguous);
    match object.as_mut().and_then(|object| read(object, key).ok()) {
        Some(Some(value)) => (Some(value), Told::Legible),
        Some(None) => (None, Told::Missing),
        None => (None, Told::Illegible),
    }
}

fn access_token(answer: &Answer<'_>, secrets: &[&Secret]) -> Result<AccessToken, String> {
    let fault = |fault: String| unusable(answer, &fault);
    let mut object = object(answer, &["access_token", "token_type", "expires_in"], secrets)?;
    let value = object.secret("access_token").map_err(fault)?;
    if value.expose().len() > MAX_TOKEN {
        return Err(unusable(answer, &format!("access_token is longer than {MAX_TOKEN} bytes")));
    }
    if !is_b64token(value.expose()) {
        let fault = "access_token has characters that no Authorization header may have";
        return Err(unusable(answer, fault));
    }
    let kind = object.string("token_type").map_err(fault)?;
    if kind.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err(unusable(answer, "token_type is not bearer"));
    }
    let seconds = object.seconds("expires_in").map_err(fault)?;
    let seconds = seconds.ok_or_else(|| unusable(answer, "expires_in is missing"))?;
    if seconds < MIN_LIFETIME {
        return Err(unusable(answer, &format!("expires_in is less than {MIN_LIFETIME} s")));
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

/// What an answer that is no success means, first match. `words` are the refusals of the endpoint,
/// `secrets` are those of the request.
fn failure(answer: &Answer<'_>, words: &[&str], secrets: &[&Secret]) -> Failure {
    match answer.status {
        429 => throttled(answer),
        503 if answer.retry_after.is_some() => throttled(answer),
        400 | 401 | 403 => {
            refusal(answer, words, secrets).unwrap_or_else(|| client_error(answer, secrets))
        }
        408 => unavailable(answered(answer, "")),
        402..=499 => client_error(answer, secrets),
        202..=299 => unavailable(answered(answer, " instead of 200 or 201")),
        301 | 302 | 303 | 307 | 308 => {
            unavailable(answered(answer, ", a redirect, and those are not followed"))
        }
        511 => unavailable(answered(answer, ": the network wants a sign-in")),
        _ => unavailable(answered(answer, "")),
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

/// One of the words that the endpoint is documented to say.
fn refusal(answer: &Answer<'_>, words: &[&str], secrets: &[&Secret]) -> Option<Failure> {
    let status = answer.status;
    let mut object = object(answer, &["error"], secrets).ok()?;
    let error = object.raw("error")?;
    let description = || told(&member(answer, "error_description"), 200, secrets);
    if *error == INVALID_CLIENT {
        return Some(Failure::InvalidClient { status, description: description() });
    }
    let word = words.iter().find(|word| **word == *error)?;
    Some(Failure::Refused { status, error: (*word).to_owned(), description: description() })
}

/// A 4xx that says nothing that tokend knows; what it says is for a person.
fn client_error(answer: &Answer<'_>, secrets: &[&Secret]) -> Failure {
    let how = if !body_matters(answer.status) {
        String::new()
    } else if let Err(how) = object(answer, &[], secrets) {
        return Failure::ClientError { reason: how };
    } else {
        let error = told(&member(answer, "error"), 64, secrets);
        let description = told(&member(answer, "error_description"), 60, secrets);
        let colon = if description.is_empty() { "" } else { ": " };
        match error.as_str() {
            "" => " with JSON that has no error code".to_owned(),
            error => format!(" with {error}{colon}{description}, which is not documented for it"),
        }
    };
    Failure::ClientError { reason: answered(answer, &how) }
}

/// A member of the answer that is a string and stands once, else nothing.
fn member(answer: &Answer<'_>, key: &str) -> Zeroizing<String> {
    let object = Object::parse(answer.body.unwrap_or_default(), &[key]);
    let object = object.filter(|object| !object.ambiguous);
    object.and_then(|mut object| object.raw(key)).unwrap_or_default()
}

/// The members `keys` of the answer's JSON object, or what the answer is instead.
fn object(answer: &Answer<'_>, keys: &[&str], secrets: &[&Secret]) -> Result<Object, String> {
    let body = answer.body.map_err(|how| answered(answer, &format!(", and then: {how}")))?;
    if body.is_empty() {
        return Err(answered(answer, " with an empty body"));
    }
    if body.len() > MAX_BODY {
        return Err(answered(answer, &format!(" with more than {} KiB", MAX_BODY / 1024)));
    }
    let kind = answer.content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    match Object::parse(body, keys) {
        Some(object) if object.ambiguous => {
            Err(answered(answer, " with JSON in which a key stands twice"))
        }
        Some(object) => Ok(object),
        None if kind.is_empty() || kind.to_ascii_lowercase().ends_with("json") => {
            Err(answered(answer, " with a body that is not a JSON object"))
        }
        None => {
            let kind = shown(kind, 40, secrets);
            Err(answered(answer, &format!(" with {kind} instead of JSON")))
        }
    }
}

fn unusable(answer: &Answer<'_>, fault: &str) -> String {
    answered(answer, &format!(" with a body that is of no use: {fault}"))
}

fn answered(answer: &Answer<'_>, how: &str) -> String {
    format!("the server answered {}{how}", answer.status)
}

fn unavailable(reason: String) -> Failure {
    Failure::Unavailable { reason, tls: false, sent: true }
}
