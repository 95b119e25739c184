// SPDX-License-Identifier: MIT OR Apache-2.0
//! A reload, by D-Bus, by SIGHUP and by the command line: applications come and go, and whatever
//! is faulty leaves what runs in force.

use std::fs;

use rustix::process::Signal;

use crate::support::authority::{Authority, Endpoint, Fault, Gate};
use crate::support::bus;
use crate::support::player::path_of;
use crate::support::scene::{CINEMA, Scene, uid};
use crate::support::tokend::Application;
use crate::support::{BOUND, statement};

const UNKNOWN: &str = "org.freedesktop.DBus.Error.UnknownObject";
const INVALID: &str = "org.freedesktop.DBus.Error.InvalidArgs";
const REJECTED: &str = "tv.tokend.Error.Rejected";

fn object(signal: &str, id: &str) -> (String, String) {
    (signal.to_owned(), path_of(id))
}

#[test]
fn a_new_application_file_appears_with_interfaces_added_and_works() {
    let scene = Scene::new();
    let (_tokend, player) = scene.start();
    let objects = player.watch_objects();
    assert_eq!(player.get_token("radio", 0).unwrap_err().name, UNKNOWN);

    scene.add("radio");
    player.reload().unwrap();
    assert_eq!(objects.recv_timeout(BOUND).unwrap(), object("InterfacesAdded", "radio"));
    player.get_token("radio", 0).unwrap();
    assert_eq!(player.managed_objects(), [path_of(CINEMA), path_of("radio")]);
}

#[test]
fn files_brought_back_while_tokend_runs_are_found_by_the_reload_that_brings_the_application_back() {
    let scene = Scene::new();
    let radio = scene.add("radio");
    let (tokend, player) = scene.start();
    // With all that it needs stored, the next start writes nothing.
    player.get_token(CINEMA, 0).unwrap();
    player.get_token("radio", 0).unwrap();
    let registered = scene.registrations();
    tokend.terminate();
    scene.device.remove("radio");
    let stored = scene.stored_of("radio");
    let files: Vec<_> =
        stored.iter().map(|name| scene.device.state().join(format!("radio.{name}"))).collect();
    let kept: Vec<_> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    for file in &files {
        fs::remove_file(file).unwrap();
    }

    let (_tokend, player) = scene.start();
    for (file, content) in files.iter().zip(&kept) {
        fs::write(file, content).unwrap();
    }
    scene.device.add(&radio).unwrap();
    player.reload().unwrap();
    let (token, _) = player.get_token("radio", 0).unwrap();
    // A new one takes the credentials.
    player.replace_token("radio", &token, "").unwrap();
    assert_eq!(scene.registrations(), registered);
    assert_eq!(scene.stored_of("radio"), stored);
}

#[test]
fn a_removed_application_goes_with_interfaces_removed_and_returns_without_a_registration() {
    let scene = Scene::new();
    let radio = scene.add("radio");
    let (tokend, player) = scene.start();
    player.get_token("radio", 0).unwrap();
    let copies = scene.copies("radio");
    let before = copies.clone().map(|copy| fs::read(copy).unwrap());
    let objects = player.watch_objects();

    scene.device.remove("radio");
    player.reload().unwrap();
    assert_eq!(objects.recv_timeout(BOUND).unwrap(), object("InterfacesRemoved", "radio"));
    assert_eq!(player.get_token("radio", 0).unwrap_err().name, UNKNOWN);
    assert_eq!(player.managed_objects(), [path_of(CINEMA)]);
    assert_eq!(copies.clone().map(|copy| fs::read(copy).unwrap()), before);

    scene.device.add(&radio).unwrap();
    player.reload().unwrap();
    assert_eq!(objects.recv_timeout(BOUND).unwrap(), object("InterfacesAdded", "radio"));
    player.get_token("radio", 0).unwrap();

    // The same with restarts in between.
    tokend.terminate();
    scene.device.remove("radio");
    let (tokend, player) = scene.start();
    assert_eq!(player.managed_objects(), [path_of(CINEMA)]);
    tokend.terminate();
    scene.device.add(&radio).unwrap();
    let (_tokend, player) = scene.start();
    player.get_token("radio", 0).unwrap();
    assert_eq!(scene.registrations(), 1);
    assert_eq!(copies.map(|copy| fs::read(copy).unwrap()), before);
}

