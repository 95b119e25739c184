// SPDX-License-Identifier: MIT OR Apache-2.0
//! The device's root key: where it comes from, and the envelope that is sealed under it
//! (contract, section 4).
//!
//! A root key comes from a [`crate::seal::RootKeySource`]: the store asks one for the key, once, and knows
//! nothing else of it. That is the seam for hardware: the `pkcs11` source runs the vendor's module
//! in a short-lived child process, reads the key from a pipe, and hands it over like a file's.

pub mod envelope;
mod generated;
mod key_file;
#[cfg(feature = "pkcs11")]
pub(crate) mod pkcs11;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::config;

/// The shortest root key, in bytes.
pub const MIN_KEY_LEN: usize = 32;

/// The secret under which everything is sealed. Wiped when dropped.
pub struct RootKey(Zeroizing<Vec<u8>>);

impl RootKey {
    /// Takes a key in. None where it is shorter than [`MIN_KEY_LEN`]; any other length will do,
    /// for keys are derived from it.
    #[must_use]
    pub fn new(key: Zeroizing<Vec<u8>>) -> Option<Self> {
        (key.len() >= MIN_KEY_LEN).then_some(Self(key))
    }

    /// Whether it is one byte, repeated: erased flash, a file of zeros, a placeholder. Anybody can
    /// guess it.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.0.iter().all(|byte| *byte == self.0[0])
    }

    fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKey(..)")
    }
}

/// Something that has the root key: a file, a hardware token.
pub trait RootKeySource: Send {
    /// The value of `[storage] seal` that chose it: `key-file`, `pkcs11` or `generated`.
    fn name(&self) -> &'static str;

    /// The root key. Only where `store_is_empty`, so that no sealed file can be orphaned, may a
    /// source make a key that is not there. It may be asked again after an error.
    fn root_key(&mut self, store_is_empty: bool) -> Result<RootKey, SealError>;

    /// Whether asking again gives the same answer for as long as this process lives: systemd
    /// decrypts a credential once, before the start.
    fn fixed_for_this_process(&self) -> bool;

    /// Whether the answer may take seconds: the daemon then asks in a thread of its own.
    fn takes_long(&self) -> bool {
        false
    }

    /// What is legal about the key that was given last, and hardly meant: for the log.
    fn warning(&self) -> Option<String> {
        None
    }
}

/// The source that the configuration names. Nothing is read until it is asked for the key.
#[must_use]
pub fn source(seal: &config::Seal, state_dir: &Path) -> Box<dyn RootKeySource> {
    match seal {
        config::Seal::KeyFile(file) => Box::new(key_file::Source::new(file.clone())),
        config::Seal::Generated => Box::new(generated::Source(state_dir.to_owned())),
        #[cfg(feature = "pkcs11")]
        config::Seal::Pkcs11(token) => Box::new(pkcs11::Source::new(token.clone(), false, None)),
        #[cfg(not(feature = "pkcs11"))]
        config::Seal::Pkcs11(_) => Box::new(NoPkcs11),
    }
}

/// As [`source`], for a person at a terminal: what a PKCS#11 module prints goes to standard error.
/// Where root asks, the module runs as `user`.
#[must_use]
pub fn source_with_stderr(
    seal: &config::Seal,
    state_dir: &Path,
    user: Option<u32>,
) -> Box<dyn RootKeySource> {
    match seal {
        #[cfg(feature = "pkcs11")]
        config::Seal::Pkcs11(token) => Box::new(pkcs11::Source::new(token.clone(), true, user)),
        seal => {
            // Only a module is run by anybody.
            let _ = user;
            source(seal, state_dir)
        }
    }
}

/// The name of the key of the seal `generated`, in the state directory.
pub const GENERATED_KEY: &str = generated::NAME;

/// Where the key of the seal `generated` is.
#[must_use]
pub fn generated_key(state_dir: &Path) -> PathBuf {
    state_dir.join(generated::NAME)
}

/// What stands for the `pkcs11` seal in a build without it.
#[cfg(not(feature = "pkcs11"))]
struct NoPkcs11;

