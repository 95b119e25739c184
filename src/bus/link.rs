// SPDX-License-Identifier: MIT OR Apache-2.0
//! A connection to the bus: a socket that never waits, what has come, and what is to go out.

use std::hint::black_box;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use rustix::event::{PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::BusAddress;
use super::frames::{Frame, Frames, NoMessage};
use super::login::log_in;
use super::wire::{CALL, ERROR, Header, Outgoing, Writer, parse};

pub(super) const BUS: &str = "org.freedesktop.DBus";
const BUS_PATH: &str = "/org/freedesktop/DBus";

/// While so much waits to go out, nothing is read that could make it more.
pub(super) const BACKLOG: usize = 64 * 1024;
/// What may be kept of the room for what goes out.
const KEPT: usize = 4 * 1024;

pub(super) struct Link {
    socket: UnixStream,
    pub(super) frames: Frames,
    out: Vec<u8>,
    sent: usize,
    serial: u32,
    /// As the bus calls this connection.
    pub(super) name: String,
}

impl Link {
    /// Connects, and says hello. Descriptors are negotiated, since a bus disconnects who cannot take
    /// one that it has to send; none is ever asked of the socket, so the kernel closes each.
    pub(super) fn connect(address: &BusAddress) -> io::Result<Self> {
        address.connect(|mut socket| {
            log_in(&mut socket, true)?;
            socket.set_nonblocking(true)?;
            let (frames, out) = (Frames::default(), Vec::new());
            let mut link = Self { socket, frames, out, sent: 0, serial: 0, name: String::new() };
            let hello = link.ask_bus("Hello", "", |_| ());
            link.flush()?;
            while link.name.is_empty() {
                let mut frames = std::mem::take(&mut link.frames);
                while let Some(frame) = frames.next()? {
                    let Frame::Message(message) = frame else { continue };
                    let mut header = parse(message).ok_or(NoMessage)?;
                    if header.reply_serial != hello {
                        continue;
                    }
                    let text = header.body.string().unwrap_or_default();
                    if header.kind == ERROR {
                        return Err(io::Error::other(format!("the bus refuses us: {text}")));
                    }
                    link.name = text.to_owned();
                    break;
                }
                link.frames = frames;
                if link.name.is_empty() {
                    link.wait()?;
                    link.receive()?;
                }
            }
            Ok(link)
        })
    }

    /// Waits for something to come, for as long as a bus may take to greet.
    fn wait(&self) -> io::Result<()> {
        let most = Timespec { tv_sec: 10, tv_nsec: 0 };
        let mut fds = [rustix::event::PollFd::new(&self.socket, PollFlags::IN)];
        match retry_on_intr(|| poll(&mut fds, Some(&most)))? {
            0 => Err(io::Error::new(io::ErrorKind::TimedOut, "the bus does not greet us")),
            _ => Ok(()),
        }
    }

    /// Reads what is there, as far as there is room; true if more may be waiting. That nothing is
    /// there is no error; that nothing will ever come again is.
    pub(super) fn receive(&mut self) -> io::Result<bool> {
        let room = self.frames.room();
        // No room for descriptors: those that come are closed by the kernel.
        match retry_on_intr(|| recv(&self.socket, &mut *room, RecvFlags::DONTWAIT)) {
            Ok((0, _)) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok((_, count)) => Ok(self.frames.received(count)),
            Err(Errno::AGAIN) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Adds a message to what goes out; its serial number is the link's next one.
    pub(super) fn send(
        &mut self,
        message: Outgoing<'_>,
        body: impl FnOnce(&mut Writer<'_>),
    ) -> u32 {
        // Never 0, which is no number.
        self.serial = self.serial.wrapping_add(1).max(1);
        Outgoing { serial: self.serial, ..message }.write(&mut self.out, body);
        self.serial
    }

    /// Asks the bus itself.
    pub(super) fn ask_bus(
        &mut self,
        member: &str,
        signature: &str,
        arguments: impl FnOnce(&mut Writer<'_>),
    ) -> u32 {
        let call = Outgoing {
            kind: CALL,
            path: BUS_PATH,
            interface: BUS,
            member,
            destination: BUS,
            signature,
            ..Outgoing::default()
        };
        self.send(call, arguments)
    }

    /// Sends as much as the bus takes; what has gone out is wiped.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while self.sent < self.out.len() {
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            match retry_on_intr(|| send(&self.socket, &self.out[self.sent..], flags)) {
                Ok(count) => self.sent += count,
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(error.into()),
            }
        }
        let sent = std::mem::take(&mut self.sent);
        self.out.copy_within(sent.., 0);
        let waits = self.out.len() - sent;
        self.out[waits..].fill(0);
        black_box(&mut self.out);
        self.out.truncate(waits);
        Ok(())
    }

    /// Whether a burst has left more room than is kept.
    pub(super) fn is_swollen(&self) -> bool {
        self.out.capacity() > KEPT
    }

    /// Gives back the room that only a burst needs.
    pub(super) fn tidy(&mut self) {
        self.out.shrink_to(KEPT);
    }

    /// The bytes that wait to go out.
    pub(super) fn backlog(&self) -> usize {
        self.out.len() - self.sent
    }

    /// What to wait for: `more` is wanted to come, or not now.
    pub(super) fn interest(&self, more: bool) -> PollFlags {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, more);
        flags.set(PollFlags::OUT, self.backlog() > 0);
        flags
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl From<NoMessage> for io::Error {
    fn from(_: NoMessage) -> Self {
        Self::new(io::ErrorKind::InvalidData, "what comes from the bus is not a message")
    }
}

/// Whether the bus itself has sent this: a sender's name is the bus's word.
pub(super) fn is_from_bus(header: &Header<'_>) -> bool {
    header.sender == BUS
}
