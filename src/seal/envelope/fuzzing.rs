// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whatever a sealed file has become: it opens as what was sealed, or not at all.

use super::*;
use crate::common::recipe::Recipe;

/// A file of format 1, as every later tokend must open it.
const GOLDEN: &[u8] = include_bytes!("../../../tests/fuzz/seeds/sealed_files/format-1");
const CONTENT: &[u8] = br#"{"origins":{}}"#;

fn root() -> RootKey {
    RootKey::new(Zeroizing::new(vec![7; 32])).unwrap()
}

fn subjects() -> [Subject; 8] {
    let (a, b): (AppId, AppId) = ("cinema".parse().unwrap(), "cinema2".parse().unwrap());
    let digest = |byte| StatementDigest([byte; 32]);
    [
        Subject::Credentials(a.clone(), digest(9)),
        Subject::Credentials(a.clone(), digest(8)),
        Subject::Credentials(b.clone(), digest(9)),
        Subject::Token(a.clone()),
        Subject::Record(a),
        Subject::Token(b),
        Subject::Identity,
        Subject::KeyCheck,
    ]
}

/// Bytes as a sealed file; and a recipe for one, and for what happens to it.
pub fn sealed_files(input: &[u8]) {
    for subject in &subjects() {
        match open(&root(), subject, input) {
            Ok(opened) => {
                assert!(input == GOLDEN && *subject == subjects()[0]);
                assert_eq!((opened.generation, opened.plaintext.as_slice()), (3, CONTENT));
            }
            Err(error) => explained(error, input),
        }
    }
    sealed_and_changed(&mut Recipe(input));
}

fn sealed_and_changed(recipe: &mut Recipe<'_>) {
    let subjects = subjects();
    let subject = &subjects[usize::from(recipe.byte()) % subjects.len()];
    let generation = u64::from_be_bytes([recipe.byte(); 8]);
    let length = usize::from(recipe.byte());
    let content = recipe.take(length);
    let sealed = seal(&root(), subject, generation, content).unwrap();
    let opened = open(&root(), subject, &sealed).unwrap();
    assert_eq!((opened.generation, opened.plaintext.as_slice()), (generation, content));

    for other in subjects.iter().filter(|other| *other != subject) {
        assert_eq!(open(&root(), other, &sealed).err(), Some(NotOpened::NotAuthentic));
    }
    let other_key = RootKey::new(Zeroizing::new(vec![8; 32])).unwrap();
    assert_eq!(open(&other_key, subject, &sealed).err(), Some(NotOpened::NotAuthentic));

    let other = seal(&root(), subject, generation ^ 1, content).unwrap();
    let mut changed = sealed.clone();
    while !recipe.is_over() && changed.len() < 1024 {
        change(&mut changed, recipe, &other);
    }
    if changed != sealed && changed != other {
        explained(open(&root(), subject, &changed).err().expect("it was changed"), &changed);
    }
}

/// One piece of damage; `other` is another file of the same subject.
fn change(file: &mut Vec<u8>, recipe: &mut Recipe<'_>, other: &[u8]) {
    let kind = recipe.byte() % 6;
    let at = recipe.number() % (file.len() + 1);
    match kind {
        0 if at < file.len() => file[at] ^= recipe.byte(),
        1 => file.truncate(at),
        2 => {
            let length = usize::from(recipe.byte());
            file.splice(at..at, recipe.take(length).iter().copied());
        }
        3 => drop(file.drain(at..(at + usize::from(recipe.byte())).min(file.len()))),
        // Its end, or a part of it, from the other.
        4 => {
            file.truncate(at);
            file.extend_from_slice(other.get(at..).unwrap_or_default());
        }
        _ => {
            let end = (at + usize::from(recipe.byte())).min(file.len()).min(other.len());
            if at < end {
                file[at..end].copy_from_slice(&other[at..end]);
            }
        }
    }
}

/// Damage is no other version, for that would never be repaired.
fn explained(error: NotOpened, file: &[u8]) {
    let [a, b, c, d] = *file.get(8..12).unwrap_or(&[0; 4]) else { unreachable!() };
    let version = u16::from_be_bytes([a, b]);
    let whole = file.starts_with(b"tokend\x1a\n") && [c, d] == [!a, !b];
    match error {
        NotOpened::UnknownVersion(found) => assert!(whole && found == version && version != 1),
        NotOpened::NotAuthentic => assert!(!whole || version == 1),
    }
}
