// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where a path in a configuration file leads: beside that file, or among the credentials that
//! systemd hands to the unit.

use std::path::{Component, Path, PathBuf};

use super::table::{described, excerpt};

/// What relative paths are relative to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Base<'a> {
    /// The directory of the file that names them.
    pub(super) beside: &'a Path,
    /// `$CREDENTIALS_DIRECTORY`.
    pub(super) credentials: Option<&'a Path>,
}

impl Base<'_> {
    /// A file that may be a credential: a relative path leads to the credential of that name where
    /// there is one now, else beside the file that names it.
    pub(super) fn credential(&self, path: String) -> Result<PathBuf, String> {
        let path = legal(path)?;
        match self.among_credentials(&path).filter(|path| path.symlink_metadata().is_ok()) {
            Some(credential) => Ok(credential),
            None => Ok(self.beside.join(path)),
        }
    }

    /// The key file: as [`Base::credential`], but one that is nowhere is expected to come as a
    /// credential.
    pub(super) fn key(&self, path: String) -> Result<PathBuf, String> {
        let path = legal(path)?;
        let beside = self.beside.join(&path);
        match self.among_credentials(&path) {
            Some(credential)
                if credential.symlink_metadata().is_ok() || beside.symlink_metadata().is_err() =>
            {
                Ok(credential)
            }
            _ => Ok(beside),
        }
    }

    /// A file that is no credential.
    pub(super) fn file(&self, path: String) -> Result<PathBuf, String> {
        legal(path).map(|path| self.beside.join(path))
    }

    /// Whether a path lies among the credentials, whatever it looks like.
    pub(super) fn is_credential(&self, path: &Path) -> bool {
        let Some(credentials) = self.credentials else { return false };
        if path.starts_with(credentials) && !climbs(path) {
            return true;
        }
        match (path.canonicalize(), credentials.canonicalize()) {
            (Ok(path), Ok(credentials)) => path.starts_with(credentials),
            _ => false,
        }
    }

    fn among_credentials(&self, path: &Path) -> Option<PathBuf> {
        let credentials = self.credentials?;
        (path.is_relative() && !climbs(path)).then(|| credentials.join(path))
    }
}

/// A path that does not depend on where tokend was started or on where its configuration lies.
pub(super) fn absolute(path: String) -> Result<PathBuf, String> {
    let path = legal(path)?;
    if path.is_absolute() {
        return Ok(path);
    }
    Err(format!("found \"{}\"; legal: an absolute path", excerpt(&path.to_string_lossy())))
}

fn legal(path: String) -> Result<PathBuf, String> {
    // The kernel's bound for a path.
    if !(1..4096).contains(&path.len()) || path.chars().any(char::is_control) {
        let found = described(&path);
        return Err(format!("found {found}; legal: a path without control characters"));
    }
    Ok(PathBuf::from(path))
}

/// The name of the credential that a path may stand for: systemd's have no directories.
pub(super) fn credential_name(path: &str) -> Option<String> {
    let name = Path::new(path).file_name()?;
    (name == path).then(|| path.to_owned())
}

fn climbs(path: &Path) -> bool {
    path.components().any(|component| component == Component::ParentDir)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    struct Dirs {
        _root: tempfile::TempDir,
        beside: PathBuf,
        credentials: PathBuf,
    }

    impl Dirs {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            let (beside, credentials) = (root.path().join("etc"), root.path().join("credentials"));
            fs::create_dir(&beside).unwrap();
            fs::create_dir(&credentials).unwrap();
            Self { _root: root, beside, credentials }
        }

        fn base(&self) -> Base<'_> {
            Base { beside: &self.beside, credentials: Some(&self.credentials) }
        }
    }

    #[test]
    fn a_relative_path_leads_to_the_credential_if_there_is_one_else_beside_the_file() {
        let dirs = Dirs::new();
        let find = || dirs.base().credential("a.jwt".into()).unwrap();
        assert_eq!(find(), dirs.beside.join("a.jwt"));
        fs::write(dirs.beside.join("a.jwt"), "x").unwrap();
        assert_eq!(find(), dirs.beside.join("a.jwt"));
        fs::write(dirs.credentials.join("a.jwt"), "x").unwrap();
        assert_eq!(find(), dirs.credentials.join("a.jwt"));
        let without = Base { beside: &dirs.beside, credentials: None };
        assert_eq!(without.credential("a.jwt".into()).unwrap(), dirs.beside.join("a.jwt"));
    }

    #[test]
    fn a_key_that_is_nowhere_is_expected_as_a_credential() {
        let dirs = Dirs::new();
        let find = || dirs.base().key("seal.key".into()).unwrap();
        assert_eq!(find(), dirs.credentials.join("seal.key"));
        fs::write(dirs.beside.join("seal.key"), "x").unwrap();
        assert_eq!(find(), dirs.beside.join("seal.key"));
        fs::write(dirs.credentials.join("seal.key"), "x").unwrap();
        assert_eq!(find(), dirs.credentials.join("seal.key"));
        let without = Base { beside: &dirs.beside, credentials: None };
        assert_eq!(without.key("seal.key".into()).unwrap(), dirs.beside.join("seal.key"));
    }

    #[test]
    fn an_absolute_path_stays_what_it_is() {
        let dirs = Dirs::new();
        assert_eq!(dirs.base().credential("/a/b".into()).unwrap(), Path::new("/a/b"));
        assert_eq!(dirs.base().key("/a/b".into()).unwrap(), Path::new("/a/b"));
        assert_eq!(dirs.base().file("/a/b".into()).unwrap(), Path::new("/a/b"));
    }

    #[test]
    fn a_credential_is_known_by_where_it_lies() {
        let dirs = Dirs::new();
        let base = dirs.base();
        assert!(base.is_credential(&dirs.credentials.join("seal.key")));
        assert!(!base.is_credential(&dirs.beside.join("seal.key")));
        assert!(!base.is_credential(&dirs.credentials.join("../etc/seal.key")));
        fs::write(dirs.credentials.join("seal.key"), "x").unwrap();
        let link = dirs.beside.join("link");
        std::os::unix::fs::symlink(dirs.credentials.join("seal.key"), &link).unwrap();
        assert!(base.is_credential(&link));
        assert!(base.is_credential(&dirs.beside.join("../credentials/seal.key")));
        assert!(!Base { credentials: None, ..base }.is_credential(&link));
    }

    #[test]
    fn only_a_mere_name_can_be_that_of_a_credential() {
        assert_eq!(credential_name("seal.key").as_deref(), Some("seal.key"));
        for path in ["/etc/seal.key", "keys/seal.key", "./seal.key", "..", "seal.key/", ""] {
            assert_eq!(credential_name(path), None, "{path}");
        }
    }

    #[test]
    fn a_path_out_of_the_credentials_is_not_looked_for_among_them() {
        let dirs = Dirs::new();
        fs::write(dirs.beside.join("a"), "x").unwrap();
        let found = dirs.base().credential("../etc/a".into()).unwrap();
        assert_eq!(found, dirs.beside.join("../etc/a"));
    }
}
