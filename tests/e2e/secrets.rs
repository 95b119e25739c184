// SPDX-License-Identifier: MIT OR Apache-2.0
//! No secret in anything that anybody can read: log, errors, properties, command line,
//! environment, file names; and none in the clear in the state directory.

#![allow(unreachable_pub, reason = "a test has no outside")]

use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use crate::support::authority::{Authority, Endpoint, Fault, Response};
use crate::support::household::Household;
use crate::support::player::{CallError, Change, Player, path_of};
use crate::support::statement;
use crate::support::tls::Certificates;
use crate::support::tokend::Application;

const SERIAL: &str = "SN-1234-5678-9012-abcdef";
/// So many bytes of a long secret give it away.
const PART: usize = 24;

/// All that was said in a life, each with where it was.
#[derive(Default)]
pub(crate) struct Said(Vec<(String, Vec<u8>)>);

impl Said {
    pub(crate) fn add(&mut self, place: impl Into<String>, text: impl Into<Vec<u8>>) {
        self.0.push((place.into(), text.into()));
    }

    /// An answer of a call, without the token that it hands out.
    fn call<T>(&mut self, what: &str, answer: Result<T, CallError>) {
        if let Err(error) = answer {
            self.add(format!("error of {what}"), error.to_string());
        }
    }
}

/// A device that logs all that it can, and all that it has said.
struct Life {
    home: Household,
    player: Player,
    statement: String,
    said: Said,
}

impl Life {
    fn begin() -> Self {
        let mut home = Household::new(Authority::https(), &[]);
        let statement = statement::issue("cinema");
        home.device.add(&Application::new("cinema", &statement)).unwrap();
        home.device.set("log", "level", "\"trace\"");
        home.device.set("device", "identity", &format!("{SERIAL:?}"));
        home.device.set("server", "timeout_seconds", "1");
        home.device.set("server", "reregister_after_seconds", "1");
        let player = home.player();
        Self { home, player, statement, said: Said::default() }
    }

    /// Panics where a secret is in what was said.
    fn end(mut self) {
        let Self { home, statement, said, .. } = &mut self;
        let check = home.device.run(&with(&["check"], &home.device.options()));
        said.add("check", check.stdout + &check.stderr);
        said.add("the log", home.device.all_output());
        let mut secrets = home.authority.secrets();
        let forged = statement::forge(statement);
        secrets.extend([SERIAL.to_owned(), statement.replace('.', "!"), forged]);
        assert!(secrets.len() > 10, "a life has many secrets, not {}", secrets.len());
        assert!(
            said.0.iter().any(|(place, _)| place.starts_with("error of ")),
            "errors were collected"
        );
        search(&secrets, said);
        let root_key = fs::read(home.device.state().join("generated-key")).unwrap();
        search_bytes(&root_key, said);
        search(&secrets, &sealed_files(&home.device.state()));
    }
}

#[test]
fn a_first_life_at_log_level_trace_says_no_secret_whatever_the_server_quotes() {
    let mut life = Life::begin();
    first_life(&life.home, &life.player, &mut life.said);
    life.end();
}

#[test]
fn a_life_of_refusals_at_log_level_trace_says_no_secret() {
    let mut life = Life::begin();
    let Life { home, player, statement, said } = &mut life;
    second_life(home, player, said);

    // A statement that cannot be a JWT, one that the server refuses, and one that is gone.
    home.device.add(&Application::new("cinema", &statement::forge(statement))).unwrap();
    home.device.add(&Application::new("news", &statement.replace('.', "!"))).unwrap();
    let tokend = home.device.start();
    look(home, player, tokend.id(), said);
    let jwt = home.device.config().join("applications.d/news.jwt");
    fs::remove_file(jwt).unwrap();
    said.call("Reload", player.reload());
    said.call("GetToken", player.get_token("news", 0));
    said.call("Forget", player.forget("cinema"));
    said.call("Forget", player.forget("nobody"));
    look(home, player, tokend.id(), said);
    tokend.terminate();
    life.end();
}

