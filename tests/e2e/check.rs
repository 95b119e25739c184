// SPDX-License-Identifier: MIT OR Apache-2.0
//! `tokend check`, the real binary: what it finds, its exit code, and that it changes nothing and
//! gives no secret away.

mod fixture;
mod storage;

use std::fs;

use fixture::{Checked, Fixture, STATEMENT_PARTS, TREES, secrets_of};
use serde_json::json;

#[test]
fn a_good_device_has_no_error_and_exit_code_0() {
    let it = Fixture::with_key();
    let said = it.check(&[]);
    assert_eq!(said.code, 0, "{said}");
    said.has("ok", "configuration", "tokend.toml is good");
    said.has("ok", "application cinema", "applications.d/cinema.toml");
    said.has("ok", "statement cinema", "a JWT for client_name \"Cinema\", sub \"0b4b\"");
    said.has("ok", "callers cinema", "the users root (0) or 1001");
    said.has("ok", "reload", "may be called by root");
    said.has("ok", "seal", "seal.key: what it seals, it opens");
    said.has("ok", "state", "is not there; it is made on first start");
    said.has("ok", "server", "https://api.auth.adobe.com");
    assert!(said.level("error").is_empty(), "{said}");
}

#[test]
fn every_line_begins_with_its_level_and_the_columns_are_aligned() {
    let said = Fixture::with_key().check(&[]);
    let column = said.stdout.lines().next().unwrap().find("/").unwrap();
    for line in said.stdout.lines() {
        let level = line.split(' ').next().unwrap();
        assert!(["ok", "warning", "error"].contains(&level), "{line}");
        assert_eq!(&line[column - 2..column], "  ", "{line}");
        assert_ne!(&line[column..column + 1], " ", "{line}");
    }
}

#[test]
fn every_device_tree_is_shown_with_values_and_origins() {
    for (tree, model, origin, identity) in TREES {
        let it = Fixture::with_key();
        let said = it.check_tree(tree, &[]);
        assert_eq!(said.code, 0, "{tree}: {said}");
        let json = it.check_tree(tree, &["--json"]).json();
        let device = Checked::find(&json, "device", "model");
        assert_eq!(
            (&device["value"], &device["origin"]),
            (&json!(model), &json!(origin)),
            "{tree}"
        );
        if *origin == "unknown" {
            said.has("warning", "device model", "no source gives it; sent as \"Unknown\"");
        } else {
            said.has("ok", "device model", &format!("{model}  ({origin})"));
        }
        let found = json["findings"].as_array().unwrap();
        let found = found.iter().find(|finding| finding["subject"] == "identity").unwrap();
        assert_eq!(found["origin"], *identity, "{tree}");
    }
}

#[test]
fn nothing_of_what_is_secret_is_said() {
    for (tree, ..) in TREES {
        let it = Fixture::with_key();
        it.fill_state();
        if *tree == "container" {
            it.settings(&format!("{}identity = \"raw-configured-serial\"\n", fixture::SETTINGS));
        }
        let secrets = secrets_of(tree);
        assert!(*tree == "container" || !secrets.is_empty(), "{tree}");
        for options in [&[][..], &["--json"]] {
            let said = it.check_tree(tree, options);
            let out = format!("{}{}", said.stdout, said.stderr);
            for secret in secrets
                .iter()
                .map(String::as_str)
                .chain(STATEMENT_PARTS)
                .chain([fixture::KEY_TEXT, "raw-configured-serial"])
            {
                assert!(!out.contains(secret), "{tree}: {secret} in {out}");
            }
        }
    }
}

#[test]
fn nothing_is_written() {
    let trees = fixture::snapshot(&fixture::trees());
    for seal in ["key-file\"\nkey_file = \"seal.key", "generated"] {
        let it = Fixture::with_key();
        it.settings(&format!("[storage]\nseal = \"{seal}\"\n"));
        for filled in [false, true] {
            if filled {
                fs::create_dir(it.path("state")).unwrap();
                fs::write(it.path("state/.tmp-cinema.token"), "half").unwrap();
            }
            let before = fixture::snapshot(&it.path(""));
            for (tree, ..) in TREES {
                it.check_tree(tree, &[]);
                it.check_tree(tree, &["--json"]);
            }
            assert_eq!(fixture::snapshot(&it.path("")), before);
        }
    }
    assert_eq!(fixture::snapshot(&fixture::trees()), trees);
}

