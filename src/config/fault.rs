// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is wrong with a configuration file, said so that it can be mended.

use std::fmt;
use std::path::PathBuf;

use crate::system::fs::trusted::{FileError, Problem};

/// One thing that is wrong with one file or directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file or directory.
    pub file: PathBuf,
    /// The line, counted from 1, where the fault has one.
    pub line: Option<usize>,
    /// The key, with its table (`server.url`), where the fault has one.
    pub key: Option<String>,
    /// What kind of fault it is.
    pub kind: FaultKind,
    /// What was found, and what is legal. Never the value of a key that may hold a secret.
    pub message: String,
}

/// What kind of fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The file cannot be read, or may not be believed.
    File,
    /// The file is no TOML.
    Syntax,
    /// There is no such key.
    UnknownKey,
    /// A key is left out that has no default.
    Missing,
    /// A value is of another type.
    Type,
    /// A value is illegal.
    Value,
}

/// What stands between what was found and what is legal.
const LEGAL: &str = "; legal: ";

impl Fault {
    /// A fault of a file as a whole.
    #[must_use]
    pub fn of_file(file: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        let kind = FaultKind::File;
        Self { file: file.into(), line: None, key: None, kind, message: message.into() }
    }

    /// `FILE:LINE: KEY: KIND; expected: …`: the fault as anybody may read it, so that nothing of what
    /// was found is in it, which may be a secret in the wrong place.
    #[must_use]
    pub fn without_values(&self) -> String {
        let mut line = self.file.display().to_string();
        if let Some(number) = self.line {
            line.push_str(&format!(":{number}"));
        }
        if let Some(key) = self.key.as_deref().filter(|key| self.is_ours(key)) {
            line.push_str(&format!(": {key}"));
        }
        // What is legal comes last, and is our own text.
        let (found, legal) = self.message.rsplit_once(LEGAL).unwrap_or((&self.message, ""));
        let kind = match self.kind {
            FaultKind::File => found,
            FaultKind::Syntax => "no TOML",
            FaultKind::UnknownKey => "unknown key",
            FaultKind::Missing => "left out",
            FaultKind::Type => "wrong type",
            FaultKind::Value => "illegal value",
        };
        line.push_str(&format!(": {kind}"));
        if !legal.is_empty() {
            line.push_str(&format!("; expected: {legal}"));
        }
        line
    }

    /// A key that is unknown is text of the file: it is shown if it can be no secret.
    fn is_ours(&self, key: &str) -> bool {
        let plain = |c: char| c.is_ascii_lowercase() || "._".contains(c);
        let known = !matches!(self.kind, FaultKind::UnknownKey | FaultKind::Syntax);
        known || (key.len() <= 40 && key.chars().all(plain))
    }
}

impl fmt::Display for Fault {
    /// `FILE:LINE: key: what was found; legal: …`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(key) = &self.key {
            write!(f, ": {key}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for Fault {}

impl From<FileError> for Fault {
    /// A file that cannot be read, or may not be believed: its cause included.
    fn from(error: FileError) -> Self {
        let message = match &error.problem {
            Problem::Io(cause) => {
                let own = rustix::process::geteuid().as_raw();
                format!("{}: {cause}; legal: what uid {own} can read", error.problem)
            }
            problem => problem.to_string(),
        };
        Self::of_file(error.path, message)
    }
}

/// All that is wrong with the configuration, at least one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    /// One fault a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, fault) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::system::fs::trusted;

    fn fault(kind: FaultKind, key: &str, message: &str) -> Fault {
        let (file, key) = ("/etc/tokend/tokend.toml".into(), Some(key.to_owned()));
        Fault { file, line: Some(3), key, kind, message: message.to_owned() }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_a_fault_with_its_cause() {
        let error = trusted::read(Path::new("/nonexistent/a"), 10).unwrap_err();
        assert!(Fault::from(error).to_string().starts_with(
            "/nonexistent/a: cannot be read: No such file or directory (os error 2); legal: what uid"
        ));
    }

    #[test]
    fn without_values_a_fault_has_file_line_key_kind_and_what_is_expected() {
        for (kind, key, message, expected) in [
            (
                FaultKind::Value,
                "log.level",
                "found \"s3cret; legal: s3cret\"; legal: error, warn",
                "log.level: illegal value; expected: error, warn",
            ),
            (
                FaultKind::Type,
                "log.level",
                "found an integer; legal: a string",
                "log.level: wrong type; expected: a string",
            ),
            (
                FaultKind::Missing,
                "storage.seal",
                "left out; legal: x",
                "storage.seal: left out; expected: x",
            ),
            (
                FaultKind::UnknownKey,
                "server.urll",
                "unknown key; legal: url",
                "server.urll: unknown key; expected: url",
            ),
            (
                FaultKind::UnknownKey,
                "s3cretKEY",
                "unknown key; legal: url",
                "unknown key; expected: url",
            ),
            (FaultKind::Syntax, "s3cret", "no TOML: s3cret", "no TOML"),
        ] {
            let line = fault(kind, key, message).without_values();
            assert_eq!(line, format!("/etc/tokend/tokend.toml:3: {expected}"));
        }
        let of_file = Fault::of_file("/etc/a", "has mode 0666; legal: not writable by group");
        assert_eq!(
            of_file.without_values(),
            "/etc/a: has mode 0666; expected: not writable by group"
        );
    }
}
