// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is found about the seal and the state directory, for this user and for another.

use std::fs;
use std::os::unix::fs::{chown, symlink};

use crate::check::fixture::{self, Fixture, NOBODY};

#[test]
fn a_key_that_is_probably_a_credential_is_a_warning_with_the_line_that_checks_it() {
    let it = Fixture::new();
    let said = it.check(&[]);
    assert_eq!(said.code, 0, "{said}");
    let line = said.has("warning", "seal", "probably a credential of the unit");
    for words in [
        "systemd-run --quiet --pipe --wait --collect -p User=",
        " -p LoadCredentialEncrypted=seal.key:/etc/credstore.encrypted/seal.key ",
        &format!("tokend check --state {}", it.path("state").display()),
        &format!(" --config {}", it.path("config").display()),
    ] {
        assert!(line.contains(words), "{words} in {line}");
    }
    assert!(line.contains("LoadCredential="), "{line}");
}

#[test]
fn inside_the_unit_the_credential_itself_is_tried() {
    let it = Fixture::new();
    let credentials = it.path("credentials");
    fs::create_dir(&credentials).unwrap();
    let environment = [("CREDENTIALS_DIRECTORY", credentials.as_os_str())];
    let said = it.check_with(&environment, &[]);
    assert_eq!(said.code, 78, "{said}");
    said.has("error", "seal", "credentials/seal.key: No such file");

    it.write("credentials/seal.key", fixture::KEY_TEXT);
    let said = it.check_with(&environment, &[]);
    assert_eq!(said.code, 0, "{said}");
    said.has("ok", "seal", "a credential of this unit: what it seals, it opens");
}

#[test]
fn a_key_that_cannot_be_used_is_an_error() {
    let it = Fixture::with_key();
    it.write("config/seal.key", "short");
    let said = it.check(&[]);
    assert_eq!(said.code, 78);
    said.has("error", "seal", "has 5 bytes; legal is 32 or more");

    it.write("config/seal.key", fixture::KEY_TEXT);
    it.chmod("config/seal.key", 0o660);
    let said = it.check(&[]);
    assert_eq!(said.code, 78);
    said.has("error", "seal", "has mode 0660; legal: not writable by group or others");

    it.settings("[storage]\nseal = \"key-file\"\nkey_file = \"/nonexistent/seal.key\"\n");
    let said = it.check(&[]);
    assert_eq!(said.code, 78);
    said.has("error", "seal", "cannot read the root key /nonexistent/seal.key: No such file");
}

#[test]
fn a_key_that_everybody_may_read_is_a_warning() {
    let it = Fixture::with_key();
    it.chmod("config/seal.key", 0o644);
    let said = it.check(&[]);
    assert_eq!(said.code, 0);
    said.has("ok", "seal", "what it seals, it opens");
    said.has("warning", "seal", "has mode 0644, so that everybody may read it (chmod o= ");
}

#[cfg(not(feature = "pkcs11"))]
#[test]
fn the_pkcs11_seal_is_said_to_be_missing_from_this_build() {
    let it = Fixture::new();
    it.settings(
        "[storage]\nseal = \"pkcs11\"\npkcs11_module = \"/usr/lib/libckteec.so.0\"\n\
         pkcs11_token = \"t\"\npkcs11_key = \"k\"\n",
    );
    let said = it.check(&[]);
    assert_eq!(said.code, 78);
    said.has("error", "seal", "built without the seal pkcs11 (cargo's feature \"pkcs11\")");
}

#[test]
fn the_generated_seal_is_warned_about_and_its_key_is_not_made() {
    let it = Fixture::new();
    it.settings("[storage]\nseal = \"generated\"\n");
    let said = it.check(&[]);
    assert_eq!(said.code, 0, "{said}");
    said.has("warning", "seal", "for development");
    said.has("ok", "seal", "the root key is made on first start");
    assert!(!it.path("state").exists());

    it.fill_state();
    let said = it.check(&[]);
    assert_eq!(said.code, 0, "{said}");
    said.has("warning", "seal", "for development");
    said.has("ok", "seal", "what it seals, it opens");
    said.has("ok", "state", "the root key opens what is stored (key-check)");

    fs::remove_file(it.path("state/generated-key")).unwrap();
    let said = it.check(&[]);
    assert_eq!(said.code, 78);
    said.has("error", "seal", "is gone, but files sealed with it are there");
    assert!(!it.path("state/generated-key").exists());
}

#[test]
fn whether_the_key_opens_what_is_stored_is_found_out() {
    let it = Fixture::with_key();
    it.fill_state();
    let said = it.check(&[]);
    assert_eq!(said.code, 0, "{said}");
    said.has("ok", "state", "the root key opens what is stored (key-check)");

    fs::remove_file(it.path("state/key-check")).unwrap();
    it.check(&[]).has("ok", "state", "opens what is stored (device-identity.a)");

    it.write("config/seal.key", &fixture::KEY_TEXT.to_uppercase());
    let said = it.check(&[]);
    assert_eq!(said.code, 78);
    said.has("error", "state", "the root key from the seal key-file is wrong");

    fs::remove_file(it.path("config/seal.key")).unwrap();
    let said = it.check(&[]);
    assert_eq!(said.code, 0, "{said}");
    said.has("warning", "state", "not looked at, for there is no root key to open it");
}

