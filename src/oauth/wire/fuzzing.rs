// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whatever a server answers: what is accepted is what the contract allows, and nothing that was
//! sent or issued gets into a message.

use super::*;
use crate::common::recipe::is_one_line;

const STATEMENT: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiI5ZjQ1MiJ9.c2lnbmF0dXJl";
const CLIENT_ID: &str = "9f452e8c-1d0b-4a39-8f0e-6d2f5b7a9c11";
const CLIENT_SECRET: &str = "5C1mQ8zV-7dJp0xKq3RtYw9HbNfLsAeU";

/// A status line, headers, an empty line, a body: as it goes over the wire, but for line ends of
/// any kind.
pub fn server_answers(input: &[u8]) {
    let (head, body) = split(input);
    let head = String::from_utf8_lossy(head);
    let status = head.split_ascii_whitespace().nth(1).and_then(|status| status.parse().ok());
    let header = |name: &str| {
        let of = |line: &'_ str| {
            let (key, value) = line.split_once(':')?;
            let value = value.trim_matches([' ', '\t']);
            // As `http` hands it on.
            let visible = value.bytes().all(|byte| (b' '..=b'~').contains(&byte) || byte == b'\t');
            let value = if visible { value } else { "" };
            key.trim().eq_ignore_ascii_case(name).then(|| value.to_owned())
        };
        head.lines().skip(1).find_map(of)
    };
    let (content_type, retry_after, date) =
        (header("content-type"), header("retry-after"), header("date"));
    let answer = Answer {
        status: status.unwrap_or(200),
        content_type: content_type.as_deref(),
        retry_after: retry_after.as_deref(),
        date: date.as_deref(),
        body: Ok(body),
    };
    check(&answer);
}

fn split(input: &[u8]) -> (&[u8], &[u8]) {
    let ends = |end: &[u8]| input.windows(end.len()).position(|part| part == end);
    match (ends(b"\n\n"), ends(b"\n\r\n")) {
        (Some(at), other) if other.is_none_or(|other| at < other) => {
            (&input[..at], &input[at + 2..])
        }
        (_, Some(at)) => (&input[..at], &input[at + 3..]),
        _ => (input, b""),
    }
}

fn check(answer: &Answer<'_>) {
    let secret = |text: &str| Secret::new(text.to_owned());
    let (id, key) = (secret(CLIENT_ID), secret(CLIENT_SECRET));
    let registered = registered(answer, &secret(STATEMENT));
    let issued = issued(answer, &id, &key);

    match &registered {
        Ok(Registered { credentials, .. }) => {
            let body = accepted(answer);
            for (key, secret) in [
                ("client_id", &credentials.client_id),
                ("client_secret", &credentials.client_secret),
            ] {
                let secret = secret.expose();
                assert_eq!(body[key].as_str(), Some(secret));
                assert!(!secret.is_empty());
            }
            let lists = [&credentials.scopes, &credentials.redirect_uris];
            assert!(lists.into_iter().flatten().flat_map(|s| s.chars()).all(|c| !c.is_control()));
        }
        Err(failure) => {
            assert!(!matches!(failure, Failure::InvalidClient { .. }));
            refused(answer, failure, &[STATEMENT]);
        }
    }
    match &issued {
        Ok(token) => {
            let body = accepted(answer);
            let value = token.value.expose();
            assert_eq!(body["access_token"].as_str(), Some(value));
            assert!((1..=8192).contains(&value.len()));
            let core = value.trim_end_matches('=');
            let legal = |c: char| c.is_ascii_alphanumeric() || "-._~+/".contains(c);
            assert!(!core.is_empty() && core.chars().all(legal));
            let kind = &body["token_type"];
            assert!(kind.is_null() || kind.as_str().unwrap().eq_ignore_ascii_case("bearer"));
            assert!((10..=31_536_000).contains(&token.expires_in));
            let said = &body["expires_in"];
            let said = said.as_f64().unwrap_or_else(|| said.as_str().unwrap().parse().unwrap());
            assert!(said >= f64::from(token.expires_in), "never longer than the server said");
            assert!(said > 31_536_000.0 || said <= f64::from(token.expires_in));
        }
        Err(failure) => refused(answer, failure, &[CLIENT_ID, CLIENT_SECRET]),
    }
    if !body_matters(answer.status) {
        let without = Answer { body: Ok(b""), ..*answer };
        assert_eq!(registered, super::registered(&without, &secret(STATEMENT)));
        assert_eq!(issued, super::issued(&without, &id, &key));
    }
}

