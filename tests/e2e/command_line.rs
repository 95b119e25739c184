// SPDX-License-Identifier: MIT OR Apache-2.0
//! The client commands against a running daemon: what they print, and how they exit.

use std::fs;

use serde_json::Value;

use crate::support::authority::{Endpoint, Fault};
use crate::support::client::Client;
use crate::support::scene::{CINEMA, Scene, uid};
use crate::support::tokend::Ran;

fn json(ran: &Ran) -> Value {
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    serde_json::from_str(&ran.stdout).unwrap()
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// Panics where a command has not failed as it must: nothing on its output, one line of reason.
fn assert_failed(ran: &Ran, code: i32, words: &[&str]) {
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(code), ""), "{}", ran.stderr);
    assert!(ran.stderr.starts_with("tokend: "), "{}", ran.stderr);
    for word in words {
        assert!(ran.stderr.contains(word), "no {word:?} in {}", ran.stderr);
    }
}

#[test]
fn the_status_fits_80_columns_whatever_it_has_to_say() {
    let scene = Scene::new();
    let long = "a_player_with_a_name_that_is_much_longer_than_most_of_them_are_x";
    scene.add(long);
    scene.add("radio");
    let (_tokend, player) = scene.start();
    player.get_token(CINEMA, 0).unwrap();
    player.get_token(long, 0).unwrap();
    scene
        .authority
        .always(Endpoint::Register, Fault::refusal(400, "unapproved_software_statement"));
    player.get_token("radio", 0).unwrap_err();

    let table = scene.command(&["status"]);
    let one = scene.command(&["status", "radio"]);
    for ran in [&table, &one] {
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
        let wide: Vec<_> = ran.stdout.lines().filter(|line| line.chars().count() > 80).collect();
        assert_eq!(wide, [""; 0]);
        scene.authority.assert_no_secret_in("status", &ran.stdout);
    }
    assert!(table.stdout.starts_with("tokend "), "{}", table.stdout);
    for word in ["generated", CINEMA, long, "radio", "ready", "rejected", "Rejected"] {
        assert!(table.stdout.contains(word), "no {word:?} in\n{}", table.stdout);
    }
    assert!(one.stdout.contains("unapproved_software_statement"), "{}", one.stdout);
    assert!(!one.stdout.contains(CINEMA), "{}", one.stdout);
}

#[test]
fn the_status_as_json_has_the_keys_of_the_bus() {
    let scene = Scene::new();
    scene.add("radio");
    let (_tokend, player) = scene.start();
    player.get_token(CINEMA, 0).unwrap();

    let status = json(&scene.command(&["status", "--json"]));
    let manager = [
        "applications",
        "clock_set",
        "faults",
        "sealing",
        "started_at",
        "uptime_seconds",
        "version",
    ];
    assert_eq!(keys(&status), manager);
    assert_eq!(status["sealing"], "generated");
    assert_eq!(status["clock_set"], true);
    let applications = status["applications"].as_array().unwrap();
    assert_eq!(applications.len(), 2);
    let (cinema, properties) = (&applications[0], player.properties(CINEMA));
    let wanted = [
        "client_id_issued_at",
        "counters",
        "expires_at",
        "history",
        "id",
        "last_error",
        "redirect_uris",
        "retry_at",
        "scopes",
        "state",
        "token_number",
    ];
    assert_eq!(keys(cinema), wanted);
    assert_eq!(keys(&cinema["last_error"]), ["message", "name"]);
    let counters = ["failing_since", "failures", "last_success", "registrations"];
    assert_eq!(keys(&cinema["counters"]), counters);
    assert_eq!(cinema["counters"]["registrations"], 1);
    let events = cinema["history"].as_array().unwrap().iter();
    let events: Vec<_> = events.map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["registered", "token"]);
    assert_eq!(keys(&cinema["history"][0]), ["event", "message", "time"]);
    assert_eq!((&cinema["id"], &cinema["state"]), (&CINEMA.into(), &"ready".into()));
    assert_eq!(cinema["token_number"], 1);
    assert_eq!(cinema["expires_at"], properties.expires_at);
    assert_eq!(cinema["client_id_issued_at"], properties.client_id_issued_at);
    assert_eq!(applications[1]["token_number"], 0);

    let one = json(&scene.command(&["status", "radio", "--json"]));
    assert_eq!(one["applications"].as_array().unwrap().len(), 1);
    assert_eq!(one["applications"][0]["id"], "radio");
}

#[test]
fn the_token_is_printed_alone_on_a_line() {
    let scene = Scene::new();
    let (_tokend, player) = scene.start();
    let ran = scene.command(&["token", CINEMA]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let (token, _) = player.get_token(CINEMA, 0).unwrap();
    assert!(ran.stdout == format!("{token}\n"));
}

#[test]
fn the_headers_open_a_protected_endpoint_as_they_are_printed() {
    let mut scene = Scene::new();
    scene.device.set("server", "user_agent", "\"Box/1.0 (test)\"");
    let (_tokend, _player) = scene.start();
    let ran = scene.command(&["headers", CINEMA]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let header = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_owned(), value.to_owned())
    };
    let headers: Vec<_> = ran.stdout.lines().map(header).collect();
    let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["AP-Device-Identifier", "Authorization", "User-Agent", "X-Device-Info"]);
    let client = Client::new(&fs::read_to_string(scene.authority.ca_file()).unwrap()).unwrap();
    let url = format!("{}/api/v2/hello", scene.authority.origin());
    let reply = client.send("GET", &url, &headers, b"").unwrap();
    assert_eq!((reply.status, &reply.json()["hello"]), (200, &CINEMA.into()), "{}", reply.body);
}