/// Every fault that quotes something, wrong calls, a kill.
fn first_life(home: &Household, player: &Player, said: &mut Said) {
    let authority = &home.authority;
    let tokend = home.device.start();
    authority.next(
        Endpoint::Register,
        [Fault::html(500), Fault::CloseAfter(10), Fault::throttled(), Fault::busy(1)],
    );
    // After four faults in a row, a first call may end before its token is there.
    let (token, _) =
        (0..5).find_map(|_| player.get_token("cinema", 0).ok()).expect("a token after the faults");
    look(home, player, tokend.id(), said);
    said.call("GetToken", player.get_token("cinema", u32::MAX));
    said.call("GetToken", player.get_token("nobody", 0));
    said.call("wrong type", player.call::<_, ()>(&path_of("cinema"), APP, "GetToken", &(&token,)));
    said.call("wrong method", player.call::<_, ()>(&path_of("cinema"), APP, "Secret", &(&token,)));
    said.call("wrong code", player.replace_token("cinema", "not-the-token", part_of(&token)));

    // What the server says quotes all that it was told.
    let log = authority.log();
    let last = log.of(Endpoint::Token).last().unwrap();
    let (id, secret) = (&last.fields["client_id"], &last.fields["client_secret"]);
    let elsewhere = Response::html(302, id).with("Location", format!("http://{secret}/{id}"));
    authority.next(Endpoint::Token, [Fault::Answer(elsewhere), Fault::Hang]);
    let misled = format!("Bearer {}", part_of(&token));
    let (token, _) = player.replace_token("cinema", &token, &misled).unwrap();
    let quoting = |error: &str| {
        let body = format!("{id} with {secret} got {token}");
        Fault::Answer(Response::error(400, error, &body))
    };
    authority.next(Endpoint::Token, [quoting("access_denied")]);
    said.call(
        "ReplaceToken",
        player.replace_token("cinema", &token, "invalid_access_token_service_provider"),
    );
    look(home, player, tokend.id(), said);
    authority.next(Endpoint::Token, [quoting(secret)]);
    said.call("Reload", player.reload());
    said.call("GetToken", player.get_token("cinema", 0));
    tokend.kill();
}

/// As much as a code may be long, out of the middle, which is what is searched for.
fn part_of(token: &str) -> &str {
    &token[token.len() / 2 - 100..][..200]
}

/// Credentials that are refused, TLS faults, a refused token request.
fn second_life(home: &Household, player: &Player, said: &mut Said) {
    let authority = &home.authority;
    let tokend = home.device.start();
    let (token, _) = player.get_token("cinema", 0).unwrap();
    authority.forget_clients();
    let before = authority.count(Endpoint::Register);
    said.call("ReplaceToken", player.replace_token("cinema", &token, ""));
    authority.wait_until("a registration anew", |log| log.count(Endpoint::Register) > before);
    look(home, player, tokend.id(), said);

    authority.use_certificates(&Certificates::of_another_host().unwrap());
    // Of one that was there before, the daemon may have a token by now.
    home.device.add(&Application::new("news", &statement::issue("news"))).unwrap();
    player.reload().unwrap();
    let changes = player.watch("news");
    let waiting = player.start_get_token(1, "news", 0);
    let failed = |change: &Change| {
        change.get::<(String, String)>("LastError").is_some_and(|(name, _)| !name.is_empty())
    };
    changes.wait_for(failed);
    look(home, player, tokend.id(), said);
    let right = Certificates::new().unwrap();
    authority.use_certificates(&right);
    authority.trust(&right).unwrap();
    said.call("GetToken", waiting.recv().unwrap());
    let (token, _) = player.get_token("news", 0).unwrap();
    authority.always(Endpoint::Token, Fault::Answer(Response::error(401, "denied", &token)));
    said.call("ReplaceToken", player.replace_token("news", &token, "x\ny"));
    authority.end_faults();
    assert_eq!(tokend.terminate().code(), 0);
}

const APP: &str = "tv.tokend.Application1";

/// Everything that can be looked at from outside while the daemon runs.
fn look(home: &Household, player: &Player, pid: u32, said: &mut Said) {
    for path in player.managed_objects() {
        let id = path.rsplit('/').next().unwrap_or_default();
        said.add(format!("properties of {id}"), format!("{:?}", player.properties(id)));
        said.add("introspection", player.introspect(&path));
    }
    said.add("GetDeviceInfo", format!("{:?}", player.device_info()));
    let bus = ["tv.tokend", "/tv/tokend", "org.freedesktop.DBus.ObjectManager"];
    let (good, objects) = home.bus.call(&[&bus[..], &["GetManagedObjects"]].concat());
    assert!(good, "{objects}");
    said.add("GetManagedObjects", objects);
    let address = ["--bus".to_owned(), home.bus.address().to_owned()];
    for command in [&["status"][..], &["status", "--json"], &["status", "cinema"], &["device-info"]]
    {
        let ran = home.device.run(&with(command, &address));
        said.add(format!("{command:?}"), ran.stdout + &ran.stderr);
    }
    for file in ["cmdline", "environ", "comm", "status"] {
        // Some of it only root sees, which is as good.
        if let Ok(content) = fs::read(format!("/proc/{pid}/{file}")) {
            said.add(file, content);
        }
    }
    for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten() {
        said.add("thread name", fs::read(task.path().join("comm")).unwrap_or_default());
    }
    for entry in fs::read_dir(home.device.state()).unwrap().flatten() {
        said.add("a file name", entry.file_name().as_bytes());
    }
}

