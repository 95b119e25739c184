// SPDX-License-Identifier: MIT OR Apache-2.0
//! Section 1 of the contract, from the server's side: each endpoint's checks and its answer.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::super::statement;
use super::device_info;
use super::http::{Head, Response};
use super::log::Endpoint;
use super::state::{Client, State, Token};

const JSON: &str = "application/json;charset=utf-8";
const FORM: &str = "application/x-www-form-urlencoded";

/// A refusal: `error` and `error_description`, with status 400.
struct Refusal(&'static str, String);

impl Refusal {
    fn request(description: impl Into<String>) -> Self {
        Self("invalid_request", description.into())
    }
}

/// Now, by the server's clock.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    /// Since the start.
    pub now: Duration,
    /// Since the UNIX epoch.
    pub date: Duration,
}

/// `POST /o/client/register` (RFC 7591, section 3).
pub(super) fn register(state: &mut State, head: &Head, body: &[u8], at: Moment) -> Response {
    if head.method != "POST" {
        return Response::html(405, "Method Not Allowed").with("Allow", "POST");
    }
    match try_register(state, head, body) {
        Err(Refusal(error, description)) => Response::error(400, error, &description),
        Ok((client, redirect_uris)) => {
            let client_id = uuid();
            state.keep_secret(&client_id);
            state.keep_secret(&client.secret);
            let answer = json!({
                "client_id": client_id,
                "client_secret": client.secret,
                "client_id_issued_at": at.date.as_secs(),
                "redirect_uris": redirect_uris,
                "grant_types": ["client_credentials"],
                "scopes": ["api:client:v2"],
            });
            state.clients.insert(client_id, client);
            Response::json(201, &answer)
        }
    }
}

fn try_register(state: &State, head: &Head, body: &[u8]) -> Result<(Client, Vec<String>), Refusal> {
    check_head(head, JSON)?;
    let body: Map<String, Value> = serde_json::from_slice(body)
        .map_err(|error| Refusal::request(format!("the body is no JSON object: {error}")))?;
    let known = ["software_statement", "redirect_uri"];
    if let Some(unknown) = body.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(Refusal::request(format!("unknown field {unknown}")));
    }
    let text = |key| match body.get(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(Refusal::request(format!("{key} is no string"))),
    };
    let statement = text("software_statement")?
        .ok_or_else(|| Refusal::request("software_statement is missing"))?;
    let claims = statement::verify(statement)
        .map_err(|reason| Refusal("invalid_software_statement", reason.to_owned()))?;
    if state.revoked.contains(statement) {
        let reason = "the statement has been revoked".to_owned();
        return Err(Refusal("unapproved_software_statement", reason));
    }
    let redirect_uris = redirect_uris(text("redirect_uri")?, &claims)?;
    let client = Client {
        // Every character of a secret that must be percent-encoded in a form.
        secret: format!("{}+/&=%", STANDARD.encode(statement::random_bytes(24))),
        statement: statement.to_owned(),
        application: application_of(&claims),
    };
    Ok((client, redirect_uris))
}

/// The redirect URIs of the new client: what it asked for, within what its statement allows.
fn redirect_uris(asked: Option<&str>, claims: &Value) -> Result<Vec<String>, Refusal> {
    let allowed: Option<Vec<String>> = claims
        .get("redirect_uris")
        .and_then(Value::as_array)
        .map(|uris| uris.iter().filter_map(Value::as_str).map(str::to_owned).collect());
    let Some(asked) = asked else { return Ok(allowed.unwrap_or_default()) };
    let refusal = |reason: &str| Err(Refusal("invalid_redirect_uri", reason.to_owned()));
    let scheme = asked.split_once(':').map_or("", |(scheme, _)| scheme);
    let legal = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.chars().all(legal) {
        return refusal("not an absolute URI");
    }
    if asked.contains(|c: char| c == '#' || c.is_whitespace()) {
        return refusal("a fragment or white space in it");
    }
    if allowed.is_some_and(|allowed| !allowed.iter().any(|uri| uri == asked)) {
        return refusal("not one of the statement's");
    }
    Ok(vec![asked.to_owned()])
}

/// `POST /o/client/token` (RFC 6749, section 4.4).
pub(super) fn token(state: &mut State, head: &Head, body: &[u8], at: Moment) -> Response {
    if head.method != "POST" {
        return Response::html(405, "Method Not Allowed").with("Allow", "POST");
    }
    let client_id = match try_token(state, head, body) {
        Ok(client_id) => client_id,
        Err(Refusal(error, description)) => return Response::error(400, error, &description),
    };
    let old = state
        .tokens
        .iter()
        .filter(|(_, token)| token.client_id == client_id && token.expires > at.now)
        .max_by_key(|(_, token)| token.expires);
    let (token, expires) = match old {
        Some((token, old)) if state.repeats_tokens => (token.clone(), old.expires),
        _ => (access_token(), at.now + Duration::from_secs(state.expires_in)),
    };
    state.keep_secret(&token);
    let created = at.date + expires - at.now - Duration::from_secs(state.expires_in);
    let answer = json!({
        "id": uuid(),
        "access_token": token,
        "created_at": u64::try_from(created.as_millis()).unwrap_or(u64::MAX),
        "expires_in": (expires - at.now).as_secs(),
        "token_type": "bearer",
    });
    state.tokens.insert(token, Token { client_id, expires });
    Response::json(201, &answer)
}

