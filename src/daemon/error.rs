// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why the daemon cannot start or go on, and what to exit with.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::bus::BusError;
use crate::common::exit;
use crate::config::Faults;
use crate::store::LockError;

/// Why the daemon cannot start or go on.
#[derive(Debug)]
pub enum RunError {
    /// The configuration is faulty.
    Config(Faults),
    /// `--root` names no directory.
    Root(PathBuf),
    /// The process could not be hardened.
    Harden(io::Error),
    /// A vital source of events failed.
    Watch(io::Error),
    /// The state directory cannot be had.
    Lock(LockError),
    /// The bus cannot be had.
    Bus(BusError),
    /// The bus or the name is lost.
    BusLost(String),
    /// The root key does not work, and cannot change while this process lives.
    KeyIsFinal,
}

impl RunError {
    /// What to exit with (sysexits.h).
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) => exit::CONFIG,
            Self::Root(_) => exit::USAGE,
            Self::Harden(_) | Self::Watch(_) => exit::OSERR,
            Self::Lock(LockError::Busy { .. })
            | Self::Bus(_)
            | Self::BusLost(_)
            | Self::KeyIsFinal => exit::TEMPFAIL,
            Self::Lock(_) => exit::CANTCREAT,
        }
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(faults) => write!(f, "{faults}"),
            Self::Root(root) => {
                write!(f, "--root {}: found no such directory", root.display())
            }
            Self::Harden(_) => f.write_str("cannot protect this process's memory"),
            Self::Watch(_) => f.write_str("cannot wait for events"),
            Self::Lock(_) => f.write_str("the state directory cannot be used"),
            Self::Bus(_) => f.write_str("no service on the bus"),
            Self::BusLost(reason) => write!(f, "the bus is lost: {reason}"),
            Self::KeyIsFinal => f.write_str(
                "there has been no root key for 10 minutes, and this process may never get one: a \
                 systemd credential does not change while it lives, and neither do the devices that \
                 it may use: ending, so that systemd starts it anew",
            ),
        }
    }
}

impl std::error::Error for RunError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Config(_) | Self::Root(_) | Self::BusLost(_) | Self::KeyIsFinal => None,
            Self::Harden(error) | Self::Watch(error) => Some(error),
            Self::Lock(error) => Some(error),
            Self::Bus(error) => Some(error),
        }
    }
}
