// SPDX-License-Identifier: MIT OR Apache-2.0
use std::error::Error as _;
use std::fs;

use super::*;
use crate::secret::Secret;

const SERIAL: &str = "sys/firmware/devicetree/base/serial-number";
const UUID: &str = "sys/class/dmi/id/product_uuid";
const NYX: &str = "var/run/nyx/device_info.json";

/// A tree with these files, and its identity.
fn of(files: &[(&str, &str)], overrides: &Overrides) -> Identity {
    identity(tree(files).path(), overrides).unwrap()
}

fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let tree = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = tree.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    tree
}

fn is(raw: &str, origin: &str) -> Identity {
    Identity { id: sha256(raw.as_bytes()), origin: origin.to_owned() }
}

#[test]
fn each_source_gives_way_to_the_one_before_it() {
    let machine_id = "0123456789abcdef0123456789abcde0\n";
    let uuid = "4c4c4544-0042-4a10-8036-b7c04f4b3233";
    let mut files = vec![
        (SERIAL, "10000000a3b5c7d9\0"),
        (UUID, "4c4c4544-0042-4a10-8036-b7c04f4b3233\n"),
        (NYX, r#"{"serial_number":" 208MAXW1 "}"#),
        ("etc/machine-id", machine_id),
        ("factory/serial", "F-778\n"),
    ];
    let mut overrides = Overrides {
        identity: Some(Secret::new(" A1B2C3\0".into())),
        identity_file: Some("/factory/serial".into()),
        ..Overrides::default()
    };
    assert_eq!(of(&files, &overrides), is("A1B2C3", "tokend.toml identity"));
    overrides.identity = None;
    assert_eq!(of(&files, &overrides), is("F-778", "identity_file /factory/serial"));
    overrides.identity_file = None;
    let serial = "/sys/firmware/devicetree/base/serial-number";
    assert_eq!(of(&files, &overrides), is("10000000a3b5c7d9", serial));
    files.remove(0);
    assert_eq!(of(&files, &overrides), is(uuid, "/sys/class/dmi/id/product_uuid"));
    files.remove(0);
    let nyx = "/var/run/nyx/device_info.json serial_number";
    assert_eq!(of(&files, &overrides), is("208MAXW1", nyx));
    files.remove(0);
    // As `systemd-id128 machine-id -a d3e8caa980ae9fdd083b1fcc2c48c039` prints it.
    let hash = "1c98aca1dc3e46cfa9618b06bb48688b";
    let origin = "/etc/machine-id (application-specific hash)";
    assert_eq!(of(&files, &overrides), is(hash, origin));
    files.remove(0);
    assert_eq!(of(&files, &overrides).origin, "random");
}

#[test]
fn the_identifier_is_the_sha_256_in_lower_case_hexadecimal() {
    // printf abc | sha256sum
    let identity = of(&[(SERIAL, "abc\0")], &Overrides::default());
    assert_eq!(identity.id, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

#[test]
fn placeholders_are_passed_over_wherever_they_stand() {
    let files = [
        (SERIAL, "0000000000000000\0"),
        (UUID, "03000200-0400-0500-0006-000700080009\n"),
        (NYX, r#"{"serial_number":"1111"}"#),
        ("etc/machine-id", "uninitialized\n"),
        ("factory/serial", "To be filled by O.E.M.\n"),
    ];
    let overrides = Overrides {
        identity: Some(Secret::new("0000".into())),
        identity_file: Some("/factory/serial".into()),
        ..Overrides::default()
    };
    let first = of(&files, &overrides);
    assert_eq!((first.origin.as_str(), first.id.len()), ("random", 64));
    assert_ne!(of(&files, &overrides).id, first.id);
}

#[test]
fn a_machine_id_that_is_none_is_passed_over() {
    for bad in ["", "uninitialized", "00000000000000000000000000000000", "+123", "0123", "é"] {
        assert!(app_specific(bad.as_bytes()).is_none(), "{bad}");
    }
    assert!(app_specific(b"+0123456789abcdef0123456789abcde").is_none());
}

#[test]
fn a_configured_file_that_cannot_be_used_is_an_error_that_names_it() {
    let tree = tree(&[(SERIAL, "10000000a3b5c7d9"), ("empty", " \0\n"), ("dir/x", "")]);
    for (path, cause) in [
        ("/nonexistent/serial", "No such file or directory (os error 2)"),
        ("/empty", "it holds nothing"),
        ("/dir", "not a regular file"),
    ] {
        let overrides = Overrides { identity_file: Some(path.into()), ..Overrides::default() };
        let error = identity(tree.path(), &overrides).unwrap_err();
        assert_eq!(error.to_string(), format!("[device] identity_file {path} cannot be used"));
        assert_eq!(error.source().unwrap().to_string(), cause);
    }
}

#[test]
fn a_configured_file_may_lie_outside_a_copied_tree() {
    let elsewhere = tree(&[("serial", "F-778\n")]);
    let path = elsewhere.path().join("serial");
    let overrides = Overrides { identity_file: Some(path), ..Overrides::default() };
    assert_eq!(of(&[], &overrides).id, sha256(b"F-778"));
}

#[test]
fn no_raw_identity_is_shown() {
    let files = [(SERIAL, "SECRETSERIAL7\0")];
    let overrides =
        Overrides { identity: Some(Secret::new("SECRETVALUE7".into())), ..Overrides::default() };
    let shown = format!("{:?} {:?}", of(&files, &overrides), of(&files, &Overrides::default()));
    assert!(!shown.contains("SECRET"), "{shown}");
    assert!(!format!("{overrides:?}").contains("SECRETVALUE7"));
}
