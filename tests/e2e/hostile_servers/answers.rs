// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whole answers that are not what they should be.

use std::io::ErrorKind;
use std::net::TcpListener;

use crate::hostile_servers::rig::{
    BOTH, Endpoint, Opening, Server, all, created, nothing_is_stored, sends, trial,
};
use crate::support::bus::Bus;

fn answer(head: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n{body}").into_bytes()
}

/// The good answer's JSON with one member otherwise.
fn token(from: &str, to: &str) -> Vec<u8> {
    let json = Endpoint::Token.json().replace("good-token", "bad-token");
    assert!(json.contains(from), "{from}");
    created(&json.replace(from, to))
}

fn registration(from: &str, to: &str) -> Vec<u8> {
    let json = Endpoint::Register.json().replace("good-", "bad-");
    assert!(json.contains(from), "{from}");
    created(&json.replace(from, to))
}

fn refuses(cases: Vec<(Endpoint, Vec<u8>)>) {
    let named = |(endpoint, bytes): (Endpoint, Vec<u8>)| {
        let start = &bytes[..bytes.len().min(600)];
        let name = format!("{endpoint:?}: {}", String::from_utf8_lossy(start));
        (name, (endpoint, bytes))
    };
    all(cases.into_iter().map(named).collect(), |bus, (endpoint, bytes)| {
        nothing_is_stored(bus, endpoint, sends(bytes));
    });
}

#[test]
fn a_token_that_no_header_may_have_or_no_client_can_use_is_not_stored() {
    let life = "\"expires_in\":86400";
    let word = "\"bad-token\"";
    let members = [
        (word, "\"bad-\\r\\nX-Evil: 1\""),
        (word, "\"bad-\\ntoken\""),
        (word, "\"bad-\\u0000token\""),
        (word, "\"bad- token\""),
        (word, "\"bad-t\u{f6}ken\""),
        (word, "\"\""),
        (word, "null"),
        (word, "17"),
        (word, "[\"bad-token\"]"),
        ("\"access_token\":\"bad-token\",", ""),
        (life, "\"expires_in\":-1"),
        (life, "\"expires_in\":-86400"),
        (life, "\"expires_in\":0"),
        (life, "\"expires_in\":9"),
        (life, "\"expires_in\":86400.5"),
        (life, "\"expires_in\":1e-3"),
        (life, "\"expires_in\":\"-86400\""),
        (life, "\"expires_in\":NaN"),
        (life, "\"expires_in\":null"),
        (life, "\"expires_in\":true"),
        (life, "\"expires_in\":86400,\"expires_in\":10"),
        (life, "\"expires_in\":86400,\"access_token\":\"bad-too\""),
        (life, "\"expires_in\":86400,\"\\u0061ccess_token\":\"bad-too\""),
        ("bearer", "mac"),
        ("bearer", "bearer\\n"),
    ];
    let mut cases: Vec<_> =
        members.iter().map(|(from, to)| (Endpoint::Token, token(from, to))).collect();
    cases.push((Endpoint::Token, token(word, &format!("\"bad-{}\"", "x".repeat(8192)))));
    refuses(cases);
}

#[test]
fn credentials_that_are_none_are_not_stored() {
    let secret = "\"client_secret\":\"bad-secret-5ea1\"";
    let members = [
        (secret, "\"client_secret\":17".to_owned()),
        (secret, "\"client_secret\":null".to_owned()),
        (secret, "\"client_secret\":\"\"".to_owned()),
        (secret, format!("{secret},{secret}")),
        (secret, format!("{secret},\"client_id\":\"bad-too\"")),
        ("\"client_id\":\"bad-id\"", "\"client_id\":{}".to_owned()),
        ("\"client_id\":\"bad-id\",", String::new()),
    ];
    let cases = members.iter().map(|(from, to)| (Endpoint::Register, registration(from, to)));
    refuses(cases.collect());
}