#[test]
fn the_device_data_are_those_that_the_daemon_sends() {
    let mut scene = Scene::new();
    scene.device.set("device", "model", "\"X1\"");
    scene.device.set("device", "displayWidth", "1920");
    scene.device.set("device", "connectionSecure", "true");
    let (_tokend, _player) = scene.start();
    // What is configured now is not in force yet: the daemon is asked, not the files.
    scene.device.set("device", "model", "\"X2\"");
    let info = json(&scene.command(&["device-info", "--json"]));
    assert_eq!(info["model"], "X1");
    assert_eq!(info["displayWidth"], 1920);
    assert_eq!(info["connectionSecure"], true);
    let table = scene.command(&["device-info"]);
    assert_eq!(table.code, Some(0), "{}", table.stderr);
    let line = table.stdout.lines().find(|line| line.starts_with("model")).unwrap();
    assert_eq!(line.split_whitespace().collect::<Vec<_>>(), ["model", "X1"]);
}

#[test]
fn an_unknown_application_exits_65() {
    let scene = Scene::new();
    let (_tokend, _player) = scene.start();
    for command in ["token", "headers", "status"] {
        assert_failed(&scene.command(&[command, "radio"]), 65, &["radio"]);
    }
}

#[test]
fn a_daemon_that_does_not_run_exits_69() {
    let mut scene = Scene::new();
    let commands: [&[&str]; 7] = [
        &["status"],
        &["status", "--json"],
        &["token", CINEMA],
        &["headers", CINEMA],
        &["device-info"],
        &["reload"],
        &["forget", CINEMA, "--yes"],
    ];
    for command in commands {
        assert_failed(&scene.command(command), 69, &["not running"]);
    }
    scene.bus.kill();
    for command in commands {
        assert_failed(&scene.command(command), 69, &["cannot connect"]);
    }
}

#[test]
fn a_refusal_of_the_server_exits_69() {
    let scene = Scene::new();
    scene.authority.always(Endpoint::Register, Fault::refusal(400, "invalid_software_statement"));
    let (_tokend, _player) = scene.start();
    let words = ["invalid_software_statement", "tv.tokend.Error.Rejected"];
    assert_failed(&scene.command(&["token", CINEMA]), 69, &words);
}

#[test]
fn storage_that_cannot_be_had_exits_74() {
    let scene = Scene::with_key_file(b'k');
    fs::remove_file(scene.device.config().join("seal.key")).unwrap();
    let (_tokend, _player) = scene.start();
    let words = ["seal.key", "tv.tokend.Error.Storage"];
    assert_failed(&scene.command(&["token", CINEMA]), 74, &words);
    assert_failed(&scene.command(&["headers", CINEMA]), 74, &words);
}

#[test]
fn what_may_work_later_exits_75() {
    let scene = Scene::new();
    fs::remove_file(scene.statement_file(CINEMA)).unwrap();
    let (_tokend, _player) = scene.start();
    assert_failed(&scene.command(&["token", CINEMA]), 75, &["tv.tokend.Error.Unavailable"]);
}

#[test]
fn a_caller_without_the_right_exits_77() {
    // Root has every right.
    if uid() == 0 {
        return;
    }
    let mut scene = Scene::new();
    scene.device.set("", "reload_users", "[]");
    scene.device.add(&scene.add(CINEMA).without("allow_users")).unwrap();
    let (_tokend, _player) = scene.start();
    let commands: [&[&str]; 4] =
        [&["token", CINEMA], &["headers", CINEMA], &["reload"], &["forget", CINEMA, "--yes"]];
    for command in commands {
        assert_failed(&scene.command(command), 77, &["AccessDenied"]);
    }
    assert_eq!(scene.command(&["status"]).code, Some(0));
}

#[test]
fn wrong_usage_exits_64_and_points_to_the_help() {
    let scene = Scene::new();
    let lines: [&[&str]; 8] = [
        &[],
        &["dance"],
        &["token"],
        &["token", "no-name"],
        &["run", "--yes"],
        &["status", "--config", "/"],
        &["status", "a", "b"],
        &["run", "--bus"],
    ];
    for line in lines {
        let ran = scene.device.run(line);
        assert_failed(&ran, 64, &["--help"]);
    }
    for (option, word) in [("--help", "Usage:"), ("--version", env!("CARGO_PKG_VERSION"))] {
        let ran = scene.device.run(&[option]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
        assert!(ran.stdout.contains(word), "{}", ran.stdout);
    }
}

#[test]
fn no_command_prints_a_secret_but_the_two_that_must() {
    let scene = Scene::new();
    let (_tokend, player) = scene.start();
    player.get_token(CINEMA, 0).unwrap();
    let commands: [&[&str]; 6] = [
        &["status"],
        &["status", CINEMA],
        &["status", "--json"],
        &["device-info"],
        &["reload"],
        &["forget", CINEMA],
    ];
    for command in commands {
        let ran = scene.command(command);
        scene.authority.assert_no_secret_in(command[0], &(ran.stdout + &ran.stderr));
    }
}
