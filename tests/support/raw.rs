// SPDX-License-Identifier: MIT OR Apache-2.0
//! A connection to the bus that no library guards: messages byte by byte, and no reading but on
//! demand (D-Bus Specification, sections "Message Protocol" and "Authentication Protocol").

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::thread;

use rustix::fs::{Gid, Uid};
use rustix::thread::{set_thread_gid, set_thread_groups, set_thread_uid};

use super::BOUND;

/// The type of a message.
pub const CALL: u8 = 1;
pub const RETURN: u8 = 2;
pub const ERROR: u8 = 3;
pub const SIGNAL: u8 = 4;

const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const ERROR_NAME: u8 = 4;
const REPLY_SERIAL: u8 = 5;
const DESTINATION: u8 = 6;
const SENDER: u8 = 7;
const SIGNATURE: u8 = 8;

/// Values as they stand in a message, in little-endian order.
#[derive(Clone, Debug, Default)]
pub struct Bytes(pub Vec<u8>);

impl Bytes {
    pub fn align(&mut self, to: usize) {
        self.0.resize(self.0.len().next_multiple_of(to), 0);
    }

    pub fn u32(&mut self, value: u32) {
        self.align(4);
        self.0.extend(value.to_le_bytes());
    }

    pub fn string(&mut self, text: &str) {
        self.u32(text.len().try_into().expect("a test's text"));
        self.0.extend(text.as_bytes());
        self.0.push(0);
    }

    pub fn signature(&mut self, text: &str) {
        self.0.push(text.len().try_into().expect("a test's signature"));
        self.0.extend(text.as_bytes());
        self.0.push(0);
    }

    fn text_field(&mut self, code: u8, kind: &str, text: &str) {
        self.align(8);
        self.0.push(code);
        self.signature(kind);
        if kind == "g" { self.signature(text) } else { self.string(text) }
    }

    fn number_field(&mut self, code: u8, number: u32) {
        self.align(8);
        self.0.push(code);
        self.signature("u");
        self.u32(number);
    }
}

/// A message to be sent, whether or not it makes sense.
#[derive(Clone, Debug)]
pub struct Message {
    pub kind: u8,
    pub path: String,
    pub interface: String,
    pub member: String,
    pub destination: String,
    pub sender: Option<String>,
    pub reply_serial: Option<u32>,
    pub signature: String,
    pub body: Bytes,
}

impl Message {
    /// A call of the daemon, without arguments.
    pub fn call(path: &str, interface: &str, member: &str) -> Self {
        Self {
            kind: CALL,
            path: path.into(),
            interface: interface.into(),
            member: member.into(),
            destination: "tv.tokend".into(),
            sender: None,
            reply_serial: None,
            signature: String::new(),
            body: Bytes::default(),
        }
    }

    /// `GetToken(min_validity)`.
    pub fn get_token(application: &str, min_validity: u32) -> Self {
        let path = format!("/tv/tokend/application/{application}");
        let mut call = Self::call(&path, "tv.tokend.Application1", "GetToken");
        call.signature = "u".into();
        call.body.u32(min_validity);
        call
    }

    /// A call as `busctl call` takes it: destination, path, interface, member, and the arguments
    /// after their signature, which is of `s` and `u`.
    pub fn of_words(words: &[&str]) -> Self {
        let [destination, path, interface, member, rest @ ..] = words else {
            panic!("a call has four words or more: {words:?}");
        };
        let mut call = Self::call(path, interface, member);
        call.destination = (*destination).into();
        call.signature = rest.first().copied().unwrap_or_default().into();
        for (kind, argument) in call.signature.clone().chars().zip(&rest[1.min(rest.len())..]) {
            match kind {
                's' => call.body.string(argument),
                'u' => call.body.u32(argument.parse().expect("a number")),
                _ => panic!("{kind}: not a kind of argument that is needed here"),
            }
        }
        call
    }