fn with<'a>(command: &[&'a str], options: &'a [String]) -> Vec<&'a str> {
    command.iter().copied().chain(options.iter().map(String::as_str)).collect()
}

fn sealed_files(state: &Path) -> Said {
    let mut sealed = Said::default();
    for entry in fs::read_dir(state).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        sealed.add(name, fs::read(entry.path()).unwrap());
    }
    assert!(sealed.0.len() >= 5, "{} files", sealed.0.len());
    sealed
}

/// Panics where a secret stands in what was said: raw, percent-encoded (the server's list has
/// that too), in hexadecimal, or in Base64, on its own or in the middle of something longer.
pub(crate) fn search(secrets: &[String], said: &Said) {
    for secret in secrets {
        search_bytes(secret.as_bytes(), said);
    }
}

fn search_bytes(secret: &[u8], said: &Said) {
    let mut hex = String::new();
    secret.iter().for_each(|byte| write!(hex, "{byte:02x}").unwrap());
    let mut needles = vec![secret.to_vec(), hex.clone().into(), hex.to_uppercase().into()];
    if secret.len() > 2 * PART {
        // Cut off, it is still a secret.
        needles.push(secret[..PART].to_vec());
        needles.push(secret[secret.len() / 2..][..PART].to_vec());
    }
    for before in 0..3 {
        let mut padded = vec![0; before];
        padded.extend(secret);
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let text = engine.encode(&padded).into_bytes();
            // The first and the last character depend on the neighbours too.
            needles.push(text[[0, 2, 3][before]..text.len() - 1].to_vec());
        }
    }
    for (place, text) in &said.0 {
        for needle in &needles {
            let found = text.windows(needle.len()).any(|part| part == needle);
            let text = || String::from_utf8_lossy(text).into_owned();
            assert!(!found, "{place} holds {:?}:\n{}", String::from_utf8_lossy(secret), text());
        }
    }
}

#[test]
fn the_search_finds_a_secret_in_every_disguise() {
    let secret = "s3cret/with+signs?>";
    for before in ["", "a", "ab", "abc"] {
        let inside = format!("{before}{secret}z");
        for text in
            [inside.clone(), STANDARD_NO_PAD.encode(&inside), URL_SAFE_NO_PAD.encode(inside)]
        {
            let mut said = Said::default();
            said.add("a place", text.clone());
            let found = std::panic::catch_unwind(|| search_bytes(secret.as_bytes(), &said));
            assert!(found.is_err(), "{text}");
        }
    }
}

#[test]
fn the_raw_serial_number_never_leaves_the_device() {
    let mut home = Household::new(Authority::http(), &["cinema"]);
    home.device.set("log", "level", "\"trace\"");
    home.device.write_root("/sys/firmware/devicetree/base/serial-number", &format!("{SERIAL}\0"));
    home.device.write_root("/etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    let tokend = home.device.start();
    let (headers, _) = home.player().get_headers("cinema", 0).unwrap();
    let identifier = headers["AP-Device-Identifier"].strip_prefix("fingerprint ").unwrap();
    let id = base64::engine::general_purpose::STANDARD.decode(identifier).unwrap();
    assert!(id.len() == 64 && id.iter().all(u8::is_ascii_hexdigit), "{identifier}");

    let mut said = Said::default();
    headers.iter().for_each(|(name, value)| said.add(name, value.as_str()));
    look(&home, &home.player(), tokend.id(), &mut said);
    for request in home.authority.log().requests {
        said.add("a request", format!("{:?} {:?}", request.head, request.fields));
    }
    tokend.terminate();
    said.add("the log", home.device.all_output());
    for secret in [SERIAL, "0123456789abcdef0123456789abcdef"] {
        search_bytes(secret.as_bytes(), &said);
        search_bytes(secret.as_bytes(), &sealed_files(&home.device.state()));
    }
}