#[test]
fn json_says_the_same_as_the_lines() {
    let it = Fixture::with_key();
    for (good, settings) in [(true, fixture::SETTINGS), (false, "[storage]\nseal = \"wax\"\n")] {
        it.settings(settings);
        let (text, json) = (it.check(&[]), it.check(&["--json"]));
        assert_eq!((text.code, json.code), if good { (0, 0) } else { (78, 78) });
        let json = json.json();
        assert_eq!(json["ok"], good);
        let findings = json["findings"].as_array().unwrap();
        assert_eq!(findings.len(), text.stdout.lines().count());
        for (finding, line) in findings.iter().zip(text.stdout.lines()) {
            assert!(line.starts_with(finding["level"].as_str().unwrap()), "{line}");
            let about = line.split_whitespace().nth(1).unwrap();
            assert_eq!(about, finding["subject"]);
            // A second may have passed between the two.
            if about != "clock" {
                assert!(line.ends_with(finding["message"].as_str().unwrap()), "{line}");
            }
        }
    }
}

#[test]
fn every_fault_of_the_configuration_is_an_error_with_file_line_and_key() {
    let it = Fixture::with_key();
    it.settings("[storage]\nseal = \"wax\"\n[log]\nlevel = \"loud\"\n");
    it.write("config/applications.d/b.toml", "colour = 3\n");
    let said = it.check(&[]);
    assert_eq!(said.code, 78);
    let legal = "found \"wax\"; legal: key-file, pkcs11, generated";
    said.has("error", "configuration", &format!("tokend.toml:2: storage.seal: {legal}"));
    said.has("error", "configuration", "tokend.toml:4: log.level: found \"loud\"; legal: ");
    said.has("error", "configuration", "b.toml:1: colour: unknown key; legal: ");
    let json = it.check(&["--json"]).json();
    let fault = Checked::find(&json, "configuration", "storage.seal");
    assert_eq!(fault["origin"], format!("{}:2", it.path("config/tokend.toml").display()));
}

#[test]
fn a_faulty_application_is_an_error_and_its_neighbours_are_still_checked() {
    let it = Fixture::with_key();
    it.write("config/applications.d/b.toml", "colour = 3\n");
    let said = it.check(&[]);
    assert_eq!(said.code, 78);
    said.has("error", "configuration", "b.toml:1: colour: unknown key; legal: ");
    said.has("ok", "statement cinema", "a JWT for");
}

#[test]
fn what_is_legal_and_hardly_meant_is_a_warning() {
    let it = Fixture::with_key();
    let statement = "software_statement_file = \"cinema.jwt\"\n";
    it.write("config/applications.d/cinema.toml", statement);
    it.check(&[]).has("warning", "callers cinema", "root only: none of allow_users");
    let ghost = format!("{statement}allow_users = [\"no-such-user-here\"]\n");
    it.write("config/applications.d/cinema.toml", &ghost);
    let said = it.check(&[]);
    assert_eq!(said.code, 0);
    said.has("warning", "configuration", "cinema.toml:2: allow_users[0]: no user");
    said.has("warning", "callers cinema", "matches nobody");
    fs::remove_file(it.path("config/applications.d/cinema.toml")).unwrap();
    let said = it.check(&[]);
    assert_eq!(said.code, 0);
    said.has("warning", "configuration", "no application is configured");
    it.settings(&format!("reload_users = [65534]\n{}", fixture::SETTINGS));
    it.check(&[]).has("warning", "reload", "65534 is every user or group that has no number here");
}

#[test]
fn a_statement_that_cannot_be_used_is_found() {
    let it = Fixture::with_key();
    let file = "config/applications.d/cinema.jwt";
    it.write(file, "no JWT");
    let said = it.check(&[]);
    assert_eq!(said.code, 0);
    said.has("warning", "statement cinema", "no JWT: it has 1 part");
    assert!(!said.stdout.contains("noJWT"), "{said}");

    it.write(file, &fixture::statement(json!({ "sub": "a", "exp": 1_000_000_000 })));
    it.check(&[]).has("warning", "statement cinema", "expired 2001-09-09; the authorization");

    it.write(file, "");
    let said = it.check(&[]);
    assert_eq!(said.code, 78);
    said.has("error", "statement cinema", "found nothing in it");

    fs::remove_file(it.path(file)).unwrap();
    let said = it.check(&[]);
    assert_eq!(said.code, 0);
    said.has("warning", "statement cinema", "if cinema.jwt is a credential of the unit");

    let missing = "software_statement_file = \"/nonexistent/cinema.jwt\"\n";
    it.write("config/applications.d/cinema.toml", missing);
    let said = it.check(&[]);
    assert_eq!(said.code, 78);
    said.has("error", "statement cinema", "/nonexistent/cinema.jwt: cannot be read: No such file");
}

#[test]
fn a_stored_identity_counts_permanently() {
    let it = Fixture::with_key();
    it.check_tree("rdk", &[]).has("ok", "identity", "if now, from /sys/firmware/devicetree/");
    it.fill_state();
    it.check_tree("rdk", &[]).has("ok", "identity", "already, which counts permanently");
}