#[test]
fn an_application_that_returns_with_another_statement_starts_anew() {
    // Removed by a reload; by a reload before a restart; while the daemon is not there.
    for (reload_before, restart) in [(true, false), (true, true), (false, true)] {
        let scene = Scene::new();
        scene.add("radio");
        let (mut tokend, mut player) = scene.start();
        let (old, _) = player.get_token("radio", 0).unwrap();

        if !reload_before {
            tokend.terminate();
            scene.device.remove("radio");
            (tokend, player) = scene.start();
        } else {
            scene.device.remove("radio");
            player.reload().unwrap();
        }
        if reload_before && restart {
            tokend.terminate();
            (tokend, player) = scene.start();
        }
        assert_eq!(player.get_token("radio", 0).unwrap_err().name, UNKNOWN);

        // Neither the old token nor the old credentials are its own any more.
        scene.authority.next(Endpoint::Register, [Fault::refusal(400, "invalid_request")]);
        let radio = scene.add("radio");
        player.reload().unwrap();
        let error = player.get_token("radio", 0).unwrap_err();
        assert_eq!(error.name, REJECTED, "{error}");
        assert_eq!((scene.registrations(), scene.clients().len()), (2, 1));
        let seen = scene.authority.log();
        let last = seen.of(Endpoint::Register).last().unwrap();
        assert_eq!(last.fields["software_statement"], radio.statement);

        player.reload().unwrap();
        let (new, _) = player.get_token("radio", 0).unwrap();
        assert_ne!(new, old);
        let clients = scene.clients();
        assert_eq!((scene.registrations(), clients.len()), (3, 2));
        assert_ne!(clients[0], clients[1]);
        drop(tokend);
    }
}

