// SPDX-License-Identifier: MIT OR Apache-2.0
//! All that is stored, moved from one root key to another.
//!
//! | | durable step | a power cut right after it |
//! |---|---|---|
//! | 1 | `.new-NAME` for each sealed file, one after the other, under the new key | undone: the next lock removes them, and the old key opens all |
//! | 2 | they are read back and opened with a key that the new source gives once more | the same |
//! | 3 | `key-check` becomes a sign that a move is under way | done: the next lock goes on with 4; the new key opens all |
//! | 4 | each `.new-NAME` but the key check becomes `NAME` | the same |
//! | 5 | `.new-key-check` becomes `key-check` | the new key opens all |
//!
//! The steps 4 and 5 are renames, which need no key: whoever locks the directory finishes them. The
//! sign is an envelope of a format that nobody writes, so that an older tokend, which knows nothing
//! of all this, takes it for a newer one's file and leaves everything alone.

use std::fmt;
use std::io;

use log::Level;

use super::errors::{Action, Note, OpenError, StoreError};
use super::key_check::{self, Judgement};
use super::names;
use super::pair::{self, Found, Single};
use super::settle;
use super::state_dir::StateDir;
use crate::common::map::Map;
use crate::seal::envelope::{self, Opened, Subject};
use crate::seal::{self, RootKey, RootKeySource, SealError};

/// What a move came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Resealed {
    /// Nothing is stored.
    Empty,
    /// The new key opens what is stored.
    Already,
    /// These files are sealed under the new key now.
    Moved(Vec<String>),
}

/// Moves all that is stored from the root key of one source to that of another, which may make one
/// for it. Done again after an interruption, or after success, it ends with the same.
///
/// What is damaged is repaired or put aside, as at any start; `notes` says so, after an error too.
///
/// # Errors
/// Nothing was moved, or what is left is finished by the next [`StateDir::lock`].
pub fn reseal(
    dir: &StateDir,
    old: &mut dyn RootKeySource,
    new: &mut dyn RootKeySource,
    notes: &mut Vec<Note>,
) -> Result<Resealed, ResealError> {
    let sealed = key_check::sealed_files(dir)?;
    if sealed.is_empty() {
        return Ok(Resealed::Empty);
    }
    let first = new.root_key(false);
    if let Ok(key) = &first
        && opens(dir, key, &sealed)?
    {
        remove_generated(dir, new, notes)?;
        return Ok(Resealed::Already);
    }
    let old_name = old.name();
    let key = old.root_key(false).map_err(|source| ResealError::Old(seal_error(old, source)))?;
    if !opens(dir, &key, &sealed)? {
        let path = dir.path().to_owned();
        return Err(ResealError::Old(OpenError::WrongKey { seal: old_name, path }));
    }
    let target = match first {
        Err(SealError::NoKey { .. } | SealError::Lost { .. }) => new.root_key(true),
        first => first,
    };
    let target = target.map_err(|source| ResealError::New(seal_error(new, source)))?;
    if target.is_blank() {
        return Err(ResealError::New(seal_error(new, SealError::OneByte)));
    }

    let staged = stage(dir, &key, &target, &sealed, notes)?;
    drop(target);
    check(dir, new, &staged)?;
    let sign = envelope::sign_of_a_move();
    let written = dir.files().write(names::KEY_CHECK, &sign);
    written.map_err(dir.cannot(Action::Write, names::KEY_CHECK))?;
    settle::settle(dir.files(), &dir.list()?)
        .map_err(StoreError::io(Action::Write, dir.path().to_owned()))?;
    remove_generated(dir, new, notes)?;
    Ok(Resealed::Moved(staged.into_iter().map(|(_, name)| name).collect()))
}

fn opens(dir: &StateDir, key: &RootKey, sealed: &[String]) -> Result<bool, StoreError> {
    Ok(!matches!(key_check::judge(dir.files(), key, sealed)?, Judgement::Wrong))
}

fn seal_error(source: &dyn RootKeySource, error: SealError) -> OpenError {
    OpenError::Seal { seal: source.name(), source: error }
}

