// SPDX-License-Identifier: MIT OR Apache-2.0
use std::io::Read;
use std::net::TcpStream;
use std::time::Duration;

use super::server::dribble;
use super::*;

/// What becomes of a request whose server never comes to an end but by the client's hanging up.
fn endless(scheme: &str, talk: impl FnOnce(TcpStream) + Send + 'static) -> (String, bool, bool) {
    let (port, server) = serve(talk);
    let pki = Pki::new();
    let origin = format!("{scheme}://127.0.0.1:{port}");
    let context = Context { timeout: Duration::from_millis(300), ..pki.context(&origin) };
    let result = unavailable(fetch(&context));
    server.join().unwrap();
    result
}

#[test]
fn a_silent_server_is_given_up() {
    for scheme in ["http", "https"] {
        let (reason, tls, _) =
            endless(scheme, |mut stream| while stream.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {});
        assert!(reason.ends_with("timed out after 300ms"), "{reason}");
        assert!(!tls);
    }
}

#[test]
fn a_header_that_comes_byte_by_byte_is_given_up() {
    let (reason, ..) =
        endless("http", |stream| dribble(stream, b"HTTP/1.1 200 OK\r\nX-Endless: ", b"x"));
    assert!(reason.ends_with("timed out after 300ms"), "{reason}");
}

#[test]
fn headers_that_come_one_by_one_are_given_up() {
    let (reason, ..) = endless("http", |stream| {
        dribble(stream, b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 102 P\r\n\r\n")
    });
    assert!(reason.ends_with("timed out after 300ms"), "{reason}");
}

#[test]
fn a_body_that_comes_byte_by_byte_is_given_up() {
    for head in ["", "Content-Length: 60000\r\n", "Transfer-Encoding: chunked\r\n"] {
        let start = format!("HTTP/1.1 200 OK\r\n{head}\r\n");
        let again = if head.starts_with('T') { "1\r\n \r\n" } else { " " };
        let (reason, ..) = endless("http", move |stream| {
            dribble(stream, start.as_bytes(), again.as_bytes());
        });
        assert!(reason.ends_with("timed out after 300ms"), "{head}: {reason}");
    }
}

#[test]
fn a_tls_handshake_that_comes_byte_by_byte_is_given_up() {
    // The start of a handshake record of 16 KiB.
    let (reason, tls, sent) =
        endless("https", |stream| dribble(stream, b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc", b"\0"));
    assert!(reason.ends_with("timed out after 300ms"), "{reason}");
    assert_eq!((tls, sent), (false, false));
}

#[test]
fn an_answer_in_tls_that_comes_byte_by_byte_is_given_up() {
    let pki = Pki::new();
    let (port, server) = pki.serve("localhost", |mut stream| {
        // The handshake without a limit, then records of one byte each.
        read_request(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\nX-Endless: ").unwrap();
        stream.sock.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        while stream.write_all(b"x").is_ok() {
            match stream.read(&mut [0]) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                // The client has hung up.
                _ => return,
            }
        }
    });
    let origin = format!("https://localhost:{port}");
    let context = Context { timeout: Duration::from_millis(500), ..pki.context(&origin) };
    let (reason, ..) = unavailable(fetch(&context));
    assert!(reason.ends_with("timed out after 500ms"), "{reason}");
    // On a slow machine it may have got no request at all.
    let _ = server.join();
}

#[test]
fn no_time_at_all_is_a_timeout_too() {
    let context = Context { timeout: Duration::ZERO, ..context("http://127.0.0.1:1") };
    let (reason, ..) = unavailable(fetch(&context));
    assert!(reason.contains("timed out after 0s"), "{reason}");
}

#[test]
fn an_endless_body_is_cut_off_at_64_kib() {
    for head in ["", "Content-Length: 4000000000\r\n", "Transfer-Encoding: chunked\r\n"] {
        let chunked = head.starts_with('T');
        let (port, server) = serve(move |mut stream| {
            read_request(&mut stream);
            write!(stream, "HTTP/1.1 200 OK\r\n{head}\r\n").unwrap();
            let kib = " ".repeat(1024);
            let part = if chunked { format!("400\r\n{kib}\r\n") } else { kib };
            // Ends when the client hangs up.
            while stream.write_all(part.as_bytes()).is_ok() {}
        });
        let result = unavailable(fetch(&context(&format!("http://127.0.0.1:{port}"))));
        let reason = "the server answered 200 with more than 64 KiB".to_owned();
        assert_eq!(result, (reason, false, true));
        server.join().unwrap();
    }
}

#[test]
fn a_header_of_more_than_16_kib_is_cut_off() {
    for line in ["X: y\r\n", "xxxxxxxx"] {
        let (port, server) = serve(move |mut stream| {
            read_request(&mut stream);
            stream.write_all(b"HTTP/1.1 200 OK\r\nX-Large: ").unwrap();
            while stream.write_all(line.as_bytes()).is_ok() {}
        });
        let (reason, tls, sent) = unavailable(fetch(&context(&format!("http://127.0.0.1:{port}"))));
        assert!(
            reason.contains("larger than 16 KiB") || reason.contains("no proper HTTP"),
            "{reason}"
        );
        assert_eq!((tls, sent), (false, true));
        server.join().unwrap();
    }
}

#[test]
fn a_large_statement_is_sent_whole() {
    let pki = Pki::new();
    let (port, server) = pki.serve("localhost", |mut stream| {
        let (_, body) = read_request(&mut stream);
        stream.write_all(&ok("201 Created", CREDENTIALS)).unwrap();
        body.len()
    });
    let statement = Secret::new("x".repeat(64 * 1024));
    let request = Registration { statement: &statement, redirect_uri: None };
    let context = pki.context(&format!("https://localhost:{port}"));
    assert!(register(&context, &request).is_ok());
    assert_eq!(server.join().unwrap(), 64 * 1024 + r#"{"software_statement":""}"#.len());
}
