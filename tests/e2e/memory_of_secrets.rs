// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is no longer needed is in memory no longer: all that the real daemon has mapped is
//! searched from outside, for whole secrets and for parts of them. Only root can do so.

use std::fs;
use std::thread;

use ring::hkdf;

mod scan;

use crate::support::authority::{Authority, Endpoint, Fault, Gate, Response};
use crate::support::bus::{Bus, can_act_as_others};
use crate::support::household::Household;
use crate::support::player::{Change, Player};
use crate::support::statement;
use crate::support::tokend::{Application, Device, Program, Tokend};
use scan::Secrets;

const CINEMA: &str = "cinema";

/// A household with the application [`CINEMA`]; none where somebody else than root runs the tests.
fn household() -> Option<Household> {
    if !can_act_as_others() {
        eprintln!("left out: only root can read the memory of a daemon that is not dumpable");
        return None;
    }
    let mut program = Program::of_this_build();
    // As `target/release/tokend`: what is optimized leaves other traces.
    if let Some(tokend) = std::env::var_os("TOKEND_PROGRAM") {
        program.tokend = tokend.into();
    }
    let (authority, bus) = (Authority::https(), Bus::start().unwrap());
    let mut device = Device::new(&authority, &bus, program).unwrap();
    device.set("server", "reregister_after_seconds", "1");
    device.add(&Application::new(CINEMA, &statement::issue(CINEMA))).unwrap();
    Some(Household { authority, bus, device })
}

/// The daemon, a player, and the token that it has asked for in every way there is.
fn start(home: &Household) -> (Tokend, Player, String) {
    let tokend = home.device.start();
    let player = home.player();
    let (token, _) = player.get_token(CINEMA, 0).unwrap();
    player.get_headers(CINEMA, 0).unwrap();
    player.replace_token(CINEMA, "not-the-token", "invalid_access_token_service_provider").unwrap();
    assert_whole("token", &token, tokend.id());
    (tokend, player, token)
}

/// Panics where a secret is nowhere: the scan finds what is there, or it proves nothing.
fn assert_whole(name: &str, secret: &str, pid: u32) {
    let finds = Secrets::new().with(name, secret).find(pid);
    assert!(finds.iter().any(|find| find.length >= secret.len()), "{name} is not there: {finds:?}");
}

/// The client credentials that the last token was fetched with.
fn client(home: &Household) -> (String, String) {
    let log = home.authority.log();
    let request = log.of(Endpoint::Token).last().expect("a token request");
    (request.fields["client_id"].clone(), request.fields["client_secret"].clone())
}

/// The part of a statement that is random.
fn signature(statement: &str) -> &str {
    statement.rsplit('.').next().unwrap()
}

#[test]
fn after_a_refresh_nothing_of_the_old_token_is_left() {
    let Some(home) = household() else { return };
    home.authority.set_expires_in(10);
    let player = home.player();
    let changes = player.watch(CINEMA);
    let (tokend, player, old) = start(&home);
    home.authority.set_expires_in(1000);
    changes.wait_for(|change: &Change| change.get::<u64>("TokenNumber") == Some(2));
    let (new, _) = player.get_token(CINEMA, 0).unwrap();
    assert_ne!(old, new);
    Secrets::new().with("the old token", &old).assert_gone(tokend.id());
}

#[test]
fn what_the_server_says_of_a_reported_token_is_gone_and_so_is_the_token_once_there_is_a_new_one() {
    let Some(home) = household() else { return };
    let (tokend, player, token) = start(&home);
    let (id, secret) = client(&home);
    let canary = statement::random_hex(32);
    let echo = format!("{id} {secret} {token} {canary}");
    let answers = [
        Fault::Answer(Response::html(500, &echo)),
        Fault::Answer(Response::error(403, &echo, &echo)),
        Fault::Answer(Response::html(200, &echo)),
    ];
    home.authority.always(Endpoint::Token, Fault::html(500));
    home.authority.next(Endpoint::Token, answers);
    let changes = player.watch(CINEMA);
    let waiting = player.start_replace_token(CINEMA, &token);
    home.authority.wait_until("three tries", |log| log.count(Endpoint::Token) >= 4);
    changes.wait_for(|change| change.get::<u64>("RetryAt").is_some());
    // It may be good elsewhere.
    assert_eq!(player.get_token(CINEMA, 0).unwrap().0, token);
    Secrets::new().with("what the server said", &canary).assert_gone(tokend.id());

    home.authority.end_faults();
    drop(waiting);
    changes.wait_for(|change| change.get::<u64>("TokenNumber") == Some(2));
    Secrets::new()
        .with("the rejected token", &token)
        .with("what the server said", &canary)
        .assert_gone(tokend.id());
}

#[test]
fn after_a_forget_neither_token_nor_credentials_are_left() {
    let Some(home) = household() else { return };
    let (tokend, player, token) = start(&home);
    let (id, secret) = client(&home);
    assert_whole("client_secret", &secret, tokend.id());
    home.authority.set_down(true);
    player.forget(CINEMA).unwrap();
    Secrets::new()
        .with("the token", &token)
        .with("client_id", &id)
        .with("client_secret", &secret)
        .assert_gone(tokend.id());
}

