// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages as bytes (D-Bus Specification, sections "Type System" and "Message Protocol"): what is
//! written is little-endian, what is read may be either.

use crate::lifecycle::view::{self, Happened, Property};

/// One field of `GetDeviceInfo`.
#[derive(Clone, Debug, PartialEq)]
pub enum InfoValue {
    /// `s`
    Text(String),
    /// `u`
    Number(u32),
    /// `d`
    Decimal(f64),
    /// `b`
    Flag(bool),
}

/// The types of messages.
pub(super) const CALL: u8 = 1;
pub(super) const RETURN: u8 = 2;
pub(super) const ERROR: u8 = 3;
pub(super) const SIGNAL: u8 = 4;

/// The flag of a message that wants no reply.
pub(super) const NO_REPLY: u8 = 1;

/// The length of a message before its header fields.
pub(super) const START: usize = 16;

const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const ERROR_NAME: u8 = 4;
const REPLY_SERIAL: u8 = 5;
const DESTINATION: u8 = 6;
const SENDER: u8 = 7;
const SIGNATURE: u8 = 8;

/// What a message says of itself, and its body.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Header<'m> {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) serial: u32,
    pub(super) path: &'m str,
    pub(super) interface: Option<&'m str>,
    pub(super) member: &'m str,
    pub(super) error: &'m str,
    pub(super) reply_serial: u32,
    pub(super) sender: &'m str,
    pub(super) signature: &'m str,
    pub(super) body: Reader<'m>,
}

/// Reads the header of a message, whose first byte is its order of bytes; none if it is not one
/// that the specification allows. The body may be left out.
pub(super) fn parse(message: &[u8]) -> Option<Header<'_>> {
    let &[order, kind, flags, 1, ..] = message else { return None };
    let mut reader = Reader { bytes: message, at: 8, big: order == b'B' };
    let serial = reader.u32()?;
    let end = reader.u32()? as usize + START;
    let body = message.get(end.next_multiple_of(8)..)?;
    reader.bytes = &message[..end];
    let mut header = Header {
        kind,
        flags,
        serial,
        body: Reader { bytes: body, at: 0, big: reader.big },
        ..Header::default()
    };
    while reader.at < end {
        reader.align(8);
        let code = reader.byte()?;
        let kind = reader.signature()?;
        match (code, kind) {
            (PATH, "o") => header.path = reader.string()?,
            (INTERFACE, "s") => header.interface = Some(reader.string()?),
            (MEMBER, "s") => header.member = reader.string()?,
            (ERROR_NAME, "s") => header.error = reader.string()?,
            (REPLY_SERIAL, "u") => header.reply_serial = reader.u32()?,
            (SENDER, "s") => header.sender = reader.string()?,
            (SIGNATURE, "g") => header.signature = reader.signature()?,
            // Fields that this version of the specification does not know are passed over.
            (_, kind) => reader.skip(kind)?,
        }
    }
    (serial != 0).then_some(header)
}

/// Reads values one after the other; none if they are not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reader<'m> {
    bytes: &'m [u8],
    at: usize,
    big: bool,
}

impl<'m> Reader<'m> {
    pub(super) fn is_over(&self) -> bool {
        self.at == self.bytes.len()
    }

    fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    fn take(&mut self, length: usize) -> Option<&'m [u8]> {
        let taken = self.bytes.get(self.at..)?.get(..length)?;
        self.at += length;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.align(4);
        let bytes = *self.take(4)?.first_chunk()?;
        Some(if self.big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    pub(super) fn string(&mut self) -> Option<&'m str> {
        let length = self.u32()? as usize;
        self.text(length)
    }

    pub(super) fn signature(&mut self) -> Option<&'m str> {
        let length = usize::from(self.byte()?);
        self.text(length)
    }

    fn text(&mut self, length: usize) -> Option<&'m str> {
        let text = str::from_utf8(self.take(length)?).ok()?;
        (self.byte()? == 0).then_some(text)
    }

    /// The elements of an array, whose alignment is this.
    pub(super) fn array(&mut self, alignment: usize) -> Option<Self> {
        let length = self.u32()? as usize;
        self.align(alignment);
        let start = self.at;
        self.take(length)?;
        // The elements stay where they are, for their alignment.
        Some(Self { bytes: &self.bytes[..self.at], at: start, big: self.big })
    }

    /// The bytes of an array of bytes.
    pub(super) fn bytes(&mut self) -> Option<&'m [u8]> {
        let array = self.array(1)?;
        Some(&array.bytes[array.at..])
    }

    /// The next entry of an array of `{sv}`: the key and the signature of the value, which is to be
    /// read next.
    pub(super) fn entry(&mut self) -> Option<(&'m str, &'m str)> {
        self.align(8);
        Some((self.string()?, self.signature()?))
    }

    /// Passes over a value of a basic type, or an array of such.
    pub(super) fn skip(&mut self, kind: &str) -> Option<()> {
        let size = |kind: u8| match kind {
            b'y' => Some(1),
            b'n' | b'q' => Some(2),
            b'b' | b'i' | b'u' | b'h' => Some(4),
            b'x' | b't' | b'd' => Some(8),
            _ => None,
        };
        match *kind.as_bytes() {
            [b's' | b'o'] => self.string().map(drop),
            [b'g'] => self.signature().map(drop),
            [b'a', b's' | b'o'] => self.array(4).map(drop),
            [b'a', b'g'] => self.array(1).map(drop),
            [b'a', of] => self.array(size(of)?).map(drop),
            [one] => {
                let size = size(one)?;
                self.align(size);
                self.take(size).map(drop)
            }
            _ => None,
        }
    }
}

/// Writes values one after the other.
pub(super) struct Writer<'o> {
    out: &'o mut Vec<u8>,
    /// What alignment is counted from.
    base: usize,
}

