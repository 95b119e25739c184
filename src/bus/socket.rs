// SPDX-License-Identifier: MIT OR Apache-2.0
//! The socket to the bus, which lets no large message in.
//!
//! A bus delivers messages of up to 32 MiB (dbus-daemon's default for the system bus) or 128 MiB
//! (dbus-broker), whoever sends them. zbus keeps up to 64 of them, and quotes an unknown path or
//! property name in its answer: one that is quoted to more than the bus allows makes the bus close
//! the connection. So the body of a large message is left out, which makes a call one with wrong
//! arguments, and a message with large header fields is dropped whole. File descriptors are not
//! negotiated, so that the bus delivers none.

#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;

use std::fmt;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::sync::Arc;

use async_trait::async_trait;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};
use zbus::address::Transport;
use zbus::address::transport::UnixSocket;
use zbus::connection::socket::{ReadHalf, Socket, Split, WriteHalf};
use zeroize::Zeroize as _;
use zruntime::{AsyncIo, Shared, SharedRuntime};

/// The largest header and the largest body that come in, in bytes. Far above what any honest
/// caller or the bus itself sends.
pub(super) const MAX_PART: usize = 64 * 1024;
/// What is read at a time.
const CHUNK: usize = 8 * 1024;
/// The part of a message before its header fields, the length of which ends it.
const START: usize = 16;

/// A connection to a bus at this address; none where its transport is no unix socket.
pub(super) fn connect(address: &zbus::Address, runtime: &SharedRuntime) -> io::Result<Option<Bus>> {
    let Transport::Unix(unix) = address.transport() else { return Ok(None) };
    let socket = match unix.path() {
        UnixSocket::File(path) => SocketAddr::from_pathname(path)?,
        UnixSocket::Abstract(name) => SocketAddr::from_abstract_name(name.as_encoded_bytes())?,
        _ => return Ok(None),
    };
    let stream = UnixStream::connect_addr(&socket)?;
    Ok(Some(Bus(Arc::new(AsyncIo::new(runtime, stream)?))))
}

type Stream = Arc<AsyncIo<UnixStream, Shared>>;

pub(super) struct Bus(Stream);

impl Socket for Bus {
    type ReadHalf = Reader;
    type WriteHalf = Writer;

    fn split(self) -> Split<Reader, Writer> {
        Split::new(
            Reader { stream: Arc::clone(&self.0), filter: Filter::default() },
            Writer(self.0),
        )
    }
}

pub(super) struct Reader {
    stream: Stream,
    filter: Filter,
}

#[async_trait]
impl ReadHalf for Reader {
    async fn recvmsg(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        loop {
            let passed = self.filter.pass(buffer);
            if passed > 0 {
                return Ok((passed, Vec::new()));
            }
            let room = self.filter.room();
            let received = self
                .stream
                .read_with(|stream| Ok(recv(stream, &mut *room, RecvFlags::empty())?.0))
                .await?;
            if received == 0 {
                return Ok((0, Vec::new()));
            }
            self.filter.received(received);
        }
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader")
    }
}

pub(super) struct Writer(Stream);

#[async_trait]
impl WriteHalf for Writer {
    async fn sendmsg(&mut self, buffer: &[u8], _: &[BorrowedFd<'_>]) -> io::Result<usize> {
        self.0.write_with(|stream| Ok(send(stream, buffer, SendFlags::NOSIGNAL)?)).await
    }

    async fn close(&mut self) -> io::Result<()> {
        Ok(shutdown(self.0.get_ref(), Shutdown::Both)?)
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer")
    }
}

/// The bytes from the bus, less what is too large (D-Bus Specification, section "Message Format").
struct Filter {
    chunk: Box<[u8; CHUNK]>,
    /// Where the bytes that are here and not yet dealt with begin and end.
    start: usize,
    end: usize,
    /// How the next bytes are dealt with.
    pass: usize,
    /// Bytes to be dropped after those that pass.
    drop: usize,
    /// The handshake's line that has begun has not ended yet: nothing in it begins a message.
    in_line: bool,
}

impl Default for Filter {
    fn default() -> Self {
        Self { chunk: Box::new([0; CHUNK]), start: 0, end: 0, pass: 0, drop: 0, in_line: false }
    }
}

impl Filter {
    /// Hands on as much as is here, and wipes it and what it drops; 0 where more has to be received first.
    fn pass(&mut self, buffer: &mut [u8]) -> usize {
        loop {
            if self.pass == 0 {
                let dropped = self.drop.min(self.end - self.start);
                self.start += dropped;
                self.drop -= dropped;
                if dropped > 0 && self.drop == 0 {
                    self.wipe_what_is_not_needed();
                }
                if self.drop > 0 || !self.next() {
                    return 0;
                }
                continue;
            }
            let count = self.pass.min(self.end - self.start).min(buffer.len());
            let bytes = &mut self.chunk[self.start..self.start + count];
            buffer[..count].copy_from_slice(bytes);
            bytes.zeroize();
            self.start += count;
            self.pass -= count;
            return count;
        }
    }

