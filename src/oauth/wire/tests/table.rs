// SPDX-License-Identifier: MIT OR Apache-2.0
//! The answers that servers, frameworks and gateways give, and what each must do.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;

use super::*;

/// What an answer must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    /// It is a success.
    Succeed,
    /// The statement or the request is refused.
    Refuse,
    /// The credentials are refused.
    Deny,
    /// 2xx without credentials.
    NoCredentials,
    /// A 4xx that says nothing.
    ClientError,
    /// The daemon pauses.
    Throttle,
    /// A passing fault.
    Fail,
}

fn what<T>(result: &Result<T, Failure>) -> Does {
    match result {
        Ok(_) => Does::Succeed,
        Err(Failure::Throttled { .. }) => Does::Throttle,
        Err(Failure::InvalidClient { .. }) => Does::Deny,
        Err(Failure::Refused { .. }) => Does::Refuse,
        Err(Failure::NoCredentials { .. }) => Does::NoCredentials,
        Err(Failure::ClientError { .. }) => Does::ClientError,
        Err(Failure::Unavailable { .. }) => Does::Fail,
    }
}

/// What a registration may look like (from a comma on: what follows the two that it needs), and
/// which members of it say nothing legible.
const REGISTRATIONS: &[(&str, &[&str])] = &[
    // The vendor's own example, whole, and what may be left out of it.
    (
        r#","client_id_issued_at":1700000000,"redirect_uris":["app://a"],"grant_types":["client_credentials"],"scopes":["api:client:v2"]"#,
        &[],
    ),
    (r#"{"client_id":"i","client_secret":"s"}"#, &[]),
    (r#"{"client_secret":"s","client_id":"i"}"#, &[]),
    (" \r\n{\"client_id\" : \"i\" ,\t\"client_secret\":\"s\"}\n", &[]),
    ("\u{feff}{\"client_id\":\"i\",\"client_secret\":\"s\"}", &[]),
    (r#","scope":"a b""#, &[]),
    (r#","scope":"""#, &[]),
    (r#","scopes":[]"#, &[]),
    (r#","redirect_uris":[]"#, &[]),
    (r#","redirect_uris":null"#, &[]),
    (r#","grant_types":null"#, &[]),
    (r#","scopes":null,"scope":null"#, &[]),
    (r#","client_id_issued_at":null"#, &[]),
    (r#","client_id_issued_at":0"#, &[]),
    (r#","client_id_issued_at":18446744073709551615"#, &["client_id_issued_at"]),
    // RFC 7591's other members.
    (r#","client_secret_expires_at":0"#, &[]),
    (r#","token_endpoint_auth_method":"client_secret_post""#, &[]),
    (r#","registration_access_token":"x","registration_client_uri":"https://a""#, &[]),
    (r#","contacts":[null,{}],"jwks":{"keys":[]}"#, &[]),
    (r#","software_statement":{"a":[1,2]}"#, &[]),
    // Characters of the two.
    (r#"{"client_id":"é \u0000","client_secret":"\n"}"#, &[]),
    (r#"{"client_id":"\ud83d\ude00","client_secret":" "}"#, &[]),
    (r#"{"client_id":"0","client_secret":"null"}"#, &[]),
    // Odd decoration.
    (r#","redirect_uris":[null]"#, &["redirect_uris"]),
    (r#","redirect_uris":"app://a""#, &["redirect_uris"]),
    (r#","redirect_uris":{}"#, &["redirect_uris"]),
    (r#","redirect_uris":[1]"#, &["redirect_uris"]),
    (r#","redirect_uris":[["app://a"]]"#, &["redirect_uris"]),
    (r#","redirect_uris":["\u0000"]"#, &["redirect_uris"]),
    (r#","redirect_uris":false"#, &["redirect_uris"]),
    (r#","redirect_uris":["a"],"redirect_uris":["b"]"#, &["redirect_uris"]),
    (r#","grant_types":"client_credentials""#, &["grant_types"]),
    (r#","grant_types":{}"#, &["grant_types"]),
    (r#","grant_types":[7]"#, &["grant_types"]),
    (r#","scopes":"a b""#, &["scopes"]),
    (r#","scopes":[null]"#, &["scopes"]),
    (r#","scopes":[{"name":"a"}]"#, &["scopes"]),
    (r#","scopes":7,"scope":"a""#, &["scopes"]),
    (r#","scope":["a","b"]"#, &["scope"]),
    (r#","scope":1"#, &["scope"]),
    (r#","scope":"a\u0000b""#, &["scope"]),
    (r#","client_id_issued_at":"1700000000""#, &["client_id_issued_at"]),
    (r#","client_id_issued_at":1700000000.5"#, &["client_id_issued_at"]),
    (r#","client_id_issued_at":-1"#, &["client_id_issued_at"]),
    (r#","client_id_issued_at":1e400"#, &["client_id_issued_at"]),
    (r#","client_id_issued_at":99999999999999999999"#, &["client_id_issued_at"]),
    (r#","client_id_issued_at":"2023-11-14T22:13:20Z""#, &["client_id_issued_at"]),
    (r#","client_id_issued_at":true"#, &["client_id_issued_at"]),
    (r#","client_id_issued_at":[1]"#, &["client_id_issued_at"]),
    (
        r#","client_id_issued_at":{},"redirect_uris":0,"grant_types":0,"scope":0,"scopes":0"#,
        &["client_id_issued_at", "redirect_uris", "grant_types", "scope", "scopes"],
    ),
    // Members that nobody asked for.
    (r#","id":1,"id":2"#, &[]),
    (r#","x":1e999"#, &[]),
    (r#","x":"\ud800""#, &[]),
    (r#","":null"#, &[]),
    (r#","Client_Id":7"#, &[]),
    (r#","error":"invalid_client""#, &[]),
    (r#","access_token":5,"expires_in":"never""#, &[]),
    (r#","timestamp":"2024-01-01","status":201,"path":"/o/client/register""#, &[]),
    (r#"{"errors":[],"client_id":"i","client_secret":"s"}"#, &[]),
    (r#","redirect_uri":"app://a""#, &[]),
    (r#","_links":{"self":{"href":"https://a"}}"#, &[]),
];

/// What a token may look like (from a comma on: what follows the two that it needs), and its
/// lifetime.
const TOKENS: &[(&str, u32)] = &[
    (
        r#"{"access_token":"a","expires_in":21600,"token_type":"bearer","created_at":1700000000000,"id":"x"}"#,
        21_600,
    ),
    (r#"{"access_token":"a","expires_in":21600,"token_type":"Bearer"}"#, 21_600),
    (r#"{"access_token":"a","expires_in":21600,"token_type":"BEARER"}"#, 21_600),
    (r#"{"access_token":"a","expires_in":21600}"#, 21_600),
    (r#"{"access_token":"a","expires_in":21600,"token_type":null}"#, 21_600),
    (r#"{"access_token":"a","expires_in":"21600"}"#, 21_600),
    (r#"{"access_token":"a","expires_in":21600.0}"#, 21_600),
    (r#"{"access_token":"a","expires_in":2.16e4}"#, 21_600),
    (r#"{"access_token":"a","expires_in":216E2}"#, 21_600),
    (r#"{"access_token":"a","expires_in":10}"#, 10),
    (r#"{"access_token":"a","expires_in":"10"}"#, 10),
    (r#"{"access_token":"a","expires_in":10.0}"#, 10),
    (r#"{"access_token":"a","expires_in":"0000000000000000000000000010"}"#, 10),
    (r#"{"access_token":"a","expires_in":31536000}"#, 31_536_000),
    (r#"{"access_token":"a","expires_in":31536001}"#, 31_536_000),
    (r#"{"access_token":"a","expires_in":"31536001"}"#, 31_536_000),
    (r#"{"access_token":"a","expires_in":4294967296}"#, 31_536_000),
    (r#"{"access_token":"a","expires_in":18446744073709551615}"#, 31_536_000),
    (r#"{"access_token":"a","expires_in":18446744073709551616}"#, 31_536_000),
    (r#"{"access_token":"a","expires_in":1e300}"#, 31_536_000),
    (r#"{"access_token":"a","expires_in":"99999999999999999999999999"}"#, 31_536_000),
    ("\u{feff}{\"access_token\":\"a\",\"expires_in\":60}", 60),
    (" \t\r\n{\"access_token\" : \"a\", \"expires_in\" : 60}\r\n", 60),
    (r#"{"expires_in":60,"access_token":"a"}"#, 60),
    (r#"{"access_token":"AZaz09-._~+/==","expires_in":60}"#, 60),
    (r#"{"access_token":"a=","expires_in":60}"#, 60),
    (r#"{"access_token":"\u0061","expires_in":60}"#, 60),
    (r#"{"access_token":"a.b.c","expires_in":60}"#, 60),
    (r#","refresh_token":"b""#, 60),
    (r#","refresh_token":null"#, 60),
    (r#","refresh_token":{}"#, 60),
    (r#","scope":"api:client:v2""#, 60),
    (r#","scope":["api:client:v2"]"#, 60),
    (r#","scope":null"#, 60),
    (r#","created_at":"yesterday""#, 60),
    (r#","created_at":-1"#, 60),
    (r#","created_at":null"#, 60),
    (r#","created_at":1e400"#, 60),
    (r#","created_at":1.5"#, 60),
    (r#","id":7"#, 60),
    (r#","id":null"#, 60),
    (r#","id":["x"]"#, 60),
    (r#","id":1,"id":2"#, 60),
    (r#","x":"\ud800""#, 60),
    (r#","x":1e999"#, 60),
    (r#","":0"#, 60),
    (r#","error":null"#, 60),
    (r#","error":"invalid_client""#, 60),
    (r#","error":{}"#, 60),
    (r#","errors":[]"#, 60),
    (r#","status":200,"message":"OK""#, 60),
    (r#","not_before":0"#, 60),
    (r#","ext_expires_in":0"#, 60),
    (r#","expires_on":"1700000000""#, 60),
    (r#","expires_at":"x""#, 60),
    (r#","id_token":"a.b.c""#, 60),
    (r#","client_id":5"#, 60),
    (r#","jti":{"deep":[[[[]]]]}"#, 60),
    (r#","Access_Token":"b""#, 60),
    (r#","_links":{"self":{"href":"https://a"}}"#, 60),
    (r#","acr":true,"amr":[false]"#, 60),
];

/// 2xx answers that are of no use to either endpoint.
const USELESS: &[(u16, &str)] = &[
    (200, ""),
    (201, ""),
    (201, " "),
    (201, "{}"),
    (201, "[]"),
    (201, "null"),
    (201, "true"),
    (201, "\"OK\""),
    (201, "OK"),
    (201, "{\"client_id\":\"i\",\"client_secret\":"),
    (201, "{\"access_token\":\"a\",\"expires_in\":60"),
    (201, "{\"access_token\":\"a\",\"client_id\":\"i\"}"),
    (201, "\u{feff}"),
    (200, "<!DOCTYPE html><html><body>Welcome to our network</body></html>"),
    (200, "<?xml version=\"1.0\"?><client/>"),
    (200, "client_id=i&client_secret=s&access_token=a&expires_in=60"),
    (201, r#"{"data":{"client_id":"i","client_secret":"s","access_token":"a","expires_in":60}}"#),
    (201, r#"[{"client_id":"i","client_secret":"s","access_token":"a","expires_in":60}]"#),
    (201, r#"{"client_id":"","client_secret":"s","access_token":"","expires_in":60}"#),
    (201, r#"{"client_id":"i","client_secret":"","access_token":"a","expires_in":0}"#),
    (201, r#"{"client_id":1,"client_secret":"s","access_token":1,"expires_in":60}"#),
    (201, r#"{"client_id":["i"],"client_secret":"s","access_token":["a"],"expires_in":60}"#),
    (
        201,
        r#"{"client_id":"i","client_id":"j","client_secret":"s","access_token":"a","access_token":"b","expires_in":60}"#,
    ),
    (200, r#"{"error":"invalid_client"}"#),
    (200, r#"{"error":"access_denied","error_description":"no"}"#),
    (200, r#"{"status":403,"error":"Forbidden"}"#),
    (202, r#"{"client_id":"i","client_secret":"s","access_token":"a","expires_in":60}"#),
    (203, r#"{"client_id":"i","client_secret":"s","access_token":"a","expires_in":60}"#),
    (204, ""),
    (205, ""),
    (206, r#"{"client_id":"i","client_secret":"s","access_token":"a","expires_in":60}"#),
    (207, ""),
    (226, ""),
    (299, "{}"),
];

/// Answers that are no success: the status, the body, and what the registration endpoint and the
/// token endpoint make of it.
const FAILURES: &[(u16, &str, Does, Does)] = &[
    // The vendor's own words.
    (400, r#"{"error":"invalid_request"}"#, Does::Refuse, Does::Refuse),
    (400, r#"{"error":"invalid_redirect_uri"}"#, Does::Refuse, Does::ClientError),
    (400, r#"{"error":"invalid_software_statement"}"#, Does::Refuse, Does::ClientError),
    (400, r#"{"error":"unapproved_software_statement"}"#, Does::Refuse, Does::ClientError),
    (400, r#"{"error":"invalid_client"}"#, Does::ClientError, Does::Deny),
    (401, r#"{"error":"invalid_client"}"#, Does::ClientError, Does::Deny),
    (403, r#"{"error":"invalid_client","error_description":"é"}"#, Does::ClientError, Does::Deny),
    (400, r#"{"error":"unauthorized_client"}"#, Does::ClientError, Does::Refuse),
    (400, r#"{"error":"unsupported_grant_type"}"#, Does::ClientError, Does::Refuse),
    (403, r#"{"error":"access_denied"}"#, Does::ClientError, Does::Refuse),
    (401, r#"{"error":"invalid_request","error_description":null}"#, Does::Refuse, Does::Refuse),
    (403, r#"{"error":"invalid_request","error_description":{}}"#, Does::Refuse, Does::Refuse),
    (400, "\u{feff}{\"error\":\"invalid_request\"}", Does::Refuse, Does::Refuse),
    (400, "\n {\"error\" : \"invalid_request\"} \n", Does::Refuse, Does::Refuse),
    (400, r#"{"x":1e999,"x":0,"error":"invalid_request"}"#, Does::Refuse, Does::Refuse),
    // Other words, of RFC 6749, 6750, 8628 and of frameworks.
    (400, r#"{"error":"invalid_scope"}"#, Does::ClientError, Does::ClientError),
    (400, r#"{"error":"invalid_grant"}"#, Does::ClientError, Does::ClientError),
    (401, r#"{"error":"invalid_token"}"#, Does::ClientError, Does::ClientError),
    (403, r#"{"error":"insufficient_scope"}"#, Does::ClientError, Does::ClientError),
    (400, r#"{"error":"invalid_client_metadata"}"#, Does::ClientError, Does::ClientError),
    (400, r#"{"error":"slow_down"}"#, Does::ClientError, Does::ClientError),
    (400, r#"{"error":"server_error"}"#, Does::ClientError, Does::ClientError),
    (400, r#"{"error":"temporarily_unavailable"}"#, Does::ClientError, Does::ClientError),
    (400, r#"{"error":"Invalid_Request"}"#, Does::ClientError, Does::ClientError),
    (400, r#"{"error":" invalid_request"}"#, Does::ClientError, Does::ClientError),
    (400, r#"{"error":""}"#, Does::ClientError, Does::ClientError),
    (400, r#"{"error":null}"#, Does::ClientError, Does::ClientError),
    (400, r#"{"error":400}"#, Does::ClientError, Does::ClientError),
    (400, r#"{"error":["invalid_request"]}"#, Does::ClientError, Does::ClientError),
    (
        400,
        r#"{"error":"invalid_request","error":"invalid_client"}"#,
        Does::ClientError,
        Does::ClientError,
    ),
    (400, r#"{"Error":"invalid_request"}"#, Does::ClientError, Does::ClientError),
    // Spring's default bodies.
    (
        400,
        r#"{"timestamp":1700000000000,"status":400,"error":"Bad Request","path":"/o/client/token"}"#,
        Does::ClientError,
        Does::ClientError,
    ),
    (
        401,
        r#"{"status":401,"error":"Unauthorized","message":"","trace":"x"}"#,
        Does::ClientError,
        Does::ClientError,
    ),
    (403, r#"{"status":403,"error":"Forbidden"}"#, Does::ClientError, Does::ClientError),
    (404, r#"{"status":404,"error":"Not Found"}"#, Does::ClientError, Does::ClientError),
    (
        415,
        r#"{"status":415,"error":"Unsupported Media Type"}"#,
        Does::ClientError,
        Does::ClientError,
    ),
    (500, r#"{"status":500,"error":"Internal Server Error"}"#, Does::Fail, Does::Fail),
    (
        400,
        r#"{"type":"about:blank","title":"Bad Request","status":400}"#,
        Does::ClientError,
        Does::ClientError,
    ),
    // The errors of the vendor's REST APIs, flat, in an array, nested.
    (
        401,
        r#"{"action":"none","status":401,"code":"invalid_access_token","message":"x"}"#,
        Does::ClientError,
        Does::ClientError,
    ),
    (
        403,
        r#"{"errors":[{"status":403,"code":"access_denied"}]}"#,
        Does::ClientError,
        Does::ClientError,
    ),
    (
        400,
        r#"{"error":{"code":"invalid_client","message":"x"}}"#,
        Does::ClientError,
        Does::ClientError,
    ),
    (
        400,
        r#"{"fault":{"faultstring":"Invalid ApiKey","detail":{"errorcode":"oauth.v2.Invalid"}}}"#,
        Does::ClientError,
        Does::ClientError,
    ),
    (403, r#"[{"error":"invalid_request"}]"#, Does::ClientError, Does::ClientError),
    // Gateways, firewalls, portals.
    (403, r#"{"message":"Forbidden"}"#, Does::ClientError, Does::ClientError),
    (
        403,
        "<HTML><HEAD><TITLE>Access Denied</TITLE></HEAD></HTML>",
        Does::ClientError,
        Does::ClientError,
    ),
    (403, "error code: 1020", Does::ClientError, Does::ClientError),
    (403, "", Does::ClientError, Does::ClientError),
    (401, "", Does::ClientError, Does::ClientError),
    (400, "\"invalid_request\"", Does::ClientError, Does::ClientError),
    (400, "error=invalid_request", Does::ClientError, Does::ClientError),
    (400, "{\"error\":\"invalid_request\"", Does::ClientError, Does::ClientError),
    (400, "{\"error\":\"invalid_request\"}x", Does::ClientError, Does::ClientError),
    (402, r#"{"error":"invalid_request"}"#, Does::ClientError, Does::ClientError),
    (404, r#"{"error":"invalid_client"}"#, Does::ClientError, Does::ClientError),
    (405, "", Does::ClientError, Does::ClientError),
    (407, "", Does::ClientError, Does::ClientError),
    (410, "", Does::ClientError, Does::ClientError),
    (413, "", Does::ClientError, Does::ClientError),
    (418, "", Does::ClientError, Does::ClientError),
    (431, "", Does::ClientError, Does::ClientError),
    (451, "<html>", Does::ClientError, Does::ClientError),
    (499, "", Does::ClientError, Does::ClientError),
    // What passes.
    (408, "", Does::Fail, Does::Fail),
    (429, "<html><h1>429 Too Many Requests</h1></html>", Does::Throttle, Does::Throttle),
    (429, r#"{"error":"invalid_client"}"#, Does::Throttle, Does::Throttle),
    (500, "", Does::Fail, Does::Fail),
    (500, r#"{"error":"invalid_client"}"#, Does::Fail, Does::Fail),
    (501, "", Does::Fail, Does::Fail),
    (502, "<html><h1>502 Bad Gateway</h1></html>", Does::Fail, Does::Fail),
    (503, "Service Unavailable", Does::Fail, Does::Fail),
    (504, "", Does::Fail, Does::Fail),
    (511, "<html>Sign in</html>", Does::Fail, Does::Fail),
    (520, "error code: 520", Does::Fail, Does::Fail),
    (300, "", Does::Fail, Does::Fail),
    (301, "", Does::Fail, Does::Fail),
    (302, "<a href=\"http://portal\">", Does::Fail, Does::Fail),
    (304, "", Does::Fail, Does::Fail),
    (307, "", Does::Fail, Does::Fail),
    (308, "", Does::Fail, Does::Fail),
];

const TYPES: [Option<&str>; 5] =
    [None, Some(JSON), Some("text/html; charset=utf-8"), Some("text/plain"), Some("")];

fn whole(needed: &str, body: &str) -> String {
    if body.starts_with(',') { format!("{{{needed}{body}}}") } else { body.to_owned() }
}

/// The members of information that are not there; of `scope` and `scopes` one will do.
fn missing(body: &str) -> Vec<&'static str> {
    let body = body.trim_start_matches('\u{feff}');
    let members: BTreeMap<String, IgnoredAny> = serde_json::from_str(body).unwrap();
    let is_missing = |key: &str| {
        !members.contains_key(key) || body.replace(' ', "").contains(&format!("\"{key}\":null"))
    };
    let alone = ["client_id_issued_at", "redirect_uris", "grant_types"];
    let mut missing: Vec<_> = alone.into_iter().filter(|key| is_missing(key)).collect();
    if is_missing("scope") && is_missing("scopes") {
        missing.push("scopes");
    }
    missing
}

#[test]
fn each_of_these_registrations_is_kept_whatever_decorates_it() {
    const { assert!(REGISTRATIONS.len() >= 60) };
    for (body, illegible) in REGISTRATIONS {
        let body = &whole(r#""client_id":"i","client_secret":"s""#, body);
        for (status, content_type) in [200, 201].into_iter().flat_map(|s| TYPES.map(|t| (s, t))) {
            let answer = Answer { content_type, ..answer(status, body) };
            let registered = registered(&answer, &secret(STATEMENT));
            let registered = registered.unwrap_or_else(|failure| panic!("{body}: {failure}"));
            let missing = missing(body);
            for key in &missing {
                assert!(registered.absent.contains(key), "{key} of {body}");
            }
            let mut told = registered.absent;
            told.retain(|key| !missing.contains(key));
            assert_eq!(told, *illegible, "{body}");
        }
    }
    let deep = "[".repeat(5000) + &"]".repeat(5000);
    for key in ["scopes", "x"] {
        let body = format!(r#"{{"{key}":{deep},"client_id":"i","client_secret":"s"}}"#);
        assert!(register(&answer(201, &body)).is_ok(), "{key}");
    }
}

#[test]
fn each_of_these_tokens_is_used_with_its_lifetime() {
    const { assert!(TOKENS.len() >= 60) };
    for (body, lifetime) in TOKENS {
        let body = &whole(r#""access_token":"a","expires_in":60"#, body);
        for (status, content_type) in [200, 201].into_iter().flat_map(|s| TYPES.map(|t| (s, t))) {
            let answer = Answer { content_type, ..answer(status, body) };
            let token = token(&answer).unwrap_or_else(|failure| panic!("{body}: {failure}"));
            assert_eq!(token.expires_in, *lifetime, "{body}");
        }
    }
}

#[test]
fn each_of_these_answers_is_no_success_and_does_what_its_row_says() {
    const { assert!(FAILURES.len() + USELESS.len() >= 50) };
    for (status, body, registering, fetching) in FAILURES {
        for content_type in TYPES {
            let answer = Answer { content_type, ..answer(*status, body) };
            assert_eq!(what(&register(&answer)), *registering, "{status} {body}");
            assert_eq!(what(&token(&answer)), *fetching, "{status} {body}");
        }
    }
    for (status, body) in USELESS {
        for content_type in TYPES {
            let answer = Answer { content_type, ..answer(*status, body) };
            assert_eq!(what(&register(&answer)), Does::NoCredentials, "{status} {body}");
            assert_eq!(what(&token(&answer)), Does::Fail, "{status} {body}");
        }
    }
}
