// SPDX-License-Identifier: MIT OR Apache-2.0
//! `seal = "key-file"`: a systemd credential, or a key that the manufacturer put there.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use zeroize::Zeroizing;

use super::{RootKey, RootKeySource, SealError};
use crate::config::KeyFile;
use crate::system::fs::trusted;

/// The bytes of a file that count; a key partition is longer.
const USED: usize = 4096;

/// The key file of the configuration.
pub(super) struct Source {
    file: KeyFile,
    warning: Option<String>,
}

impl Source {
    pub(super) fn new(file: KeyFile) -> Self {
        Self { file, warning: None }
    }
}

impl RootKeySource for Source {
    fn name(&self) -> &'static str {
        "key-file"
    }

    fn root_key(&mut self, _store_is_empty: bool) -> Result<RootKey, SealError> {
        let KeyFile { path, from_credential, .. } = &self.file;
        let file = OpenOptions::new()
            .read(true)
            // A pipe in its place must not hold up the start.
            .custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32)
            .open(path)
            .map_err(|source| SealError::Read { path: path.clone(), source })?;
        let mode = file.metadata().map_or(0, |meta| meta.mode() & 0o7777);
        let key = read(file, path)?;
        // The directory of the credentials keeps others out.
        let readable = mode & 0o004 != 0 && !from_credential;
        self.warning = readable.then(|| {
            format!(
                "the root key {0} has mode {mode:04o}, so that everybody may read it \
                 (chmod o= {0})",
                path.display()
            )
        });
        Ok(key)
    }

    fn fixed_for_this_process(&self) -> bool {
        self.file.from_credential
    }

    fn warning(&self) -> Option<String> {
        self.warning.clone()
    }
}

/// The key in an open file.
pub(super) fn read(mut file: File, path: &Path) -> Result<RootKey, SealError> {
    let unread = |source| SealError::Read { path: path.to_owned(), source };
    let meta = file.metadata().map_err(unread)?;
    let partition = meta.file_type().is_block_device();
    if !meta.is_file() && !partition {
        return Err(unread(io::Error::other("neither a regular file nor a block device")));
    }
    trusted::judge(&meta).map_err(|problem| {
        let path = path.to_owned();
        SealError::Ownership { source: Box::new(trusted::FileError { path, problem }) }
    })?;

    let mut buffer = Zeroizing::new([0; USED]);
    let found = fill(&mut file, &mut *buffer).map_err(unread)?;
    let key = &buffer[..found];
    if partition && is_blank(key) {
        return Err(SealError::Blank { path: path.to_owned() });
    }
    RootKey::new(Zeroizing::new(key.to_vec()))
        .ok_or_else(|| SealError::Short { path: path.to_owned(), found })
}

/// Reads until the buffer is full or the file ends. The buffer is the only copy.
fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// What erased flash and a new disk read as.
fn is_blank(bytes: &[u8]) -> bool {
    [0x00, 0xff].iter().any(|blank| bytes.iter().all(|byte| byte == blank))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_erased_partition_is_blank_and_a_key_is_not() {
        assert!(is_blank(&[0; 64]));
        assert!(is_blank(&[0xff; 64]));
        assert!(!is_blank(&[7; 64]));
    }
}
