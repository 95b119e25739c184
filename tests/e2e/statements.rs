// SPDX-License-Identifier: MIT OR Apache-2.0
//! Software statements that change, come back, are refused or cannot be read.

use std::fs;

use crate::support::BOUND;
use crate::support::authority::{Endpoint, Fault, Gate};
use crate::support::player::Change;
use crate::support::scene::{CINEMA, Scene};
use crate::support::statement;

const UNAVAILABLE: &str = "tv.tokend.Error.Unavailable";
const REJECTED: &str = "tv.tokend.Error.Rejected";

fn is_token(number: u64) -> impl Fn(&Change) -> bool {
    move |change| change.get::<u64>("TokenNumber") == Some(number)
}

/// Whether `LastError` has changed to nothing.
fn is_well(change: &Change) -> bool {
    let error = change.get::<zbus::Structure<'static>>("LastError");
    error.is_some_and(|error| <(String, String)>::try_from(error).unwrap().0.is_empty())
}

/// The statement of the last registration.
fn last_registered(scene: &Scene) -> String {
    let log = scene.authority.log();
    log.of(Endpoint::Register).last().unwrap().fields["software_statement"].clone()
}

#[test]
fn a_changed_statement_file_registers_anew_and_the_old_token_is_served_until_then() {
    for rename in [true, false] {
        let scene = Scene::new();
        let (_tokend, player) = scene.start();
        let (old, _) = player.get_token(CINEMA, 0).unwrap();
        let changes = player.watch(CINEMA);
        let (registration, fetch) = (Gate::new(), Gate::new());
        scene.authority.next(Endpoint::Register, [Fault::hold(&registration)]);
        scene.authority.next(Endpoint::Token, [Fault::hold(&fetch)]);

        let new = statement::issue(CINEMA);
        if rename {
            scene.set_statement(CINEMA, &new);
        } else {
            fs::write(scene.statement_file(CINEMA), &new).unwrap();
        }
        scene.authority.wait_until("a registration", |log| log.count(Endpoint::Register) == 2);
        assert_eq!(last_registered(&scene), new);
        assert_eq!(player.get_token(CINEMA, 0).unwrap().0, old);
        registration.open();
        scene.authority.wait_until("a fetch", |log| log.count(Endpoint::Token) == 2);
        assert_eq!(player.get_token(CINEMA, 0).unwrap().0, old);
        assert_eq!(player.properties(CINEMA).state, "ready");
        fetch.open();
        changes.wait_for(is_token(2));
        assert_ne!(player.get_token(CINEMA, 0).unwrap().0, old);
        let clients = scene.clients();
        assert_ne!(clients[0], clients[1]);
        assert_eq!(scene.registrations(), 2);
    }
}

#[test]
fn white_space_in_a_statement_is_no_change() {
    let scene = Scene::new();
    let radio = scene.add("radio");
    let (_tokend, player) = scene.start();
    let (token, _) = player.get_token("radio", 0).unwrap();
    let (head, tail) = radio.statement.split_at(40);
    scene.set_statement("radio", &format!("{head}\n  {tail}\r\n"));
    player.reload().unwrap();
    assert_eq!(player.get_token("radio", 0).unwrap().0, token);
    assert_eq!(scene.registrations(), 1);
}

#[test]
fn a_refused_new_statement_leaves_the_old_one_in_use_and_says_so() {
    let scene = Scene::new();
    let (tokend, player) = scene.start();
    let (old, _) = player.get_token(CINEMA, 0).unwrap();
    let changes = player.watch(CINEMA);
    let refused = statement::issue(CINEMA);
    scene.authority.revoke(&refused);
    scene.set_statement(CINEMA, &refused);
    changes.wait_for(|change| change.0.contains_key("LastError"));
    let properties = player.properties(CINEMA);
    let (name, message) = &properties.last_error;
    assert_eq!((properties.state.as_str(), name.as_str()), ("ready", REJECTED));
    assert!(message.contains("unapproved_software_statement"), "{message}");
    assert_eq!(player.get_token(CINEMA, 0).unwrap().0, old);

    // The old credentials go on to fetch tokens, after a restart too.
    let (second, _) = player.replace_token(CINEMA, &old, "").unwrap();
    assert_ne!(second, old);
    tokend.terminate();
    fs::remove_file(scene.device.state().join("cinema.token")).unwrap();
    scene.authority.always(Endpoint::Register, Fault::refusal(400, "invalid_software_statement"));
    let (_tokend, player) = scene.start();
    player.get_token(CINEMA, 0).unwrap();
    let clients = scene.clients();
    assert_eq!(clients, vec![clients[0].clone(); 3]);

    // A good one is registered at once.
    scene.authority.end_faults();
    let changes = player.watch(CINEMA);
    let good = statement::issue(CINEMA);
    scene.set_statement(CINEMA, &good);
    changes.wait_for(|change| change.0.contains_key("TokenNumber"));
    assert_eq!(last_registered(&scene), good);
    assert_eq!(player.properties(CINEMA).last_error, (String::new(), String::new()));
}