    /// The same with these strings as arguments.
    pub fn with_strings(mut self, texts: &[&str]) -> Self {
        self.signature = "s".repeat(texts.len());
        texts.iter().for_each(|text| self.body.string(text));
        self
    }

    /// As it is sent. Bytes 8 to 11 are the serial number.
    pub fn encode(&self, serial: u32) -> Vec<u8> {
        let mut fields = Bytes::default();
        // The fields begin at offset 16, so that their own alignment is the message's.
        for (code, kind, text) in [
            (PATH, "o", &self.path),
            (INTERFACE, "s", &self.interface),
            (MEMBER, "s", &self.member),
            (DESTINATION, "s", &self.destination),
            (SIGNATURE, "g", &self.signature),
        ] {
            if !text.is_empty() {
                fields.text_field(code, kind, text);
            }
        }
        // Without a name an error is no message, and the bus would end the connection.
        if self.kind == ERROR {
            fields.text_field(ERROR_NAME, "s", "org.freedesktop.DBus.Error.AccessDenied");
        }
        if let Some(sender) = &self.sender {
            fields.text_field(SENDER, "s", sender);
        }
        if let Some(serial) = self.reply_serial {
            fields.number_field(REPLY_SERIAL, serial);
        }
        let mut message = Bytes(vec![b'l', self.kind, 0, 1]);
        message.u32(self.body.0.len().try_into().expect("a test's body"));
        message.u32(serial);
        message.u32(fields.0.len().try_into().expect("a test's header"));
        message.0.extend(fields.0);
        message.align(8);
        message.0.extend(&self.body.0);
        message.0
    }
}

/// What came.
#[derive(Clone, Debug)]
pub struct Received {
    pub kind: u8,
    pub reply_serial: Option<u32>,
    /// Of an error.
    pub error: Option<String>,
    pub body: Vec<u8>,
}

impl Received {
    /// The string that the body begins with.
    pub fn text(&self) -> String {
        let len = u32::from_le_bytes(self.body[..4].try_into().expect("four bytes"));
        String::from_utf8_lossy(&self.body[4..4 + len as usize]).into_owned()
    }
}

pub struct Raw {
    stream: BufReader<UnixStream>,
    serial: u32,
    /// As the bus calls this connection.
    pub name: String,
}

impl Raw {
    /// Connects to a bus at `unix:path=…`.
    pub fn connect(address: &str) -> io::Result<Self> {
        let path = address.strip_prefix("unix:path=").expect("a path");
        let stream = UnixStream::connect(path.split(',').next().expect("a path"))?;
        stream.set_read_timeout(Some(BOUND))?;
        stream.set_write_timeout(Some(BOUND))?;
        let mut raw = Self { stream: BufReader::new(stream), serial: 0, name: String::new() };
        let uid = rustix::process::geteuid().as_raw().to_string();
        let uid: String = uid.bytes().map(|digit| format!("{digit:02x}")).collect();
        raw.write(format!("\0AUTH EXTERNAL {uid}\r\n").as_bytes())?;
        let mut line = String::new();
        raw.stream.read_line(&mut line)?;
        if !line.starts_with("OK ") {
            return Err(io::Error::other(line));
        }
        // dbus-broker from 34 on disconnects who asks for credentials and takes no descriptor. None is
        // asked of the socket, so the kernel closes each.
        raw.write(b"NEGOTIATE_UNIX_FD\r\n")?;
        raw.stream.read_line(&mut line)?;
        raw.write(b"BEGIN\r\n")?;
        let bus = "org.freedesktop.DBus";
        let mut hello = Message::call("/org/freedesktop/DBus", bus, "Hello");
        hello.destination = bus.into();
        raw.name = raw.ask(&hello)?.text();
        Ok(raw)
    }

