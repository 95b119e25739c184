// SPDX-License-Identifier: MIT OR Apache-2.0
//! The loopback authorization server behaves as section 1 of the contract says. The other tests
//! take its word; here its word is tested, with a client that is not tokend.

#![allow(unreachable_pub, reason = "a test has no outside")]

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

mod device;
mod faults;

use crate::support::authority::{Authority, Options};
use crate::support::statement;
use device::{
    Device, FORM, Headers, JSON, device_info, encode, form, header, headers, player_headers,
};

#[test]
fn a_statement_becomes_credentials_and_these_become_a_token_that_opens_the_protected_api() {
    let authority = Authority::https();
    let device = Device::at(&authority);

    let registered = device.register(&statement::issue("cinema"));
    assert_eq!(registered.status, 201);
    assert_eq!(registered.header("content-type"), "application/json;charset=UTF-8");
    let credentials = registered.json();
    assert_eq!(credentials["grant_types"], json!(["client_credentials"]));
    assert_eq!(credentials["scopes"], json!(["api:client:v2"]));
    assert_eq!(credentials["redirect_uris"], json!([]));

    let answered = device.token(&credentials);
    assert_eq!(answered.status, 201);
    let token = answered.json();
    assert_eq!(token["token_type"], "bearer");
    assert_eq!(token["expires_in"], 86_400);
    let issued = credentials["client_id_issued_at"].as_u64().unwrap();
    let created = token["created_at"].as_u64().unwrap();
    assert_eq!(created.to_string().len(), issued.to_string().len() + 3, "milliseconds");

    let hello = device.hello(&player_headers(token["access_token"].as_str().unwrap()));
    assert_eq!((hello.status, &hello.json()["hello"]), (200, &json!("cinema")));
}

#[test]
fn it_speaks_plain_http_where_a_test_wants_that() {
    let authority = Authority::http();
    assert!(authority.origin().starts_with("http://127.0.0.1:"));
    assert_eq!(Device::at(&authority).register(&statement::issue("cinema")).status, 201);
}

#[test]
fn every_registration_makes_another_client() {
    let authority = Authority::http();
    let device = Device::at(&authority);
    let statement = statement::issue("cinema");
    let (one, two) = (device.register(&statement).json(), device.register(&statement).json());
    assert_ne!(one["client_id"], two["client_id"]);
    assert_ne!(one["client_secret"], two["client_secret"]);
    assert_eq!((device.token(&one).status, device.token(&two).status), (201, 201));
}

