// SPDX-License-Identifier: MIT OR Apache-2.0
//! The store, as the daemon uses it: errors become sentences, notes become log lines.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use ring::rand::{SecureRandom, SystemRandom};

use crate::common::error::chain;
use crate::common::map::Map;
use crate::common::model::{AppId, Stored};
use crate::common::secret::{THREAD, wipe_stack_after};
use crate::config::Application;
use crate::device::{self, Overrides};
use crate::lifecycle::{Action, Room};
use crate::seal::{RootKey, RootKeySource, SealError};
use crate::store::{Note, OpenError, StateDir, Store, StoreError};
use crate::system::memory;

/// Enough to start a process and read its answer.
const STACK: usize = 256 * 1024;

pub(super) struct Storage {
    dir: Arc<StateDir>,
    /// Locked while it is asked.
    source: Arc<Mutex<Box<dyn RootKeySource>>>,
    takes_long: bool,
    key_is_final: bool,
    /// This process has had a root key, right or wrong, or has got as far as a PIN.
    had_key: bool,
    /// It never had one, and a new process may have what this one lacks.
    may_be_this_process: bool,
    store: Option<Store>,
    /// The device's identity, once the store has said what it is.
    identity: Option<String>,
    /// Why the configuration gives none, as anybody may read it.
    identity_fault: Option<String>,
    /// It is not on the disk yet: a random one would be another after a restart.
    identity_unsaved: bool,
    /// Configured by a file that is faulty: not removed.
    faulty: Vec<AppId>,
    /// What an operator has been told of each subject.
    said: Map<String, String>,
}

impl Storage {
    pub(super) fn new(
        dir: Arc<StateDir>,
        source: Box<dyn RootKeySource>,
        faulty: Vec<AppId>,
    ) -> Self {
        say(dir.notes());
        Self {
            dir,
            takes_long: source.takes_long(),
            key_is_final: source.fixed_for_this_process(),
            source: Arc::new(Mutex::new(source)),
            had_key: false,
            may_be_this_process: false,
            store: None,
            identity: None,
            identity_fault: None,
            identity_unsaved: false,
            faulty,
            said: Map::new(),
        }
    }

    /// Asks for the root key. None where that takes long: a thread of its own asks, and hands what
    /// it gets to `later`. Not to be called again before that has happened.
    pub(super) fn root_key(
        &mut self,
        later: impl FnOnce(Result<RootKey, SealError>) + Send + 'static,
    ) -> Result<Option<Result<RootKey, SealError>>, String> {
        let store_is_empty =
            self.dir.is_empty().map_err(|error| chain(&OpenError::Store(error)))?;
        if !self.takes_long {
            return Ok(Some(lock(&self.source).root_key(store_is_empty)));
        }
        let source = Arc::clone(&self.source);
        let work = move || {
            let key = wipe_stack_after::<THREAD, _>(|| lock(&source).root_key(store_is_empty));
            later(key);
            memory::give_back();
        };
        let thread = thread::Builder::new().name("seal".to_owned()).stack_size(STACK).spawn(work);
        thread.map_err(|error| format!("no thread to ask for the root key in: {error}"))?;
        Ok(None)
    }

    /// Opens the store and settles the device's identity: the stored one wins permanently. While
    /// none is stored, one that is configured and cannot be used keeps the store closed.
    pub(super) fn open(
        &mut self,
        key: Result<RootKey, SealError>,
        root: &Path,
        overrides: &Overrides,
    ) -> Result<(), String> {
        self.had_key |= matches!(key, Ok(_) | Err(SealError::Pkcs11(_)));
        // A key of the seal `generated` is nobody's device.
        let lacks = key.as_ref().is_err_and(SealError::may_end_with_this_process);
        self.may_be_this_process =
            lacks && !self.had_key && lock(&self.source).name() != "generated";
        let opened = Store::open_with(Arc::clone(&self.dir), key, lock(&self.source).as_ref());
        let mut store = opened.map_err(|error| chain(&error))?;
        // It works: whatever fails from now on, a new process would not have a better one.
        self.key_is_final = false;
        say(&store.take_notes());
        let (stored, notes) = store.identity().map_err(|error| chain(&error))?;
        say(&notes);
        let id = match stored {
            Some(id) => id,
            None => {
                let decided = device::identity(root, overrides);
                self.identity_fault = decided.as_ref().err().and_then(|e| e.without_values());
                let decided = decided.map_err(|error| chain(&error))?;
                let origin = decided.origin();
                log::info!("the device identifier is decided permanently, from {origin}");
                if let Some(weakness) = decided.weakness() {
                    log::warn!("the device identifier: {weakness}");
                }
                if let Err(error) = store.save_identity(&decided.id) {
                    log::error!("the device identifier is not stored: {}", chain(&error));
                    self.identity_unsaved = true;
                }
                decided.id
            }
        };
        self.identity = Some(id);
        self.store = Some(store);
        self.judge_configured(root, overrides);
        self.said.clear();
        Ok(())
    }

