// SPDX-License-Identifier: MIT OR Apache-2.0
//! A look into the state directory that changes nothing and takes no lock, for `tokend check`.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::documents;
use super::errors::StoreError;
use super::key_check::{self, Judgement};
use super::names;
use super::pair::{self, Found};
use super::state_dir::LockError;
use crate::common::model::{AppId, CredentialsByOrigin, StatementDigest};
use crate::seal::RootKey;
use crate::seal::envelope::{Opened, Subject};
use crate::system::fs::durable::Directory;

/// A state directory as it was found. A daemon may be at work in it.
pub struct Inspection {
    files: Directory,
    sealed: Vec<String>,
}

/// What the stored files say of a root key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is stored, so every key is right.
    Empty,
    /// It is the right one: it opens this file.
    Proven(String),
    /// It opens nothing of what is there.
    Wrong,
}

impl Inspection {
    /// Opens the directory; none where there is no such directory. It must be a real one of root's
    /// or of `owner`, the user that runs tokend.
    ///
    /// # Errors
    /// The daemon could not use it, or it is not for this user to read
    /// ([`io::ErrorKind::PermissionDenied`]).
    pub fn open(path: &Path, owner: u32) -> Result<Option<Self>, LockError> {
        // Without a slash at its end, behind which a symbolic link would be followed.
        let path: &Path = &path.components().collect::<PathBuf>();
        let io = |source| LockError::Io { action: "look into", path: path.to_owned(), source };
        let meta = match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            meta => meta.map_err(io)?,
        };
        if !meta.is_dir() {
            let link = meta.is_symlink();
            return Err(LockError::NotADirectory { path: path.to_owned(), link });
        }
        if meta.uid() != 0 && meta.uid() != owner {
            return Err(LockError::Owner { path: path.to_owned(), uid: meta.uid() });
        }
        let files = Directory::open(path).map_err(io)?;
        let mut sealed = files.list().map_err(io)?;
        sealed.retain(|name| names::subject(name).is_some());
        Ok(Some(Self { files, sealed }))
    }

    /// Whether nothing sealed is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sealed.is_empty()
    }

    /// Whether the device's identity has been decided on.
    #[must_use]
    pub fn has_identity(&self) -> bool {
        self.sealed.iter().any(|name| names::subject(name) == Some(Subject::Identity))
    }

    /// The stored identity of the device, of its two copies the newer one that opens.
    ///
    /// # Errors
    /// A copy cannot be read, or is of another version of tokend.
    pub fn identity(&self, root: &RootKey) -> Result<Option<String>, StoreError> {
        let mut newest: Option<Opened> = None;
        for name in names::identity() {
            if let Found::Good(opened) = pair::read(&self.files, root, &Subject::Identity, &name)?
                && newest.as_ref().is_none_or(|best| best.generation < opened.generation)
            {
                newest = Some(opened);
            }
        }
        let identity = newest.and_then(|opened| documents::from_json(&opened.plaintext));
        Ok(identity.map(|documents::Identity { id }| id))
    }

    /// Whether the key opens what is stored.
    ///
    /// # Errors
    /// It can be neither proven nor disproven.
    pub fn judge(&self, root: &RootKey) -> Result<Verdict, StoreError> {
        if self.is_empty() {
            return Ok(Verdict::Empty);
        }
        Ok(match key_check::judge(&self.files, root, &self.sealed)? {
            Judgement::Proven => Verdict::Proven(names::KEY_CHECK.to_owned()),
            Judgement::ProvenBy { file, .. } => Verdict::Proven(file.to_owned()),
            Judgement::Wrong => Verdict::Wrong,
        })
    }
}

/// What a look at the sealed files of one subject has found.
#[derive(Debug)]
pub enum Damage {
    /// It cannot be read, or is of another version: the daemon says `storage-error`.
    Unusable(StoreError),
    /// One of its files is not what was written, and the other copy is good.
    Repairable(String),
    /// None of its files is what was written.
    Lost(Subject, String),
}

impl Inspection {
    /// What is wrong with the files that are sealed, the key's own check aside.
    #[must_use]
    pub fn damage(&self, root: &RootKey) -> Vec<Damage> {
        let mut found = Vec::new();
        let subjects = self.sealed.iter().filter_map(|name| Some((names::subject(name)?, name)));
        let mut subjects: Vec<_> = subjects.filter(|(of, _)| *of != Subject::KeyCheck).collect();
        // The names are sorted, so that two copies come one after the other.
        while let Some((subject, _)) = subjects.first().cloned() {
            let end = subjects.iter().position(|(other, _)| *other != subject);
            let files: Vec<_> = subjects.drain(..end.unwrap_or(subjects.len())).collect();
            let (mut good, mut bad, mut unusable) = (false, None, false);
            for (_, name) in files {
                match pair::read(&self.files, root, &subject, name) {
                    Ok(Found::Good(_)) => good = true,
                    Ok(Found::Damaged) => bad = Some(name.clone()),
                    Ok(Found::Missing) => {}
                    Err(error) => {
                        unusable = true;
                        found.push(Damage::Unusable(error));
                    }
                }
            }
            // Of what cannot be used the daemon says so, and overwrites nothing.
            match bad.filter(|_| !unusable) {
                Some(name) if good => found.push(Damage::Repairable(name)),
                Some(name) => found.push(Damage::Lost(subject, name)),
                None => {}
            }
        }
        found
    }

    /// The client credentials of each application and statement, of their two copies the newer one
    /// that opens. What opens in neither is left out.
    ///
    /// # Errors
    /// A file cannot be read, or is of another version.
    pub fn credentials(
        &self,
        root: &RootKey,
    ) -> Result<Vec<(AppId, StatementDigest, CredentialsByOrigin)>, StoreError> {
        let mut found: Vec<(AppId, StatementDigest, u64, CredentialsByOrigin)> = Vec::new();
        for name in &self.sealed {
            let Some(subject) = names::subject(name) else { continue };
            let Subject::Credentials(id, digest) = &subject else { continue };
            let Found::Good(opened) = pair::read(&self.files, root, &subject, name)? else {
                continue;
            };
            let document = documents::from_json::<documents::Credentials>(&opened.plaintext);
            let Some(documents::Credentials { origins }) = document else { continue };
            // The names are sorted, so that two copies come one after the other.
            match found.last_mut() {
                Some((last, of, generation, filed)) if last == id && of == digest => {
                    if opened.generation > *generation {
                        (*generation, *filed) = (opened.generation, origins);
                    }
                }
                _ => found.push((id.clone(), *digest, opened.generation, origins)),
            }
        }
        Ok(found.into_iter().map(|(id, digest, _, filed)| (id, digest, filed)).collect())
    }
}
