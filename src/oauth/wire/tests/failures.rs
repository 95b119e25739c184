// SPDX-License-Identifier: MIT OR Apache-2.0
use super::*;

#[test]
fn too_many_requests_is_429_with_whatever_body_and_503_with_retry_after() {
    let html = "<html>Too many</html>";
    for (status, retry_after, expected) in [
        (429, None, None),
        (429, Some(""), None),
        (429, Some("0"), Some(0)),
        (429, Some(" 17 "), Some(17)),
        (429, Some("3600"), Some(3600)),
        (429, Some("3601"), Some(3600)),
        (429, Some("99999999999999999999999999"), Some(3600)),
        (429, Some("-1"), None),
        (429, Some("1.5"), None),
        (429, Some("soon"), None),
        (503, Some("5"), Some(5)),
        (503, Some("soon"), None),
    ] {
        let answer = Answer { retry_after, ..answer(status, html) };
        let retry_after = expected.map(Duration::from_secs);
        let expected = Failure::Throttled { status, retry_after };
        assert_eq!(register(&answer).unwrap_err(), expected);
        assert_eq!(token(&answer).unwrap_err(), expected);
    }
    assert_eq!(reason(token(&answer(503, html)).unwrap_err()), "the server answered 503");
}

#[test]
fn a_retry_after_date_counts_from_the_date_of_the_same_answer() {
    let date = Some("Sun, 06 Nov 1994 08:49:37 GMT");
    for (after, date, seconds) in [
        ("Sun, 06 Nov 1994 08:50:37 GMT", date, Some(60)),
        ("Sun, 06 Nov 1994 08:49:37 GMT", date, Some(0)),
        ("Sun, 06 Nov 1994 08:48:37 GMT", date, Some(0)),
        ("Mon, 06 Nov 1995 08:48:37 GMT", date, Some(3600)),
        ("Sun, 06 Nov 1994 08:50:37 GMT", None, None),
        ("Sun, 06 Nov 1994 08:50:37 GMT", Some("yesterday"), None),
        ("Sun, 99 Nov 1994 08:50:37 GMT", date, None),
    ] {
        let answer = Answer { retry_after: Some(after), date, ..answer(429, "") };
        let retry_after = seconds.map(Duration::from_secs);
        let expected = Failure::Throttled { status: 429, retry_after };
        assert_eq!(token(&answer).unwrap_err(), expected, "{after}");
    }
}

/// What is neither a refusal nor a passing fault.
fn client_error(failure: Failure) -> String {
    match failure {
        Failure::ClientError { reason } => reason,
        other => panic!("a client error, not {other:?}"),
    }
}

#[test]
fn invalid_client_means_the_credentials_at_the_token_endpoint_alone() {
    let body = r#"{"error": "invalid_client", "error_description": "unknown client"}"#;
    for status in [400, 401, 403] {
        let description = "unknown client".to_owned();
        let expected = Failure::InvalidClient { status, description };
        assert_eq!(token(&answer(status, body)).unwrap_err(), expected);
        let reason = client_error(register(&answer(status, body)).unwrap_err());
        assert!(reason.contains("invalid_client: unknown client"), "{reason}");
    }
    for status in [402, 404] {
        client_error(token(&answer(status, body)).unwrap_err());
    }
    reason(token(&answer(500, body)).unwrap_err());
}