#[test]
fn a_faulty_application_file_leaves_what_runs_in_force_and_its_neighbours_are_reloaded() {
    let scene = Scene::new();
    let radio = scene.add("radio");
    let (_tokend, player) = scene.start();
    let (token, _) = player.get_token(CINEMA, 0).unwrap();
    player.get_token("radio", 0).unwrap();

    let file = "applications.d/cinema.toml";
    scene.device.write_config(file, "software_statement_file = \"x.jwt\"\nallow_user = [0]\n");
    scene.device.add(&radio.with("application_id", "\"REF30\"")).unwrap();
    scene.add("theatre");
    let error = player.reload().unwrap_err();
    assert_eq!(error.name, INVALID);
    for part in ["cinema.toml:2: ", "allow_user", "allow_users"] {
        assert!(error.message.contains(part), "no {part:?} in {error}");
    }
    assert_eq!(player.get_token(CINEMA, 0).unwrap().0, token);
    player.get_token("theatre", 0).unwrap();
    let (headers, _) = player.get_headers("radio", 0).unwrap();
    use base64::Engine as _;
    let info = base64::engine::general_purpose::STANDARD.decode(&headers["X-Device-Info"]).unwrap();
    assert!(String::from_utf8(info).unwrap().contains(r#""applicationId":"REF30""#));

    // By the command line the same, for a person.
    let ran = scene.command(&["reload"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(65), ""), "{}", ran.stderr);
    for part in ["cinema.toml:2: ", "allow_user"] {
        assert!(ran.stderr.contains(part), "no {part:?} in {}", ran.stderr);
    }
    assert_eq!(player.get_token(CINEMA, 0).unwrap().0, token);
    assert_eq!(scene.registrations(), 3);
}

#[test]
fn a_faulty_tokend_toml_leaves_all_in_force() {
    let mut scene = Scene::new();
    let (tokend, player) = scene.start();
    let (token, _) = player.get_token(CINEMA, 0).unwrap();
    scene.add("radio");
    scene.device.set("server", "timeout", "3");

    let error = player.reload().unwrap_err();
    assert_eq!(error.name, INVALID);
    for part in ["tokend.toml:7: ", "timeout", "timeout_seconds"] {
        assert!(error.message.contains(part), "no {part:?} in {error}");
    }
    assert_eq!(player.managed_objects(), [path_of(CINEMA)]);
    assert_eq!(player.get_token(CINEMA, 0).unwrap().0, token);

    // SIGHUP asks in vain too, and says why in the log.
    let notified = tokend.notified();
    let from = notified.len();
    tokend.signal(Signal::HUP);
    notified.wait_for(from, BOUND, |line| line == "RELOADING=1").unwrap();
    notified.wait_for(from, BOUND, |line| line == "READY=1").unwrap();
    tokend.wait_for_line("timeout_seconds");
    assert_eq!(player.managed_objects(), [path_of(CINEMA)]);

    scene.device.unset("server", "timeout");
    player.reload().unwrap();
    assert_eq!(player.managed_objects(), [path_of(CINEMA), path_of("radio")]);
}

#[test]
fn a_faulty_application_file_at_start_is_left_out_without_harm_to_its_neighbours() {
    let scene = Scene::new();
    let good = Application::new("radio", &statement::issue("radio"));
    scene.device.add(&good.clone().with("redirect_uri", "7")).unwrap();
    let (tokend, player) = scene.start();
    let line = tokend.wait_for_line("radio.toml");
    assert!(line.contains("redirect_uri") && line.contains("left out"), "{line}");
    assert_eq!(player.managed_objects(), [path_of(CINEMA)]);
    player.get_token(CINEMA, 0).unwrap();
    assert_eq!(player.get_token("radio", 0).unwrap_err().name, UNKNOWN);

    scene.device.add(&good).unwrap();
    player.reload().unwrap();
    player.get_token("radio", 0).unwrap();
}

#[test]
fn stored_credentials_of_an_application_whose_file_is_faulty_at_start_are_used_again() {
    let scene = Scene::new();
    let radio = scene.add("radio");
    let (tokend, player) = scene.start();
    let (token, _) = player.get_token("radio", 0).unwrap();
    tokend.terminate();
    scene.device.add(&radio.clone().with("redirect_uri", "7")).unwrap();
    let (_tokend, player) = scene.start();
    assert_eq!(player.managed_objects(), [path_of(CINEMA)]);
    scene.device.add(&radio).unwrap();
    player.reload().unwrap();
    assert_eq!(player.get_token("radio", 0).unwrap().0, token);
    assert_eq!((scene.registrations(), scene.clients().len()), (1, 1));
}

#[test]
fn after_a_change_of_url_nothing_of_the_old_origin_is_sent_or_served_and_the_way_back_is_free() {
    let mut scene = Scene::new();
    let (tokend, player) = scene.start();
    let (token, _) = player.get_token(CINEMA, 0).unwrap();

    let other = Authority::https();
    let gate = Gate::new();
    other.next(Endpoint::Register, [Fault::hold(&gate)]);
    let go_to = |scene: &mut Scene, authority: &Authority| {
        scene.device.set("server", "url", &format!("{:?}", authority.origin()));
        scene.device.set("server", "ca_file", &format!("{:?}", authority.ca_file()));
    };
    go_to(&mut scene, &other);
    player.reload().unwrap();
    assert_ne!(player.properties(CINEMA).state, "ready");
    let waiting = player.start_get_token(1, CINEMA, 0);
    other.wait_until("a registration", |log| log.count(Endpoint::Register) == 1);
    assert!(waiting.try_recv().is_err());
    gate.open();
    let (elsewhere, _) = waiting.recv_timeout(BOUND).unwrap().unwrap();
    assert_ne!(elsewhere, token);

    let log = scene.authority.log();
    let fields = &log.of(Endpoint::Token).next().unwrap().fields;
    for request in &other.log().requests {
        let text = format!("{:?} {}", request.head, String::from_utf8_lossy(&request.body));
        for secret in [&fields["client_id"], &fields["client_secret"], &token] {
            assert!(!text.contains(secret.as_str()), "a secret of the old origin was sent");
        }
    }

    let server = std::mem::replace(&mut scene.authority, other);
    go_to(&mut scene, &server);
    player.reload().unwrap();
    let (back, _) = player.get_token(CINEMA, 0).unwrap();
    assert_ne!(back, elsewhere);
    assert_eq!(server.count(Endpoint::Register), 1);

    // The same over a restart: each origin has its own.
    tokend.terminate();
    let other = std::mem::replace(&mut scene.authority, server);
    go_to(&mut scene, &other);
    let (_tokend, player) = scene.start();
    let (there, _) = player.get_token(CINEMA, 0).unwrap();
    assert!(there != back && there != token);
    assert_eq!((scene.registrations(), other.count(Endpoint::Register)), (1, 1));
}

#[test]
fn only_root_and_reload_users_may_reload() {
    let mut scene = Scene::new();
    scene.device.set("", "reload_users", "[1]");
    let (_tokend, player) = scene.start();
    scene.add("radio");
    if !bus::can_act_as_others() {
        let error = player.reload().unwrap_err();
        assert_eq!(error.name, "org.freedesktop.DBus.Error.AccessDenied");
        return;
    }
    let reload = ["tv.tokend", "/tv/tokend", "tv.tokend.Manager1", "Reload"];
    let (done, text) = scene.call_as(65_534, &[0], &reload);
    assert!(!done && text.contains("Error.AccessDenied: "), "{text}");
    assert_eq!(player.managed_objects(), [path_of(CINEMA)]);
    let (done, text) = scene.call_as(1, &[], &reload);
    assert!(done, "{text}");
    assert_eq!(player.managed_objects(), [path_of(CINEMA), path_of("radio")]);
    scene.device.remove("radio");
    player.reload().unwrap();
    assert_eq!((uid(), player.managed_objects().len()), (0, 1));
}

#[test]
fn a_sighup_reloads_and_tells_the_service_manager() {
    let scene = Scene::new();
    let (tokend, player) = scene.start();
    let objects = player.watch_objects();
    scene.add("radio");
    let notified = tokend.notified();
    let from = notified.len();
    tokend.signal(Signal::HUP);
    notified.wait_for(from, BOUND, |line| line == "READY=1").unwrap();
    let told = notified.text(from);
    // `Type=notify-reload` needs the time.
    assert!(told.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{told}");
    assert_eq!(objects.recv_timeout(BOUND).unwrap(), object("InterfacesAdded", "radio"));
}

#[test]
fn the_command_reloads_and_says_nothing() {
    let scene = Scene::new();
    let (_tokend, player) = scene.start();
    scene.add("radio");
    let ran = scene.command(&["reload"]);
    let said = (ran.code, ran.stdout.as_str(), ran.stderr.as_str());
    assert_eq!(said, (Some(0), "", ""));
    assert_eq!(player.managed_objects(), [path_of(CINEMA), path_of("radio")]);
}

#[test]
fn a_registration_that_outlives_its_application_is_not_lost() {
    // It ends before the application is back, or after.
    for early in [true, false] {
        let scene = Scene::new();
        let radio = scene.add("radio");
        let gate = Gate::new();
        scene.authority.next(Endpoint::Register, [Fault::hold(&gate)]);
        let (tokend, player) = scene.start();
        let waiting = player.start_get_token(1, "radio", 0);
        scene.authority.wait_until("a registration", |log| log.count(Endpoint::Register) == 1);
        scene.device.remove("radio");
        player.reload().unwrap();
        // Nobody waits for what is not there.
        assert_eq!(waiting.recv_timeout(BOUND).unwrap().unwrap_err().name, UNKNOWN);
        if early {
            gate.open();
            tokend.wait_for_line("radio: registered");
        }
        scene.device.add(&radio).unwrap();
        player.reload().unwrap();
        gate.open();
        player.get_token("radio", 0).unwrap();
        assert_eq!(scene.registrations(), 1);
        tokend.terminate();
        let (_tokend, player) = scene.start();
        player.get_token("radio", 0).unwrap();
        assert_eq!(scene.registrations(), 1);
    }
}

#[test]
fn changed_settings_are_in_force_after_a_reload_and_the_seal_after_a_restart() {
    let mut scene = Scene::new();
    let (tokend, player) = scene.start();
    let (headers, _) = player.get_headers(CINEMA, 0).unwrap();
    assert!(!headers.contains_key("User-Agent"));
    scene.device.set("server", "user_agent", "\"Box/2\"");
    scene.device.set("device", "model", "\"X1\"");
    scene.device.set("storage", "seal", "\"key-file\"");
    scene.device.set("storage", "key_file", "\"seal.key\"");
    scene.write_key(b'k');
    player.reload().unwrap();
    let (changed, _) = player.get_headers(CINEMA, 0).unwrap();
    assert_eq!(changed["User-Agent"], "Box/2");
    assert_ne!(changed["X-Device-Info"], headers["X-Device-Info"]);
    assert_eq!(changed["Authorization"], headers["Authorization"]);
    tokend.wait_for_line("takes a restart");
    assert_eq!(player.manager_property::<String>("Sealing"), "generated");
    player.replace_token(CINEMA, &headers["Authorization"]["Bearer ".len()..], "").unwrap();
    let log = scene.authority.log();
    let head = &log.of(Endpoint::Token).last().unwrap().head;
    assert_eq!(head.header("user-agent"), Some("Box/2"));
    assert_eq!(head.header("x-device-info"), Some(changed["X-Device-Info"].as_str()));
}
