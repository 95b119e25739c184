// SPDX-License-Identifier: MIT OR Apache-2.0
//! First start: an application that nobody has called for yet is registered once, its token is
//! fetched, and its player gets headers that are ready to send.

#![allow(unreachable_pub, reason = "a test has no outside")]

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use crate::support::authority::{Authority, Endpoint, Options};
use crate::support::household::Household;
use crate::support::player::{Change, Properties};
use crate::support::statement;
use crate::support::tokend::Application;

const DAY: u64 = 86_400;

#[test]
fn the_first_call_registers_once_fetches_once_and_later_calls_ask_nobody() {
    let home = Household::new(Authority::https(), &["cinema"]);
    let _tokend = home.device.start();
    assert_eq!(home.authority.log().connections, 0, "nobody has asked yet");

    let player = home.player();
    let (token, expires_in) = player.get_token("cinema", 0).unwrap();
    assert!(u64::from(expires_in) <= DAY && u64::from(expires_in) > DAY - 60, "{expires_in}");
    assert!(home.authority.end_of(&token).is_some());
    for _ in 0..20 {
        assert_eq!(player.get_token("cinema", 3600).unwrap().0, token);
    }
    let log = home.authority.log();
    assert_eq!((log.count(Endpoint::Register), log.count(Endpoint::Token)), (1, 1));
    assert_eq!(log.connections, 2, "each request is a connection, and there is no other");
}

#[test]
fn callers_that_come_together_share_one_registration_and_one_fetch() {
    let home = Household::new(Authority::https(), &["cinema"]);
    let _tokend = home.device.start();
    let answers = home.player().start_get_token(16, "cinema", 0);
    let tokens: BTreeSet<_> = answers.iter().map(|answer| answer.unwrap().0).collect();
    assert_eq!(tokens.len(), 1);
    let log = home.authority.log();
    assert_eq!((log.requests.len(), log.most_at_once()), (2, 1));
}

#[test]
fn a_throttled_server_never_has_to_say_so() {
    let home = Household::new(Authority::start(Options::default()).unwrap(), &["cinema", "news"]);
    let _tokend = home.device.start();
    let player = home.player();
    player.get_token("cinema", 0).unwrap();
    player.get_token("news", 0).unwrap();
    assert!(home.authority.log().requests.iter().all(|r| format!("{r}").ends_with("answered 201")));
}

#[test]
fn the_headers_are_exact_and_open_the_protected_api() {
    let mut home = Household::new(Authority::http(), &[]);
    home.device.set("server", "user_agent", "\"Box/7 (living room)\"");
    home.device.set("device", "identity", "\"SN-0815-4711\"");
    home.device.set("device", "primaryHardwareType", "\"SetTopBox\"");
    home.device.set("device", "model", "\"B7\"");
    home.device.set("device", "displayWidth", "1920");
    home.device.set("device", "displayHeight", "1080");
    home.device.set("device", "connectionType", "\"LAN\"");
    home.device.set("device", "connectionSecure", "true");
    home.device.write_root("/etc/os-release", "NAME=\"Box OS\"\nVERSION_ID=\"7.1\"\n");
    home.device.write_root("/etc/device.properties", "MFG_NAME='Maker'\n");
    let statement = statement::issue("cinema");
    let application = Application::new("cinema", &statement).with("application_id", "\"REF30\"");
    home.device.add(&application).unwrap();
    let _tokend = home.device.start();

    let (headers, _) = home.player().get_headers("cinema", 0).unwrap();
    let names: Vec<_> = headers.keys().map(String::as_str).collect();
    assert_eq!(names, ["AP-Device-Identifier", "Authorization", "User-Agent", "X-Device-Info"]);
    assert_eq!(headers["User-Agent"], "Box/7 (living room)");
    let token = headers["Authorization"].strip_prefix("Bearer ").unwrap();
    assert!(home.authority.end_of(token).is_some());

    let identity: String = digest(&SHA256, b"SN-0815-4711")
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(
        headers["AP-Device-Identifier"],
        format!("fingerprint {}", STANDARD.encode(identity))
    );

    let info = device_info(&headers);
    for (key, value) in [
        ("primaryHardwareType", json!("SetTopBox")),
        ("model", json!("B7")),
        ("manufacturer", json!("Maker")),
        ("osName", json!("Linux")),
        ("displayWidth", json!(1920)),
        ("displayHeight", json!(1080)),
        ("connectionType", json!("LAN")),
        ("connectionSecure", json!(true)),
        ("applicationId", json!("REF30")),
    ] {
        assert_eq!(info[key], value, "{key} of {info}");
    }
    for request in home.authority.log().requests {
        assert_eq!(request.head.header("x-device-info"), Some(headers["X-Device-Info"].as_str()));
        assert_eq!(request.head.header("user-agent"), Some("Box/7 (living room)"));
    }
    let client = crate::support::client::Client::plain();
    let url = format!("{}/api/v2/hello", home.authority.origin());
    let headers: Vec<_> = headers.into_iter().collect();
    let hello = client.send("GET", &url, &headers, b"").unwrap();
    assert_eq!((hello.status, &hello.json()["hello"]), (200, &json!("cinema")));
}