    /// The same as the user `uid`, who is in no group but `gids`, the first of them the primary one
    /// (none: the one with the user's number). Only root may do so.
    pub fn connect_as(address: &str, uid: u32, gids: &[u32]) -> io::Result<Self> {
        // The kernel keeps these for each thread.
        let connect = || {
            let groups: Vec<_> = gids.iter().skip(1).map(|&gid| Gid::from_raw(gid)).collect();
            set_thread_groups(&groups)?;
            set_thread_gid(Gid::from_raw(gids.first().copied().unwrap_or(uid)))?;
            set_thread_uid(Uid::from_raw(uid))?;
            Self::connect(address)
        };
        thread::scope(|scope| scope.spawn(connect).join()).expect("it connects or says why not")
    }

    /// Makes the call of these words ([`Message::of_words`]): whether it went well, and the whole
    /// body of the answer as text, or the error's name and message.
    pub fn call(&mut self, words: &[&str]) -> (bool, String) {
        let answer = self.ask(&Message::of_words(words)).expect("the bus answers");
        match &answer.error {
            Some(name) => (false, format!("{name}: {}", answer.text())),
            None => (true, String::from_utf8_lossy(&answer.body).into_owned()),
        }
    }

    /// Sends it, reads nothing, and returns its serial number.
    pub fn send(&mut self, message: &Message) -> io::Result<u32> {
        self.serial += 1;
        let bytes = message.encode(self.serial);
        self.write(&bytes)?;
        Ok(self.serial)
    }

    /// Sends bytes as they are.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write(bytes)
    }

    /// Sends it and waits for the answer.
    pub fn ask(&mut self, message: &Message) -> io::Result<Received> {
        let serial = self.send(message)?;
        self.answer(serial)
    }

    /// Reads on to the answer with this serial number; what comes before it is dropped.
    pub fn answer(&mut self, serial: u32) -> io::Result<Received> {
        loop {
            let received = self.read()?;
            if received.reply_serial == Some(serial) {
                return Ok(received);
            }
        }
    }

    /// Reads on to the next answer to whatever; signals are dropped.
    pub fn next_answer(&mut self) -> io::Result<Received> {
        loop {
            let received = self.read()?;
            if received.kind != SIGNAL {
                return Ok(received);
            }
        }
    }

    /// Reads on to the next signal; answers are dropped.
    pub fn next_signal(&mut self) -> io::Result<Received> {
        loop {
            let received = self.read()?;
            if received.kind == SIGNAL {
                return Ok(received);
            }
        }
    }

    /// The connection itself, to which nothing has come that is not read yet.
    pub fn into_stream(self) -> UnixStream {
        assert!(self.stream.buffer().is_empty(), "something has come, unread");
        self.stream.into_inner()
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    fn read(&mut self) -> io::Result<Received> {
        let mut start = [0; 16];
        self.stream.read_exact(&mut start)?;
        assert_eq!(start[0], b'l', "the daemon and the bus write little-endian here");
        let number = |at: usize| u32::from_le_bytes(start[at..at + 4].try_into().expect("four"));
        let (body, fields) = (number(4) as usize, number(12) as usize);
        let mut rest = vec![0; fields.next_multiple_of(8) + body];
        self.stream.read_exact(&mut rest)?;
        let mut received = Received {
            kind: start[1],
            reply_serial: None,
            error: None,
            body: rest.split_off(fields.next_multiple_of(8)),
        };
        let mut at = 0;
        while at < fields {
            // Code, signature of one letter, value.
            let (code, kind) = (rest[at], rest[at + 2]);
            at += 4;
            if kind == b'g' {
                at += usize::from(rest[at]) + 2;
            } else {
                let four = rest[at..at + 4].try_into().expect("four bytes");
                let number = u32::from_le_bytes(four);
                at += 4;
                if kind == b'u' {
                    if code == REPLY_SERIAL {
                        received.reply_serial = Some(number);
                    }
                } else {
                    let text = &rest[at..at + number as usize];
                    if code == ERROR_NAME {
                        received.error = Some(String::from_utf8_lossy(text).into_owned());
                    }
                    at += number as usize + 1;
                }
            }
            at = at.next_multiple_of(8);
        }
        Ok(received)
    }
}
