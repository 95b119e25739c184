// SPDX-License-Identifier: MIT OR Apache-2.0
use std::io::Write;

use super::*;
use crate::common::answer::AccessToken;
use crate::common::secret::Secret;
use crate::oauth::{Registration, register, token};

mod limits;
mod server;
mod tls;

use server::{Pki, context, ok, read_request, serve};

const TOKEN: &str = r#"{"access_token":"opensesame","expires_in":3600,"token_type":"Bearer"}"#;
const CREDENTIALS: &str = r#"{"client_id":"id","client_secret":"secret"}"#;
const STATEMENT: &str = "eyJhbGciOiJSUzI1NiJ9.e30.c2ln";

fn fetch(context: &Context) -> Result<AccessToken, Failure> {
    token(context, &Secret::new("id".into()), &Secret::new("s cret".into()))
}

/// The reason, and whether it is a TLS failure, and whether the request may have been sent.
fn unavailable<T>(result: Result<T, Failure>) -> (String, bool, bool) {
    match result {
        Err(Failure::Unavailable { reason, tls, sent }) => (reason, tls, sent),
        Err(other) => panic!("unavailable, not {other:?}"),
        Ok(_) => panic!("unavailable, not success"),
    }
}

/// What a server answers that sends these bytes and hangs up.
fn answered_with(bytes: &'static [u8]) -> Result<AccessToken, Failure> {
    let (port, server) = serve(move |mut stream| {
        read_request(&mut stream);
        stream.write_all(bytes).unwrap();
    });
    let result = fetch(&context(&format!("http://127.0.0.1:{port}")));
    server.join().unwrap();
    result
}

#[test]
fn a_registration_is_sent_as_the_contract_says() {
    let pki = Pki::new();
    let (port, server) = pki.serve("localhost", |mut stream| {
        let request = read_request(&mut stream);
        stream.write_all(&ok("201 Created", CREDENTIALS)).unwrap();
        request
    });
    let context = Context {
        user_agent: Some("Cinema/1.0 (TV)".into()),
        device_info: "eyJtb2RlbCI6IlgifQ==".into(),
        ..pki.context(&format!("https://localhost:{port}"))
    };
    let statement = Secret::new(STATEMENT.into());
    let request = Registration { statement: &statement, redirect_uri: Some("app://cinema") };
    let credentials = register(&context, &request).unwrap();
    assert_eq!(credentials.credentials.client_id.expose(), "id");

    let (head, body) = server.join().unwrap();
    assert_eq!(head[0], "POST /o/client/register HTTP/1.1");
    let mut headers = head[1..].to_vec();
    headers.sort();
    let length = format!("content-length: {}", body.len());
    let host = format!("host: localhost:{port}");
    assert_eq!(
        headers,
        [
            "accept: application/json;charset=utf-8",
            "connection: close",
            &length,
            "content-type: application/json;charset=utf-8",
            &host,
            "user-agent: Cinema/1.0 (TV)",
            "x-device-info: eyJtb2RlbCI6IlgifQ==",
        ]
    );
    let expected =
        format!(r#"{{"software_statement":"{STATEMENT}","redirect_uri":"app://cinema"}}"#);
    assert_eq!(body, expected.as_bytes());
}

#[test]
fn a_token_request_is_sent_as_the_contract_says() {
    let pki = Pki::new();
    let (port, server) = pki.serve("127.0.0.1", |mut stream| {
        let request = read_request(&mut stream);
        stream.write_all(&ok("201 Created", TOKEN)).unwrap();
        request
    });
    let token = fetch(&pki.context(&format!("https://127.0.0.1:{port}"))).unwrap();
    assert_eq!((token.value.expose(), token.expires_in), ("opensesame", 3600));

    let (head, body) = server.join().unwrap();
    assert_eq!(head[0], "POST /o/client/token HTTP/1.1");
    for header in [
        "accept: application/json;charset=utf-8",
        "content-type: application/x-www-form-urlencoded",
        concat!("user-agent: tokend/", env!("CARGO_PKG_VERSION")),
        "x-device-info: e30=",
    ] {
        assert!(head.iter().any(|line| line == header), "{header} in {head:?}");
    }
    let expected = "client_id=id&client_secret=s%20cret&grant_type=client_credentials";
    assert_eq!(body, expected.as_bytes());
}

#[test]
fn a_proxy_in_the_environment_is_not_used() {
    // In a process of its own, as an environment cannot be changed safely in this one.
    let names =
        ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "all_proxy", "https_proxy", "http_proxy"];
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "oauth::http::tests::a_token_request_is_sent_as_the_contract_says"])
        .envs(names.map(|name| (name, "http://127.0.0.1:1")))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
