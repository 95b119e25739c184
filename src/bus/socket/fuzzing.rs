// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whatever the bus sends: what passes is what a plain reading of the specification lets through,
//! however the bytes arrive.

use super::*;
use crate::fuzzing::Recipe;

/// A recipe for a stream: bytes as they are, lines of the handshake, messages of any announced
/// length; and for the pieces in which it arrives and is taken.
pub fn bus_socket(input: &[u8]) {
    let mut recipe = Recipe(input);
    let (step, room) = (recipe.number(), recipe.number());
    let stream = stream(&mut recipe);
    let expected = expected(&stream);
    let whole = Pieces { arrive: CHUNK, taken: CHUNK };
    assert!(whole.of(&stream) == expected, "all at once");
    let pieces = Pieces { arrive: 1 + step % CHUNK, taken: 1 + room % CHUNK };
    assert!(pieces.of(&stream) == expected, "{} bytes at a time", pieces.arrive);
    if stream.len() < 512 {
        for arrive in 1..stream.len() {
            assert!(Pieces { arrive, taken: 7 }.of(&stream) == expected, "{arrive} at a time");
        }
    }
}

/// So long that what follows a message with too large a part is seen.
const MOST: usize = 400 * 1024;

fn stream(recipe: &mut Recipe<'_>) -> Vec<u8> {
    let mut stream = Vec::new();
    while !recipe.is_over() && stream.len() < MOST {
        match recipe.byte() % 4 {
            0 => {
                let length = recipe.number();
                stream.extend_from_slice(recipe.take(length));
            }
            1 => {
                let length = usize::from(recipe.byte());
                stream.extend_from_slice(recipe.take(length));
                stream.extend_from_slice(b"\r\n");
            }
            kind => add_message(&mut stream, recipe, kind == 3),
        }
    }
    stream
}

fn add_message(stream: &mut Vec<u8>, recipe: &mut Recipe<'_>, big: bool) {
    // Around the limit, anywhere, or small.
    let mut length = || match recipe.byte() {
        0 => MAX_PART - 9 + usize::from(recipe.byte()),
        1 => recipe.number() * 2,
        few => usize::from(few),
    };
    let (fields, body) = (length(), length());
    let number = |number: usize| {
        let number = u32::try_from(number).unwrap();
        if big { number.to_be_bytes() } else { number.to_le_bytes() }
    };
    stream.extend_from_slice(&[if big { b'B' } else { b'l' }, 1, 0, 1]);
    stream.extend_from_slice(&number(body));
    stream.extend_from_slice(&[7; 4]);
    stream.extend_from_slice(&number(fields));
    stream.resize(stream.len() + fields.next_multiple_of(8) + body, recipe.byte());
}

/// What should come out, read with all of the stream at hand.
fn expected(mut stream: &[u8]) -> Vec<u8> {
    let mut output = Vec::new();
    while let Some(first) = stream.first() {
        let number = |at: usize| -> Option<u64> {
            let bytes = stream.get(at..at + 4)?.try_into().ok()?;
            let big = *first == b'B';
            let number = if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) };
            Some(number.into())
        };
        let (passes, length) = if matches!(first, b'l' | b'B') {
            // Nothing passes of a message whose lengths are not here yet.
            let (Some(body), Some(fields)) = (number(4), number(12)) else { break };
            let header = 16 + fields.div_ceil(8) * 8;
            let passes = match (header - 16 > 65_536, body > 65_536) {
                (true, _) => 0,
                (false, true) => header,
                (false, false) => header + body,
            };
            (passes, header + body)
        } else {
            let end = stream.iter().position(|byte| *byte == b'\n');
            let line = end.map_or(stream.len(), |end| end + 1) as u64;
            (line, line)
        };
        let here = |length: u64| usize::try_from(length).unwrap().min(stream.len());
        let start = output.len();
        output.extend_from_slice(&stream[..here(passes)]);
        if passes > 0 && passes < length {
            output[start + 4..start + 8].fill(0);
        }
        stream = &stream[here(length)..];
    }
    output
}

/// How many bytes arrive, and are taken, at a time.
struct Pieces {
    arrive: usize,
    taken: usize,
}

impl Pieces {
    fn of(&self, mut stream: &[u8]) -> Vec<u8> {
        let (mut filter, mut output) = (Filter::default(), Vec::new());
        let mut buffer = vec![0; self.taken];
        loop {
            let passed = filter.pass(&mut buffer);
            output.extend_from_slice(&buffer[..passed]);
            if passed > 0 {
                continue;
            }
            if stream.is_empty() {
                return output;
            }
            let room = filter.room();
            assert!(!room.is_empty(), "no room is taken for the end of the stream");
            let (piece, rest) = stream.split_at(self.arrive.min(room.len()).min(stream.len()));
            room[..piece.len()].copy_from_slice(piece);
            filter.received(piece.len());
            stream = rest;
        }
    }
}
