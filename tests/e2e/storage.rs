// SPDX-License-Identifier: MIT OR Apache-2.0
//! Secure storage on a real file system: what is damaged, missing, of another key or another
//! version, and a disk that takes nothing more. Whatever happens, nobody is signed out for it.

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;
use std::thread;

use crate::support::BOUND;
use crate::support::authority::{Endpoint, Fault, Gate};
use crate::support::child::Start;
use crate::support::player::{Change, Player};
use crate::support::scene::{CINEMA, Scene};

mod small_disk;

use small_disk::SmallDisk;

const STORAGE: &str = "tv.tokend.Error.Storage";

/// Damages a file in its last bytes, which are ciphertext.
fn damage(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let at = bytes.len() - 20;
    bytes[at] ^= 1;
    fs::write(file, bytes).unwrap();
}

/// Makes a file one of a format to come: version 2, and its complement.
fn make_newer(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    bytes[8..12].copy_from_slice(&[0, 2, 0xff, 0xfd]);
    fs::write(file, bytes).unwrap();
}

fn has_left(state: &str) -> impl Fn(&Change) -> bool {
    move |change| change.0.contains_key("State") && !change.is_state(state)
}

fn assert_storage_error(player: &Player, id: &str, word: &str) {
    let error = player.get_token(id, 0).unwrap_err();
    assert_eq!(error.name, STORAGE, "{error}");
    assert!(error.message.contains(word), "no {word:?} in {error}");
    let properties = player.properties(id);
    assert_eq!((properties.state.as_str(), properties.token_number), ("storage-error", 0));
    assert_eq!(properties.last_error.0, STORAGE);
    assert_ne!(properties.retry_at, 0);
}

#[test]
fn a_wrong_or_missing_key_touches_nothing_and_asks_nobody_until_the_right_one_is_back() {
    for wrong in [true, false] {
        let scene = Scene::with_key_file(b'k');
        let (tokend, player) = scene.start();
        let (token, _) = player.get_token(CINEMA, 0).unwrap();
        tokend.terminate();
        let (stored, connections) = (scene.stored(), scene.authority.log().connections);

        let key = scene.device.config().join("seal.key");
        if wrong {
            scene.write_key(b'x');
        } else {
            fs::remove_file(&key).unwrap();
        }
        let (_tokend, player) = scene.start();
        let changes = player.watch(CINEMA);
        let word = if wrong { "is wrong" } else { "seal.key" };
        assert_storage_error(&player, CINEMA, word);
        assert_eq!(player.device_info().unwrap()["osName"].to_string(), "\"Linux\"");
        assert_eq!(scene.stored(), stored);
        assert_eq!(scene.authority.log().connections, connections);

        scene.write_key(b'k');
        changes.wait_for(has_left("storage-error"));
        assert_eq!(player.get_token(CINEMA, 0).unwrap().0, token);
        assert_eq!(player.properties(CINEMA).last_error, (String::new(), String::new()));
        assert_eq!(scene.stored(), stored);
        assert_eq!(scene.authority.log().connections, connections);
    }
}

#[test]
fn without_a_key_nothing_is_registered_on_an_empty_store_either() {
    let scene = Scene::with_key_file(b'k');
    fs::remove_file(scene.device.config().join("seal.key")).unwrap();
    let (_tokend, player) = scene.start();
    let changes = player.watch(CINEMA);
    assert_storage_error(&player, CINEMA, "seal.key");
    assert!(scene.stored().is_empty());
    assert_eq!(scene.authority.log().connections, 0);
    scene.write_key(b'k');
    changes.wait_for(has_left("storage-error"));
    player.get_token(CINEMA, 0).unwrap();
    assert_eq!(player.manager_property::<String>("Sealing"), "key-file");
}

#[test]
fn a_key_file_of_one_repeated_byte_registers_nothing_and_check_names_it() {
    let scene = Scene::with_key_file(b'k');
    scene.device.write_config("seal.key", &"k".repeat(32));
    let (_tokend, player) = scene.start();
    let changes = player.watch(CINEMA);
    assert_storage_error(&player, CINEMA, "one byte, repeated");
    assert!(scene.stored().is_empty());
    let options = scene.device.options();
    let options: Vec<_> = options.iter().map(String::as_str).collect();
    let ran = scene.device.run(&[&["check"], &options[..]].concat());
    assert_eq!(ran.code, Some(78), "{ran:?}");
    assert!(ran.stdout.contains("one byte, repeated"), "{ran:?}");
    scene.write_key(b'k');
    changes.wait_for(has_left("storage-error"));
    player.get_token(CINEMA, 0).unwrap();
}

