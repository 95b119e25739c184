// SPDX-License-Identifier: MIT OR Apache-2.0
//! Is this the root key that the store was sealed with? Decided before anything is written.

use log::Level;

use super::documents::{self, KeyCheck};
use super::errors::{Action, Note, OpenError, StoreError};
use super::names;
use super::pair::{self, Found};
use super::state_dir::StateDir;
use crate::common::error::chain;
use crate::seal::RootKey;
use crate::seal::envelope::Subject;
use crate::system::fs::durable::Directory;

/// The names of all sealed files, sorted.
pub(super) fn sealed_files(dir: &StateDir) -> Result<Vec<String>, StoreError> {
    let mut names = dir.list()?;
    names.retain(|name| names::subject(name).is_some());
    Ok(names)
}

/// What the proof of a key came to.
pub(super) enum Proof {
    /// It is the right one; what is to be said about it.
    Proven(Vec<Note>),
    Wrong,
}

/// Proves a key by the key check, or by any of the `sealed` files. In an empty store every key is
/// right, and the key check is written.
pub(super) fn prove(dir: &StateDir, root: &RootKey, sealed: &[String]) -> Result<Proof, OpenError> {
    if sealed.is_empty() {
        write_check(dir, root, names::KEY_CHECK)?;
        return Ok(Proof::Proven(Vec::new()));
    }

    match judge(dir.files(), root, sealed)? {
        Judgement::Proven => Ok(Proof::Proven(Vec::new())),
        Judgement::ProvenBy { file, fault } => {
            Ok(Proof::Proven(vec![rewrite(dir, root, fault, file)]))
        }
        Judgement::Wrong => Ok(Proof::Wrong),
    }
}

/// What the files say of a key.
pub(super) enum Judgement<'a> {
    /// The key check opens.
    Proven,
    /// Another file opens.
    ProvenBy {
        file: &'a str,
        /// What is wrong with the key check.
        fault: &'static str,
    },
    /// Nothing opens.
    Wrong,
}

/// Tries a key on the key check, and where that says nothing on the other `sealed` files. Only
/// reads.
pub(super) fn judge<'a>(
    dir: &Directory,
    root: &RootKey,
    sealed: &'a [String],
) -> Result<Judgement<'a>, StoreError> {
    let mut obstacle = None;
    let fault = match pair::read(dir, root, &Subject::KeyCheck, names::KEY_CHECK) {
        Ok(Found::Good(_)) => return Ok(Judgement::Proven),
        Ok(Found::Damaged) => "damaged",
        Ok(Found::Missing) => "missing",
        Err(error @ StoreError::UnknownVersion { .. }) => return Err(error),
        Err(error) => {
            obstacle = Some(error);
            "unreadable"
        }
    };
    for file in sealed.iter().filter(|file| *file != names::KEY_CHECK) {
        let Some(subject) = names::subject(file) else { continue };
        match pair::read(dir, root, &subject, file) {
            Ok(Found::Good(_)) => return Ok(Judgement::ProvenBy { file, fault }),
            Ok(_) => {}
            // Of several obstacles, the one that no waiting overcomes is named.
            Err(error @ StoreError::UnknownVersion { .. }) => obstacle = Some(error),
            Err(error) => {
                obstacle.get_or_insert(error);
            }
        }
    }
    match obstacle {
        Some(error) => Err(error),
        None => Ok(Judgement::Wrong),
    }
}

fn rewrite(dir: &StateDir, root: &RootKey, fault: &str, proof: &str) -> Note {
    let path = dir.path().join(names::KEY_CHECK);
    let path = path.display();
    let text = match write_check(dir, root, names::KEY_CHECK) {
        Ok(()) => format!("{path} was {fault}: written anew, for {proof} proves the root key"),
        Err(error) => {
            format!("{path} is {fault}, and cannot be written anew: {}", chain(&error))
        }
    };
    Note::new(Level::Warn, text)
}

/// Writes a key check under the name `name`.
pub(super) fn write_check(dir: &StateDir, root: &RootKey, name: &str) -> Result<(), StoreError> {
    let json = documents::to_json(&KeyCheck {})
        .map_err(|error| dir.cannot(Action::Write, name)(error.into()))?;
    pair::write(dir, root, &Subject::KeyCheck, name, 1, &json)
}
