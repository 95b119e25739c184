// SPDX-License-Identifier: MIT OR Apache-2.0
use super::*;

mod failures;
mod table;

const STATEMENT: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzb2Z0d2FyZV9pZCI6IjEyMyJ9.c2lnbmF0dXJl";
const ID: &str = "0123abcd-client-id";
const SECRET: &str = "s3cr3t/with+signs";

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn answer(status: u16, body: &str) -> Answer<'_> {
    Answer {
        status,
        content_type: Some(JSON),
        retry_after: None,
        date: None,
        body: Ok(body.as_bytes()),
    }
}

fn register(answer: &Answer<'_>) -> Result<Credentials, Failure> {
    registered(answer, &secret(STATEMENT)).map(|registered| registered.credentials)
}

fn token(answer: &Answer<'_>) -> Result<AccessToken, Failure> {
    issued(answer, &secret(ID), &secret(SECRET))
}

fn reason(failure: Failure) -> String {
    match failure {
        Failure::Unavailable { reason, tls: false, sent: true }
        | Failure::NoCredentials { reason } => reason,
        other => panic!("an answer of no use, not {other:?}"),
    }
}

fn token_with(change: &str) -> Result<AccessToken, Failure> {
    let mut object: serde_json::Value = serde_json::from_str(
        r#"{"access_token": "abc.DEF-1~_+/==", "expires_in": 3600, "token_type": "Bearer"}"#,
    )
    .unwrap();
    let change: serde_json::Value = serde_json::from_str(change).unwrap();
    for (key, value) in change.as_object().unwrap() {
        object[key] = value.clone();
    }
    token(&answer(201, &object.to_string()))
}

fn credentials_with(change: &str) -> Result<Credentials, Failure> {
    let mut object = serde_json::json!({"client_id": "id", "client_secret": "secret"});
    let change: serde_json::Value = serde_json::from_str(change).unwrap();
    for (key, value) in change.as_object().unwrap() {
        object[key] = value.clone();
    }
    register(&answer(201, &object.to_string()))
}

// ---- requests -------------------------------------------------------------------------------

#[test]
fn a_registration_is_the_statement_and_the_redirect_uri_where_there_is_one() {
    let statement = secret(STATEMENT);
    let request = Registration { statement: &statement, redirect_uri: None };
    let body = registration(&request);
    assert_eq!(*body, format!(r#"{{"software_statement":"{STATEMENT}"}}"#).into_bytes());

    let uri = "adobepass://com.programmer/\"\\\u{1}é";
    let body = registration(&Registration { redirect_uri: Some(uri), ..request });
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let expected = serde_json::json!({"software_statement": STATEMENT, "redirect_uri": uri});
    assert_eq!(body, expected);
}

#[test]
fn a_token_request_is_a_form_in_which_all_but_the_unreserved_characters_are_encoded() {
    let body = token_request(&secret("a b&c=d+e%f"), &secret("-._~é*'\"\n/"));
    assert_eq!(
        *body,
        "client_id=a%20b%26c%3Dd%2Be%25f&client_secret=-._~%C3%A9%2A%27%22%0A%2F\
         &grant_type=client_credentials"
    );
}

#[test]
fn a_request_body_is_written_without_moving_in_memory() {
    let most = secret(&"\u{7f}".repeat(4096));
    let form = token_request(&most, &most);
    assert!(form.len() <= 80 + 3 * 2 * 4096 && form.capacity() == 80 + 3 * 2 * 4096);
    let statement = secret(&"\"".repeat(64 * 1024));
    let request = Registration { statement: &statement, redirect_uri: Some("\u{1}\u{1}") };
    let body = registration(&request);
    assert_eq!(body.capacity(), 64 + 2 * 64 * 1024 + 6 * 2);
}

// ---- success --------------------------------------------------------------------------------

#[test]
fn a_registration_is_read_whole() {
    let body = r#"{"client_id": "id", "client_secret": "se\u0063ret",
        "client_id_issued_at": 1700000000, "redirect_uris": ["app://a", "app://b"],
        "grant_types": ["client_credentials"], "scopes": ["api:client:v2", "b"],
        "scope": "unused", "id": {"a": [null]}, "anything": 1.5}"#;
    for status in [200, 201] {
        let credentials = register(&answer(status, body)).unwrap();
        assert_eq!(credentials.client_id.expose(), "id");
        assert_eq!(credentials.client_secret.expose(), "secret");
        assert_eq!(credentials.issued_at, 1_700_000_000);
        assert_eq!(credentials.redirect_uris, ["app://a", "app://b"]);
        assert_eq!(credentials.scopes, ["api:client:v2", "b"]);
    }
}

#[test]
fn what_a_registration_may_leave_out_may_also_be_null() {
    let nothing = credentials_with("{}").unwrap();
    let null = r#"{"client_id_issued_at": null, "redirect_uris": null, "grant_types": null,
        "scopes": null, "scope": null}"#;
    assert_eq!(credentials_with(null).unwrap(), nothing);
    assert_eq!((nothing.issued_at, nothing.scopes.len()), (0, 0));
    assert!(nothing.redirect_uris.is_empty());
}

