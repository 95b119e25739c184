// SPDX-License-Identifier: MIT OR Apache-2.0
//! Answers that come slowly, never end, or are far too large.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use crate::hostile_servers::rig::{BOTH, Bad, Endpoint, Wire, all, nothing_is_stored};

/// What the daemon may have needed more at its largest, in KiB, whatever was sent.
const BOUND_KIB: u64 = 4096;

/// Sends the start, then again and again the same, one each `pause`, until the daemon hangs up.
fn dribbles(start: &str, again: &str, pause: Duration) -> Bad {
    let (start, again) = (start.to_owned(), again.to_owned());
    Arc::new(move |wire| {
        if wire.write_all(start.as_bytes()).and_then(|()| wire.flush()).is_err() {
            return;
        }
        // Waiting for what the daemon never sends is the pause.
        wire.tcp().set_read_timeout(Some(pause)).unwrap();
        loop {
            match wire.read(&mut [0; 64]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // It has hung up: this request has ended.
                _ => return,
            }
            if wire.write_all(again.as_bytes()).and_then(|()| wire.flush()).is_err() {
                return;
            }
        }
    })
}

/// Sends the start, then so many bytes (or, without a number, as many as are taken) of `part`.
fn floods(start: &str, part: Vec<u8>, bytes: Option<usize>) -> Bad {
    let start = start.to_owned();
    Arc::new(move |wire: &mut dyn Wire| {
        let mut left = bytes.unwrap_or(usize::MAX);
        let mut sent = wire.write_all(start.as_bytes());
        while sent.is_ok() && left > 0 {
            sent = wire.write_all(&part);
            left = left.saturating_sub(part.len());
        }
        if bytes.is_none() {
            assert!(sent.is_err(), "the daemon hangs up");
        }
    })
}

const OK: &str = "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\n";

#[test]
fn no_request_outlives_its_limit_however_slowly_the_answer_comes() {
    let mut cases: Vec<(String, (Endpoint, Bad))> = Vec::new();
    for endpoint in BOTH {
        for (pause, name) in
            [(Duration::from_secs(1), "a byte a second"), (Duration::from_millis(20), "in drops")]
        {
            for (part, start, again) in [
                ("nothing", String::new(), ""),
                ("status line", "H".into(), "H"),
                ("header", format!("{OK}X-Endless: "), "x"),
                ("headers", OK.into(), "X: y\r\n"),
                ("hints", String::new(), "HTTP/1.1 103 Early Hints\r\n\r\n"),
                ("body", format!("{OK}\r\n{{"), " "),
                ("counted body", format!("{OK}Content-Length: 60000\r\n\r\n{{"), " "),
                ("chunks", format!("{OK}Transfer-Encoding: chunked\r\n\r\n"), "1\r\n \r\n"),
                ("a chunk's size", format!("{OK}Transfer-Encoding: chunked\r\n\r\n"), "0"),
                (
                    "trailers",
                    format!("{OK}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n"),
                    "X: y\r\n",
                ),
            ] {
                // What ends by itself is not slow.
                if (part, name) == ("trailers", "in drops") {
                    continue;
                }
                let bad = dribbles(&start, again, pause);
                cases.push((format!("{endpoint:?}, {part}, {name}"), (endpoint, bad)));
            }
        }
    }
    all(cases, |bus, (endpoint, bad)| drop(nothing_is_stored(bus, endpoint, bad)));
}

#[test]
fn however_much_a_server_sends_memory_stays_bounded() {
    const MIB: usize = 1 << 20;
    let blank = vec![b' '; 64 * 1024];
    let mut chunk = b"10000\r\n".to_vec();
    chunk.extend(&blank);
    chunk.extend(b"\r\n");
    let mut cases: Vec<(String, (Endpoint, Bad))> = Vec::new();
    for endpoint in BOTH {
        let length = format!("{OK}Content-Length: {}\r\n\r\n{{\"a\":\"", 40 * MIB + 6);
        let gzip = format!("{OK}Content-Encoding: gzip\r\n\r\n");
        let deflate = format!("{OK}Content-Encoding: deflate\r\nTransfer-Encoding: gzip\r\n\r\n");
        for (name, bad) in [
            ("an endless body", floods(&format!("{OK}\r\n"), blank.clone(), None)),
            (
                "endless chunks",
                floods(&format!("{OK}Transfer-Encoding: chunked\r\n\r\n"), chunk.clone(), None),
            ),
            ("an endless header", floods(&format!("{OK}X: "), vec![b'x'; 64 * 1024], None)),
            ("endless headers", floods(OK, b"X: y\r\n".repeat(8192), None)),
            ("40 MB of JSON", floods(&length, vec![b'x'; MIB], Some(40 * MIB))),
            ("a gzip bomb", floods(&gzip, bomb(9 * MIB), Some(1))),
            ("a bomb in a bomb's coding", floods(&deflate, bomb(9 * MIB), Some(1))),
        ] {
            cases.push((format!("{endpoint:?}, {name}"), (endpoint, bad)));
        }
    }
    all(cases, |bus, (endpoint, bad)| {
        let shown = nothing_is_stored(bus, endpoint, bad);
        assert!(shown.growth <= BOUND_KIB, "grown by {} KiB", shown.growth);
    });
}

/// A gzip file of less than 64 KiB that unpacks to so many bytes of JSON string (RFC 1951, section
/// 3.2.6: fixed Huffman codes; RFC 1952).
fn bomb(unpacked: usize) -> Vec<u8> {
    let mut file = b"\x1f\x8b\x08\0\0\0\0\0\0\x03".to_vec();
    let (mut bits, mut count) = (0u32, 0);
    let mut push = |value: u32, length: u32| {
        bits |= value << count;
        count += length;
        while count >= 8 {
            file.push(u8::try_from(bits & 0xff).unwrap());
            bits >>= 8;
            count -= 8;
        }
    };
    // Huffman codes begin with their highest bit.
    let code = |value: u32, length: u32| value.reverse_bits() >> (32 - length);
    // The last block, with fixed codes.
    push(0b011, 3);
    for byte in b"{\"x" {
        push(code(0x30 + u32::from(*byte), 8), 8);
    }
    // 258 bytes more of the last one: length code 285, distance code 0.
    for _ in 0..unpacked / 258 {
        push(code(0b1100_0101, 8), 8);
        push(0, 5);
    }
    push(0, 7);
    push(0, 7);
    // Larger, it would be refused for its size alone.
    assert!(file.len() < 64 * 1024);
    file
}