    /// Warns if the configuration has an identity that cannot be used: the stored one wins anyway.
    pub(super) fn judge_configured(&self, root: &Path, overrides: &Overrides) {
        if let (Some(_), Err(error)) = (&self.identity, device::check_configured(root, overrides)) {
            log::warn!("{}; the stored device identifier stays in use", chain(&error));
        }
    }

    /// An operator reads of each trouble once, not at every try.
    pub(super) fn complain(&mut self, subject: &str, message: &str) {
        if self.said.get(subject).is_some_and(|said| said == message) {
            log::debug!("{subject}: {message}");
            return;
        }
        log::error!("{subject}: {message}");
        self.said.insert(subject.to_owned(), message.to_owned());
    }

    pub(super) fn identity(&self) -> Option<&str> {
        self.identity.as_deref()
    }

    /// Whether all is sealed with a key that anybody can guess.
    pub(super) fn has_blank_key(&self) -> bool {
        self.store.as_ref().is_some_and(Store::has_blank_key)
    }

    /// What is wrong with the configured identity while none is stored.
    pub(super) fn identity_fault(&self) -> Option<&str> {
        self.identity_fault.as_deref()
    }

    /// Whether a new process is needed to have another key.
    pub(super) fn key_is_final(&self) -> bool {
        self.key_is_final || self.may_be_this_process
    }

    pub(super) fn load(&mut self, app: &AppId) -> Result<Stored, String> {
        let Some(store) = &mut self.store else { return Err("the store is closed".to_owned()) };
        let loaded = store.load(app);
        match loaded {
            Ok((stored, notes)) => {
                say(&notes);
                Ok(stored)
            }
            Err(error) => {
                say(&store.take_notes());
                let message = chain(&error);
                self.complain(&format!("{app}: storage error, so nothing is registered"), &message);
                Err(message)
            }
        }
    }

    /// What is loaded from now on is looked for anew.
    pub(super) fn invalidate_listing(&mut self) {
        if let Some(store) = &mut self.store {
            store.invalidate_listing();
        }
    }

    /// Does the write that the action asks for.
    pub(super) fn write(&mut self, action: Action) -> Result<(), String> {
        let Some(store) = &mut self.store else { return Err("the store is closed".to_owned()) };
        let subject = action.writes().map(|(app, _)| app.to_string());
        let written: Result<(), StoreError> = match action {
            Action::SaveRecord { app, record, room, .. } => {
                let kept = match room {
                    Room::Allocate(statement) => store.keep_room(&app, &statement),
                    Room::Keep | Room::Release(_) => Ok(()),
                };
                let written = kept.and_then(|()| store.save_record(&app, &record));
                if let Room::Release(_) = room
                    && let Err(error) = store.release_room(&app)
                {
                    log::debug!("{app}: {}", chain(&error));
                }
                written
            }
            Action::SaveCredentials { app, statement, filed } => {
                store.save_credentials(&app, &statement, &filed)
            }
            Action::SaveToken { app, token } => store.save_token(&app, &token),
            Action::RemoveToken { app } => store.remove_token(&app),
            _ => Ok(()),
        };
        say(&store.take_notes());
        if let (Ok(()), Some(subject)) = (&written, subject) {
            self.said.remove(&subject);
            // The disk can be written again.
            if let (true, Some(id)) = (self.identity_unsaved, &self.identity) {
                self.identity_unsaved = store.save_identity(id).is_err();
            }
        }
        written.map_err(|error| chain(&error))
    }

    /// Deletes all that is stored of an application; whether there was anything.
    pub(super) fn forget(&mut self, app: &AppId) -> Result<bool, String> {
        self.invalidate_listing();
        let anything = self.dir.forget(app).map_err(|error| chain(&error))?;
        // What the store remembers of the files is outdated.
        if let Some(store) = &mut self.store
            && let Ok((_, notes)) = store.load(app)
        {
            say(&notes);
        }
        Ok(anything)
    }

    pub(super) fn set_faulty(&mut self, faulty: Vec<AppId>) {
        self.faulty = faulty;
    }

    /// The applications that have something stored and are configured no longer.
    pub(super) fn absent(&self, configured: &Map<AppId, Application>) -> Vec<AppId> {
        let stored = self.dir.stored_applications().unwrap_or_else(|error| {
            log::error!("{}", chain(&error));
            Vec::new()
        });
        let here = |id: &AppId| configured.contains_key(id) || self.faulty.contains(id);
        stored.into_iter().filter(|id| !here(id)).collect()
    }
}

fn lock(source: &Mutex<Box<dyn RootKeySource>>) -> MutexGuard<'_, Box<dyn RootKeySource>> {
    source.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What every random choice of the lifecycle follows from.
pub(super) fn random_seed() -> u64 {
    let mut seed = [0; 8];
    // Without random numbers TLS does not work either; jitter is the least of it.
    let _ = SystemRandom::new().fill(&mut seed);
    u64::from_ne_bytes(seed)
}

fn say(notes: &[Note]) {
    for note in notes {
        log::log!(note.level, "{}", note.text);
    }
}
