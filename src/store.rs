// SPDX-License-Identifier: MIT OR Apache-2.0
//! Secure storage: what is kept of each application, sealed under the device's root key, in files
//! that survive a power cut (contract, section 4).
//!
//! The state directory holds, and nothing else:
//!
//! | file | holds |
//! |---|---|
//! | `ID.DIGEST.a`, `ID.DIGEST.b` | two copies of an application's credentials, by the SHA-256 of their statement |
//! | `ID.token` | its access token |
//! | `ID.record` | its attempt record |
//! | `device-identity.a`, `.b` | two copies of the device's identity |
//! | `key-check` | the proof that a root key is the right one |
//! | `generated-key` | the root key itself, with `seal = "generated"` |
//! | `NAME.corrupt` | a damaged file, put aside |
//! | `.room-NAME` | nothing: room on the disk for credentials, until they or a refusal come |
//! | `.new-NAME` | a file under another root key, while `tokend reseal` moves the store to it |
//! | `.tmp-NAME` | a file that is being written; left by a power cut, it is removed at start |

mod documents;
mod errors;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod inspect;
mod key_check;
mod names;
mod pair;
mod reseal;
mod settle;
mod state_dir;

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::errors::{Action, Note, OpenError, StoreError};
pub use self::inspect::{Damage, Inspection, Verdict};
pub use self::reseal::{ResealError, Resealed, reseal};
pub use self::state_dir::{LockError, StateDir};

use self::key_check::Proof;
use self::pair::Single;
use crate::common::map::Map;
use crate::common::model::{
    AppId, AttemptLog, CredentialsByOrigin, StatementDigest, Stored, Token,
};
use crate::seal::envelope::{Opened, Subject};
use crate::seal::{RootKey, RootKeySource, SealError};

/// The room that is kept for each copy of credentials, in bytes: as much as an answer of the server
/// may have.
const ROOM: usize = 64 * 1024;

/// The sealed files of one state directory, under a root key that is proven to be theirs.
///
/// A save that fails may be tried again; until one succeeds, the old or the new content is there.
pub struct Store {
    dir: Arc<StateDir>,
    root: RootKey,
    notes: Vec<Note>,
    /// The highest generation seen or tried of each subject, so that none is used twice.
    generations: Map<Subject, u64>,
    /// Whose files have been seen, `None` for the device's own: nothing else is overwritten.
    seen: Vec<Option<AppId>>,
    /// The copy of a subject that could not be read though its other copy could.
    unread: Map<Subject, String>,
    /// The names in the directory, while loads follow each other and nothing is written.
    listing: Option<Vec<String>>,
}

/// What is said of a store that a blank key opens.
pub const BLANK_KEY: &str = "the root key is one byte, repeated, which anybody can guess, and it \
     opens what is stored; move that to another key with tokend reseal";

impl Store {
    /// Asks for the root key and proves it. Where it is wrong or cannot be had, nothing is written.
    pub fn open(dir: Arc<StateDir>, source: &mut dyn RootKeySource) -> Result<Self, OpenError> {
        let key = source.root_key(dir.is_empty()?);
        Self::open_with(dir, key, source)
    }

    /// [`Store::open`] with what `source` has answered already. It was told the truth about
    /// [`StateDir::is_empty`], and nothing was written since.
    pub fn open_with(
        dir: Arc<StateDir>,
        key: Result<RootKey, SealError>,
        source: &dyn RootKeySource,
    ) -> Result<Self, OpenError> {
        let seal = source.name();
        let root = key.map_err(|source| OpenError::Seal { seal, source })?;
        let sealed = key_check::sealed_files(&dir)?;
        if root.is_blank() && sealed.is_empty() {
            return Err(OpenError::Seal { seal, source: SealError::OneByte });
        }
        let Proof::Proven(mut notes) = key_check::prove(&dir, &root, &sealed)? else {
            return Err(OpenError::WrongKey { seal, path: dir.path().to_owned() });
        };
        notes.extend(source.warning().map(|text| Note::new(log::Level::Warn, text)));
        if root.is_blank() {
            notes.push(Note::new(log::Level::Error, BLANK_KEY.to_owned()));
        }
        let (generations, seen, unread, listing) = Default::default();
        Ok(Self { dir, root, notes, generations, seen, unread, listing })
    }

    /// Whether all is sealed with a key that anybody can guess.
    #[must_use]
    pub fn has_blank_key(&self) -> bool {
        self.root.is_blank()
    }