#[cfg(not(feature = "pkcs11"))]
impl RootKeySource for NoPkcs11 {
    fn name(&self) -> &'static str {
        "pkcs11"
    }

    fn root_key(&mut self, _store_is_empty: bool) -> Result<RootKey, SealError> {
        Err(SealError::NoPkcs11)
    }

    fn fixed_for_this_process(&self) -> bool {
        false
    }
}

/// Why there is no root key.
#[derive(Debug)]
pub enum SealError {
    /// The file with the key cannot be read, or is not there.
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others could have written the file.
    Ownership {
        /// Which file, and what is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file has less than [`MIN_KEY_LEN`] bytes.
    Short {
        /// The file.
        path: PathBuf,
        /// How many bytes it has.
        found: usize,
    },
    /// A partition that nobody has written a key to.
    Blank {
        /// The block device.
        path: PathBuf,
    },
    /// The key is one byte, repeated, and nothing is sealed with it yet.
    OneByte,
    /// The generated key is gone, and what was sealed with it is not.
    Lost {
        /// Where the key was.
        path: PathBuf,
    },
    /// A generated key cannot be written.
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The system gives no random numbers.
    NoRandom,
    /// `pkcs11` is configured, and this program was built without it.
    NoPkcs11,
    /// Others could have written the PKCS#11 module.
    Module {
        /// Which file, and what is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file with the PIN cannot be read, or others could have written it.
    Pin {
        /// Which file, and what is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The token is there, and has no such key.
    NoKey {
        /// Its label.
        token: String,
        /// The label of the key.
        key: String,
    },
    /// The PKCS#11 module or its token gives no key: a sentence.
    Pkcs11(String),
    /// The same, before anybody has logged in: the module or its device is not there, or not yet.
    NotReady(String),
}

impl SealError {
    /// Whether a new process may have what this one has not: systemd gives each the devices and the
    /// rights that are there when it starts.
    #[must_use]
    pub fn may_end_with_this_process(&self) -> bool {
        use rustix::io::Errno;
        match self {
            Self::Read { source, .. } => {
                let absent = [Errno::NOENT, Errno::NXIO, Errno::NODEV, Errno::ACCESS, Errno::PERM];
                source.raw_os_error().is_some_and(|n| absent.map(Errno::raw_os_error).contains(&n))
            }
            Self::NotReady(_) => true,
            _ => false,
        }
    }
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, .. } => write!(f, "cannot read the root key {}", path.display()),
            Self::Ownership { .. } => f.write_str("the root key is not safe from others"),
            Self::Short { path, found } => write!(
                f,
                "the root key {} has {found} bytes; legal is {MIN_KEY_LEN} or more",
                path.display()
            ),
            Self::Blank { path } => {
                write!(f, "{} holds no root key: it is blank", path.display())
            }
            Self::OneByte => f.write_str(
                "the root key is one byte, repeated, which anybody can guess; put 32 random bytes \
                 there (head -c 32 /dev/urandom)",
            ),
            Self::Lost { path } => write!(
                f,
                "the generated root key {} is gone, but files sealed with it are there; bring it \
                 back: without it, every application has to register anew, which signs the viewers \
                 out of every TV provider (tokend forget does that)",
                path.display()
            ),
            Self::Write { path, .. } => {
                write!(f, "cannot write a new root key to {}", path.display())
            }
            Self::NoRandom => f.write_str("the system gives no random numbers for a new root key"),
            Self::NoPkcs11 => f.write_str(
                "this tokend was built without the seal pkcs11 (cargo's feature \"pkcs11\")",
            ),
            Self::Module { .. } => f.write_str("the PKCS#11 module is not safe from others"),
            Self::Pin { .. } => f.write_str("the PIN cannot be had"),
            Self::NoKey { token, key } => write!(
                f,
                "the token {token:?} has no key with the label {key:?}; one is made only while \
                 nothing is stored: bring back the one that the stored files are sealed with; \
                 without it, every application has to register anew, which signs the viewers out of \
                 every TV provider (tokend forget does that)"
            ),
            Self::Pkcs11(message) | Self::NotReady(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for SealError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read { source, .. } | Self::Write { source, .. } => Some(source),
            Self::Ownership { source } | Self::Module { source } | Self::Pin { source } => {
                Some(&**source)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
