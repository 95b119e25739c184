// SPDX-License-Identifier: MIT OR Apache-2.0
//! A name server that answers as a test wants, or does not. It knows one name; every other one does
//! not exist.

use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

const A: u16 = 1;
const AAAA: u16 = 28;
const HEADER: usize = 12;

/// What becomes of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The addresses.
    Answers(Vec<Ipv4Addr>, Vec<Ipv6Addr>),
    /// This RCODE.
    Fails(u8),
    /// Nothing.
    Silent,
}

pub const SERVFAIL: u8 = 2;
pub const NXDOMAIN: u8 = 3;
pub const REFUSED: u8 = 5;

/// A running name server; its thread ends with the process.
pub struct Dns(Arc<Mutex<State>>);

struct State {
    mode: Mode,
    queries: usize,
}

impl Dns {
    /// Serves `name` behind this socket.
    pub fn start(socket: UdpSocket, name: &str, mode: Mode) -> Self {
        let state = Arc::new(Mutex::new(State { mode, queries: 0 }));
        let (serving, name) = (Self(Arc::clone(&state)), wire_name(name));
        thread::spawn(move || {
            let mut query = [0; 512];
            while let Ok((length, client)) = socket.recv_from(&mut query) {
                let Some(answer) = serving.answer(&query[..length], &name) else { continue };
                // The client may have gone, and its network too.
                let _ = socket.send_to(&answer, client);
            }
        });
        Self(state)
    }

    pub fn set(&self, mode: Mode) {
        self.lock().mode = mode;
    }

    /// How many queries have come.
    pub fn queries(&self) -> usize {
        self.lock().queries
    }

    fn answer(&self, query: &[u8], name: &[u8]) -> Option<Vec<u8>> {
        let mut state = self.lock();
        state.queries += 1;
        let question = query.get(HEADER..HEADER + name.len() + 4)?;
        let known = question[..name.len()].eq_ignore_ascii_case(name);
        let kind = u16::from_be_bytes([question[name.len()], question[name.len() + 1]]);
        let (code, data): (u8, Vec<Vec<u8>>) = match &state.mode {
            Mode::Silent => return None,
            Mode::Fails(code) => (*code, Vec::new()),
            Mode::Answers(..) if !known => (NXDOMAIN, Vec::new()),
            Mode::Answers(four, six) => match kind {
                A => (0, four.iter().map(|address| address.octets().to_vec()).collect()),
                AAAA => (0, six.iter().map(|address| address.octets().to_vec()).collect()),
                _ => (0, Vec::new()),
            },
        };
        // The id; an authoritative answer to a query that wished recursion; one question.
        let mut answer = vec![query[0], query[1], 0x85, 0x80 | code, 0, 1, 0, data.len() as u8];
        answer.extend([0; 4]);
        answer.extend(question);
        for address in data {
            // The name is that of the question; class IN, and not to be kept.
            answer.extend([0xc0, HEADER as u8]);
            answer.extend(kind.to_be_bytes());
            answer.extend([0, 1, 0, 0, 0, 0, 0, address.len() as u8]);
            answer.extend(address);
        }
        Some(answer)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wire_name(name: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in name.split('.') {
        wire.push(label.len() as u8);
        wire.extend(label.bytes());
    }
    wire.push(0);
    wire
}
