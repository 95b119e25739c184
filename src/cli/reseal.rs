// SPDX-License-Identifier: MIT OR Apache-2.0
//! `tokend reseal --from DIR`: moves all that is stored to the root key of the configuration in
//! force, from that of the one in DIR.

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::common::error::chain;
use crate::common::exit;
use crate::config::{self, Faults, Source};
use crate::daemon::Options;
use crate::seal;
use crate::store::{self, LockError, ResealError, Resealed, StateDir};
use crate::system::{logging, process};

/// What goes to standard output.
///
/// # Errors
/// Nothing was moved, or the next start of the daemon finishes the rest.
pub fn run(options: &Options, from: &Path) -> Result<String, Failure> {
    let directory = options.state.display();
    become_owner(&options.state).map_err(Failure::User)?;
    process::harden().map_err(Failure::Harden)?;
    logging::start(logging::Target::Stderr, log::LevelFilter::Info);
    let source = Source {
        directory: Some(from.to_owned()),
        credentials: options.config.credentials.clone(),
    };
    let before = config::load(&source).map_err(Failure::Config)?.settings.seal;
    let now = config::load(&options.config).map_err(Failure::Config)?.settings.seal;
    if !options.state.exists() {
        return Ok(format!("{directory} is not there: nothing is to be moved\n"));
    }

    let dir = StateDir::lock(&options.state).map_err(Failure::Lock)?;
    let mut old = seal::source_with_stderr(&before, dir.path(), None);
    let mut new = seal::source_with_stderr(&now, dir.path(), None);
    let mut notes = dir.notes().to_vec();
    let done = store::reseal(&dir, old.as_mut(), new.as_mut(), &mut notes);
    notes.extend(new.warning().map(|text| store::Note { level: log::Level::Warn, text }));
    for note in notes {
        log::log!(note.level, "{}", note.text);
    }
    Ok(match done.map_err(Failure::Reseal)? {
        Resealed::Empty => format!("nothing is stored in {directory}: nothing is to be moved\n"),
        Resealed::Already => {
            format!("the root key from the seal {} opens {directory} already\n", new.name())
        }
        Resealed::Moved(files) => {
            let lines: String = files.iter().map(|file| format!("moved {file}\n")).collect();
            let (old, new) = (old.name(), new.name());
            format!("{lines}{directory}: moved from the seal {old} to the seal {new}\n")
        }
    })
}

/// What root wrote, the daemon's user could not read; and a token may give that user another key.
fn become_owner(state: &Path) -> io::Result<()> {
    let Ok(meta) = state.symlink_metadata() else { return Ok(()) };
    let root = rustix::process::geteuid().is_root();
    if !root || meta.uid() == 0 || !meta.is_dir() {
        return Ok(());
    }
    process::become_user(meta.uid(), meta.gid())
}

/// Why nothing was moved.
#[derive(Debug)]
pub enum Failure {
    /// Root cannot become the user that the state directory belongs to.
    User(io::Error),
    /// The process could not be hardened.
    Harden(io::Error),
    /// One of the two configurations is faulty.
    Config(Faults),
    /// The state directory cannot be had.
    Lock(LockError),
    /// It could not be done.
    Reseal(ResealError),
}

impl Failure {
    /// What to exit with (sysexits.h).
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::User(_) => exit::NOPERM,
            Self::Harden(_) => exit::OSERR,
            Self::Config(_) => exit::CONFIG,
            Self::Lock(LockError::Busy { .. }) => exit::TEMPFAIL,
            Self::Lock(_) => exit::CANTCREAT,
            Self::Reseal(_) => exit::IOERR,
        }
    }

    /// For standard error.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Lock(LockError::Busy { .. }) => {
                format!("{}; stop it first (systemctl stop tokend)", chain(self))
            }
            _ => chain(self),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(_) => f.write_str("cannot become the user of the state directory"),
            Self::Harden(_) => f.write_str("cannot protect this process's memory"),
            Self::Config(faults) => write!(f, "{faults}"),
            Self::Lock(_) => f.write_str("nothing is moved"),
            Self::Reseal(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::User(error) | Self::Harden(error) => Some(error),
            Self::Config(_) => None,
            Self::Lock(error) => Some(error),
            Self::Reseal(error) => std::error::Error::source(error),
        }
    }
}

/// `--from` as given, for the usage.
pub(super) fn needed(from: Option<PathBuf>) -> Result<PathBuf, super::Usage> {
    from.ok_or_else(|| {
        super::Usage("reseal needs --from DIR, the directory of the old tokend.toml".into())
    })
}