#[test]
fn a_statement_that_comes_back_finds_its_credentials_again() {
    let scene = Scene::new();
    let first = fs::read_to_string(scene.statement_file(CINEMA)).unwrap();
    let second = statement::issue(CINEMA);
    let (_tokend, player) = scene.start();
    player.get_token(CINEMA, 0).unwrap();
    let changes = player.watch(CINEMA);
    for (number, statement) in [(2, &second), (3, &first), (4, &second)] {
        scene.set_statement(CINEMA, statement);
        changes.wait_for(is_token(number));
    }
    let clients = scene.clients();
    assert_ne!(clients[0], clients[1]);
    assert_eq!((&clients[2], &clients[3]), (&clients[0], &clients[1]));
    assert_eq!(scene.registrations(), 2);
}

#[test]
fn a_statement_that_comes_back_after_restarts_finds_its_credentials_again() {
    let scene = Scene::new();
    let first = fs::read_to_string(scene.statement_file(CINEMA)).unwrap();
    let (tokend, player) = scene.start();
    player.get_token(CINEMA, 0).unwrap();
    tokend.terminate();

    // An update of the application, while the daemon is not there, and its roll-back.
    scene.set_statement(CINEMA, &statement::issue(CINEMA));
    let tokend = scene.device.start();
    scene.authority.wait_until("a fetch", |log| log.answered(Endpoint::Token, 201) == 2);
    tokend.terminate();
    scene.set_statement(CINEMA, &first);
    let (_tokend, player) = scene.start();
    let (token, _) = player.get_token(CINEMA, 0).unwrap();
    player.replace_token(CINEMA, &token, "").unwrap();
    let clients = scene.clients();
    assert_ne!(clients[1], clients[0]);
    assert_eq!(clients.last(), clients.first());
    assert_eq!(scene.registrations(), 2);
}

#[test]
fn a_statement_that_cannot_be_read_does_not_disable_stored_credentials() {
    let scene = Scene::new();
    let (tokend, player) = scene.start();
    let (token, _) = player.get_token(CINEMA, 0).unwrap();
    fs::remove_file(scene.statement_file(CINEMA)).unwrap();
    player.reload().unwrap();
    assert_eq!(player.get_token(CINEMA, 0).unwrap().0, token);
    let (token, _) = player.replace_token(CINEMA, &token, "").unwrap();
    tokend.terminate();

    let (tokend, player) = scene.start();
    tokend.wait_for_line("cinema.jwt");
    assert_eq!(player.get_token(CINEMA, 0).unwrap().0, token);
    tokend.terminate();
    fs::remove_file(scene.device.state().join("cinema.token")).unwrap();
    let (_tokend, player) = scene.start();
    assert_ne!(player.get_token(CINEMA, 0).unwrap().0, token);
    assert_eq!((scene.registrations(), scene.clients().len()), (1, 3));
}

#[test]
fn without_credentials_a_missing_statement_is_named_and_the_application_works_once_it_is_there() {
    let scene = Scene::new();
    let file = scene.statement_file(CINEMA);
    let statement = fs::read_to_string(&file).unwrap();
    fs::remove_file(&file).unwrap();
    let (_tokend, player) = scene.start();
    let error = player.get_token(CINEMA, 0).unwrap_err();
    assert_eq!(error.name, UNAVAILABLE);
    assert!(error.message.contains(file.to_str().unwrap()), "{error}");
    let (name, message) = player.properties(CINEMA).last_error;
    assert_eq!(name, UNAVAILABLE);
    assert!(message.contains("cinema.jwt"), "{message}");

    let changes = player.watch(CINEMA);
    scene.set_statement(CINEMA, &statement);
    changes.wait_for(is_well);
    player.get_token(CINEMA, 0).unwrap();
    assert_eq!(scene.registrations(), 1);
}

#[test]
fn a_changed_redirect_uri_never_registers_again() {
    let scene = Scene::new();
    let radio = scene.add("radio").with("redirect_uri", "\"adobepass://one\"");
    scene.device.add(&radio).unwrap();
    let (tokend, player) = scene.start();
    let (token, _) = player.get_token("radio", 0).unwrap();
    assert_eq!(player.properties("radio").redirect_uris, ["adobepass://one"]);
    scene.device.add(&radio.with("redirect_uri", "\"adobepass://two\"")).unwrap();
    player.reload().unwrap();
    assert_eq!(player.get_token("radio", 0).unwrap().0, token);
    let (token, _) = player.replace_token("radio", &token, "").unwrap();
    tokend.terminate();
    let (_tokend, player) = scene.start();
    assert_eq!(player.get_token("radio", 0).unwrap().0, token);
    player.replace_token("radio", &token, "").unwrap();
    assert_eq!((scene.registrations(), scene.clients().len()), (1, 3));
    assert_eq!(player.properties("radio").redirect_uris, ["adobepass://one"]);
}

#[test]
fn the_state_of_a_registration_can_be_watched() {
    let scene = Scene::new();
    let gate = Gate::new();
    scene.authority.next(Endpoint::Register, [Fault::hold(&gate)]);
    let (_tokend, player) = scene.start();
    let changes = player.watch(CINEMA);
    let waiting = player.start_get_token(1, CINEMA, 0);
    changes.wait_for(|change| change.is_state("registering"));
    gate.open();
    changes.wait_for(|change| change.is_state("fetching"));
    changes.wait_for(|change| change.is_state("ready"));
    waiting.recv_timeout(BOUND).unwrap().unwrap();
}