impl<'o> Writer<'o> {
    /// Writes to the end of `out`, as to the beginning of a body.
    pub(super) fn new(out: &'o mut Vec<u8>) -> Self {
        let base = out.len();
        Self { out, base }
    }

    pub(super) fn align(&mut self, to: usize) {
        let length = self.base + (self.out.len() - self.base).next_multiple_of(to);
        self.out.resize(length, 0);
    }

    /// Bytes as they are: what a `Writer` has written before, where the alignment was 8.
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    pub(super) fn u32(&mut self, number: u32) {
        self.align(4);
        self.raw(&number.to_le_bytes());
    }

    pub(super) fn u64(&mut self, number: u64) {
        self.align(8);
        self.raw(&number.to_le_bytes());
    }

    pub(super) fn string(&mut self, text: &str) {
        self.strings(&[text]);
    }

    /// One string, of several parts.
    pub(super) fn strings(&mut self, parts: &[&str]) {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        self.u32(length as u32);
        parts.iter().for_each(|part| self.raw(part.as_bytes()));
        self.out.push(0);
    }

    pub(super) fn signature(&mut self, signature: &str) {
        self.out.push(signature.len() as u8);
        self.raw(signature.as_bytes());
        self.out.push(0);
    }

    /// An array of elements that `elements` writes, whose alignment is this.
    pub(super) fn array(&mut self, alignment: usize, elements: impl FnOnce(&mut Self)) {
        self.u32(0);
        let length = self.out.len();
        self.align(alignment);
        let start = self.out.len();
        elements(self);
        let written = (self.out.len() - start) as u32;
        self.out[length - 4..length].copy_from_slice(&written.to_le_bytes());
    }

    /// The value of a property, as a variant.
    pub(super) fn property(&mut self, value: &Property<'_>) {
        match value {
            Property::Text(text) => {
                self.signature("s");
                self.string(text);
            }
            Property::Number(number) => {
                self.signature("t");
                self.u64(*number);
            }
            Property::Pair(first, second) => {
                self.signature("(ss)");
                self.align(8);
                self.string(first);
                self.string(second);
            }
            Property::List(texts) => {
                self.signature("as");
                self.array(4, |list| texts.iter().for_each(|text| list.string(text)));
            }
            Property::Flag(flag) => {
                self.signature("b");
                self.u32((*flag).into());
            }
            Property::Counters(counters) => {
                self.signature("a{st}");
                self.array(8, |entries| {
                    for (name, count) in counters.entries() {
                        entries.align(8);
                        entries.string(name);
                        entries.u64(count);
                    }
                });
            }
            Property::History(history, wall_less_boot) => {
                self.signature("a(tss)");
                self.array(8, |entries| {
                    for Happened { at, event, message } in *history {
                        entries.align(8);
                        entries.u64(view::unix_seconds(*at, *wall_less_boot));
                        entries.string(event);
                        entries.string(message);
                    }
                });
            }
        }
    }

    /// The value of a field of the device, as a variant.
    pub(super) fn info(&mut self, value: &InfoValue) {
        match value {
            InfoValue::Text(text) => {
                self.signature("s");
                self.string(text);
            }
            InfoValue::Number(number) => {
                self.signature("u");
                self.u32(*number);
            }
            InfoValue::Decimal(decimal) => {
                self.signature("d");
                self.u64(decimal.to_bits());
            }
            InfoValue::Flag(flag) => {
                self.signature("b");
                self.u32((*flag).into());
            }
        }
    }

    /// The entries of an `a{sv}`.
    pub(super) fn properties<'p>(
        &mut self,
        properties: impl IntoIterator<Item = (&'p str, Property<'p>)>,
    ) {
        for (name, value) in properties {
            self.align(8);
            self.string(name);
            self.property(&value);
        }
    }
}

/// The header of a message to be sent. Fields that are empty are left out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outgoing<'a> {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) serial: u32,
    pub(super) path: &'a str,
    pub(super) interface: &'a str,
    pub(super) member: &'a str,
    pub(super) error: &'a str,
    pub(super) reply_serial: u32,
    pub(super) destination: &'a str,
    pub(super) signature: &'a str,
}

impl Outgoing<'_> {
    /// Adds the whole message to `out`.
    pub(super) fn write(&self, out: &mut Vec<u8>, body: impl FnOnce(&mut Writer<'_>)) {
        let mut message = Writer::new(out);
        message.raw(&[b'l', self.kind, self.flags, 1, 0, 0, 0, 0]);
        message.raw(&self.serial.to_le_bytes());
        message.array(8, |fields| {
            for (code, kind, text) in [
                (PATH, "o", self.path),
                (INTERFACE, "s", self.interface),
                (MEMBER, "s", self.member),
                (ERROR_NAME, "s", self.error),
                (DESTINATION, "s", self.destination),
            ] {
                if !text.is_empty() {
                    fields.align(8);
                    fields.raw(&[code]);
                    fields.signature(kind);
                    fields.string(text);
                }
            }
            if self.reply_serial != 0 {
                fields.align(8);
                fields.raw(&[REPLY_SERIAL]);
                fields.signature("u");
                fields.u32(self.reply_serial);
            }
            if !self.signature.is_empty() {
                fields.align(8);
                fields.raw(&[SIGNATURE]);
                fields.signature("g");
                fields.signature(self.signature);
            }
        });
        message.align(8);
        let (base, start) = (message.base, message.out.len());
        body(&mut message);
        let written = (out.len() - start) as u32;
        out[base + 4..base + 8].copy_from_slice(&written.to_le_bytes());
    }
}

#[cfg(test)]
#[path = "wire/tests.rs"]
mod tests;
