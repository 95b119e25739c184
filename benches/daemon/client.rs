// SPDX-License-Identifier: MIT OR Apache-2.0
//! The client, the same for every service: one message that is sent again and again, and a look at
//! the answer's header.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use super::support::Failure;
use super::support::raw::{Message, RETURN, Raw, SIGNAL};

/// Larger than any answer here.
const ROOM: usize = 16 * 1024;
/// The part of a message before its header fields.
const START: usize = 16;

/// One connection, and the call that is made over it.
pub(crate) struct Client {
    stream: UnixStream,
    message: Vec<u8>,
    serial: u32,
    buffer: Box<[u8; ROOM]>,
    /// How much of it has come.
    filled: usize,
}

impl Client {
    /// Connects to the bus at this address.
    pub(crate) fn connect(address: &str, call: &Message) -> Result<Self, Failure> {
        let failure = |error| Failure::new("no connection to the bus", error);
        let mut raw = Raw::connect(address).map_err(failure)?;
        // The bus says that this connection has its name now.
        raw.next_signal().map_err(failure)?;
        let stream = raw.into_stream();
        let message = call.encode(0);
        // Above those that the connection has used.
        let serial = 1000;
        let buffer = Box::new([0; ROOM]);
        Ok(Self { stream, message, serial, buffer, filled: 0 })
    }

    /// One call and its answer.
    pub(crate) fn exchange(&mut self) -> Result<(), Failure> {
        let failure = |error| Failure::new("a call has failed", error);
        self.serial += 1;
        self.message[8..12].copy_from_slice(&self.serial.to_le_bytes());
        self.stream.write_all(&self.message).map_err(failure)?;
        loop {
            let kind = loop {
                if let Some(kind) = self.take() {
                    break kind;
                }
                match self.stream.read(&mut self.buffer[self.filled..]).map_err(failure)? {
                    0 => return Err(Failure("the bus has closed the connection".into())),
                    count => self.filled += count,
                }
            };
            match kind {
                RETURN => return Ok(()),
                SIGNAL => {}
                _ => return Err(Failure("a call was answered with an error".into())),
            }
        }
    }

    /// Takes a whole message out of the buffer, where there is one: its type.
    fn take(&mut self) -> Option<u8> {
        let start = self.buffer[..self.filled].first_chunk::<START>()?;
        let number = |at: usize| {
            let four = [start[at], start[at + 1], start[at + 2], start[at + 3]];
            usize::try_from(u32::from_le_bytes(four)).unwrap_or(ROOM)
        };
        let (kind, length) = (start[1], START + number(12).next_multiple_of(8) + number(4));
        if self.filled < length {
            return None;
        }
        self.buffer.copy_within(length..self.filled, 0);
        self.filled -= length;
        Some(kind)
    }
}

/// Several connections that call at the same time.
pub(crate) struct Clients(Vec<Client>);

/// What a round of calls gave.
pub(crate) struct Round {
    /// Nanoseconds of each call, sorted.
    pub(crate) each: Vec<u64>,
    pub(crate) took: Duration,
}

impl Round {
    /// So many exchanges, one after the other.
    #[expect(clippy::disallowed_methods, reason = "a measurement, which decides nothing")]
    pub(crate) fn of(
        count: usize,
        exchange: impl FnMut() -> Result<(), Failure>,
    ) -> Result<Self, Failure> {
        let begun = Instant::now();
        let mut each = time(count, exchange)?;
        let took = begun.elapsed();
        each.sort_unstable();
        Ok(Self { each, took })
    }
}

/// Nanoseconds of each of so many exchanges.
#[expect(clippy::disallowed_methods, reason = "a measurement, which decides nothing")]
fn time(
    count: usize,
    mut exchange: impl FnMut() -> Result<(), Failure>,
) -> Result<Vec<u64>, Failure> {
    let mut each = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = Instant::now();
        exchange()?;
        each.push(u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }
    Ok(each)
}

impl Clients {
    pub(crate) fn connect(count: usize, address: &str, call: &Message) -> Result<Self, Failure> {
        (0..count).map(|_| Client::connect(address, call)).collect::<Result<_, _>>().map(Self)
    }

    /// One call of each connection, one after the other.
    pub(crate) fn call_in_turn(&mut self) -> Result<(), Failure> {
        self.0.iter_mut().try_for_each(Client::exchange)
    }

    /// So many calls, shared among the connections. The first connection's thread is the caller's.
    #[expect(clippy::disallowed_methods, reason = "a measurement, which decides nothing")]
    pub(crate) fn call(&mut self, calls: usize) -> Result<Round, Failure> {
        let share = calls.div_ceil(self.0.len());
        let together = Barrier::new(self.0.len());
        let run = |client: &mut Client| -> Result<Vec<u64>, Failure> {
            together.wait();
            time(share, || client.exchange())
        };
        let run = &run;
        let begun = Instant::now();
        let (first, others) = self.0.split_first_mut().expect("at least one connection");
        let mut each = thread::scope(|scope| {
            let others: Vec<_> =
                others.iter_mut().map(|client| scope.spawn(move || run(client))).collect();
            let mut each = run(first)?;
            for thread in others {
                each.extend(thread.join().expect("a client does not panic")?);
            }
            Ok::<_, Failure>(each)
        })?;
        let took = begun.elapsed();
        each.sort_unstable();
        Ok(Round { each, took })
    }
}