#[test]
fn a_key_from_a_credential_is_used_and_a_wrong_one_is_a_storage_error() {
    let mut scene = Scene::with_key_file(b'x');
    let credentials = scene.device.config().join("credentials");
    fs::DirBuilder::new().mode(0o700).create(&credentials).unwrap();
    scene.device.set_environment("CREDENTIALS_DIRECTORY", &credentials);
    scene.device.write_config("credentials/seal.key", &"k.".repeat(16));
    let (tokend, player) = scene.start();
    let (token, _) = player.get_token(CINEMA, 0).unwrap();
    tokend.terminate();

    scene.device.write_config("credentials/seal.key", &"y.".repeat(16));
    let (tokend, player) = scene.start();
    assert_storage_error(&player, CINEMA, "is wrong");
    tokend.terminate();
    scene.device.write_config("credentials/seal.key", &"k.".repeat(16));
    let (_tokend, player) = scene.start();
    assert_eq!(player.get_token(CINEMA, 0).unwrap().0, token);
    assert_eq!(scene.registrations(), 1);
}

#[test]
fn a_damaged_copy_of_the_credentials_is_repaired_without_a_registration() {
    let scene = Scene::new();
    let (mut tokend, player) = scene.start();
    player.get_token(CINEMA, 0).unwrap();
    // One after the other: the repaired one must do by itself.
    for copy in scene.copies(CINEMA) {
        tokend.terminate();
        fs::remove_file(scene.device.state().join("cinema.token")).unwrap();
        damage(&copy);
        tokend = scene.device.start();
        scene.player().get_token(CINEMA, 0).unwrap();
        let line = tokend.wait_for_line("repaired from");
        assert!(line.contains(copy.to_str().unwrap()), "{line}");
    }
    let clients = scene.clients();
    assert_eq!(clients, vec![clients[0].clone(); 3]);
    assert_eq!(scene.registrations(), 1);
    assert_eq!(scene.stored_of(CINEMA).len(), 4);
}

#[test]
fn a_copy_that_cannot_be_read_is_left_alone_and_costs_nothing() {
    let scene = Scene::new();
    let (tokend, player) = scene.start();
    player.get_token(CINEMA, 0).unwrap();
    tokend.terminate();
    let [copy, _] = scene.copies(CINEMA);
    fs::remove_file(scene.device.state().join("cinema.token")).unwrap();
    fs::remove_file(&copy).unwrap();
    fs::create_dir(&copy).unwrap();
    let (tokend, player) = scene.start();
    player.get_token(CINEMA, 0).unwrap();
    tokend.wait_for_line("left as it is");
    assert!(copy.is_dir());
    assert_eq!(scene.registrations(), 1);
}

#[test]
fn credentials_damaged_in_both_copies_are_kept_aside_and_registered_once_more() {
    let scene = Scene::new();
    let (tokend, player) = scene.start();
    player.get_token(CINEMA, 0).unwrap();
    tokend.terminate();
    let copies = scene.copies(CINEMA);
    copies.iter().for_each(|copy| damage(copy));
    let damaged = copies.clone().map(|copy| fs::read(copy).unwrap());

    let (tokend, player) = scene.start();
    tokend.wait_for_line("error: ");
    let changes = player.watch(CINEMA);
    if player.properties(CINEMA).token_number < 2 {
        changes.wait_for(|change| change.get::<u64>("TokenNumber") == Some(2));
    }
    let (token, _) = player.get_token(CINEMA, 0).unwrap();
    tokend.terminate();
    let (_tokend, player) = scene.start();
    assert_eq!(player.get_token(CINEMA, 0).unwrap().0, token);
    assert_eq!(scene.registrations(), 2);
    for (copy, damaged) in copies.iter().zip(damaged) {
        let aside = format!("{}.corrupt", copy.display());
        assert_eq!(fs::read(&aside).unwrap(), damaged, "{aside}");
    }
}