/// The body of an answer that was accepted.
fn accepted(answer: &Answer<'_>) -> serde_json::Value {
    assert!(matches!(answer.status, 200 | 201));
    let body = answer.body.unwrap();
    assert!(body.len() <= 64 * 1024);
    // The rest is passed over, whatever it is: only what was taken must be there.
    let text = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    let wanted = ["client_id", "client_secret", "access_token", "token_type", "expires_in"];
    let found = wanted.map(|key| (key.to_owned(), Object::parse(text, &[key])));
    let found =
        found.into_iter().filter_map(|(key, object)| Some((key.clone(), object?.value(&key))));
    found.collect::<serde_json::Map<_, _>>().into()
}

fn refused(answer: &Answer<'_>, failure: &Failure, sent: &[&str]) {
    let status = answer.status;
    let printable = |text: &str| text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let throttling = status == 429 || status == 503 && answer.retry_after.is_some();
    assert_eq!(throttling, matches!(failure, Failure::Throttled { .. }));
    match failure {
        Failure::Throttled { retry_after, .. } => {
            assert!(retry_after.is_none_or(|pause| pause <= Duration::from_secs(3600)));
            let said = answer.retry_after.and_then(|after| after.parse::<u64>().ok());
            if let Some(said) = said.filter(|_| !answer.retry_after.unwrap().starts_with('+')) {
                assert_eq!(*retry_after, Some(Duration::from_secs(said.min(3600))));
            }
        }
        Failure::InvalidClient { description, .. } => {
            assert!(matches!(status, 400 | 401 | 403));
            assert!(printable(description) && description.len() <= 200);
        }
        Failure::Refused { error, description, .. } => {
            assert!(matches!(status, 400 | 401 | 403));
            assert!(!error.is_empty() && printable(error) && error.len() <= 64);
            assert!(printable(description) && description.len() <= 200);
        }
        Failure::Unavailable { tls, sent, reason } => {
            assert!(!tls && *sent);
            assert!(printable(reason) && reason.len() <= 200);
        }
        Failure::NoCredentials { reason } => {
            assert!((200..=299).contains(&status));
            assert!(printable(reason) && reason.len() <= 200);
        }
        Failure::ClientError { reason } => {
            assert!((400..=499).contains(&status) && !matches!(status, 408 | 429));
            assert!(printable(reason) && reason.len() <= 200);
        }
    }
    let (display, debug) = (failure.to_string(), format!("{failure:?}"));
    assert!(is_one_line(&display));
    for text in [&display, &debug] {
        for secret in sent {
            let told = secret.as_bytes().windows(12).map(|run| str::from_utf8(run).unwrap());
            let told: Vec<_> = told.filter(|run| text.contains(run)).collect();
            assert!(told.is_empty(), "{text} tells of {told:?}");
        }
        for secret in issued_secrets(answer.body.unwrap_or_default()) {
            assert!(!text.contains(&secret), "{text} tells of a secret that was issued");
        }
    }
}

/// What a server has issued that nobody can take for a word.
fn issued_secrets(body: &[u8]) -> Vec<String> {
    let Ok(body) = serde_json::from_slice::<serde_json::Value>(body) else { return Vec::new() };
    let string = |key| body.get(key)?.as_str().map(str::to_owned);
    let found = ["access_token", "client_id", "client_secret"].into_iter().filter_map(string);
    let looks = |text: &String| {
        text.len() >= 32
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && text.bytes().any(|byte| !byte.is_ascii_lowercase())
    };
    found.filter(looks).collect()
}
