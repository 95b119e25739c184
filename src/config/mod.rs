//! A stand-in with no more than the seals need.

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where the root key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seal {
    /// From a file.
    KeyFile(KeyFile),
    /// From a PKCS#11 token.
    Pkcs11(Pkcs11),
    /// Made on first start, beside the data.
    Generated,
}

/// `[storage] key_file`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFile {
    /// The file.
    pub path: PathBuf,
    /// It lies in `$CREDENTIALS_DIRECTORY`.
    pub from_credential: bool,
}

/// `[storage] pkcs11_*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pkcs11 {
    /// The module.
    pub module: PathBuf,
    /// The label of the token.
    pub token: String,
    /// The label of the key.
    pub key: String,
    /// The file with the PIN.
    pub pin_file: Option<PathBuf>,
}

/// A file that somebody else could have written.
#[derive(Debug)]
pub struct FileError(String);

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for FileError {}

/// Whether what is at this path, a symbolic link followed, belongs to root or to the user that
/// runs tokend, and is writable by nobody else.
pub fn check_ownership(path: &Path) -> Result<(), FileError> {
    let bad = |found: String| Err(FileError(format!("{}: {found}", path.display())));
    let meta = match path.metadata() {
        Ok(meta) => meta,
        Err(error) => return bad(format!("cannot be read: {error}")),
    };
    if meta.uid() != 0 && meta.uid() != rustix::process::geteuid().as_raw() {
        return bad(format!("belongs to uid {}", meta.uid()));
    }
    if meta.mode() & 0o022 != 0 {
        return bad(format!("has mode {:04o}", meta.mode() & 0o7777));
    }
    Ok(())
}
