// SPDX-License-Identifier: MIT OR Apache-2.0
//! The software statement of an application: a file with a JWT, which the server alone judges.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::common::model::StatementDigest;
use crate::common::secret::Secret;
use crate::system::fs::trusted::{self, FileError};

const LIMIT: usize = 64 * 1024;

/// A software statement, white space taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The SHA-256 of `text`: what credentials are filed under.
    pub digest: StatementDigest,
    /// What the server gets.
    pub text: Secret,
}

impl Statement {
    /// The statement in a file's content: visible ASCII; white space is taken out wherever it is.
    /// The error is the offset of the first byte that is neither.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, usize> {
        // Room for all of it, so that no half of it is left behind in memory.
        let mut text = String::with_capacity(bytes.len());
        for (offset, byte) in bytes.iter().enumerate() {
            match byte {
                b'\t'..=b'\r' | b' ' => {}
                b'!'..=b'~' => text.push(char::from(*byte)),
                _ => {
                    // Wiped when dropped.
                    drop(Secret::new(text));
                    return Err(offset);
                }
            }
        }
        let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
        let mut sum = [0; 32];
        sum.copy_from_slice(digest.as_ref());
        Ok(Self { digest: StatementDigest(sum), text: Secret::new(text) })
    }
}

/// Reads a software statement: a regular file of trusted ownership, at most 64 KiB.
///
/// # Errors
/// The file cannot be read, may not be believed, is empty, or holds what is no visible ASCII.
pub fn read_statement(file: &Path) -> Result<Statement, StatementError> {
    let bytes = trusted::read(file, LIMIT).map_err(StatementError::File)?;
    match Statement::from_bytes(&bytes) {
        Ok(statement) if statement.text.expose().is_empty() => {
            Err(StatementError::Empty(file.to_owned()))
        }
        Ok(statement) => Ok(statement),
        Err(offset) => Err(StatementError::Illegal {
            file: file.to_owned(),
            line: 1 + bytes[..offset].iter().filter(|byte| **byte == b'\n').count(),
        }),
    }
}

/// A file that gives no software statement. Nothing of its content is shown.
#[derive(Debug)]
pub enum StatementError {
    /// It cannot be read, or may not be believed.
    File(FileError),
    /// There is nothing in it but white space.
    Empty(PathBuf),
    /// It holds a byte that no statement has.
    Illegal {
        /// The file.
        file: PathBuf,
        /// The line of that byte, counted from 1.
        line: usize,
    },
}

impl fmt::Display for StatementError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::Empty(file) => {
                write!(f, "{}: found nothing in it; legal: a software statement", file.display())
            }
            Self::Illegal { file, line } => write!(
                f,
                "{}:{line}: found what is no visible ASCII; legal: a software statement (a JWT)",
                file.display()
            ),
        }
    }
}

impl std::error::Error for StatementError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // Display says what that error says, so its cause comes next.
            Self::File(error) => error.source(),
            Self::Empty(_) | Self::Illegal { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn read(content: &[u8]) -> Result<Statement, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jwt");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let shown =
            |error: StatementError| error.to_string().replace(dir.path().to_str().unwrap(), "DIR");
        read_statement(&path).map_err(shown)
    }

    #[test]
    fn white_space_changes_neither_the_statement_nor_its_digest() {
        let plain = read(b"abc").unwrap();
        assert_eq!(plain.text.expose(), "abc");
        assert_eq!(
            plain.digest.to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        for folded in [&b"abc\n"[..], b"\r\n a\tb\x0b\x0cc \r\n\n", b"a\nb\nc"] {
            assert_eq!(read(folded).unwrap(), plain);
        }
        assert_ne!(read(b"abd").unwrap().digest, plain.digest);
    }

    #[test]
    fn any_visible_ascii_is_accepted_for_the_server_is_the_judge() {
        let all: Vec<u8> = (b'!'..=b'~').collect();
        assert_eq!(read(&all).unwrap().text.expose().as_bytes(), all);
    }

    #[test]
    fn what_is_no_statement_is_refused_and_not_shown() {
        for nothing in [&b""[..], b" \n\t"] {
            assert_eq!(
                read(nothing).unwrap_err(),
                "DIR/a.jwt: found nothing in it; legal: a software statement"
            );
        }
        for bad in [&b"sesame\n\0"[..], b"sesame\n\xef\xbb\xbf", b"\nsesame\x7f"] {
            assert_eq!(
                read(bad).unwrap_err(),
                "DIR/a.jwt:2: found what is no visible ASCII; legal: a software statement (a JWT)"
            );
        }
    }

    #[test]
    fn a_statement_has_at_most_64_kib() {
        assert!(read(&[b'a'; 64 * 1024]).is_ok());
        assert_eq!(
            read(&[b'a'; 64 * 1024 + 1]).unwrap_err(),
            "DIR/a.jwt: has too many bytes; legal: at most 64 KiB"
        );
    }

    #[test]
    fn a_statement_that_others_can_write_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jwt");
        fs::write(&path, "abc").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o662)).unwrap();
        let error = read_statement(&path).unwrap_err().to_string();
        assert!(error.contains("has mode 0662; legal: not writable by group or others"), "{error}");
    }

    #[test]
    fn a_missing_statement_keeps_its_cause() {
        use std::error::Error;
        let error = read_statement(Path::new("/nonexistent/a.jwt")).unwrap_err();
        assert_eq!(error.to_string(), "/nonexistent/a.jwt: cannot be read");
        assert!(error.source().unwrap().to_string().starts_with("No such file"));
    }
}