/// The client to which the request is entitled.
fn try_token(state: &State, head: &Head, body: &[u8]) -> Result<String, Refusal> {
    check_head(head, FORM)?;
    let fields = form(body).map_err(Refusal::request)?;
    let known = ["client_id", "client_secret", "grant_type"];
    if let Some(unknown) = fields.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(Refusal::request(format!("unknown field {unknown}")));
    }
    let field = |key: &str| {
        let missing = || Refusal::request(format!("{key} is missing"));
        fields.get(key).filter(|value| !value.is_empty()).ok_or_else(missing)
    };
    let (id, secret) = (field("client_id")?, field("client_secret")?);
    if field("grant_type")? != "client_credentials" {
        return Err(Refusal("unsupported_grant_type", "only client_credentials".to_owned()));
    }
    let Some(client) = state.clients.get(id).filter(|client| client.secret == *secret) else {
        return Err(Refusal("invalid_client", "no such client, or another secret".to_owned()));
    };
    if state.revoked.contains(&client.statement) {
        let reason = "the client's statement has been revoked".to_owned();
        return Err(Refusal("unauthorized_client", reason));
    }
    Ok(id.clone())
}

/// `GET /api/v2/hello`: a protected endpoint, as a player calls it with the headers it got.
pub(super) fn hello(state: &State, head: &Head, at: Moment) -> Response {
    if head.method != "GET" {
        return Response::html(405, "Method Not Allowed").with("Allow", "GET");
    }
    let bearer = head.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let token = bearer.and_then(|token| state.tokens.get(token));
    let Some(token) = token.filter(|token| token.expires > at.now) else {
        // The vendor documents no code for it.
        let message = "The access token is missing, invalid or expired";
        return Response::json(401, &json!({ "status": 401, "message": message }));
    };
    let device = match device_info::decode(head.header("x-device-info")) {
        Ok(device) => device,
        Err(reason) => return unauthorized("invalid_header_device_info", &reason),
    };
    if let Err(reason) = device_info::check_identifier(head.header("ap-device-identifier")) {
        return unauthorized("invalid_header_device_identifier", reason);
    }
    let answer = json!({
        "hello": state.application_of(&token.client_id),
        "token_valid_for_seconds": (token.expires - at.now).as_secs(),
        "device": device,
    });
    Response::json(200, &answer)
}

/// What a browser asks before a page of another origin may send these headers.
pub(super) fn preflight(head: &Head) -> Response {
    const SENT: [&str; 3] = ["authorization", "x-device-info", "ap-device-identifier"];
    let asked = head.header("access-control-request-headers").unwrap_or_default();
    let known = |name: &str| SENT.iter().any(|sent| sent.eq_ignore_ascii_case(name.trim()));
    if head.header("access-control-request-method") != Some("GET") || !asked.split(',').all(known) {
        return Response::html(403, "Forbidden");
    }
    Response::new(204, "text/plain", "")
        .with("Access-Control-Allow-Methods", "GET")
        .with("Access-Control-Allow-Headers", SENT.join(", "))
}

/// An answer of the protected API, which the pages of the listed origins may read, and no others.
pub(super) fn readable(
    state: &State,
    endpoint: Endpoint,
    head: &Head,
    response: Response,
) -> Response {
    if !matches!(endpoint, Endpoint::Hello | Endpoint::Preflight) {
        return response;
    }
    let response = response.with("Vary", "Origin");
    match head.header("origin") {
        Some(origin) if state.origins.iter().any(|listed| listed == origin) => {
            response.with("Access-Control-Allow-Origin", origin)
        }
        _ => response,
    }
}

fn unauthorized(code: &str, message: &str) -> Response {
    let body = json!({ "action": "none", "status": 401, "code": code, "message": message });
    Response::json(401, &body)
}

/// What both endpoints of the daemon ask of a request besides its body.
fn check_head(head: &Head, content_type: &str) -> Result<(), Refusal> {
    if head.target.contains(['?', '#']) {
        return Err(Refusal::request("nothing belongs into the URL"));
    }
    for (name, wanted) in [("content-type", content_type), ("accept", JSON)] {
        let found = head.header(name).unwrap_or_default();
        if !found.replace(' ', "").eq_ignore_ascii_case(wanted) {
            return Err(Refusal::request(format!("{name} is {found:?}, not {wanted:?}")));
        }
    }
    if head.header("authorization").is_some() {
        return Err(Refusal::request("Authorization does not belong here"));
    }
    device_info::decode(head.header("x-device-info")).map_err(Refusal::request)?;
    Ok(())
}

/// The fields of a form (application/x-www-form-urlencoded), each there once.
pub(super) fn form(body: &[u8]) -> Result<BTreeMap<String, String>, String> {
    let legal = |byte: &u8| byte.is_ascii_alphanumeric() || b"*-._~%+=&".contains(byte);
    let text = str::from_utf8(body).ok().filter(|text| text.bytes().all(|b| legal(&b)));
    let text = text.ok_or("the form has a character that must be percent-encoded")?;
    let mut fields = BTreeMap::new();
    for pair in text.split('&') {
        let (key, value) = pair.split_once('=').ok_or("a form field without a value")?;
        let decode = |part: &str| {
            let part = part.replace('+', " ");
            percent_decode_str(&part).decode_utf8().map(|part| part.into_owned())
        };
        let (Ok(key), Ok(value)) = (decode(key), decode(value)) else {
            return Err("a form field is no UTF-8".to_owned());
        };
        if fields.insert(key.clone(), value).is_some() {
            return Err(format!("the form has {key} twice"));
        }
    }
    Ok(fields)
}

/// The application that a statement names.
pub(super) fn application_of(claims: &Value) -> Option<String> {
    claims.get("software_name").and_then(Value::as_str).map(str::to_owned)
}

fn access_token() -> String {
    let part = |bytes| URL_SAFE_NO_PAD.encode(statement::random_bytes(bytes));
    format!("{}.{}.{}", part(24), part(96), part(192))
}

fn uuid() -> String {
    let hex = statement::random_hex(16);
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}