fn an_answer_in_chunks_after_an_early_hint_is_read_whole() {
    let bytes = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\n\
        Transfer-Encoding: chunked\r\n\r\n1e\r\n{\"access_token\":\"opensesame\",\"\r\n\
        27\r\nexpires_in\":3600,\"token_type\":\"bearer\"}\r\n0\r\n\r\n";
    assert_eq!(answered_with(bytes).unwrap().expires_in, 3600);
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let target = format!("http://{}/o/client/token", elsewhere.local_addr().unwrap());
    for status in ["301 Moved Permanently", "302 Found", "303 See Other", "307 T", "308 P"] {
        let location = target.clone();
        let (port, server) = serve(move |mut stream| {
            read_request(&mut stream);
            let head = format!("HTTP/1.1 {status}\r\nLocation: {location}\r\n");
            stream.write_all(format!("{head}Content-Length: 2\r\n\r\n{{}}").as_bytes()).unwrap();
        });
        let context = context(&format!("http://127.0.0.1:{port}"));
        let (reason, tls, sent) = unavailable(fetch(&context));
        let code = &status[..3];
        let expected = "a redirect, and those are not followed";
        assert_eq!(reason, format!("the server answered {code}, {expected}"));
        assert_eq!((tls, sent), (false, true));
        server.join().unwrap();
    }
    // Had there been a connection, it would be waiting.
    let nobody = elsewhere.accept().unwrap_err();
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn what_is_no_whole_answer_is_unavailable_and_sent() {
    for (bytes, words) in [
        (&b""[..], "closed too early"),
        (b"HTTP/1.1 200 OK\r\nContent-", "closed too early"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"access_token\"", "closed too early"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a", "closed too early"),
        (b"HTTP/1.1 200 OK\r\n\r\n{\"access_token\":\"opense", "not a JSON object"),
        (b"\x15\x03\x03\x00\x02\x02\x28 opensesame\r\n\r\n", "no proper HTTP"),
        (b"SSH-2.0-opensesame\r\n\r\n", "no proper HTTP"),
        (b"HTTP/1.1 999999 opensesame\r\n\r\n", "no proper HTTP"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nopensesame\r\n", "no proper HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: opensesame\r\n\r\n", "no proper HTTP"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "answered 101"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "answered 204 instead of 200 or 201"),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "answered 304"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "an empty body"),
    ] {
        let (reason, tls, sent) = unavailable(answered_with(bytes));
        let shown = String::from_utf8_lossy(bytes);
        assert!(reason.contains(words), "{shown}: {reason}");
        assert_eq!((tls, sent), (false, true), "{shown}: {reason}");
        assert!(!reason.contains("sesame"), "{reason}");
    }
}

#[test]
fn whatever_becomes_of_it_a_2xx_answer_to_a_registration_may_have_made_a_client() {
    const WHOLE: &[u8] = b"HTTP/1.1 201 Created\r\nContent-Length: 40\r\n\r\n\
        {\"client_id\":\"a\",\"client_secret\":\"b\"}   ";
    let register_with = |bytes: &'static [u8]| {
        let (port, server) = serve(move |mut stream| {
            read_request(&mut stream);
            stream.write_all(bytes).unwrap();
        });
        let context = Pki::new().context(&format!("http://127.0.0.1:{port}"));
        let statement = Secret::new(STATEMENT.into());
        let request = Registration { statement: &statement, redirect_uri: None };
        let result = register(&context, &request);
        server.join().unwrap();
        result
    };
    let made = |bytes| matches!(register_with(bytes), Err(Failure::NoCredentials { .. }));
    for cut in (13..WHOLE.len() - 4).step_by(3) {
        assert!(made(&WHOLE[..cut]), "{}", String::from_utf8_lossy(&WHOLE[..cut]));
    }
    assert!(register_with(WHOLE).is_ok());
    for bytes in [
        &b"HTTP/1.1 200 OK\r\nContent-Length: opensesame\r\n\r\n"[..],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nopensesame\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n<html>",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",
    ] {
        assert!(made(bytes), "{}", String::from_utf8_lossy(bytes));
    }
    for bytes in [&b""[..], b"HTTP/1.1 20", b"HTTP/1.1 500 Oh\r\nContent-", b"SSH-2.0-a\r\n\r\n"] {
        assert!(!made(bytes), "{}", String::from_utf8_lossy(bytes));
    }
    for (head, body) in [
        ("HTTP/1.0 200 OK\r\n", WHOLE_BODY),
        ("HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n", CHUNKED_BODY),
    ] {
        let bytes = format!("{head}\r\n{body}").leak().as_bytes();
        assert!(register_with(bytes).is_ok(), "{head}");
    }
}

const WHOLE_BODY: &str = "\u{feff}{\"client_id\":\"a\",\"client_secret\":\"b\"}";
const CHUNKED_BODY: &str =
    "11\r\n{\"client_id\":\"a\",\r\n14\r\n\"client_secret\":\"b\"}\r\n0\r\n\r\n";

#[test]
fn a_portal_s_page_is_told_from_an_answer() {
    let page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>opensesame</html>";
    let (reason, tls, sent) = unavailable(answered_with(page));
    assert_eq!(reason, "the server answered 200 with text/html instead of JSON");
    assert_eq!((tls, sent), (false, true));
}

#[test]
fn the_headers_of_a_throttled_answer_are_understood() {
    let bytes = b"HTTP/1.1 503 Busy\r\nRetry-After: Sun, 06 Nov 1994 08:50:07 GMT\r\n\
        Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 5\r\n\r\nhello";
    let retry_after = Some(std::time::Duration::from_secs(30));
    let expected = Failure::Throttled { status: 503, retry_after };
    assert_eq!(answered_with(bytes).unwrap_err(), expected);
}

#[test]
fn the_body_of_an_answer_that_is_understood_without_it_is_not_waited_for() {
    let bytes = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 4000000000\r\n\r\n<html>";
    let (port, server) = serve(move |mut stream| {
        read_request(&mut stream);
        stream.write_all(bytes).unwrap();
        // Goes on only once the client has hung up.
        let _ = stream.read(&mut [0]);
    });
    let failure = fetch(&context(&format!("http://127.0.0.1:{port}"))).unwrap_err();
    assert_eq!(failure, Failure::Throttled { status: 429, retry_after: None });
    server.join().unwrap();
}

#[test]
fn http_goes_to_loopback_addresses_only() {
    for origin in ["http://192.0.2.1", "http://[2001:db8::1]:8080", "http://0.0.0.0:1"] {
        let (reason, tls, sent) = unavailable(fetch(&context(origin)));
        let expected = "http is for loopback addresses only";
        assert_eq!(reason, format!("nothing is sent to {origin}: {expected}"));
        assert_eq!((tls, sent), (false, false));
    }
}

#[test]
fn http_to_a_name_with_loopback_addresses_is_legal() {
    let (port, server) = serve(|mut stream| {
        read_request(&mut stream);
        stream.write_all(&ok("200 OK", TOKEN)).unwrap();
    });
    assert!(fetch(&context(&format!("http://localhost:{port}"))).is_ok());
    server.join().unwrap();
}

#[test]
fn what_fails_before_the_connection_stands_was_certainly_not_sent() {
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let refused = format!("http://127.0.0.1:{closed}");
    for (context, words) in [
        (context(&refused), "cannot connect to http://127.0.0.1"),
        // Too long for the name service, so that nobody is asked.
        (context(&format!("http://{}.invalid", "x".repeat(64))), "cannot find the address of"),
        (context("ftp://127.0.0.1"), "no request can be made to ftp://127.0.0.1"),
        (Context { device_info: "a\nb".into(), ..context(&refused) }, "no request can be made"),
        (Context { user_agent: Some("a\r\nX: b".into()), ..context(&refused) }, "no request"),
    ] {
        let (reason, tls, sent) = unavailable(fetch(&context));
        assert!(reason.contains(words), "{reason}");
        assert_eq!((tls, sent), (false, false), "{reason}");
    }
}