#[test]
fn a_damaged_token_is_fetched_anew_without_a_registration() {
    let scene = Scene::new();
    let (tokend, player) = scene.start();
    let (token, _) = player.get_token(CINEMA, 0).unwrap();
    tokend.terminate();
    damage(&scene.device.state().join("cinema.token"));
    let (_tokend, player) = scene.start();
    assert_ne!(player.get_token(CINEMA, 0).unwrap().0, token);
    let clients = scene.clients();
    assert_eq!((scene.registrations(), &clients[1]), (1, &clients[0]));
    assert!(scene.stored_of(CINEMA).contains(&"token.corrupt".to_owned()));
}

#[test]
fn a_damaged_attempt_record_never_registers_while_there_are_credentials() {
    for token_too in [false, true] {
        let scene = Scene::new();
        let (tokend, player) = scene.start();
        player.get_token(CINEMA, 0).unwrap();
        tokend.terminate();
        damage(&scene.device.state().join("cinema.record"));
        if token_too {
            damage(&scene.device.state().join("cinema.token"));
        }
        let (_tokend, player) = scene.start();
        let (token, _) = player.get_token(CINEMA, 0).unwrap();
        player.replace_token(CINEMA, &token, "").unwrap();
        assert_eq!(scene.registrations(), 1);
    }
}

#[test]
fn files_of_a_format_to_come_are_a_storage_error_and_are_not_overwritten() {
    for names in [&["a", "b"][..], &["b"], &["token"], &["record"]] {
        let scene = Scene::new();
        scene.add("radio");
        let (tokend, player) = scene.start();
        player.get_token(CINEMA, 0).unwrap();
        player.get_token("radio", 0).unwrap();
        tokend.terminate();
        for name in scene.stored_of(CINEMA) {
            if names.iter().any(|end| name.ends_with(end)) {
                make_newer(&scene.device.state().join(format!("cinema.{name}")));
            }
        }
        let (stored, connections) = (scene.stored(), scene.authority.log().connections);
        let (_tokend, player) = scene.start();
        assert_storage_error(&player, CINEMA, "another version");
        // Its neighbour has nothing to do with it.
        player.get_token("radio", 0).unwrap();
        assert_eq!(scene.stored(), stored, "{names:?}");
        assert_eq!(scene.authority.log().connections, connections);
    }
}

#[test]
fn a_store_of_a_format_to_come_is_a_storage_error_and_is_not_overwritten() {
    let scene = Scene::new();
    let (tokend, player) = scene.start();
    player.get_token(CINEMA, 0).unwrap();
    tokend.terminate();
    make_newer(&scene.device.state().join("key-check"));
    let (stored, connections) = (scene.stored(), scene.authority.log().connections);
    let (_tokend, player) = scene.start();
    assert_storage_error(&player, CINEMA, "another version");
    assert_eq!(scene.stored(), stored);
    assert_eq!(scene.authority.log().connections, connections);
}

#[test]
fn the_state_is_closed_to_others() {
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    let scene = Scene::new();
    let state = scene.device.state();
    // Made where there is none; tightened where it is open.
    fs::remove_dir(&state).unwrap();
    let (tokend, player) = scene.start();
    player.get_token(CINEMA, 0).unwrap();
    assert_eq!(mode(&state), 0o700);
    for name in scene.stored().keys() {
        assert_eq!(mode(&state.join(name)), 0o600, "{name}");
    }
    tokend.terminate();
    fs::set_permissions(&state, fs::Permissions::from_mode(0o755)).unwrap();
    let (tokend, _player) = scene.start();
    assert_eq!(mode(&state), 0o700);
    tokend.wait_for_line("was open to others");
}

#[test]
fn a_second_instance_on_the_same_state_exits_75_and_harms_nothing() {
    let scene = Scene::new();
    let (_tokend, player) = scene.start();
    let (token, _) = player.get_token(CINEMA, 0).unwrap();
    let stored = scene.stored();
    let ended = scene.device.spawn().unwrap().wait_exit();
    assert_eq!(ended.code(), 75, "{}", ended.output);
    assert!(ended.output.contains("in use by another tokend"), "{}", ended.output);
    assert_eq!(player.get_token(CINEMA, 0).unwrap().0, token);
    assert_eq!(scene.stored(), stored);
}