#[test]
fn a_request_that_breaks_a_rule_of_the_wire_is_refused_and_told_why() {
    let authority = Authority::http();
    let device = Device::at(&authority);
    let body = json!({ "software_statement": statement::issue("cinema") }).to_string();
    let without = |name: &str| {
        let mut headers = headers(JSON);
        headers.retain(|(key, _)| key != name);
        headers
    };
    let with = |name: &str, value: &str| {
        let mut headers = without(name);
        headers.push(header(name, value));
        headers
    };
    let info = |change: fn(&mut Value)| {
        let mut info = device_info();
        change(&mut info);
        with("X-Device-Info", &STANDARD.encode(info.to_string()))
    };
    let path = "/o/client/register";
    for (path, headers, body, told) in [
        ("/o/client/register?a=b", headers(JSON), body.as_str(), "URL"),
        (path, without("Content-Type"), &body, "content-type"),
        (path, with("Content-Type", "application/json"), &body, "content-type"),
        (path, with("Accept", "*/*"), &body, "accept"),
        (path, with("Authorization", "Bearer x"), &body, "Authorization"),
        (path, without("X-Device-Info"), &body, "missing"),
        (path, with("X-Device-Info", "{}"), &body, "Base64"),
        (path, with("X-Device-Info", "e30"), &body, "Base64"),
        (path, with("X-Device-Info", "e30="), &body, "model"),
        (path, info(|info| info["osName"] = "BeOS".into()), &body, "osName"),
        (path, info(|info| info["model"] = 5.into()), &body, "model"),
        (path, info(|info| info["model"] = "".into()), &body, "model"),
        (path, info(|info| info["displayWidth"] = "1920".into()), &body, "displayWidth"),
        (path, info(|info| info["serial"] = "1".into()), &body, "serial"),
        (path, headers(JSON), "", "JSON"),
        (path, headers(JSON), "[]", "JSON"),
        (path, headers(JSON), "{}", "software_statement"),
        (path, headers(JSON), r#"{"software_statement": 5}"#, "software_statement"),
        (path, headers(JSON), r#"{"software_statement": "x", "scope": "y"}"#, "scope"),
    ] {
        let reply = device.post(path, &headers, body).unwrap();
        assert_eq!((reply.status, reply.error()), (400, "invalid_request".into()), "{told}");
        let description = reply.json()["error_description"].to_string();
        assert!(description.contains(told), "{description} does not name {told}");
    }
    let url = format!("{}{path}", device.origin);
    assert_eq!(device.client.send("GET", &url, &headers(JSON), b"").unwrap().status, 405);
    assert_eq!(device.post("/o/client", &headers(JSON), &body).unwrap().status, 404);
}

#[test]
fn only_a_statement_with_a_right_signature_registers() {
    let authority = Authority::http();
    let device = Device::at(&authority);
    let good = statement::issue("cinema");
    let unsigned = format!(
        "{}.{}.",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#),
        good.split('.').nth(1).unwrap(),
    );
    for bad in [statement::forge(&good), unsigned, good[..good.len() - 4].to_owned(), "x".into()] {
        let reply = device.register(&bad);
        assert_eq!((reply.status, reply.error().as_str()), (400, "invalid_software_statement"));
    }
    assert_eq!(device.register(&good).status, 201);
}

#[test]
fn a_revoked_statement_neither_registers_nor_gets_tokens_until_it_is_approved_again() {
    let authority = Authority::http();
    let device = Device::at(&authority);
    let statement = statement::issue("cinema");
    let credentials = device.register(&statement).json();

    authority.revoke(&statement);
    assert_eq!(device.register(&statement).error(), "unapproved_software_statement");
    assert_eq!(device.token(&credentials).error(), "unauthorized_client");
    authority.approve(&statement);
    assert_eq!(device.token(&credentials).status, 201);
}

#[test]
fn a_redirect_uri_must_be_absolute_and_one_of_the_statements() {
    let authority = Authority::http();
    let device = Device::at(&authority);
    let free = statement::issue("cinema");
    let bound = statement::issue_with_redirect_uris("cinema", &["app://one", "app://two"]);
    for (statement, uri, wanted) in [
        (&free, "adobepass://com.programmer", Ok(json!(["adobepass://com.programmer"]))),
        (&bound, "app://two", Ok(json!(["app://two"]))),
        (&bound, "app://three", Err("invalid_redirect_uri")),
        (&free, "com.programmer", Err("invalid_redirect_uri")),
        (&free, "app://x#y", Err("invalid_redirect_uri")),
    ] {
        let body = json!({ "software_statement": statement, "redirect_uri": uri }).to_string();
        let reply = device.post("/o/client/register", &headers(JSON), &body).unwrap();
        match wanted {
            Ok(uris) => assert_eq!(reply.json()["redirect_uris"], uris),
            Err(error) => assert_eq!((reply.status, reply.error().as_str()), (400, error)),
        }
    }
    assert_eq!(device.register(&bound).json()["redirect_uris"], json!(["app://one", "app://two"]));
}

#[test]
fn a_token_request_without_the_right_credentials_is_refused_by_its_proper_error() {
    let authority = Authority::http();
    let device = Device::at(&authority);
    let credentials = device.register(&statement::issue("cinema")).json();
    let good = form(&credentials);
    let id = encode(credentials["client_id"].as_str().unwrap());
    let raw_secret = credentials["client_secret"].as_str().unwrap();
    for (body, error) in [
        (format!("client_id={id}&client_secret=x&grant_type=client_credentials"), "invalid_client"),
        (good.replace(&id, "stranger"), "invalid_client"),
        (good.replace("=client_credentials", "=password"), "unsupported_grant_type"),
        (good.replace("&grant_type=client_credentials", ""), "invalid_request"),
        (format!("{good}&client_id={id}"), "invalid_request"),
        (format!("{good}&scope=x"), "invalid_request"),
        (good.replace(&encode(raw_secret), raw_secret), "invalid_request"),
        (credentials.to_string(), "invalid_request"),
    ] {
        let reply = device.post("/o/client/token", &headers(FORM), &body).unwrap();
        assert_eq!((reply.status, reply.error().as_str()), (400, error));
    }
    let reply = device.post("/o/client/token", &headers(JSON), &good).unwrap();
    assert_eq!(reply.error(), "invalid_request", "the content type of a form");

    authority.forget_clients();
    assert_eq!(device.token(&credentials).error(), "invalid_client");
}

#[test]
fn the_throttle_lets_ten_pass_and_then_one_a_second_over_every_endpoint() {
    let authority = Authority::start(Options { tls: false, ..Options::default() }).unwrap();
    authority.stop_clock();
    let device = Device::at(&authority);
    let token = device.access_token("cinema"); // two requests
    for _ in 2..10 {
        assert_eq!(device.hello(&player_headers(&token)).status, 200);
    }
    let refused = device.hello(&player_headers(&token));
    assert_eq!(refused.status, 429);
    assert_eq!(refused.header("content-type"), "text/html");
    assert!(refused.body.contains("<html>"));
    assert_eq!(refused.header("retry-after"), "");
    assert_eq!(device.register(&statement::issue("cinema")).status, 429);
    assert_eq!(device.post("/elsewhere", &headers(JSON), "").unwrap().status, 429);

    authority.advance(Duration::from_secs(1));
    assert_eq!(device.register(&statement::issue("cinema")).status, 201);
    assert_eq!(device.register(&statement::issue("cinema")).status, 429);
    authority.advance(Duration::from_secs(3600));
    assert_eq!(device.hello(&player_headers(&token)).status, 200);
    assert_eq!(device.hello(&player_headers(&token)).status, 429, "the burst comes once");
    authority.set_throttle(false);
    assert_eq!(device.hello(&player_headers(&token)).status, 200);
}

#[test]
fn the_protected_api_wants_a_valid_token_and_both_device_headers() {
    let authority = Authority::http();
    authority.stop_clock();
    let device = Device::at(&authority);
    let token = device.access_token("cinema");
    let good = player_headers(&token);
    let code = |headers: &Headers| {
        let reply = device.hello(headers);
        assert_eq!(reply.status, 401);
        reply.json()["code"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(device.hello(&good).status, 200);
    assert_eq!(code(&player_headers("stranger")), "");
    assert_eq!(code(&good[1..].to_vec()), "");
    assert_eq!(code(&good[..2].to_vec()), "invalid_header_device_identifier");
    let raw = vec![good[0].clone(), good[1].clone(), header("AP-Device-Identifier", "serial 1")];
    assert_eq!(code(&raw), "invalid_header_device_identifier");
    assert_eq!(code(&vec![good[0].clone(), good[2].clone()]), "invalid_header_device_info");

    authority.advance(Duration::from_secs(86_399));
    assert_eq!(device.hello(&good).status, 200);
    authority.advance(Duration::from_secs(1));
    assert_eq!(code(&good), "");

    let token = device.access_token("cinema");
    authority.expire_tokens();
    assert_eq!(code(&player_headers(&token)), "");
}

#[test]
fn tokens_live_as_long_as_the_test_says_and_are_repeated_only_where_it_says_so() {
    let authority = Authority::http();
    authority.stop_clock();
    let device = Device::at(&authority);
    let credentials = device.register(&statement::issue("cinema")).json();
    authority.set_expires_in(600);
    let first = device.token(&credentials).json();
    assert_eq!(first["expires_in"], 600);
    assert_ne!(device.token(&credentials).json()["access_token"], first["access_token"]);

    authority.advance(Duration::from_secs(100));
    authority.repeat_tokens(true);
    let newest = device.token(&credentials).json();
    let repeated = device.token(&credentials).json();
    assert_eq!(newest["access_token"], repeated["access_token"]);
    assert_eq!(repeated["expires_in"], 500);
    authority.advance(Duration::from_secs(500));
    assert_eq!(device.token(&credentials).json()["expires_in"], 600, "a dead one is not repeated");
}

#[test]
fn it_knows_every_secret_that_it_issued_and_prints_none() {
    let authority = Authority::http();
    let device = Device::at(&authority);
    let statement = statement::issue("cinema");
    let credentials = device.register(&statement).json();
    let token = device.token(&credentials).json();
    device.hello(&player_headers(token["access_token"].as_str().unwrap()));

    let secrets = authority.secrets();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    for secret in [
        statement,
        text(&credentials["client_id"]),
        text(&credentials["client_secret"]),
        encode(&text(&credentials["client_secret"])),
        text(&token["access_token"]),
    ] {
        assert!(secrets.contains(&secret));
    }
    let lines = authority.lines().text(0);
    assert_eq!(lines.lines().count(), 3);
    assert!(lines.contains("GET /api/v2/hello for the application cinema: answered 200"));
    authority.assert_no_secret_in("the server's log", &lines);
}

#[test]
#[should_panic(expected = "contains 1 of")]
fn a_leaked_secret_is_found() {
    let authority = Authority::http();
    let credentials = Device::at(&authority).register(&statement::issue("cinema")).json();
    authority.assert_no_secret_in("this", &format!("the id is {}.", credentials["client_id"]));
}