#[test]
fn a_configured_identity_that_cannot_be_used_is_an_error_until_one_is_stored() {
    for (setting, message) in [
        (
            "identity_file = \"/nonexistent/serial\"",
            "identity_file /nonexistent/serial cannot be used: No such file",
        ),
        ("identity_file = \"/sn\"", "[device] identity_file /sn: found a placeholder"),
        ("identity = \"N/A\"", "[device] identity: found a placeholder"),
    ] {
        let it = Fixture::with_key();
        it.write("nothing/sn", "0123456789ABCDEF\n");
        it.settings(&format!("{}{setting}\n", fixture::SETTINGS));
        let said = it.check(&[]);
        assert_eq!(said.code, 78, "{said}");
        said.has("error", "identity", message);
        it.fill_state();
        let said = it.check(&[]);
        assert_eq!(said.code, 0, "{said}");
        said.has("warning", "identity", message);
    }
}

#[test]
fn an_identity_that_devices_may_share_or_lose_is_warned_about() {
    let it = Fixture::with_key();
    it.check_tree("container", &[]).has("warning", "identity", "from random");
    it.check_tree("mini-pc", &[]).has("warning", "identity", "it rests on one source alone");
    it.settings(&format!("{}identity = \"F-778-4711\"\n", fixture::SETTINGS));
    it.check_tree("container", &[]).has("ok", "identity", "from tokend.toml identity");
}

#[test]
fn device_data_that_the_server_cannot_use_is_warned_about() {
    let it = Fixture::with_key();
    let said = it.check_tree("container", &[]);
    said.has("warning", "device primaryHardwareType", "no source gives it");
    let long = "\u{10400}".repeat(256);
    let fields = ["manufacturer", "vendor", "browserVersion", "version", "osVersion"];
    let fields: String = fields.map(|field| format!("{field} = \"{long}\"\n")).concat();
    let agent = "\u{10400}".repeat(1024);
    it.settings(&format!(
        "{}model = \"To be filled by O.E.M.\"\nuserAgent = \"{agent}\"\n{fields}",
        fixture::SETTINGS
    ));
    let said = it.check_tree("rdk", &[]);
    assert_eq!(said.code, 0, "{said}");
    said.has("warning", "device model", "looks like a placeholder; it is sent as it is");
    said.has("warning", "device", "X-Device-Info of cinema has");
}

#[test]
fn a_root_that_is_not_there_is_an_error() {
    let it = Fixture::with_key();
    let said = it.check(&["--root", "/nonexistent/root"]);
    assert_eq!(said.code, 78, "{said}");
    said.has("error", "device", "--root /nonexistent/root: found no such directory");
}

#[test]
fn a_ca_file_that_cannot_be_used_is_an_error() {
    let it = Fixture::with_key();
    let settings = |url: &str| format!("[server]\nurl = \"{url}\"\nca_file = \"ca.pem\"\n");
    it.settings(&format!("{}{}", settings("https://server.test"), fixture::SETTINGS));
    let said = it.check(&[]);
    assert_eq!(said.code, 78);
    said.has("error", "server", "ca.pem cannot be read: No such file");
    let pem = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap().cert.pem();
    it.write("config/ca.pem", &pem);
    let said = it.check(&[]);
    assert_eq!(said.code, 0, "{said}");
    said.has("ok", "server", "1 root certificates from ca_file ");
    it.settings(&format!("{}{}", settings("http://127.0.0.1:80"), fixture::SETTINGS));
    it.check(&[]).has("warning", "server", "without TLS");
}

#[test]
fn who_confirms_the_clock_is_said() {
    let it = Fixture::with_key();
    let gate = it.path("synchronized");
    let clock = format!("[clock]\nsynchronized_file = \"{}\"\n", gate.display());
    it.settings(&format!("{clock}{}", fixture::SETTINGS));
    it.check(&[]).has("warning", "clock", "synchronized, which is not there");
    it.write("synchronized", "");
    it.check(&[]).has("ok", "clock", "confirmed by synchronized_file ");
    // A platform may have one of several time services.
    let clock =
        format!("[clock]\nsynchronized_file = [\"/nonexistent\", \"{}\"]\n", gate.display());
    it.settings(&format!("{clock}{}", fixture::SETTINGS));
    it.check(&[]).has("ok", "clock", "confirmed by synchronized_file /nonexistent or ");
}

#[test]
fn an_option_that_makes_no_sense_is_wrong_usage() {
    assert_eq!(Fixture::with_key().check(&["--bus", "session"]).code, 64);
}