#[test]
fn a_device_that_knows_nothing_of_itself_still_sends_every_required_field() {
    let home = Household::new(Authority::http(), &["cinema"]);
    let _tokend = home.device.start();
    let (headers, _) = home.player().get_headers("cinema", 0).unwrap();
    let names: Vec<_> = headers.keys().map(String::as_str).collect();
    assert_eq!(names, ["AP-Device-Identifier", "Authorization", "X-Device-Info"]);

    let identifier = headers["AP-Device-Identifier"].strip_prefix("fingerprint ").unwrap();
    let identifier = String::from_utf8(STANDARD.decode(identifier).unwrap()).unwrap();
    assert_eq!(identifier.len(), 64);
    assert!(identifier.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));

    let info = device_info(&headers);
    for key in ["model", "version", "osName", "osVersion", "connectionType"] {
        assert!(info[key].as_str().is_some_and(|value| !value.is_empty()), "{key} of {info}");
    }
    assert!(info.get("applicationId").is_none());
}

#[test]
fn a_redirect_uri_is_sent_where_one_is_configured_and_nothing_else_is() {
    let home = Household::new(Authority::http(), &["plain"]);
    let uri = "adobepass://com.programmer";
    let statement = statement::issue_with_redirect_uris("linked", &[uri]);
    let linked = Application::new("linked", &statement).with("redirect_uri", &format!("{uri:?}"));
    home.device.add(&linked).unwrap();
    let _tokend = home.device.start();
    let player = home.player();
    for id in ["plain", "linked"] {
        player.get_token(id, 0).unwrap();
    }
    let log = home.authority.log();
    for request in log.of(Endpoint::Register) {
        let sent = request.fields.get("redirect_uri").map(String::as_str);
        let wanted = (request.application.as_deref() == Some("linked")).then_some(uri);
        assert_eq!(sent, wanted);
    }
    assert_eq!(player.properties("linked").redirect_uris, [uri]);
    assert_eq!(player.properties("plain").redirect_uris, [""; 0]);
}

#[test]
fn properties_tell_the_whole_way_with_one_signal_for_each_transition() {
    let home = Household::new(Authority::http(), &["cinema"]);
    let _tokend = home.device.start();
    let player = home.player();
    let before = player.properties("cinema");
    assert_eq!((before.id.as_str(), before.state.as_str()), ("cinema", "waiting"));
    assert_eq!((before.token_number, before.expires_at, before.client_id_issued_at), (0, 0, 0));
    let date = home.authority.date();
    assert!(before.retry_at >= date - 60 && before.retry_at <= date + 301, "a random start");
    assert_eq!(before.last_error, Default::default());
    assert!(before.scopes.is_empty());

    let changes = player.watch("cinema");
    player.get_token("cinema", 0).unwrap();
    let seen: Vec<Change> = (0..3).map(|_| changes.next()).collect();
    let states: Vec<_> = seen.iter().map(|change| change.get::<String>("State")).collect();
    let states: Vec<_> = states.iter().map(|state| state.as_deref().unwrap_or("-")).collect();
    assert_eq!(states, ["registering", "fetching", "ready"]);
    assert!(seen[1].get::<u64>("ClientIdIssuedAt").is_some(), "{:?}", seen[1]);
    assert_eq!(seen[2].get::<u64>("TokenNumber"), Some(1));

    let after = player.properties("cinema");
    assert_eq!((after.state.as_str(), after.token_number), ("ready", 1));
    assert_eq!(after.scopes, ["api:client:v2"]);
    assert_eq!(after.last_error, Default::default());
    let issued = after.client_id_issued_at;
    assert!(issued >= date && issued <= home.authority.date());
    // Two clocks of this machine, each rounded to seconds.
    let ends = issued + DAY - 1..=home.authority.date() + DAY + 1;
    assert!(ends.contains(&after.expires_at), "{after:?}");
    let refresh = issued + DAY * 3 / 4 - 1..=home.authority.date() + DAY * 85 / 100 + 1;
    assert!(refresh.contains(&after.retry_at), "{after:?}");

    // What comes next is the next transition: nothing was told twice.
    let (token, _) = player.get_token("cinema", 0).unwrap();
    player.replace_token("cinema", &token, "").unwrap();
    assert!(changes.next().is_state("fetching"));
    let ready = changes.next();
    assert!(ready.is_state("ready"));
    assert_eq!(ready.get::<u64>("TokenNumber"), Some(2));
}