    /// Once for each message that is dropped, however long it is: what it brings is overwritten by
    /// what follows until its end.
    fn wipe_what_is_not_needed(&mut self) {
        self.chunk[..self.start].zeroize();
        self.chunk[self.end..].zeroize();
    }

    /// Looks at what comes next, at the start of a line of the handshake or of a message; false
    /// where more has to be received first.
    fn next(&mut self) -> bool {
        let here = &mut self.chunk[self.start..self.end];
        let big = match here.first() {
            None => return false,
            Some(b'l') if !self.in_line => false,
            Some(b'B') if !self.in_line => true,
            // No command of the handshake begins with these: it is text.
            Some(_) => {
                let line = here.iter().position(|&byte| byte == b'\n');
                self.pass = line.map_or(here.len(), |end| end + 1);
                self.in_line = line.is_none();
                return true;
            }
        };
        let Some(start) = here.first_chunk_mut::<START>() else { return false };
        let (body, fields) = (number(start, 4, big), number(start, 12, big).next_multiple_of(8));
        if fields > MAX_PART {
            (self.pass, self.drop) = (0, START + fields + body);
        } else if body > MAX_PART {
            start[4..8].fill(0);
            (self.pass, self.drop) = (START + fields, body);
        } else {
            (self.pass, self.drop) = (START + fields + body, 0);
        }
        true
    }

    /// Where more may be received to.
    fn room(&mut self) -> &mut [u8] {
        self.chunk.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        &mut self.chunk[self.end..]
    }

    fn received(&mut self, count: usize) {
        self.end += count;
    }
}

fn number(start: &[u8; START], at: usize, big: bool) -> usize {
    let bytes = [start[at], start[at + 1], start[at + 2], start[at + 3]];
    let number = if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) };
    // On a device of 32 bits, the sum of two lengths could overflow; no bus lets such a length in.
    usize::try_from(number).unwrap_or(usize::MAX).min(usize::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes out of it, fed with so many bytes at a time. Bodies are made of `b`.
    fn filtered(input: &[u8], step: usize) -> Vec<u8> {
        let (mut filter, mut output) = (Filter::default(), Vec::new());
        for part in input.chunks(step) {
            let room = filter.room();
            room[..part.len()].copy_from_slice(part);
            filter.received(part.len());
            let mut buffer = [0; 100];
            loop {
                match filter.pass(&mut buffer) {
                    0 => break,
                    passed => output.extend(&buffer[..passed]),
                }
            }
        }
        assert!(!filter.chunk.contains(&b'b'), "no body stays behind");
        output
    }

    fn message(order: u8, fields: usize, body: usize) -> Vec<u8> {
        let number = |number: usize| match order {
            b'l' => u32::try_from(number).unwrap().to_le_bytes(),
            _ => u32::try_from(number).unwrap().to_be_bytes(),
        };
        let mut message = vec![order, 1, 0, 1];
        message.extend(number(body));
        message.extend(number(7));
        message.extend(number(fields));
        message.extend(std::iter::repeat_n(b'f', fields.next_multiple_of(8)));
        message.extend(std::iter::repeat_n(b'b', body));
        message
    }

    #[test]
    fn handshake_and_messages_of_a_usual_size_pass_as_they_are() {
        let mut input = b"OK 0123\r\nREJECTED EXTERNAL\r\n".to_vec();
        for order in [b'l', b'B'] {
            input.extend(message(order, 109, 0));
            input.extend(message(order, 112, MAX_PART));
            input.extend(message(order, MAX_PART, 3));
        }
        for step in [1, 7, 16, 4096] {
            assert_eq!(filtered(&input, step), input, "{step}");
        }
    }

    #[test]
    fn a_line_of_the_handshake_passes_wherever_it_is_split() {
        // "lB" are the first bytes of messages, and here they are not.
        let mut input =
            b"REJECTED DBUS_COOKIE_SHA1\r\nERROR lBlBlBlBlBlBlBlBlBlBlBlBlBlB\r\n".to_vec();
        input.extend(message(b'l', 20, 4));
        for step in 1..input.len() {
            assert_eq!(filtered(&input, step), input, "{step}");
        }
    }

    #[test]
    fn a_large_body_is_left_out_and_a_message_with_large_fields_dropped() {
        let small = message(b'l', 20, 4);
        for order in [b'l', b'B'] {
            let large = message(order, 20, MAX_PART + 1);
            let without = message(order, 20, 0);
            let dropped = message(order, MAX_PART + 1, 99);
            let input = [&small[..], &large, &dropped, &small].concat();
            let expected = [&small[..], &without, &small].concat();
            for step in [1, 100, 8000] {
                assert_eq!(filtered(&input, step), expected, "{step}");
            }
        }
    }
}