    /// What is to be said that no load has returned yet: about opening, about a load that failed,
    /// about files that were first looked at by a save. For the log; each is returned once.
    pub fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    /// All that is stored of one application; damage is repaired, or put aside. An error never
    /// means that there is nothing. The notes are those of [`Store::take_notes`].
    ///
    /// Loads that follow each other share one listing of the directory, until something is written
    /// or [`Store::invalidate_listing`] is called: those of a start share one, however many
    /// applications.
    pub fn load(&mut self, id: &AppId) -> Result<(Stored, Vec<Note>), StoreError> {
        self.unsee(id);
        let names = self.listing.take().map_or_else(|| self.dir.list(), Ok)?;
        let said = self.notes.len();
        let stored = self.read_application(id, &names);
        // Whatever is put aside or repaired is said, too.
        self.listing = (self.notes.len() == said).then_some(names);
        Ok((stored?, self.take_notes()))
    }

    /// The next load lists the directory again: others may have changed it.
    pub fn invalidate_listing(&mut self) {
        self.listing = None;
    }

    /// Files credentials under their statement, in both copies.
    pub fn save_credentials(
        &mut self,
        id: &AppId,
        statement: &StatementDigest,
        filed: &CredentialsByOrigin,
    ) -> Result<(), StoreError> {
        let document = documents::CredentialsRef { origins: filed };
        self.save(Subject::Credentials(id.clone(), *statement), &document)
    }

    /// Keeps room on the disk for both copies of the credentials of a statement, so that a full
    /// disk or a limit is found before a registration and not after it. Room that is kept already
    /// stays; that for other statements of the application is given back.
    pub fn keep_room(&mut self, id: &AppId, statement: &StatementDigest) -> Result<(), StoreError> {
        let subject = Subject::Credentials(id.clone(), *statement);
        self.release_rooms(id, Some(&subject))?;
        for file in names::credentials(id, statement) {
            let kept = self.dir.files().keep_room(&file, ROOM);
            kept.map_err(self.dir.cannot(Action::KeepRoom, &file))?;
        }
        Ok(())
    }

    /// Gives all room that is kept for credentials of an application back.
    pub fn release_room(&mut self, id: &AppId) -> Result<(), StoreError> {
        self.release_rooms(id, None)
    }

    fn release_rooms(&mut self, id: &AppId, but: Option<&Subject>) -> Result<(), StoreError> {
        self.invalidate_listing();
        for name in self.dir.list()? {
            let Some(subject) = names::room_for(&name) else { continue };
            if subject.application() == Some(id) && Some(&subject) != but {
                self.dir.files().remove(&name).map_err(self.dir.cannot(Action::Remove, &name))?;
            }
        }
        Ok(())
    }

    /// Replaces the attempt record.
    pub fn save_record(&mut self, id: &AppId, record: &AttemptLog) -> Result<(), StoreError> {
        self.save(Subject::Record(id.clone()), record)
    }

    /// Replaces the token.
    pub fn save_token(&mut self, id: &AppId, token: &Token) -> Result<(), StoreError> {
        self.save(Subject::Token(id.clone()), token)
    }

    /// Deletes the token, durably.
    pub fn remove_token(&mut self, id: &AppId) -> Result<(), StoreError> {
        self.invalidate_listing();
        let name = names::token(id);
        self.dir.files().remove(&name).map_err(self.dir.cannot(Action::Remove, &name))?;
        self.dir.sync()
    }

    /// The device's identity, where one has been decided on.
    pub fn identity(&mut self) -> Result<(Option<String>, Vec<Note>), StoreError> {
        let identity = self.read_identity()?;
        Ok((identity, self.take_notes()))
    }

    /// Keeps the device's identity, in both copies.
    pub fn save_identity(&mut self, id: &str) -> Result<(), StoreError> {
        self.save(Subject::Identity, &documents::Identity { id: id.to_owned() })
    }

    /// Whatever follows, nothing of the application is taken for known before it has been read.
    fn unsee(&mut self, id: &AppId) {
        self.seen.retain(|seen| seen.as_ref() != Some(id));
        // A copy may be gone since, forgotten: what is not there needs no room made.
        self.unread.retain(|subject, _| subject.application() != Some(id));
    }