#[test]
fn applications_side_by_side_have_credentials_and_tokens_of_their_own() {
    let ids = ["cinema", "news", "sport"];
    let home = Household::new(Authority::http(), &ids);
    let _tokend = home.device.start();
    let player = home.player();
    let calls = ids.map(|id| player.start_get_token(2, id, 0));
    let tokens: BTreeSet<_> = calls.iter().flatten().map(|answer| answer.unwrap().0).collect();
    assert_eq!(tokens.len(), 3);

    let log = home.authority.log();
    assert_eq!((log.count(Endpoint::Register), log.count(Endpoint::Token)), (3, 3));
    assert_eq!(log.most_at_once(), 1, "requests of one application never overlap");
    let field = |endpoint, name: &str| -> BTreeSet<String> {
        log.of(endpoint).map(|request| request.fields[name].clone()).collect()
    };
    assert_eq!(field(Endpoint::Register, "software_statement").len(), 3);
    assert_eq!(field(Endpoint::Token, "client_id").len(), 3);
    assert_eq!(field(Endpoint::Token, "client_secret").len(), 3);
    for id in ids {
        let Properties { state, token_number, .. } = player.properties(id);
        assert_eq!((state.as_str(), token_number), ("ready", 1));
    }
    assert_eq!(home.stored_credentials(), 6, "two copies for each application");
}

/// The decoded device identifier that a player gets.
fn identifier(home: &Household) -> String {
    let (headers, _) = home.player().get_headers("cinema", 0).unwrap();
    let encoded = headers["AP-Device-Identifier"].strip_prefix("fingerprint ").unwrap();
    String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap()
}

#[test]
fn a_configured_placeholder_registers_nothing_and_later_the_stored_identity_wins() {
    let mut home = Household::new(Authority::http(), &["cinema"]);
    home.device.set("device", "identity_file", "\"/factory/sn\"");
    home.device.write_root("/factory/sn", "0123456789ABCDEF\n");
    home.device.write_root("/sys/firmware/devicetree/base/serial-number", "10000000a3b5c7d9\0");
    let uid = rustix::process::geteuid().as_raw();
    home.device.set("", "reload_users", &format!("[{uid}]"));
    let tokend = home.device.start();
    let player = home.player();
    let error = player.get_token("cinema", 0).unwrap_err();
    assert_eq!(error.name, "tv.tokend.Error.Storage", "{}", error.message);
    assert!(error.message.contains("identity_file /factory/sn: found a placeholder"), "{error}");
    assert_eq!(player.properties("cinema").state, "storage-error");
    assert_eq!(home.authority.log().connections, 0);

    home.device.write_root("/factory/sn", "F-778-4711\n");
    player.reload().unwrap();
    let id = identifier(&home);
    let digest = digest(&SHA256, b"F-778-4711");
    let expected: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(id, expected);
    assert_eq!(home.authority.log().count(Endpoint::Register), 1);
    tokend.terminate();

    // Whatever becomes of the sources, the device stays who it is.
    home.device.write_root("/factory/sn", "N/A\n");
    let from = home.device.lines().len();
    let _tokend = home.device.start();
    assert_eq!(identifier(&home), id);
    assert_eq!(home.authority.log().count(Endpoint::Register), 1);
    let said = home.device.lines().text(from);
    assert!(said.contains("found a placeholder") && said.contains("stays in use"), "{said}");
    let options = home.device.options();
    let offline: Vec<_> =
        ["device-info", "--id"].into_iter().chain(options.iter().map(String::as_str)).collect();
    let online = ["device-info", "--id", "--bus", home.device.bus()];
    for arguments in [&offline[..], &online[..]] {
        let ran = home.device.run(arguments);
        assert_eq!((ran.code, ran.stdout.trim_end()), (Some(0), id.as_str()), "{}", ran.stderr);
    }
}

fn device_info(headers: &BTreeMap<String, String>) -> Value {
    let info = &headers["X-Device-Info"];
    assert!(!info.contains(char::is_whitespace));
    serde_json::from_slice(&STANDARD.decode(info).unwrap()).unwrap()
}
