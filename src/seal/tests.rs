// SPDX-License-Identifier: MIT OR Apache-2.0
use std::error::Error;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::*;
#[cfg(not(feature = "pkcs11"))]
use crate::config::Pkcs11;
use crate::config::{KeyFile, Seal};

fn dir_with(name: &str, content: &[u8], mode: u32) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    (dir, path)
}

fn key_file(path: &Path, from_credential: bool) -> Box<dyn RootKeySource> {
    let seal = Seal::KeyFile(KeyFile { path: path.to_owned(), from_credential, credential: None });
    source(&seal, Path::new("/nonexistent"))
}

fn chain(error: &SealError) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

#[test]
fn a_key_file_gives_its_bytes_whether_or_not_the_store_is_empty() {
    let content: Vec<u8> = (0..32).collect();
    let (_dir, path) = dir_with("seal.key", &content, 0o600);
    let mut source = key_file(&path, false);
    assert_eq!(source.name(), "key-file");
    for store_is_empty in [true, false] {
        assert_eq!(source.root_key(store_is_empty).unwrap().expose(), content);
    }
}

#[test]
fn of_a_long_key_file_the_first_4096_bytes_count() {
    let content: Vec<u8> = (0..5000_u32).map(|i| (i * 7) as u8).collect();
    let (_dir, path) = dir_with("seal.key", &content, 0o600);
    assert_eq!(key_file(&path, false).root_key(false).unwrap().expose(), &content[..4096]);
}

#[test]
fn a_key_of_less_than_32_bytes_is_refused_with_both_lengths() {
    for len in [0, 31] {
        let (_dir, path) = dir_with("seal.key", &vec![1; len], 0o600);
        let error = key_file(&path, false).root_key(true).unwrap_err();
        let wanted =
            format!("the root key {} has {len} bytes; legal is 32 or more", path.display());
        assert_eq!(error.to_string(), wanted);
    }
}

#[test]
fn a_key_file_that_is_not_there_or_no_file_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("seal.key");
    let error = key_file(&missing, false).root_key(true).unwrap_err();
    assert_eq!(
        chain(&error),
        format!(
            "cannot read the root key {}: No such file or directory (os error 2)",
            missing.display()
        )
    );
    assert!(matches!(key_file(dir.path(), false).root_key(true), Err(SealError::Read { .. })));
}

#[test]
fn a_pipe_in_place_of_a_key_file_holds_nothing_up() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("seal.key");
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &path, kind, 0o600.into(), 0).unwrap();
    assert!(matches!(key_file(&path, false).root_key(true), Err(SealError::Read { .. })));
}

#[test]
fn a_key_that_everybody_may_read_is_warned_about_but_in_the_credentials_directory() {
    let (_dir, path) = dir_with("seal.key", &[1; 32], 0o644);
    let mut source = key_file(&path, false);
    assert_eq!(source.warning(), None);
    source.root_key(true).unwrap();
    let warning = source.warning().unwrap();
    assert!(warning.contains("mode 0644"), "{warning}");
    assert!(warning.contains(&format!("chmod o= {}", path.display())), "{warning}");

    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    source.root_key(true).unwrap();
    assert_eq!(source.warning(), None);

    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let mut credential = key_file(&path, true);
    credential.root_key(true).unwrap();
    assert_eq!(credential.warning(), None);
}

#[test]
fn a_key_that_others_could_have_written_is_refused() {
    for from_credential in [false, true] {
        let (_dir, path) = dir_with("seal.key", &[1; 32], 0o660);
        let error = key_file(&path, from_credential).root_key(true).unwrap_err();
        assert!(matches!(error, SealError::Ownership { .. }), "{error}");
        assert!(chain(&error).contains(path.to_str().unwrap()), "{}", chain(&error));
    }
}

#[test]
fn a_credential_cannot_change_while_the_process_lives() {
    assert!(key_file(Path::new("seal.key"), true).fixed_for_this_process());
    assert!(!key_file(Path::new("seal.key"), false).fixed_for_this_process());
    assert!(!source(&Seal::Generated, Path::new("/")).fixed_for_this_process());
}

#[test]
fn a_key_is_generated_once_and_for_its_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mut source = source(&Seal::Generated, dir.path());
    assert_eq!(source.name(), "generated");
    let key = source.root_key(true).unwrap();
    let path = dir.path().join("generated-key");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(fs::read(&path).unwrap(), key.expose());
    for store_is_empty in [true, false] {
        assert_eq!(source.root_key(store_is_empty).unwrap().expose(), key.expose());
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);

    let other = tempfile::tempdir().unwrap();
    let other_key = super::source(&Seal::Generated, other.path()).root_key(true).unwrap();
    assert_ne!(other_key.expose(), key.expose());
}

#[test]
fn a_generated_key_that_is_gone_is_not_replaced_while_anything_is_sealed_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let error = source(&Seal::Generated, dir.path()).root_key(false).unwrap_err();
    assert!(matches!(error, SealError::Lost { .. }), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_generated_key_that_is_damaged_is_not_replaced() {
    let (dir, path) = dir_with("generated-key", &[1; 5], 0o600);
    let error = source(&Seal::Generated, dir.path()).root_key(true).unwrap_err();
    assert!(matches!(error, SealError::Short { found: 5, .. }), "{error}");
    assert_eq!(fs::read(path).unwrap(), [1; 5]);
}

#[cfg(not(feature = "pkcs11"))]
#[test]
fn the_pkcs11_seal_says_that_it_is_not_in_this_build() {
    let pkcs11 = Pkcs11 {
        module: "/usr/lib/libckteec.so".into(),
        token: "tokend".into(),
        key: "tokend".into(),
        pin_file: None,
    };
    let mut source = source(&Seal::Pkcs11(pkcs11), Path::new("/"));
    assert_eq!(source.name(), "pkcs11");
    let said = source.root_key(true).unwrap_err().to_string();
    assert!(said.contains("built without the seal pkcs11"), "{said}");
}

#[test]
fn debug_shows_nothing_of_a_root_key() {
    let key = RootKey::new(Zeroizing::new(vec![65; 32])).unwrap();
    assert_eq!(format!("{key:?}"), "RootKey(..)");
}

#[test]
fn what_is_absent_or_forbidden_may_be_there_for_a_new_process_and_what_is_wrong_is_not() {
    let read = |number| SealError::Read {
        path: "/dev/key".into(),
        source: std::io::Error::from_raw_os_error(number),
    };
    for errno in [libc::ENOENT, libc::ENXIO, libc::ENODEV, libc::EACCES, libc::EPERM] {
        assert!(read(errno).may_end_with_this_process(), "{errno}");
    }
    assert!(SealError::NotReady("no device".into()).may_end_with_this_process());
    for errno in [libc::EIO, libc::EINVAL] {
        assert!(!read(errno).may_end_with_this_process(), "{errno}");
    }
    let refused = SealError::Pkcs11("the token refuses the PIN".into());
    assert!(!refused.may_end_with_this_process());
    assert!(!SealError::Short { path: "/k".into(), found: 3 }.may_end_with_this_process());
}