#[test]
fn an_endpoint_s_own_words_are_refusals_and_no_others() {
    let own = |failure: Failure, status: u16, code: &str| {
        let expected = Failure::Refused { status, error: code.into(), description: String::new() };
        if failure == expected {
            return true;
        }
        client_error(failure);
        false
    };
    for (code, registers, fetches) in [
        ("invalid_request", true, true),
        ("invalid_redirect_uri", true, false),
        ("invalid_software_statement", true, false),
        ("unapproved_software_statement", true, false),
        ("unauthorized_client", false, true),
        ("unsupported_grant_type", false, true),
        ("access_denied", false, true),
        ("Invalid_Client", false, false),
        ("invalid_clients", false, false),
        ("invalid_scope", false, false),
        ("server_error", false, false),
        ("temporarily_unavailable", false, false),
        ("Forbidden", false, false),
        ("Unauthorized", false, false),
        ("Bad Request", false, false),
        ("access_denied ", false, false),
        ("", false, false),
    ] {
        for status in [400, 401, 403] {
            let body = format!(r#"{{"error": "{code}"}}"#);
            let failure = register(&answer(status, &body)).unwrap_err();
            assert_eq!(own(failure, status, code), registers, "{code}");
            let failure = token(&answer(status, &body)).unwrap_err();
            assert_eq!(own(failure, status, code), fetches, "{code}");
        }
    }
}

#[test]
fn a_byte_order_mark_hides_no_refusal() {
    let body = "\u{feff}{\"error\": \"access_denied\"}";
    assert!(matches!(token(&answer(403, body)), Err(Failure::Refused { status: 403, .. })));
    let body = "\u{feff}{\"error\": \"invalid_client\"}";
    assert!(matches!(token(&answer(401, body)), Err(Failure::InvalidClient { status: 401, .. })));
}

#[test]
fn an_error_code_with_control_characters_is_no_word_about_the_credentials() {
    client_error(token(&answer(400, r#"{"error": "invalid\u0000_client"}"#)).unwrap_err());
}

#[test]
fn a_body_that_breaks_off_leaves_the_status_its_meaning() {
    let broken = |status| Answer { body: Err("timed out after 15s"), ..answer(status, "") };
    for status in [200, 201] {
        let text = "and then: timed out after 15s";
        assert!(reason(token(&broken(status)).unwrap_err()).ends_with(text));
        let failure = register(&broken(status)).unwrap_err();
        assert!(matches!(&failure, Failure::NoCredentials { reason } if reason.ends_with(text)));
    }
    client_error(token(&broken(403)).unwrap_err());
    client_error(register(&broken(400)).unwrap_err());
}

#[test]
fn every_other_status_has_its_meaning_whatever_the_body_says() {
    let good = r#"{"access_token": "a", "expires_in": 60, "token_type": "bearer",
        "client_id": "a", "client_secret": "b", "error": "invalid_client"}"#;
    let listed = [200, 201, 400, 401, 403, 429];
    for status in (100..=999).filter(|status| !listed.contains(status)) {
        let failures = [
            token(&answer(status, good)).unwrap_err(),
            register(&answer(status, good)).unwrap_err(),
        ];
        for (failure, registers) in failures.into_iter().zip([false, true]) {
            let expected = format!("the server answered {status}");
            assert!(failure.to_string().starts_with(&expected), "{failure}");
            match failure {
                Failure::NoCredentials { .. } => {
                    assert!(registers && (200..=299).contains(&status), "{status}");
                }
                Failure::ClientError { .. } => {
                    assert!((402..=499).contains(&status) && status != 408, "{status}");
                }
                Failure::Unavailable { .. } => {
                    assert!(!(402..=499).contains(&status) || status == 408, "{status}")
                }
                other => panic!("{status}: {other:?}"),
            }
        }
        assert!(!body_matters(status));
    }
}

#[test]
fn the_server_s_words_are_shown_as_printable_ascii_of_limited_length() {
    let code = "x".repeat(65);
    let text = format!("one\\r\\ntwo\\u001b[31m\\u202ethree\\u00e9{}", "y".repeat(200));
    let body =
        format!(r#"{{"error": "{code}é", "error_description": "tab\t{}"}}"#, "y".repeat(300));
    let reason = client_error(token(&answer(400, &body)).unwrap_err());
    assert!(reason.contains(&format!(" with {}: tab yyy", "x".repeat(64))), "{reason}");
    assert!(reason.len() < 200, "{reason}");
    let body =
        format!(r#"{{"error": "access_denied", "error_description": "tab\t{}"}}"#, "y".repeat(300));
    let Failure::Refused { description, .. } = token(&answer(400, &body)).unwrap_err() else {
        panic!("a refusal")
    };
    assert_eq!(description.len(), 200);
    let text: String = serde_json::from_str(&format!("\"{text}\"")).unwrap();
    let shown = shown(&text, 200, &[]);
    assert!(shown.starts_with("one  two[31mthreeyyy"), "{shown}");
    assert_eq!(shown.len(), 200);
}

#[test]
fn the_server_s_words_are_withheld_where_they_quote_a_secret_of_the_request() {
    let short = secret("abc");
    for (text, secrets) in [
        (STATEMENT.to_owned(), [secret(STATEMENT)]),
        (format!("bad statement: {}…", &STATEMENT[..14]), [secret(STATEMENT)]),
        (format!("{}{STATEMENT}", "x".repeat(190)), [secret(STATEMENT)]),
        (format!("{}{STATEMENT}", "x".repeat(500)), [secret(STATEMENT)]),
        (format!("unknown client {ID}."), [secret(ID)]),
        ("client abc is unknown".to_owned(), [short]),
    ] {
        let secrets: Vec<_> = secrets.iter().collect();
        assert_eq!(shown(&text, 200, &secrets), "(withheld)", "{text}");
    }
    assert_eq!(shown("nothing of it", 200, &[&secret(STATEMENT), &secret("")]), "nothing of it");

    let body = format!(r#"{{"error": "access_denied", "error_description": "not {SECRET}"}}"#);
    let failure = token(&answer(400, &body)).unwrap_err();
    assert_eq!(failure.to_string(), "the server refused with 400: access_denied: (withheld)");
    let kind = format!("text/{ID}");
    let page = Answer { content_type: Some(&kind), ..answer(200, "<html>") };
    assert!(!reason(token(&page).unwrap_err()).contains(ID));
}

#[test]
fn words_of_the_server_that_look_like_a_token_are_left_out() {
    let token = "9peAa2PQbFxYrxgk8EEq2U0LmvN7Oxck.gnOJinCN0OWpggD-aZHl";
    for (text, wanted) in [
        (format!("token {token} has expired"), "token (withheld) has expired"),
        (token.to_owned(), "(withheld)"),
        ("0b2c7c6e-43f1-4d4e-a6f4-7f1f3a3f6a01 is gone".to_owned(), "(withheld) is gone"),
        (
            "unapproved_software_statement_of_a_programmer, see the docs".to_owned(),
            "unapproved_software_statement_of_a_programmer, see the docs",
        ),
    ] {
        assert_eq!(told(&text, 200, &[]), wanted);
    }
}

#[test]
fn no_failure_says_anything_of_an_unusable_answer_s_secrets() {
    for body in [
        r#"{"access_token": "opensesame", "expires_in": "opensesame", "token_type": "bearer"}"#,
        r#"{"access_token": "open sesame", "expires_in": 60, "token_type": "bearer"}"#,
        r#"{"access_token": "opensesame", "expires_in": 60, "token_type": "opensesame"}"#,
        r#"{"access_token": {"opensesame": "opensesame"}}"#,
        r#"{"opensesame": 1, "opensesame": 2}"#,
        r#"{"client_id": "opensesame", "client_secret": ["opensesame"]}"#,
    ] {
        for failure in
            [token(&answer(201, body)).unwrap_err(), register(&answer(201, body)).unwrap_err()]
        {
            let text = format!("{failure} {failure:?}");
            assert!(!text.contains("sesame"), "{text}");
        }
    }
}