#[test]
fn after_a_reload_that_removes_an_application_nothing_of_it_is_left() {
    let Some(home) = household() else { return };
    let (tokend, player, token) = start(&home);
    let (id, secret) = client(&home);
    let log = home.authority.log();
    let statement = log.of(Endpoint::Register).last().unwrap().fields["software_statement"].clone();
    assert_whole("statement", signature(&statement), tokend.id());
    home.device.remove(CINEMA);
    player.reload().unwrap();
    Secrets::new()
        .with("the token", &token)
        .with("client_id", &id)
        .with("client_secret", &secret)
        .with("statement", signature(&statement))
        .assert_gone(tokend.id());
}

#[test]
fn after_a_registration_anew_the_old_credentials_are_only_where_they_are_kept() {
    let Some(home) = household() else { return };
    let (tokend, player, token) = start(&home);
    let (id, secret) = client(&home);
    let changes = player.watch(CINEMA);
    home.authority.forget_clients();
    // Whether the new token comes in time for this caller is another test's matter.
    let _ = player.replace_token(CINEMA, &token, "");
    changes.wait_for(|change: &Change| change.get::<u64>("TokenNumber") == Some(2));
    assert_ne!(client(&home).0, id);
    Secrets::new().with("the old token", &token).assert_gone(tokend.id());
    // What is stored of an application is in memory too: once.
    for (name, kept) in [("client_id", id), ("client_secret", secret)] {
        Secrets::new().with(name, &kept).assert_places(1, kept.len(), tokend.id());
    }
}

#[test]
fn of_requests_at_once_nothing_is_left_where_their_threads_were() {
    let Some(home) = household() else { return };
    home.authority.set_throttle(false);
    let applications = ["cinema", "radio", "sports", "weather"];
    for id in applications {
        home.device.add(&Application::new(id, &statement::issue(id))).unwrap();
    }
    let tokend = home.device.start();
    let player = home.player();
    // What a server says is compared with the credentials before it is shown.
    let refusal = Fault::Answer(Response::error(400, "invalid_request", "This is not to be had."));
    let tokens = applications.map(|id| player.get_token(id, 0).unwrap().0);
    let gate = Gate::new();
    home.authority.always(Endpoint::Token, gate.then(refusal));
    thread::scope(|scope| {
        for (id, token) in applications.iter().zip(&tokens) {
            scope.spawn(|| player.replace_token(id, token, "").unwrap_err());
        }
        home.authority.wait_until("all at once", |log| log.count(Endpoint::Token) == 8);
        gate.open();
    });
    let mut secrets = Secrets::new();
    for token in tokens {
        secrets = secrets.with("token", token);
    }
    for request in home.authority.log().of(Endpoint::Token) {
        for name in ["client_id", "client_secret"] {
            secrets = secrets.with(name, &request.fields[name]);
        }
    }
    home.authority.set_down(true);
    applications.iter().for_each(|id| player.forget(id).unwrap());
    secrets.assert_gone(tokend.id());
}

#[test]
fn what_a_caller_says_who_is_denied_is_gone() {
    let Some(home) = household() else { return };
    let (tokend, _player, _token) = start(&home);
    let guess = statement::random_hex(32);
    let path = "/tv/tokend/application/cinema";
    let call = ["tv.tokend", path, "tv.tokend.Application1", "ReplaceToken", "ss"];
    let (_, said) = home.bus.call_as(65_534, &[], &[&call[..], &[&guess, &guess]].concat());
    assert!(said.contains("Error.AccessDenied: "));
    Secrets::new().with("what was said", &guess).assert_gone(tokend.id());
}

#[test]
fn what_is_too_large_to_be_let_in_is_gone() {
    let Some(home) = household() else { return };
    let (tokend, player, _token) = start(&home);
    let guess = statement::random_hex(32);
    player.replace_token(CINEMA, &guess, &guess.repeat(1500)).unwrap_err();
    Secrets::new().with("what was said", &guess).assert_gone(tokend.id());
}

#[test]
fn of_the_root_key_there_is_one_copy_and_none_of_the_keys_derived_from_it() {
    let Some(home) = household() else { return };
    let mut key = Vec::new();
    // The key is made by the first run, and read by the second.
    for _ in 0..2 {
        let (tokend, player, token) = start(&home);
        key = fs::read(home.device.state().join("generated-key")).unwrap();
        let wanted = Secrets::new().with("root key", &key);
        wanted.assert_places(1, key.len(), tokend.id());
        derived(&home, &key).assert_gone(tokend.id());
        player.replace_token(CINEMA, &token, "").unwrap();
        derived(&home, &key).assert_gone(tokend.id());
        wanted.assert_places(1, key.len(), tokend.id());
        tokend.terminate();
    }
    assert_eq!(key.len(), 32);
}

/// The keys of every sealed file that is there (`src/seal/envelope.rs` has the format).
fn derived(home: &Household, root: &[u8]) -> Secrets {
    struct Length;
    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            44
        }
    }
    let mut secrets = Secrets::new();
    for entry in fs::read_dir(home.device.state()).unwrap().flatten() {
        let sealed = fs::read(entry.path()).unwrap();
        let Some(salt) = sealed.get(54..86).filter(|_| sealed.starts_with(b"tokend\x1a\n")) else {
            continue;
        };
        let mut output = [0; 44];
        let pseudorandom = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(root);
        let info = [b"tokend sealed file".as_slice(), &[0, 1]];
        pseudorandom.expand(&info, Length).unwrap().fill(&mut output).unwrap();
        secrets = secrets.with(format!("the key of {:?}", entry.file_name()), &output[..32]);
    }
    secrets
}
