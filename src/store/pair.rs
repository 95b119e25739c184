// SPDX-License-Identifier: MIT OR Apache-2.0
//! One subject and its files: two copies of what must not be lost, one of what may. Damage in one
//! copy is repaired from the other; where there is none to repair from, the file is put aside.

use log::Level;

use super::errors::{Action, Note, StoreError};
use super::names;
use super::state_dir::StateDir;
use crate::common::error::chain;
use crate::seal::RootKey;
use crate::seal::envelope::{self, NotOpened, Opened, Subject};
use crate::system::fs::durable::{Content, Directory};

/// What a file turned out to be. What cannot be read, or is of another version, is an error.
pub(super) enum Found {
    Good(Opened),
    /// There, and not what was written.
    Damaged,
    Missing,
}

/// Reads and opens one file of a subject.
pub(super) fn read(
    dir: &Directory,
    root: &RootKey,
    subject: &Subject,
    name: &str,
) -> Result<Found, StoreError> {
    let path = || dir.path().join(name);
    let content = dir.read(name, envelope::MAX_LEN);
    let bytes = match content.map_err(|error| StoreError::io(Action::Read, path())(error))? {
        Content::Bytes(bytes) => bytes,
        Content::TooLong => return Ok(Found::Damaged),
        Content::Missing => return Ok(Found::Missing),
    };
    match envelope::open(root, subject, &bytes) {
        Ok(opened) => Ok(Found::Good(opened)),
        Err(NotOpened::NotAuthentic) => Ok(Found::Damaged),
        Err(source @ NotOpened::UnknownVersion(_)) => {
            Err(StoreError::UnknownVersion { path: path(), source })
        }
    }
}

/// Seals and writes one file of a subject.
pub(super) fn write(
    dir: &StateDir,
    root: &RootKey,
    subject: &Subject,
    name: &str,
    generation: u64,
    plaintext: &[u8],
) -> Result<(), StoreError> {
    let sealed = envelope::seal(root, subject, generation, plaintext)
        .map_err(|source| StoreError::Seal { path: dir.path().join(name), source })?;
    let files = dir.files();
    match subject {
        Subject::Credentials(..) => files.write_into_room(name, &sealed),
        _ => files.write(name, &sealed),
    }
    .map_err(dir.cannot(Action::Write, name))
}

/// What was loaded of a subject that has two copies.
pub(super) struct Loaded {
    pub(super) opened: Opened,
    /// The copy that the system would not let us read. It may be the newer one, so it stays as it
    /// is until something is to be written in its place.
    pub(super) unread: Option<String>,
}

impl Loaded {
    const fn from(opened: Opened) -> Option<Self> {
        Some(Self { opened, unread: None })
    }
}

/// Loads a subject that has two copies: the newer one that is good, or the good one where the
/// system does not let the other be read. None where there is none, or where what was there is
/// damaged in both and has been put aside.
pub(super) fn load(
    dir: &StateDir,
    root: &RootKey,
    subject: &Subject,
    files: &[String; 2],
    notes: &mut Vec<Note>,
) -> Result<Option<Loaded>, StoreError> {
    let [a, b] = files;
    // Both are read before anything is done about either.
    let found = (read(dir.files(), root, subject, a), read(dir.files(), root, subject, b));
    let found = match found {
        (Ok(Found::Good(opened)), Err(error @ StoreError::Io { .. })) => {
            return Ok(Some(beside_unread(opened, a, b, &error, notes)));
        }
        (Err(error @ StoreError::Io { .. }), Ok(Found::Good(opened))) => {
            return Ok(Some(beside_unread(opened, b, a, &error, notes)));
        }
        (x, y) => (x?, y?),
    };
    let (best, best_name, other, other_name) = match found {
        (Found::Missing, Found::Missing) => return Ok(None),
        (Found::Good(x), Found::Good(y)) if y.generation > x.generation => {
            (y, b, Found::Good(x), a)
        }
        (Found::Good(x), other) => (x, a, other, b),
        (other, Found::Good(y)) => (y, b, other, a),
        (x, y) => {
            let damaged = [(x, a), (y, b)];
            let damaged = damaged.iter().filter(|(found, _)| matches!(found, Found::Damaged));
            for (_, name) in damaged {
                quarantine(dir, name)?;
                let text = format!(
                    "{} was damaged, with no copy to repair it from: kept as {}",
                    dir.path().join(name).display(),
                    names::quarantined(name)
                );
                notes.push(Note::new(Level::Error, text));
            }
            dir.sync()?;
            return Ok(None);
        }
    };

    let fault = match other {
        Found::Good(other) if other.generation == best.generation => return Ok(Loaded::from(best)),
        Found::Good(_) => "older than its other copy",
        Found::Damaged => "damaged",
        Found::Missing => "missing",
    };
    let path = dir.path().join(other_name);
    let path = path.display();
    let repaired = write(dir, root, subject, other_name, best.generation, &best.plaintext);
    let text = match repaired {
        Ok(()) => format!("{path} was {fault}: repaired from {best_name}"),
        Err(error) => format!("{path} is {fault}, and cannot be repaired: {}", chain(&error)),
    };
    notes.push(Note::new(Level::Warn, text));
    Ok(Loaded::from(best))
}

fn beside_unread(
    opened: Opened,
    good: &str,
    unread: &str,
    error: &StoreError,
    notes: &mut Vec<Note>,
) -> Loaded {
    let text = format!("{}; {good} is used, and this copy left as it is", chain(error));
    notes.push(Note::new(Level::Warn, text));
    Loaded { opened, unread: Some(unread.to_owned()) }
}

/// Makes room for a new copy in the place of one that could not be read. Nobody knows what it has
/// that its other copy has not: it is kept.
pub(super) fn make_room(dir: &StateDir, name: &str) -> Result<Note, StoreError> {
    quarantine(dir, name)?;
    let path = dir.path().join(name);
    let aside = names::quarantined(name);
    let text = format!("{} could not be read: kept as {aside}, and written anew", path.display());
    Ok(Note::new(Level::Warn, text))
}

/// What became of a subject that has one file.
pub(super) enum Single {
    Good(Opened),
    Missing,
    /// It was damaged; nothing of it can be used.
    Lost,
}

/// Loads a subject that has one file. A damaged one is put aside; where that cannot be done, it
/// is in nobody's way.
pub(super) fn load_single(
    dir: &StateDir,
    root: &RootKey,
    subject: &Subject,
    name: &str,
    notes: &mut Vec<Note>,
) -> Result<Single, StoreError> {
    match read(dir.files(), root, subject, name)? {
        Found::Good(opened) => return Ok(Single::Good(opened)),
        Found::Missing => return Ok(Single::Missing),
        Found::Damaged => {}
    }
    let path = dir.path().join(name);
    let path = path.display();
    let text = match quarantine(dir, name).and_then(|()| dir.sync()) {
        Ok(()) => format!("{path} was damaged: kept as {}", names::quarantined(name)),
        Err(error) => format!("{path} is damaged, and stays where it is: {}", chain(&error)),
    };
    notes.push(Note::new(Level::Warn, text));
    Ok(Single::Lost)
}

fn quarantine(dir: &StateDir, name: &str) -> Result<(), StoreError> {
    dir.files().rename(name, &names::quarantined(name)).map_err(dir.cannot(Action::PutAside, name))
}