#[test]
fn the_scope_string_of_rfc_7591_stands_in_for_the_scopes_array() {
    let credentials = credentials_with(r#"{"scope": " read  write "}"#).unwrap();
    assert_eq!(credentials.scopes, ["read", "write"]);
    let both = credentials_with(r#"{"scope": "read", "scopes": []}"#).unwrap();
    assert!(both.scopes.is_empty());
}

#[test]
fn a_registration_without_an_id_or_a_secret_is_unusable() {
    for (change, words) in [
        (r#"{"client_id": null}"#, "client_id is missing"),
        (r#"{"client_id": 7}"#, "client_id is not a string"),
        (r#"{"client_id": ["id"]}"#, "client_id is not a string"),
        (r#"{"client_id": ""}"#, "client_id is empty"),
        (r#"{"client_secret": null}"#, "client_secret is missing"),
        (r#"{"client_secret": {}}"#, "client_secret is not a string"),
    ] {
        let reason = reason(credentials_with(change).unwrap_err());
        assert!(reason.starts_with("the server answered 201 with a body"), "{reason}");
        assert!(reason.contains(words), "{change}: {reason}");
    }
    let long = format!(r#"{{"client_id": "{}", "client_secret": "a\nb"}}"#, "x".repeat(60_000));
    assert!(credentials_with(&long).is_ok(), "any string that is not empty");
}

#[test]
fn a_token_is_read_and_what_decides_nothing_is_ignored() {
    for change in ["{}", r#"{"created_at": "x", "id": 5}"#, r#"{"created_at": -1, "id": null}"#] {
        let token = token_with(change).unwrap();
        assert_eq!((token.value.expose(), token.expires_in), ("abc.DEF-1~_+/==", 3600));
    }
    for kind in ["bearer", "BEARER", "bEaReR"] {
        assert!(token_with(&format!(r#"{{"token_type": "{kind}"}}"#)).is_ok());
    }
}

#[test]
fn a_lifetime_is_a_number_of_ten_seconds_or_more_capped_at_one_year() {
    for (sent, kept) in [
        ("10", 10),
        ("31536000", 31_536_000),
        ("31536001", 31_536_000),
        ("18446744073709551615", 31_536_000),
        ("99999999999999999999999", 31_536_000),
    ] {
        let token = token_with(&format!(r#"{{"expires_in": {sent}}}"#)).unwrap();
        assert_eq!(token.expires_in, kept, "{sent}");
    }
    for (sent, kept) in [("3600.0", 3600), ("\"3600\"", 3600), ("1e2", 100), ("\"0010\"", 10)] {
        let token = token_with(&format!(r#"{{"expires_in": {sent}}}"#)).unwrap();
        assert_eq!(token.expires_in, kept, "{sent}");
    }
    for bad in ["9", "0", "-1", "10.5", "\"\"", "\"-60\"", "\"60.0\"", "true", "[]", "null"] {
        let reason = reason(token_with(&format!(r#"{{"expires_in": {bad}}}"#)).unwrap_err());
        assert!(reason.contains("expires_in"), "{bad}: {reason}");
    }
}

#[test]
fn a_token_that_no_authorization_header_may_have_is_unusable() {
    let most = "x".repeat(8192);
    assert!(token_with(&format!(r#"{{"access_token": "{most}"}}"#)).is_ok());
    let long = format!("{most}x");
    for bad in [&long, "", "a b", "a\\r\\nX: y", "=", "==", "a=b", "a,b", "é", "a\\u0000", "a\\\""]
    {
        let failure = token_with(&format!(r#"{{"access_token": "{bad}"}}"#)).unwrap_err();
        let reason = reason(failure);
        assert!(reason.contains("access_token"), "{bad}: {reason}");
    }
    for bad in ["null", "7", "[\"abc\"]"] {
        assert!(token_with(&format!(r#"{{"access_token": {bad}}}"#)).is_err(), "{bad}");
    }
}

#[test]
fn a_token_of_another_type_is_unusable() {
    assert!(token_with(r#"{"token_type": null}"#).is_ok());
    for bad in ["\"mac\"", "\"bearer \"", "\"\"", "1"] {
        let reason = reason(token_with(&format!(r#"{{"token_type": {bad}}}"#)).unwrap_err());
        assert!(reason.contains("token_type"), "{bad}: {reason}");
    }
}

#[test]
fn a_body_that_is_no_unambiguous_json_object_is_unusable_and_not_quoted() {
    let bearer = r#""expires_in": 3600, "token_type": "bearer""#;
    let twice = format!(r#"{{"access_token": "aaa", "access_token": "bbb", {bearer}}}"#);
    let escaped = format!(r#"{{"access_token": "aaa", "access\u005ftoken": "bbb", {bearer}}}"#);
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let trailing = format!(r#"{{"access_token": "aaa", {bearer}}} leftover"#);
    for (body, words) in [
        (twice.as_str(), "a key stands twice"),
        (&escaped, "a key stands twice"),
        ("", "an empty body"),
        ("\"opensesame\"", "not a JSON object"),
        ("[\"opensesame\"]", "not a JSON object"),
        ("{\"opensesame\"", "not a JSON object"),
        ("null", "not a JSON object"),
        (&deep, "not a JSON object"),
        (&trailing, "not a JSON object"),
    ] {
        let reason = reason(token(&answer(201, body)).unwrap_err());
        assert!(reason.contains(words), "{body}: {reason}");
        assert!(!reason.contains("opensesame") && !reason.contains("leftover"), "{reason}");
    }
    let latin = Answer { body: Ok(b"{\"access_token\": \"\xe9\"}"), ..answer(200, "") };
    assert!(reason(token(&latin).unwrap_err()).contains("not a JSON object"));
}

#[test]
fn a_portal_s_page_is_called_what_it_is() {
    let page = Answer { content_type: Some("text/html; charset=x"), ..answer(200, "<html>Hi") };
    let expected = "the server answered 200 with text/html instead of JSON";
    assert_eq!(reason(token(&page).unwrap_err()), expected);
    let refused = Answer { status: 403, ..page };
    let reason_403 = "the server answered 403 with text/html instead of JSON".to_owned();
    let expected = Failure::ClientError { reason: reason_403 };
    assert_eq!(register(&refused).unwrap_err(), expected);
    let json = Answer { content_type: Some("text/plain"), ..answer(201, "{}") };
    assert!(reason(token(&json).unwrap_err()).contains("access_token is missing"));
}

#[test]
fn a_body_of_more_than_64_kib_is_unusable() {
    let fill = MAX_BODY - r#"{"access_token":"a","expires_in":60,"token_type":"bearer"}"#.len();
    let body = |fill: usize| {
        let space = " ".repeat(fill);
        format!(r#"{{"access_token":"a",{space}"expires_in":60,"token_type":"bearer"}}"#)
    };
    assert!(token(&answer(200, &body(fill))).is_ok());
    for status in [200, 400] {
        let reason = token(&answer(status, &body(fill + 1))).unwrap_err().to_string();
        assert!(reason.ends_with("with more than 64 KiB"), "{reason}");
    }
}

#[test]
fn whatever_the_server_sends_nothing_panics_and_no_message_has_control_characters() {
    let bodies = [
        r#"{"access_token": "abc", "expires_in": 3600, "token_type": "bearer", "id": null}"#,
        r#"{"client_id": "id", "client_secret": "s", "scopes": ["a"], "scope": "a b"}"#,
        r#"{"error": "invalid_client", "error_description": "x\u0000\ud83d\ude00 yz"}"#,
    ];
    let headers = ["", "5", "-1", "Sun, 06 Nov 1994 08:49:37 GMT", "text/html;x", "\u{1b}é"];
    let mut random = fastrand::Rng::with_seed(2);
    for _ in 0..20_000 {
        let mut body = random.choice(bodies).unwrap().as_bytes().to_vec();
        for _ in 0..random.usize(0..6) {
            let at = random.usize(0..=body.len().saturating_sub(2));
            match random.u8(0..4) {
                0 => body[at] = random.u8(..),
                1 if body.len() > 2 => drop(body.remove(at)),
                2 => body.insert(at, *random.choice(b"\"\\{}[],:0u\0").unwrap()),
                _ => body.truncate(at.max(1)),
            }
        }
        let mut header = || random.bool().then(|| *random.choice(&headers).unwrap());
        let (content_type, retry_after, date) = (header(), header(), header());
        let status = *random.choice(&[200, 201, 204, 302, 400, 401, 403, 429, 500, 503]).unwrap();
        let answer = Answer { status, content_type, retry_after, date, body: Ok(&body) };
        for failure in [token(&answer).err(), register(&answer).err()].into_iter().flatten() {
            assert!(failure.to_string().bytes().all(|b| (b' '..=b'~').contains(&b)), "{failure}");
        }
    }
}
