// SPDX-License-Identifier: MIT OR Apache-2.0
//! `Forget` and `tokend forget`: everything of one application, nothing of another, by root alone.

use crate::support::authority::{Endpoint, Fault, Gate};
use crate::support::bus;
use crate::support::scene::{CINEMA, Scene};
use crate::support::{BOUND, statement};

const DENIED: &str = "org.freedesktop.DBus.Error.AccessDenied";
const INVALID: &str = "org.freedesktop.DBus.Error.InvalidArgs";

/// Only root may forget; whoever else runs the tests sees that he may not.
fn may_forget(scene: &Scene) -> bool {
    if bus::can_act_as_others() {
        return true;
    }
    assert_eq!(scene.player().forget(CINEMA).unwrap_err().name, DENIED);
    assert_eq!(scene.command(&["forget", CINEMA, "--yes"]).code, Some(77));
    false
}

#[test]
fn forget_deletes_everything_of_an_application_and_nothing_of_another() {
    let scene = Scene::new();
    scene.add("cinema_2");
    let (_tokend, player) = scene.start();
    let (old, _) = player.get_token(CINEMA, 0).unwrap();
    let (neighbour, _) = player.get_token("cinema_2", 0).unwrap();
    // A second statement leaves more to delete.
    let changes = player.watch(CINEMA);
    scene.set_statement(CINEMA, &statement::issue(CINEMA));
    changes.wait_for(|change| change.get::<u64>("TokenNumber") == Some(2));
    if !may_forget(&scene) {
        return;
    }
    let mut wanted = scene.stored();
    assert_eq!(scene.stored_of(CINEMA).len(), 6, "{:?}", scene.stored_of(CINEMA));

    let ran = scene.command(&["forget", CINEMA, "--yes"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert!(ran.stdout.contains(CINEMA), "{}", ran.stdout);
    wanted.retain(|name, _| !name.starts_with("cinema."));
    assert_eq!(scene.stored(), wanted);
    let properties = player.properties(CINEMA);
    assert_eq!((properties.token_number, properties.client_id_issued_at), (0, 0));
    assert_ne!(properties.state, "ready");

    let (new, _) = player.get_token(CINEMA, 0).unwrap();
    assert_ne!(new, old);
    assert_eq!(scene.registrations(), 4);
    assert_eq!(player.get_token("cinema_2", 0).unwrap().0, neighbour);
}

#[test]
fn without_yes_nothing_is_done() {
    let scene = Scene::new();
    let (_tokend, player) = scene.start();
    let (token, _) = player.get_token(CINEMA, 0).unwrap();
    let before = scene.stored();
    let ran = scene.command(&["forget", CINEMA]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(64), ""));
    assert!(ran.stderr.contains("--yes") && ran.stderr.contains("sign"), "{}", ran.stderr);
    assert_eq!(scene.stored(), before);
    assert_eq!(player.get_token(CINEMA, 0).unwrap().0, token);
}

#[test]
fn only_root_may_forget() {
    let mut scene = Scene::new();
    scene.device.set("", "reload_users", "[65534]");
    scene.device.add(&scene.add(CINEMA).with("allow_users", "[65534]")).unwrap();
    let (_tokend, _player) = scene.start();
    if !may_forget(&scene) {
        return;
    }
    let get = ["tv.tokend", "/tv/tokend/application/cinema", "tv.tokend.Application1"];
    let (done, text) = scene.call_as(65_534, &[], &[&get[..], &["GetToken", "u", "0"]].concat());
    assert!(done, "{text}");
    let before = scene.stored();
    let forget = ["tv.tokend", "/tv/tokend", "tv.tokend.Manager1", "Forget", "s", CINEMA];
    // Root's group is not root.
    let (done, text) = scene.call_as(65_534, &[0], &forget);
    assert!(!done && text.contains("Error.AccessDenied: "), "{text}");
    assert_eq!(scene.stored(), before);
}

#[test]
fn forget_works_in_a_storage_error_too() {
    let scene = Scene::with_key_file(b'k');
    let (tokend, player) = scene.start();
    player.get_token(CINEMA, 0).unwrap();
    tokend.terminate();
    scene.write_key(b'x');
    let (tokend, player) = scene.start();
    assert_eq!(player.properties(CINEMA).state, "storage-error");
    if !may_forget(&scene) {
        return;
    }
    assert_eq!(scene.stored_of(CINEMA).len(), 4);
    player.forget(CINEMA).unwrap();
    assert_eq!(scene.stored_of(CINEMA), [""; 0]);
    tokend.terminate();

    scene.write_key(b'k');
    let (_tokend, player) = scene.start();
    player.get_token(CINEMA, 0).unwrap();
    assert_eq!(scene.registrations(), 2);
}

#[test]
fn an_unknown_application_is_an_invalid_argument_and_one_that_is_only_stored_is_forgotten() {
    let scene = Scene::new();
    scene.add("radio");
    let (_tokend, player) = scene.start();
    if !may_forget(&scene) {
        return;
    }
    player.get_token("radio", 0).unwrap();
    for id in ["theatre", "no name", "", "../x"] {
        let error = player.forget(id).unwrap_err();
        assert_eq!(error.name, INVALID, "{error}");
    }
    let ran = scene.command(&["forget", "theatre", "--yes"]);
    assert_eq!(ran.code, Some(65), "{}", ran.stderr);
    // Configured, with nothing stored: no error.
    player.forget(CINEMA).unwrap();

    scene.device.remove("radio");
    player.reload().unwrap();
    assert_ne!(scene.stored_of("radio"), [""; 0]);
    player.forget("radio").unwrap();
    assert_eq!(scene.stored_of("radio"), [""; 0]);
    assert_eq!(player.forget("radio").unwrap_err().name, INVALID);
}

#[test]
fn credentials_that_arrive_after_a_forget_are_not_kept() {
    let scene = Scene::new();
    let gate = Gate::new();
    scene.authority.next(Endpoint::Register, [Fault::hold(&gate)]);
    let (_tokend, player) = scene.start();
    let waiting = player.start_get_token(1, CINEMA, 0);
    scene.authority.wait_until("a registration", |log| log.count(Endpoint::Register) == 1);
    if !may_forget(&scene) {
        return;
    }
    player.forget(CINEMA).unwrap();
    assert_eq!(scene.stored_of(CINEMA), [""; 0]);
    gate.open();
    waiting.recv_timeout(BOUND).unwrap().unwrap();
    // Those of the second registration are in use, alone.
    assert_eq!(scene.registrations(), 2);
    assert_eq!(scene.stored_of(CINEMA).len(), 4);
}