#[test]
fn what_is_no_answer_at_all_is_not_stored() {
    let portal = "<html><body>Welcome to HotelNet. Please sign in.</body></html>";
    let html = format!("200 OK\r\nContent-Type: text/html\r\nContent-Length: {}", portal.len());
    let nested = |open: &str, count: usize| created(&open.repeat(count));
    let mut cases = Vec::new();
    for endpoint in BOTH {
        let good = String::from_utf8(endpoint.good()).unwrap().replace("good-", "bad-");
        let json = endpoint.json().replace("good-", "bad-");
        let answers: Vec<Vec<u8>> = vec![
            answer(&html, portal),
            // A portal that lies about the type.
            created(portal),
            answer("302 Found\r\nLocation: http://login.invalid/", portal),
            answer("511 Network Authentication Required", portal),
            created(""),
            created("[]"),
            created("null"),
            created(&format!("{json}{json}")),
            created(&format!("{json}x")),
            created(&format!("[{json}]")),
            nested("[", 60_000),
            nested("{\"a\":", 12_000),
            created(&json.replacen('{', &format!("{{\"x\":{}1,", "[".repeat(60_000)), 1)),
            // A length that is too large, that contradicts another, or that is none.
            good.replace("Content-Length: ", "Content-Length: 1").into_bytes(),
            answer("201 Created\r\nContent-Length: 2", &json),
            answer("201 Created\r\nContent-Length: 5\r\nContent-Length: 7", &json),
            answer("201 Created\r\nContent-Length: -1", &json),
            answer("201 Created\r\nContent-Length: 99999999999999999999999", &json),
            answer("201 Created\r\nContent-Length: 0x10", &json),
            answer("201 Created\r\nTransfer-Encoding: chunked", &json),
            answer(
                "201 Created\r\nTransfer-Encoding: chunked",
                &format!("-5\r\n{json}\r\n0\r\n\r\n"),
            ),
            answer(
                "201 Created\r\nTransfer-Encoding: chunked",
                &format!("fffffffffffffffff\r\n{json}\r\n0\r\n\r\n"),
            ),
            answer("204 No Content", &json),
            answer("206 Partial Content", &json),
            answer("101 Switching Protocols", &json),
            format!("HTTP/9.9 201 Created\r\n\r\n{json}").into_bytes(),
            format!("HTTP/1.1 201 Created\r\n{}: x\r\n\r\n{json}", "x".repeat(40_000)).into_bytes(),
            format!("HTTP/1.1 201 Created\r\n{}\r\n{json}", "X: y\r\n".repeat(2000)).into_bytes(),
            json.into_bytes(),
            b"SSH-2.0-OpenSSH_9.7\r\n".to_vec(),
            b"\x15\x03\x01\x00\x02\x02\x46".to_vec(),
            (0..=255u8).cycle().take(20_000).collect(),
            Vec::new(),
        ];
        cases.extend(answers.into_iter().map(|bytes| (endpoint, bytes)));
    }
    refuses(cases);
}

#[test]
fn a_lifetime_beyond_a_year_is_taken_for_a_year() {
    let year = 31_536_000;
    let huge = ["31536001", "4294967296", "18446744073709551615", "18446744073709551616", "1e300"];
    let cases = huge.map(|huge| (huge.to_owned(), huge)).to_vec();
    all(cases, |bus, huge| {
        let json = Endpoint::Token.json().replace("86400", huge);
        let server =
            Server::start(vec![Opening::Plain], Endpoint::Token, Some(sends(created(&json))));
        let shown = trial(bus, server, None);
        assert!(shown.expires_in <= year && shown.expires_in > year - 3600);
        assert_eq!(shown.server.requests(Endpoint::Token), 1);
    });
}

#[test]
fn a_redirect_to_another_host_is_not_followed() {
    let bus = Bus::start().unwrap();
    for endpoint in BOTH {
        for status in ["301 M", "302 F", "303 S", "307 T", "308 P"] {
            let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
            elsewhere.set_nonblocking(true).unwrap();
            let target = elsewhere.local_addr().unwrap();
            let head = format!("{status}\r\nLocation: http://{target}/o/client/token");
            nothing_is_stored(&bus, endpoint, sends(answer(&head, "{}")));
            // Had there been a connection, it would be waiting.
            assert_eq!(elsewhere.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        }
    }
}