    fn read_application(&mut self, id: &AppId, names: &[String]) -> Result<Stored, StoreError> {
        let mut stored = Stored::default();

        for digest in statements(names, id) {
            let subject = Subject::Credentials(id.clone(), digest);
            let files = names::credentials(id, &digest);
            if let Some(documents::Credentials { origins }) = self.read_pair(subject, &files)? {
                stored.filed.insert(digest, origins);
            }
        }
        stored.token = self.read_single(Subject::Token(id.clone()), &names::token(id))?.0;
        let file = names::record(id);
        let (record, lost) = self.read_single(Subject::Record(id.clone()), &file)?;
        // Lost just now, or before a restart and not written since.
        stored.record_lost = lost || record.is_none() && names.contains(&names::quarantined(&file));
        stored.record = record.unwrap_or_default();
        self.seen.push(Some(id.clone()));
        Ok(stored)
    }

    fn read_identity(&mut self) -> Result<Option<String>, StoreError> {
        self.seen.retain(Option::is_some);
        let identity = self.read_pair(Subject::Identity, &names::identity())?;
        self.seen.push(None);
        Ok(identity.map(|documents::Identity { id }| id))
    }

    fn read_pair<T: DeserializeOwned>(
        &mut self,
        subject: Subject,
        files: &[String; 2],
    ) -> Result<Option<T>, StoreError> {
        self.unread.remove(&subject);
        let loaded = pair::load(&self.dir, &self.root, &subject, files, &mut self.notes)?;
        let Some(pair::Loaded { opened, unread }) = loaded else { return Ok(None) };
        if let Some(unread) = unread {
            self.unread.insert(subject.clone(), unread);
        }
        self.read_document(subject, &files[0], &opened).map(Some)
    }

    /// What one file holds, and whether there was something that is lost.
    fn read_single<T: DeserializeOwned>(
        &mut self,
        subject: Subject,
        file: &str,
    ) -> Result<(Option<T>, bool), StoreError> {
        match pair::load_single(&self.dir, &self.root, &subject, file, &mut self.notes)? {
            Single::Good(opened) => Ok((Some(self.read_document(subject, file, &opened)?), false)),
            Single::Missing => Ok((None, false)),
            Single::Lost => Ok((None, true)),
        }
    }

    fn read_document<T: DeserializeOwned>(
        &mut self,
        subject: Subject,
        file: &str,
        opened: &Opened,
    ) -> Result<T, StoreError> {
        let generation = self.generations.entry(subject).or_default();
        *generation = opened.generation.max(*generation);
        let not_understood = || StoreError::NotUnderstood { path: self.dir.path().join(file) };
        documents::from_json(&opened.plaintext).ok_or_else(not_understood)
    }

    fn save(&mut self, subject: Subject, document: &impl Serialize) -> Result<(), StoreError> {
        self.invalidate_listing();
        self.see(subject.application())?;
        let files = names::files(&subject);
        let json = documents::to_json(document)
            .map_err(|error| self.dir.cannot(Action::Write, &files[0])(error.into()))?;
        if let Some(unread) = self.unread.get(&subject) {
            self.notes.push(pair::make_room(&self.dir, unread)?);
            self.unread.remove(&subject);
            self.dir.sync()?;
        }
        // Taken before the first try, for a write that fails may have come through all the same.
        let generation = self.generations.entry(subject.clone()).or_default();
        *generation = generation.saturating_add(1);
        for file in &files {
            pair::write(&self.dir, &self.root, &subject, file, *generation, &json)?;
        }
        Ok(())
    }

    /// Looks at what is there before anything of it is overwritten.
    fn see(&mut self, application: Option<&AppId>) -> Result<(), StoreError> {
        if self.seen.contains(&application.cloned()) {
            return Ok(());
        }
        match application {
            Some(id) => {
                self.unsee(id);
                self.read_application(id, &self.dir.list()?).map(drop)
            }
            None => self.read_identity().map(drop),
        }
    }
}

/// The statements of an application that any file is there for; `names` are in their order.
fn statements(names: &[String], id: &AppId) -> Vec<StatementDigest> {
    let statement = |name: &String| {
        // Most names are another's: told apart before they are taken apart.
        name.strip_prefix(id.as_str())?.strip_prefix('.')?;
        match names::subject(name)? {
            Subject::Credentials(owner, digest) if owner == *id => Some(digest),
            _ => None,
        }
    };
    let mut statements: Vec<_> = names.iter().filter_map(statement).collect();
    // Two copies have one.
    statements.dedup();
    statements
}

#[cfg(test)]
mod tests;
