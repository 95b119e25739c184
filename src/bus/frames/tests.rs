// SPDX-License-Identifier: MIT OR Apache-2.0
use super::*;

/// What comes out, fed with so many bytes at a time: whole or not, and how long.
fn frames(input: &[u8], step: usize) -> Vec<(bool, Vec<u8>)> {
    let (mut frames, mut output) = (Frames::default(), Vec::new());
    let mut rest = input;
    while !rest.is_empty() {
        let room = frames.room();
        let (piece, after) = rest.split_at(step.min(room.len()).min(rest.len()));
        room[..piece.len()].copy_from_slice(piece);
        frames.received(piece.len());
        rest = after;
        while let Some(frame) = frames.next().unwrap() {
            output.push(match frame {
                Frame::Message(bytes) => (true, bytes.to_vec()),
                Frame::Large(bytes) => (false, bytes.to_vec()),
            });
        }
    }
    frames.wipe();
    assert!(!frames.buffer.contains(&b'b'), "no body stays behind");
    frames.busy = false;
    frames.room();
    assert_eq!(frames.buffer.len(), CHUNK, "nothing of a large message's room stays");
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
fn messages_of_up_to_64_kib_come_out_whole_wherever_they_are_split() {
    let sizes = [(b'l', 109, 0), (b'B', 112, 3), (b'l', 104, MOST - 120), (b'l', 0, 1)];
    let parts: Vec<_> = sizes.iter().map(|(order, f, b)| message(*order, *f, *b)).collect();
    let expected: Vec<_> = parts.iter().map(|part| (true, part.clone())).collect();
    for step in [1, 7, 16, 1000, CHUNK] {
        assert_eq!(frames(&parts.concat(), step), expected, "{step}");
    }
    let small = [message(b'l', 20, 4), message(b'B', 9, 0)].concat();
    for step in 1..small.len() {
        assert_eq!(frames(&small, step).len(), 2, "{step}");
    }
}

#[test]
fn of_a_large_message_the_header_comes_out_and_what_follows_it_is_whole() {
    let small = message(b'l', 20, 4);
    for order in [b'l', b'B'] {
        let large = message(order, 20, MOST);
        let dropped = message(order, MOST + 1, 99);
        let input = [&small[..], &large, &dropped, &small].concat();
        let header = large[..40].to_vec();
        let expected = [(true, small.clone()), (false, header), (true, small.clone())];
        for step in [1, 100, 8000] {
            assert_eq!(frames(&input, step), expected, "{step}");
        }
    }
}

#[test]
fn more_room_is_there_while_more_comes_at_a_time() {
    let mut frames = Frames::default();
    let small = message(b'l', 48, 0);
    let stream = small.repeat(4000);
    let mut rest = &stream[..];
    let mut rooms = Vec::new();
    while !rest.is_empty() {
        let room = frames.room();
        rooms.push(room.len());
        let (piece, after) = rest.split_at(room.len().min(rest.len()));
        room[..piece.len()].copy_from_slice(piece);
        frames.received(piece.len());
        while frames.next().unwrap().is_some() {}
        rest = after;
    }
    assert_eq!((rooms[0], rooms[1]), (CHUNK, MOST));
    assert_eq!(frames.room().len(), CHUNK, "the last read did not fill it");
}

#[test]
fn what_is_no_message_is_an_error() {
    for bad in [&b"OK 1234567890123456"[..], &message(b'l', 8, 0)[1..], &[0; 16]] {
        let mut frames = Frames::default();
        frames.room()[..bad.len()].copy_from_slice(bad);
        frames.received(bad.len());
        assert_eq!(frames.next(), Err(NoMessage));
    }
}