#[test]
fn a_damaged_file_and_one_of_another_version_are_found_before_a_start_finds_them() {
    let it = Fixture::with_key();
    it.fill_state();
    let [a, b] = ["a", "b"].map(|copy| it.path(&format!("state/device-identity.{copy}")));
    let good = fs::read(&a).unwrap();
    let mut worn = good.clone();
    *worn.last_mut().unwrap() ^= 1;
    fs::write(&a, &worn).unwrap();
    let said = it.check(&[]);
    assert_eq!(said.code, 0, "{said}");
    said.has("warning", "state", "device-identity.a is damaged: the next start repairs it");

    fs::write(&b, &worn).unwrap();
    let said = it.check(&[]);
    assert_eq!(said.code, 78, "{said}");
    said.has("error", "state", "the next start decides on the device identifier again");

    // Version and complement: the format of a later release.
    let mut newer = good.clone();
    newer[8..12].copy_from_slice(&[0, 2, 0xff, 0xfd]);
    fs::write(&a, &newer).unwrap();
    fs::write(&b, &good).unwrap();
    let said = it.check(&[]);
    assert_eq!(said.code, 78, "{said}");
    said.has("error", "state", "device-identity.a");

    // Nothing is overwritten then, so nothing is decided again.
    fs::write(&b, &worn).unwrap();
    let said = it.check(&[]);
    assert!(!said.stdout.contains("the next start"), "{said}");
}

#[test]
fn a_state_directory_that_tokend_would_refuse_is_an_error() {
    let it = Fixture::with_key();
    fs::create_dir(it.path("real")).unwrap();
    symlink(it.path("real"), it.path("state")).unwrap();
    let said = it.check(&[]);
    assert_eq!(said.code, 78);
    said.has("error", "state", "is a symbolic link");
    fs::remove_file(it.path("state")).unwrap();
    it.write("state", "");
    it.check(&[]).has("error", "state", "is not a directory");
}

#[test]
fn another_user_finds_what_it_may_not_read() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let it = Fixture::with_key();
    it.fill_state();
    it.chmod("config/seal.key", 0o600);
    let said = it.check_as_nobody();
    assert_eq!(said.code, 78, "{said}");
    said.has("error", "seal", "seal.key: Permission denied");
    said.has("warning", "state", "not looked at: cannot look into the state directory");
    said.has("ok", "statement cinema", "a JWT for");
}

#[test]
fn root_checks_for_the_user_that_the_state_directory_belongs_to() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let it = Fixture::with_key();
    it.settings("[storage]\nseal = \"generated\"\n");
    it.fill_state();
    for path in fixture::snapshot(&it.path("state")).into_keys() {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let said = it.check_as_nobody();
    assert_eq!(said.code, 0, "{said}");
    said.has("ok", "state", "the root key opens what is stored");
    let said = it.check(&[]);
    assert_eq!(said.code, 0, "{said}");
    said.has("ok", "state", "the root key opens what is stored");
    let line = said.has("warning", "user", &format!("more than uid {NOBODY}"));
    assert!(line.contains(&format!("-p User={NOBODY} ")), "{line}");
}

#[test]
fn strict_a_warning_is_as_bad_as_an_error_and_the_printed_line_is_strict_too() {
    let it = Fixture::with_key();
    it.settings("[storage]\nseal = \"key-file\"\nkey_file = \"other.key\"\n");
    let said = it.check(&[]);
    assert_eq!(said.code, 0, "{said}");
    let line = said.has("warning", "seal", "is probably a credential of the unit");
    assert!(!line.contains("--strict"), "{line}");
    let said = it.check(&["--strict"]);
    assert_eq!(said.code, 78, "{said}");
    let line = said.has("warning", "seal", "is probably a credential of the unit");
    assert!(line.contains("tokend check ") && line.ends_with(" --strict"), "{line}");
    let said = it.check(&["--strict", "--json"]);
    assert_eq!(said.json()["ok"], false);
}

#[test]
fn root_checks_for_the_user_of_the_installed_unit_unless_a_state_directory_is_named() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let it = Fixture::with_key();
    it.write("root/usr/lib/systemd/system/tokend.service", "[Service]\nUser=nobody\n");
    let said = it.check_installed("root");
    said.has("warning", "user", &format!("more than uid {NOBODY}"));
    said.has("warning", "user", "User=nobody in ");
    it.write("root/etc/systemd/system/tokend.service.d/a.conf", "[Service]\nUser=root\n");
    let said = it.check_installed("root");
    said.has("ok", "user", "checked for uid 0, which runs tokend (User=root in ");
    it.fill_state();
    let said = it.check_with_root("root");
    said.has("ok", "user", "checked for uid 0, which runs tokend (the owner of ");
}
