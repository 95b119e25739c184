// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bytes from the bus, taken apart into messages of which none is large.
//!
//! A bus delivers messages of up to 32 MiB (dbus-daemon's default for the system bus) or 128 MiB
//! (dbus-broker), whoever sends them. What is larger than [`MOST`] is read past and never kept: of
//! such a message the header alone is handed on, so that its sender can be told.

use std::hint::black_box;

use super::wire::START;

/// The largest message that is kept (contract, section 2, "Limits").
pub(super) const MOST: usize = 64 * 1024;
/// What is read at a time. A larger buffer lasts as long as the message that needs it, or as long as
/// more comes at a time.
const CHUNK: usize = 8 * 1024;
/// The longest array and the longest message of the specification.
const LONGEST_FIELDS: usize = 64 << 20;
const LONGEST: usize = 128 << 20;

/// What has come whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame<'b> {
    Message(&'b [u8]),
    /// The header of a message whose body is read past.
    Large(&'b [u8]),
}

/// What comes is no message: nothing that follows can be understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoMessage;

#[derive(Default)]
pub(super) struct Frames {
    buffer: Vec<u8>,
    /// What has come and is not handed on yet.
    start: usize,
    end: usize,
    /// So many bytes of what comes next are read past.
    skip: usize,
    /// What the message that has begun to come needs in all.
    needed: usize,
    /// The last room was filled: more is waiting than fits [`CHUNK`].
    busy: bool,
}

impl Frames {
    /// Where to receive to; never empty.
    pub(super) fn room(&mut self) -> &mut [u8] {
        self.wipe();
        let size = if self.busy { MOST } else { self.needed.max(CHUNK) };
        if self.buffer.len() != size && self.end < size {
            self.buffer.resize(size, 0);
            self.buffer.shrink_to(size);
        }
        &mut self.buffer[self.end..]
    }

    /// Nothing stays of what was handed on or read past.
    pub(super) fn wipe(&mut self) {
        if self.start > 0 {
            let kept = self.end - self.start;
            self.buffer.copy_within(self.start..self.end, 0);
            self.buffer[kept..self.end].fill(0);
            black_box(&mut self.buffer);
            (self.start, self.end) = (0, kept);
        }
    }

    /// So many bytes have come; true if they have filled the room, and more may be waiting.
    pub(super) fn received(&mut self, count: usize) -> bool {
        self.end += count;
        self.busy = self.end == self.buffer.len();
        self.busy
    }

    /// The next message; none before more is received.
    pub(super) fn next(&mut self) -> Result<Option<Frame<'_>>, NoMessage> {
        let skipped = self.skip.min(self.end - self.start);
        self.start += skipped;
        self.skip -= skipped;
        self.needed = 0;
        loop {
            let here = &self.buffer[self.start..self.end];
            let Some(start) = here.first_chunk::<START>() else { return Ok(None) };
            let (header, whole) = lengths(start).ok_or(NoMessage)?;
            let large = whole > MOST;
            if header > MOST {
                // Nobody needs such a header, and nobody could be quoted it.
                let skipped = whole.min(here.len());
                self.start += skipped;
                self.skip = whole - skipped;
                continue;
            }
            let wanted = if large { header } else { whole };
            if here.len() < wanted {
                self.needed = wanted;
                return Ok(None);
            }
            let from = self.start;
            let passed = whole.min(here.len());
            self.start += passed;
            self.skip = whole - passed;
            let frame = &self.buffer[from..from + wanted];
            return Ok(Some(if large { Frame::Large(frame) } else { Frame::Message(frame) }));
        }
    }
}

/// The length of a header with its padding, and that of the whole message.
fn lengths(start: &[u8; START]) -> Option<(usize, usize)> {
    let number = |at: usize| {
        let bytes = [start[at], start[at + 1], start[at + 2], start[at + 3]];
        let big = start[0] == b'B';
        (if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }) as usize
    };
    let (body, fields) = (number(4), number(12));
    let legal = matches!(start[0], b'l' | b'B') && body <= LONGEST && fields <= LONGEST_FIELDS;
    let header = START + fields.next_multiple_of(8);
    legal.then_some((header, header + body))
}

#[cfg(test)]
#[path = "frames/tests.rs"]
mod tests;
