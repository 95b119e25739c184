// SPDX-License-Identifier: MIT OR Apache-2.0
//! A name server that answers as a test wants, or does not. It knows one name; every other one does
//! not exist.

use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::event::{Timespec, poll};

const A: u16 = 1;
const AAAA: u16 = 28;
const HEADER: usize = 12;

/// What becomes of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The addresses.
    Answers(Vec<Ipv4Addr>, Vec<Ipv6Addr>),
    /// Each family by itself.
    Each(Reply<Ipv4Addr>, Reply<Ipv6Addr>),
    /// This RCODE.
    Fails(u8),
    /// Nothing.
    Silent,
}

/// What becomes of the questions about one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply<A> {
    /// They are lost.
    Dropped,
    /// The addresses, so much later.
    After(Duration, Vec<A>),
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
        let socket = Arc::new(socket);
        thread::spawn(move || {
            let mut query = [0; 512];
            while let Ok((length, client)) = socket.recv_from(&mut query) {
                let Some((delay, answer)) = serving.answer(&query[..length], &name) else {
                    continue;
                };
                let socket = Arc::clone(&socket);
                let send = move || {
                    pass(delay);
                    // The client may have gone, and its network too.
                    let _ = socket.send_to(&answer, client);
                };
                match delay.is_zero() {
                    true => send(),
                    false => drop(thread::spawn(send)),
                }
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

    /// The answer, and how much later it comes.
    fn answer(&self, query: &[u8], name: &[u8]) -> Option<(Duration, Vec<u8>)> {
        let mut state = self.lock();
        state.queries += 1;
        let question = query.get(HEADER..HEADER + name.len() + 4)?;
        let known = question[..name.len()].eq_ignore_ascii_case(name);
        let kind = u16::from_be_bytes([question[name.len()], question[name.len() + 1]]);
        let mut delay = Duration::ZERO;
        let (code, data): (u8, Vec<Vec<u8>>) = match &state.mode {
            Mode::Silent => return None,
            Mode::Fails(code) => (*code, Vec::new()),
            _ if !known => (NXDOMAIN, Vec::new()),
            Mode::Answers(four, six) => match kind {
                A => (0, four.iter().map(|address| address.octets().to_vec()).collect()),
                AAAA => (0, six.iter().map(|address| address.octets().to_vec()).collect()),
                _ => (0, Vec::new()),
            },
            Mode::Each(Reply::After(late, four), _) if kind == A => {
                delay = *late;
                (0, four.iter().map(|address| address.octets().to_vec()).collect())
            }
            Mode::Each(_, Reply::After(late, six)) if kind == AAAA => {
                delay = *late;
                (0, six.iter().map(|address| address.octets().to_vec()).collect())
            }
            Mode::Each(..) => return None,
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
        Some((delay, answer))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets so much time pass: that is what a slow name server is.
fn pass(time: Duration) {
    let time = Timespec::try_from(time).expect("a delay of some seconds");
    let _ = poll(&mut [], Some(&time));
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
