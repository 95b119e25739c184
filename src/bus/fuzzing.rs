// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whatever the bus sends: each message is found, read and decided over in the same way, however
//! the bytes arrive; nothing that comes takes more room than a message may; and what is decided is
//! what a plain reading of the specification says.

use std::sync::Arc;

use super::frames::{Frame, Frames, MOST};
use super::gate::{Fate, decide, decide_large};
use super::request::Request;
use super::wire::{CALL, Header, NO_REPLY, Outgoing, parse};
use super::*;
use crate::common::access::Rules;
use crate::common::recipe::Recipe;
use crate::lifecycle::view::{AppState, Counters, Face};

/// A recipe for a stream: bytes as they are, calls, and messages of any announced length; and for
/// the pieces in which it arrives.
pub fn bus_gate(input: &[u8]) {
    let mut recipe = Recipe(input);
    let step = recipe.number();
    let stream = stream(&mut recipe);
    let snapshot = snapshot();
    let whole = fates(&stream, usize::MAX, &snapshot);
    assert_eq!(whole, fates(&stream, 1 + step % 9000, &snapshot), "{step} bytes at a time");
    if stream.len() < 400 {
        for step in 1..stream.len() {
            assert_eq!(whole, fates(&stream, step, &snapshot), "{step} bytes at a time");
        }
    }
}

/// So long that what follows a message that is too large is seen.
const LONGEST: usize = 300 * 1024;

const PATHS: [&str; 5] =
    [MANAGER_PATH, "/tv/tokend/application/a", "/tv/tokend/application", "/", "/x"];
const INTERFACES: [&str; 7] = [
    APPLICATION_INTERFACE,
    MANAGER_INTERFACE,
    objects::PROPERTIES,
    objects::INTROSPECTABLE,
    objects::OBJECT_MANAGER,
    objects::PEER,
    "",
];
const MEMBERS: [&str; 14] = [
    "GetToken",
    "GetHeaders",
    "ReplaceToken",
    "Reload",
    "Forget",
    "GetDeviceInfo",
    "Get",
    "GetAll",
    "Set",
    "Introspect",
    "GetManagedObjects",
    "Ping",
    "GetMachineId",
    "Nonsense",
];
const SIGNATURES: [&str; 6] = ["", "u", "s", "ss", "ssv", "a{sv}"];

fn stream(recipe: &mut Recipe<'_>) -> Vec<u8> {
    let mut stream = Vec::new();
    while !recipe.is_over() && stream.len() < LONGEST {
        match recipe.byte() % 8 {
            0 => {
                let length = recipe.number();
                stream.extend_from_slice(recipe.take(length));
            }
            1 => add_announced(&mut stream, recipe),
            _ => add_call(&mut stream, recipe),
        }
    }
    stream
}

