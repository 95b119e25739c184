// SPDX-License-Identifier: MIT OR Apache-2.0
//! An update from 0.1.0: its store is read and used on, and nobody registers because of it.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::support::authority::{Endpoint, Fault};
use crate::support::scene::{CINEMA, Scene};
use crate::support::tokend::Program;

/// Where the server of the fixture was.
const ORIGIN: &str = "https://127.0.0.1:34007";
/// What 0.1.0 sent as `AP-Device-Identifier`, decoded.
const IDENTITY: &str = "139bdc2402bf9eaaf5db4fbc69f1101cc715769fcb7ca74d3b0e1f4101af3f98";

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/store-0.1.0")
}

fn private(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn identity(headers: &BTreeMap<String, String>) -> String {
    let encoded = headers["AP-Device-Identifier"].strip_prefix("fingerprint ").unwrap();
    String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap()
}

/// A device with the fixture's store and statement, at another address of the same server.
fn updated() -> Scene {
    let mut scene = Scene::new();
    for file in fs::read_dir(fixture().join("state")).unwrap().map(Result::unwrap) {
        let copy = scene.device.state().join(file.file_name());
        fs::copy(file.path(), &copy).unwrap();
        private(&copy);
    }
    scene.set_statement(CINEMA, &fs::read_to_string(fixture().join("cinema.jwt")).unwrap());
    scene.device.set("server", "same_server_as", &format!("[{ORIGIN:?}]"));
    // Whoever asks gets them: this server has never heard of the client.
    let token = |n| json!({ "access_token": format!("of-the-old-client-{n}"), "expires_in": 3600 });
    scene.authority.next(Endpoint::Token, (0..4).map(|n| Fault::json(201, &token(n))));
    scene
}

#[test]
fn the_credentials_and_the_identity_of_a_0_1_0_store_are_used_on_without_a_registration() {
    let scene = updated();
    let (tokend, player) = scene.start();
    let (headers, _) = player.get_headers(CINEMA, 0).unwrap();
    let (token, _) = player.get_token(CINEMA, 0).unwrap();
    // The stored token has ended, or is of another boot; the new one is the old client's.
    let (new, _) = player.replace_token(CINEMA, &token, "").unwrap();
    assert!(new.starts_with("of-the-old-client") && new != token, "{new}");
    let client = scene.clients().pop().unwrap();
    assert_eq!(scene.clients().len(), scene.authority.count(Endpoint::Token));
    assert!(scene.clients().iter().all(|each| *each == client), "{:?}", scene.clients());
    assert_eq!(scene.registrations(), 0, "{}", tokend.output());
    assert_eq!(identity(&headers), IDENTITY);
}

#[test]
fn a_check_of_a_0_1_0_store_finds_no_error_and_credentials_in_use() {
    let scene = updated();
    let options = scene.device.options();
    let words: Vec<&str> =
        ["check"].into_iter().chain(options.iter().map(String::as_str)).collect();
    let check = scene.device.run(&words);
    assert_eq!(check.code, Some(0), "{}", check.stdout);
    let used = check.stdout.lines().find(|line| line.contains(ORIGIN) && line.ends_with("used"));
    assert!(used.is_some(), "{}", check.stdout);
}

#[test]
#[ignore = "needs the program of 0.1.0: .ci/release update"]
fn a_roll_back_to_0_1_0_and_forward_again_registers_nothing_and_changes_no_identity() {
    let old = Program::from(env::var_os("TOKEND_0_1_0").expect("its path").into());
    let mut scene = Scene::new();
    let mut identities = Vec::new();
    let mut clients = Vec::new();
    for program in [old.clone(), Program::of_this_build(), old, Program::of_this_build()] {
        scene.device.set_program(program);
        let (tokend, player) = scene.start();
        let (token, _) = player.get_token(CINEMA, 0).unwrap();
        let (new, _) = player.replace_token(CINEMA, &token, "").unwrap();
        assert_ne!(new, token);
        let (headers, _) = player.get_headers(CINEMA, 0).unwrap();
        identities.push(identity(&headers));
        clients.extend(scene.clients().pop());
        player.leave();
        assert_eq!(tokend.terminate().code(), 0);
    }
    assert_eq!(scene.registrations(), 1);
    for each in [identities, clients] {
        assert!(each.iter().all(|one| *one == each[0]), "{each:?}");
    }
}
