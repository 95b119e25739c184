// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can go wrong with the store, and what it has to say.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::seal::SealError;
use crate::seal::envelope::{NotOpened, NotSealed};

/// Something that the store did and somebody should know: for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// How bad it is.
    pub level: log::Level,
    /// What happened, in a sentence without a secret.
    pub text: String,
}

impl Note {
    pub(super) fn new(level: log::Level, text: String) -> Self {
        Self { level, text }
    }
}

/// What was done to a file when the system refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Reading a file or the directory.
    Read,
    /// Writing a file.
    Write,
    /// Removing a file.
    Remove,
    /// Renaming a damaged file.
    PutAside,
    /// Keeping room on the disk for a file.
    KeepRoom,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Remove => "remove",
            Self::PutAside => "put aside the damaged",
            Self::KeepRoom => "keep 64 KiB of room, before a registration, for",
        })
    }
}

/// Why something is not stored, or what is stored cannot be had just now. It never means that
/// there is nothing.
#[derive(Debug)]
pub enum StoreError {
    /// The system refuses.
    Io {
        /// What was to be done.
        action: Action,
        /// The file, or the directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file that another version of tokend wrote. It is left as it is.
    UnknownVersion {
        /// The file.
        path: PathBuf,
        /// The version of its format, and ours.
        source: NotOpened,
    },
    /// A file whose content is authentic and means nothing to this version. It is left as it is.
    NotUnderstood {
        /// The file.
        path: PathBuf,
    },
    /// Something cannot be sealed.
    Seal {
        /// The file that it was meant for.
        path: PathBuf,
        /// Why not.
        source: NotSealed,
    },
}

impl StoreError {
    pub(super) fn io(action: Action, path: PathBuf) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path, source }
    }

    /// The file, or the directory, that it is about.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Io { path, .. }
            | Self::UnknownVersion { path, .. }
            | Self::NotUnderstood { path }
            | Self::Seal { path, .. } => path,
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path().display();
        match self {
            Self::Io { action, .. } => write!(f, "cannot {action} {path}"),
            Self::UnknownVersion { source, .. } if source.is_move() => write!(
                f,
                "{path} says that a move to another root key was cut off; the next start of \
                 tokend, or tokend reseal once more, finishes it"
            ),
            Self::UnknownVersion { .. } => {
                write!(f, "{path} is of another version of tokend: install that one again")
            }
            Self::NotUnderstood { .. } => write!(
                f,
                "{path} is authentic, but this version of tokend does not understand it: \
                 install the one that wrote it again"
            ),
            Self::Seal { .. } => write!(f, "cannot seal {path}"),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::UnknownVersion { source, .. } => Some(source),
            Self::NotUnderstood { .. } => None,
            Self::Seal { source, .. } => Some(source),
        }
    }
}

/// Why the store cannot be used. Nothing that was in it has been touched.
#[derive(Debug)]
pub enum OpenError {
    /// There is no root key.
    Seal {
        /// The value of `[storage] seal`.
        seal: &'static str,
        /// Why not.
        source: SealError,
    },
    /// There is a root key, and it opens nothing of what is stored.
    WrongKey {
        /// The value of `[storage] seal`.
        seal: &'static str,
        /// The state directory.
        path: PathBuf,
    },
    /// The key can be neither proven nor disproven.
    Store(StoreError),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seal { seal, .. } => write!(f, "no root key from the seal {seal}"),
            Self::WrongKey { seal, path } => write!(
                f,
                "the root key from the seal {seal} is wrong: it opens none of the files in {}; \
                 bring the right one back, or move what is stored to this one with tokend reseal; \
                 without the right one, every application has to register anew, which signs the \
                 viewers out of every TV provider (tokend forget does that)",
                path.display()
            ),
            Self::Store(_) => f.write_str("the root key cannot be checked"),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Seal { source, .. } => Some(source),
            Self::WrongKey { .. } => None,
            Self::Store(source) => Some(source),
        }
    }
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