/// A message of any length, of which only the start makes sense.
fn add_announced(stream: &mut Vec<u8>, recipe: &mut Recipe<'_>) {
    let big = recipe.byte() % 2 == 1;
    // Around the limit, anywhere, or small.
    let mut length = || match recipe.byte() {
        0 => MOST - 9 + usize::from(recipe.byte()),
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

/// A call, whose arguments may be others than it says, with some bytes changed.
fn add_call(stream: &mut Vec<u8>, recipe: &mut Recipe<'_>) {
    let pick = |list: &[&'static str], recipe: &mut Recipe<'_>| {
        list[usize::from(recipe.byte()) % list.len()]
    };
    let call = Outgoing {
        kind: CALL,
        flags: recipe.byte() % 4,
        serial: 3,
        path: pick(&PATHS, recipe),
        interface: pick(&INTERFACES, recipe),
        member: pick(&MEMBERS, recipe),
        destination: ":1.5",
        signature: pick(&SIGNATURES, recipe),
        ..Outgoing::default()
    };
    let start = stream.len();
    call.write(stream, |body| {
        for _ in 0..recipe.byte() % 4 {
            match recipe.byte() % 4 {
                0 => body.u32(recipe.number() as u32),
                1 => body.string(pick(&INTERFACES, recipe)),
                2 => body.string(&"x".repeat(recipe.number())),
                _ => body.raw(recipe.take(9)),
            }
        }
    });
    // The receiver's field becomes the sender's, which the bus would write: codes 6 and 7.
    let code = stream[start..].windows(4).position(|field| field == [6, 1, b's', 0]);
    if let Some(at) = code {
        stream[start + at] = 7;
    }
    for _ in 0..recipe.byte() % 3 {
        let at = start + recipe.number() % (stream.len() - start);
        stream[at] = recipe.byte();
    }
}

fn snapshot() -> Snapshot {
    let view = AppView {
        state: AppState::Waiting,
        token: None,
        token_number: 1,
        expires_at: 2,
        retry_at: 3,
        last_error: ("a".into(), "b".into()),
        scopes: vec!["c".into()],
        redirect_uris: Vec::new(),
        client_id_issued_at: 4,
        counters: Counters::default(),
        history: Arc::default(),
        wall_less_boot: 0,
    };
    let snapshot = Snapshot::new("1", "key-file");
    let face = Face { access: Rules::default(), headers: Vec::new() };
    snapshot.insert("a".parse().unwrap(), Arc::new(view), Arc::new(face));
    snapshot
}

/// What becomes of each message of a stream that arrives in such pieces.
fn fates(mut stream: &[u8], step: usize, snapshot: &Snapshot) -> Vec<String> {
    let (mut frames, mut fates) = (Frames::default(), Vec::new());
    let state = snapshot.read();
    while !stream.is_empty() {
        let room = frames.room();
        assert!(!room.is_empty() && room.len() <= MOST, "{} bytes of room", room.len());
        let (piece, rest) = stream.split_at(step.min(room.len()).min(stream.len()));
        room[..piece.len()].copy_from_slice(piece);
        frames.received(piece.len());
        stream = rest;
        loop {
            let (bytes, whole) = match frames.next() {
                Ok(Some(Frame::Message(message))) => (message, true),
                Ok(Some(Frame::Large(header))) => (header, false),
                Ok(None) => break,
                // Nothing after it can be understood.
                Err(bad) => {
                    fates.push(format!("{bad:?}"));
                    return fates;
                }
            };
            assert!(bytes.len() <= MOST);
            let Some(header) = parse(bytes) else {
                fates.push("unreadable".into());
                continue;
            };
            let fate = if whole { decide(&header, &state) } else { decide_large(&header) };
            plausible(&header, &fate);
            fates.push(format!("{fate:?}"));
        }
    }
    fates
}

/// What must hold of each fate, whatever the message is.
fn plausible(header: &Header<'_>, fate: &Fate<'_>) {
    let acts = ["ReplaceToken", "Reload", "Forget"].contains(&header.member);
    let silent = header.flags & NO_REPLY != 0;
    if header.kind != CALL || header.sender.is_empty() || silent && !acts {
        assert_eq!(*fate, Fate::Pass);
    }
    match fate {
        Fate::Pass => assert!(header.kind != CALL || header.sender.is_empty() || silent),
        // What is quoted of a caller's message stays short.
        Fate::Refuse(error) => assert!(error.message.len() < 2000 && !silent),
        Fate::Answer(_) => assert!(!silent),
        Fate::Ask(request) => {
            let kept = request.keep();
            assert!(kept.size() <= 8 * 1024 + 256 || matches!(kept, Request::Forget { .. }));
            assert_eq!(kept.lend(), *request);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_recipes_hold_too() {
        let mut rng = fastrand::Rng::with_seed(15);
        for _ in 0..300 {
            let input: Vec<u8> = (0..rng.usize(..300)).map(|_| rng.u8(..)).collect();
            bus_gate(&input);
        }
    }
}