#[test]
fn nothing_is_registered_while_the_disk_is_full() {
    let scene = Scene::new();
    let Some(disk) = SmallDisk::mount(&scene.device.state()) else { return };
    let (_tokend, player) = scene.start();
    disk.fill();
    let changes = player.watch(CINEMA);
    let waiting = player.start_get_token(1, CINEMA, 0);
    changes.wait_for(|change| change.is_state("storage-error"));
    let (name, message) = player.properties(CINEMA).last_error;
    assert_eq!(name, STORAGE);
    assert!(message.contains("No space left on device"), "{message}");
    assert_eq!(scene.authority.log().connections, 0);

    // The one who waits has his token once there is room.
    disk.empty();
    waiting.recv_timeout(BOUND).unwrap().unwrap();
    assert_eq!(scene.registrations(), 1);
}

#[test]
fn a_file_size_limit_is_found_before_a_registration_and_ends_no_process() {
    let mut scene = Scene::new();
    scene.device.set_start(Start { largest_file: Some(32_768), ..Start::default() });
    let (mut tokend, player) = scene.start();
    assert_storage_error(&player, CINEMA, "64 KiB");
    assert_eq!(scene.authority.count(Endpoint::Register), 0);
    assert!(!tokend.has_ended(), "SIGXFSZ ends nothing");
}

#[test]
fn a_token_is_served_from_memory_while_the_disk_is_full_and_written_once_it_is_not() {
    let scene = Scene::new();
    let Some(disk) = SmallDisk::mount(&scene.device.state()) else { return };
    let (tokend, player) = scene.start();
    let (token, _) = player.get_token(CINEMA, 0).unwrap();
    // The room of the old token is taken too.
    let gate = Gate::new();
    scene.authority.next(Endpoint::Token, [Fault::hold(&gate)]);
    let (replacer, old) = (player.clone(), token);
    let replaced = thread::spawn(move || replacer.replace_token(CINEMA, &old, ""));
    scene.authority.wait_until("a fetch", |log| log.count(Endpoint::Token) == 2);
    disk.fill();
    gate.open();
    let (token, _) = replaced.join().unwrap().unwrap();
    assert_eq!(player.get_token(CINEMA, 0).unwrap().0, token);
    let properties = player.properties(CINEMA);
    assert_eq!((properties.state.as_str(), properties.last_error.0.as_str()), ("ready", STORAGE));

    let changes = player.watch(CINEMA);
    disk.empty();
    changes.wait_for(|change| change.0.contains_key("LastError"));
    while !player.properties(CINEMA).last_error.0.is_empty() {
        changes.next();
    }
    tokend.terminate();
    let (_tokend, player) = scene.start();
    assert_eq!(player.get_token(CINEMA, 0).unwrap().0, token);
    assert_eq!((scene.registrations(), scene.clients().len()), (1, 2));
}

#[test]
fn a_read_only_disk_keeps_nobody_from_a_token() {
    let scene = Scene::new();
    let Some(disk) = SmallDisk::mount(&scene.device.state()) else { return };
    scene.add("radio");
    let (tokend, player) = scene.start();
    let (token, _) = player.get_token(CINEMA, 0).unwrap();
    disk.make_read_only();
    assert_eq!(player.get_token(CINEMA, 0).unwrap().0, token);
    let (token, _) = player.replace_token(CINEMA, &token, "").unwrap();
    assert_eq!(player.get_token(CINEMA, 0).unwrap().0, token);
    let (name, message) = player.properties(CINEMA).last_error;
    assert_eq!(name, STORAGE);
    assert!(message.contains("Read-only file system"), "{message}");

    // After a restart too. But no application without credentials is registered.
    tokend.terminate();
    let (_tokend, player) = scene.start();
    player.get_token(CINEMA, 0).unwrap();
    let changes = player.watch("radio");
    let waiting = player.start_get_token(1, "radio", 0);
    changes.wait_for(|change| change.is_state("storage-error"));
    assert_eq!(scene.authority.count(Endpoint::Register), 1);
    drop(waiting);
}
