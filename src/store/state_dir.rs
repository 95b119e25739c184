// SPDX-License-Identifier: MIT OR Apache-2.0
//! The state directory: there, ours, locked.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use log::Level;
use rustix::fs::{FlockOperation, Mode};
use rustix::io::Errno;

use super::errors::{Action, Note, StoreError};
use super::{names, settle};
use crate::common::map::Map;
use crate::common::model::AppId;
use crate::seal::envelope::Subject;
use crate::system::fs::durable::{Directory, TEMPORARY};

/// The state directory, locked against a second instance for as long as this lives.
pub struct StateDir {
    files: Directory,
    notes: Vec<Note>,
}

impl StateDir {
    /// Makes the directory where there is none, locks it, and only then looks into it. It must be
    /// a real directory of root's or ours.
    pub fn lock(path: &Path) -> Result<Self, LockError> {
        // Without a slash at its end, behind which a symbolic link would be followed.
        let path: PathBuf = path.components().collect();
        let io = |action| {
            let path = path.clone();
            move |source| LockError::Io { action, path, source }
        };
        create(&path).map_err(io("make"))?;
        let files = Directory::open(&path).map_err(|error| match path.symlink_metadata() {
            Ok(meta) if !meta.is_dir() => {
                LockError::NotADirectory { path: path.clone(), link: meta.is_symlink() }
            }
            _ => io("open")(error),
        })?;
        let stat = rustix::fs::fstat(&files).map_err(|error| io("examine")(error.into()))?;
        if stat.st_uid != 0 && stat.st_uid != rustix::process::geteuid().as_raw() {
            return Err(LockError::Owner { path, uid: stat.st_uid });
        }
        match rustix::fs::flock(&files, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(LockError::Busy { path }),
            Err(error) => return Err(io("lock")(error.into())),
        }

        let mut state_dir = Self { files, notes: Vec::new() };
        state_dir.tighten(stat.st_mode);
        let names = state_dir.files.list().map_err(io("read"))?;
        state_dir.remove_leftovers(&names);
        let settled = settle::settle(&state_dir.files, &names);
        state_dir.notes.extend(settled.map_err(io("finish the move to another root key in"))?);
        Ok(state_dir)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.files.path()
    }

    /// What was found when it was locked: for the log.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// Whether nothing sealed is there, so that every root key is right.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn is_empty(&self) -> Result<bool, StoreError> {
        Ok(!self.list()?.iter().any(|name| names::subject(name).is_some()))
    }

    /// Deletes everything of one application, durably; false where there was nothing. Needs no
    /// key. After an error some of it may be left.
    pub fn forget(&self, id: &AppId) -> Result<bool, StoreError> {
        let mut names = self.list()?;
        names.retain(|name| names::owner(name).as_ref() == Some(id));
        // What could still be used goes first, and the record, which holds back a registration,
        // goes after the credentials.
        names.sort_by_key(|name| match names::subject(name) {
            Some(Subject::Token(_)) => 0,
            Some(Subject::Credentials(..)) => 1,
            Some(_) => 2,
            None => 3,
        });

        let mut result = Ok(!names.is_empty());
        for name in &names {
            let removed = self.files.remove(name).map_err(self.cannot(Action::Remove, name));
            // The rest goes all the same.
            if let Err(error) = removed
                && result.is_ok()
            {
                result = Err(error);
            }
        }
        let synced = self.sync();
        let anything = result?;
        synced.map(|()| anything)
    }

    /// The applications that any file belongs to, by the files' names. Needs no key.
    pub fn stored_applications(&self) -> Result<Vec<AppId>, StoreError> {
        let names = self.list()?;
        let owners = names.iter().filter_map(|name| names::owner(name));
        let owners: Map<_, ()> = owners.map(|id| (id, ())).collect();
        Ok(owners.keys().cloned().collect())
    }

    pub(super) fn files(&self) -> &Directory {
        &self.files
    }

    pub(super) fn list(&self) -> Result<Vec<String>, StoreError> {
        self.files.list().map_err(StoreError::io(Action::Read, self.path().to_owned()))
    }

    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.files.sync().map_err(StoreError::io(Action::Write, self.path().to_owned()))
    }

    pub(super) fn cannot(
        &self,
        action: Action,
        name: &str,
    ) -> impl FnOnce(io::Error) -> StoreError + use<> {
        StoreError::io(action, self.path().join(name))
    }

    /// Where it cannot be done (a read-only file system), what is stored is sealed all the same.
    fn tighten(&mut self, mode: u32) {
        let mode = mode & 0o7777;
        if mode & 0o077 == 0 {
            return;
        }
        let path = self.path().display();
        let note = match rustix::fs::fchmod(&self.files, Mode::RWXU) {
            Ok(()) => format!("{path} was open to others (mode {mode:04o}); its mode is 0700 now"),
            Err(error) => format!(
                "{path} is open to others (mode {mode:04o}), and that cannot be changed: {}",
                io::Error::from(error)
            ),
        };
        self.notes.push(Note::new(Level::Warn, note));
    }

    fn remove_leftovers(&mut self, names: &[String]) {
        for name in names.iter().filter(|name| name.starts_with(TEMPORARY)) {
            let path = self.path().join(name);
            let note = match self.files.remove(name) {
                Ok(_) => Note::new(
                    Level::Info,
                    format!("removed {}, which was never written to its end", path.display()),
                ),
                Err(error) => Note::new(
                    Level::Warn,
                    format!("cannot remove the leftover {}: {error}", path.display()),
                ),
            };
            self.notes.push(note);
        }
    }
}

/// Makes a directory and its parents, each one durable before the next.
fn create(path: &Path) -> io::Result<()> {
    match rustix::fs::stat(path) {
        Err(Errno::NOENT) => {}
        // What it is, and whether it may be used, is seen when it is opened.
        _ => return Ok(()),
    }
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    create_parents(parent)?;
    make(path, parent, Mode::RWXU)
}

fn create_parents(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().unwrap_or(Path::new("."));
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    create_parents(parent)?;
    make(path, parent, Mode::from(0o755))
}

fn make(path: &Path, parent: &Path, mode: Mode) -> io::Result<()> {
    match rustix::fs::mkdir(path, mode) {
        Ok(()) | Err(Errno::EXIST) => std::fs::File::open(parent)?.sync_all(),
        Err(error) => Err(error.into()),
    }
}

/// Why the state directory cannot be used.
#[derive(Debug)]
pub enum LockError {
    /// Another instance has it.
    Busy {
        /// The directory.
        path: PathBuf,
    },
    /// Something else is there.
    NotADirectory {
        /// What was given as directory.
        path: PathBuf,
        /// It is a symbolic link.
        link: bool,
    },
    /// It belongs to somebody else.
    Owner {
        /// The directory.
        path: PathBuf,
        /// Whom it belongs to.
        uid: u32,
    },
    /// The system refuses.
    Io {
        /// What was to be done: a verb.
        action: &'static str,
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy { path } => {
                write!(f, "the state directory {} is in use by another tokend", path.display())
            }
            Self::NotADirectory { path, link: true } => write!(
                f,
                "the state directory {} is a symbolic link; name the directory that it leads to",
                path.display()
            ),
            Self::NotADirectory { path, link: false } => {
                write!(f, "the state directory {} is not a directory", path.display())
            }
            Self::Owner { path, uid } => write!(
                f,
                "the state directory {} belongs to user {uid}; \
                 it must belong to root or to the user that runs tokend",
                path.display()
            ),
            Self::Io { action, path, .. } => {
                write!(f, "cannot {action} the state directory {}", path.display())
            }
        }
    }
}

impl std::error::Error for LockError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
