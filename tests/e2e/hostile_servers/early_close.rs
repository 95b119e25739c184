// SPDX-License-Identifier: MIT OR Apache-2.0
//! A good answer that breaks off.

use crate::hostile_servers::rig::{BOTH, Endpoint, Opening, Server, all, refused, sends, trial};

/// How the end of an answer is told.
#[derive(Clone, Copy, Debug)]
pub enum Framing {
    Counted,
    Chunked,
    /// By the end of the connection.
    Closed,
}

fn answer(endpoint: Endpoint, framing: Framing) -> Vec<u8> {
    let json = endpoint.json();
    let head = "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\n";
    let (first, second) = json.split_at(json.len() / 2);
    match framing {
        Framing::Counted => return endpoint.good(),
        Framing::Chunked => format!(
            "{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
            first.len(),
            second.len()
        ),
        Framing::Closed => format!("{head}\r\n{json}"),
    }
    .into_bytes()
}

/// Breaks off after each byte whose number `step` divides; prints how many breaks that were.
pub fn at_every(step: usize, framings: &[Framing]) {
    let mut cases = Vec::new();
    for endpoint in BOTH {
        for &framing in framings {
            let whole = answer(endpoint, framing);
            for end in (0..whole.len()).step_by(step) {
                let name = format!("{endpoint:?}, {framing:?}, {end} bytes of {}", whole.len());
                cases.push((name, (endpoint, whole[..end].to_vec())));
            }
        }
    }
    let breaks = cases.len();
    all(cases, |bus, (endpoint, bytes)| {
        let complete = bytes.ends_with(endpoint.json().as_bytes());
        let server = Server::start(vec![Opening::Plain], endpoint, Some(sends(bytes)));
        let shown = trial(bus, server, None);
        match &shown.stored {
            Some(stored) => refused(endpoint, stored),
            // Only what lacks nothing but the end of its framing may do.
            None => assert!(complete || shown.server.requests(endpoint) == 1),
        }
        assert!(shown.server.requests(endpoint) <= 2, "{}", shown.output);
    });
    println!("{breaks} broken answers survived");
}

#[test]
fn an_answer_that_breaks_off_is_not_stored() {
    at_every(23, &[Framing::Counted, Framing::Chunked, Framing::Closed]);
}