/// Writes everything anew, beside what is there; what belongs to which file.
fn stage(
    dir: &StateDir,
    old: &RootKey,
    new: &RootKey,
    sealed: &[String],
    notes: &mut Vec<Note>,
) -> Result<Vec<(Subject, String)>, StoreError> {
    let subjects = sealed.iter().filter_map(|name| names::subject(name));
    let subjects: Map<_, ()> = subjects.map(|subject| (subject, ())).collect();
    let mut staged = Vec::new();
    for (subject, ()) in subjects {
        let files = names::files(&subject);
        let opened = match (&subject, files.as_slice()) {
            (Subject::KeyCheck, _) => continue,
            (_, [a, b]) => load_pair(dir, old, &subject, &[a.clone(), b.clone()], notes)?,
            (_, [file]) => match pair::load_single(dir, old, &subject, file, notes)? {
                Single::Good(opened) => Some(opened),
                Single::Missing | Single::Lost => None,
            },
            _ => None,
        };
        let Some(Opened { generation, plaintext }) = opened else { continue };
        for file in files {
            let beside = names::staged(&file);
            pair::write(dir, new, &subject, &beside, generation, &plaintext)?;
            staged.push((subject.clone(), file));
        }
    }
    key_check::write_check(dir, new, &names::staged(names::KEY_CHECK))?;
    staged.push((Subject::KeyCheck, names::KEY_CHECK.to_owned()));
    Ok(staged)
}

fn load_pair(
    dir: &StateDir,
    old: &RootKey,
    subject: &Subject,
    files: &[String; 2],
    notes: &mut Vec<Note>,
) -> Result<Option<Opened>, StoreError> {
    let Some(loaded) = pair::load(dir, old, subject, files, notes)? else { return Ok(None) };
    // Which may be the newer one: not moved without it.
    if let Some(unread) = loaded.unread {
        let error = io::Error::other("one of the two copies cannot be read");
        return Err(dir.cannot(Action::Read, &unread)(error));
    }
    Ok(Some(loaded.opened))
}

/// Whether a process to come will open all that is to be moved: asked before there is no way back.
fn check(
    dir: &StateDir,
    new: &mut dyn RootKeySource,
    staged: &[(Subject, String)],
) -> Result<(), ResealError> {
    let again = new.root_key(false);
    let again = again.map_err(|source| ResealError::New(seal_error(new, source)))?;
    for (subject, file) in staged {
        match pair::read(dir.files(), &again, subject, &names::staged(file))? {
            Found::Good(_) => {}
            Found::Damaged | Found::Missing => {
                return Err(ResealError::NotTheSame { seal: new.name() });
            }
        }
    }
    Ok(())
}

/// The key of the seal `generated` goes last, once nothing is sealed with it.
fn remove_generated(
    dir: &StateDir,
    new: &dyn RootKeySource,
    notes: &mut Vec<Note>,
) -> Result<(), StoreError> {
    let name = seal::GENERATED_KEY;
    if new.name() == "generated" {
        return Ok(());
    }
    let removed = dir.files().remove(name).map_err(dir.cannot(Action::Remove, name))?;
    if removed {
        dir.sync()?;
        let path = dir.path().join(name);
        let text = format!("removed the generated root key {}", path.display());
        notes.push(Note::new(Level::Info, text));
    }
    Ok(())
}

/// Why nothing is moved.
#[derive(Debug)]
pub enum ResealError {
    /// The old root key cannot be had, or opens nothing.
    Old(OpenError),
    /// The new root key cannot be had.
    New(OpenError),
    /// The new root key is another one each time.
    NotTheSame {
        /// The value of `[storage] seal`.
        seal: &'static str,
    },
    /// Something can be neither read nor written.
    Store(StoreError),
}

impl fmt::Display for ResealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Old(_) => f.write_str("what is stored cannot be opened as before"),
            Self::New(_) => f.write_str("what is stored cannot be sealed anew"),
            Self::NotTheSame { seal } => write!(
                f,
                "the seal {seal} gave another root key when it was asked again; nothing is moved"
            ),
            Self::Store(_) => f.write_str("what is stored cannot be moved"),
        }
    }
}

impl std::error::Error for ResealError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Old(source) | Self::New(source) => Some(source),
            Self::NotTheSame { .. } => None,
            Self::Store(source) => Some(source),
        }
    }
}

impl From<StoreError> for ResealError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
