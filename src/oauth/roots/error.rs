// SPDX-License-Identifier: MIT OR Apache-2.0
use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use rustls::pki_types::pem;

use crate::system::fs::trusted::Problem;

/// No root certificates, so no server can be trusted.
#[derive(Debug)]
pub enum RootsError {
    /// What was named gives none.
    Named {
        /// `ca_file`, `SSL_CERT_FILE` or `SSL_CERT_DIR`.
        what: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What is wrong with it.
        fault: Fault,
    },
    /// The system has no bundle, and this build no roots of its own.
    NoBundle,
    /// Nothing of the system's bundle can be used, for this reason, and this build has no roots of
    /// its own.
    NothingUsable(String),
}

/// What is wrong with a file or directory of certificates.
#[derive(Debug)]
pub enum Fault {
    /// It cannot be read.
    Unreadable(io::Error),
    /// Others could have written it.
    Refused(Problem),
    /// It is no whole PEM.
    Damaged(Option<pem::Error>),
    /// It has no certificate that can be used.
    Empty,
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

impl fmt::Display for RootsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named { what, path, fault } => {
                write!(f, "{what} {} ", path.display())?;
                f.write_str(match fault {
                    Fault::Unreadable(_) => "cannot be read",
                    Fault::Refused(_) => "is refused, and no other root certificates count",
                    Fault::Damaged(_) => "is damaged",
                    Fault::Empty => {
                        "has no usable certificate in it (PEM, -----BEGIN CERTIFICATE-----)"
                    }
                })
            }
            Self::NoBundle => f.write_str(
                "this system has no bundle of root certificates, and none are compiled in: install \
                 ca-certificates, or name a file as ca_file in [server]",
            ),
            Self::NothingUsable(problem) => write!(
                f,
                "{problem}, and none are compiled in: install ca-certificates again, or name a \
                 file as ca_file in [server]"
            ),
        }
    }
}

impl Error for RootsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let Self::Named { fault, .. } = self else { return None };
        match fault {
            Fault::Unreadable(error) => Some(error),
            Fault::Refused(problem) => Some(problem),
            Fault::Damaged(Some(error)) => Some(error),
            Fault::Damaged(None) | Fault::Empty => None,
        }
    }
}
