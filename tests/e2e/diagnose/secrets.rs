// SPDX-License-Identifier: MIT OR Apache-2.0
//! No secret and no value of the configuration is in a diagnosis, wherever somebody has put it.

use std::fs;

use super::run;
use crate::secrets::{Said, search};
use crate::support::scene::{CINEMA, Scene};
use crate::support::statement;
use crate::support::tokend::Application;

const IDENTITY: &str = "SN-1234-5678-9012-abcdef";
const ROOT_KEY: &str = "a-root-key-of-at-least-32-bytes-in-letters";
const PIN: &str = "8492-7163";

/// Keys that take a text, with what makes the rest of the file good.
const TEXTS: [(&str, &str); 17] = [
    ("", "unknown"),
    ("server", "url"),
    ("server", "ca_file"),
    ("server", "user_agent"),
    ("server", "timeout_seconds"),
    ("server", "unknown"),
    ("storage", "seal"),
    ("storage", "key_file"),
    ("storage", "pkcs11_module"),
    ("storage", "pkcs11_token"),
    ("storage", "pkcs11_key"),
    ("storage", "pkcs11_pin_file"),
    ("device", "identity"),
    ("device", "identity_file"),
    ("device", "model"),
    ("clock", "synchronized_file"),
    ("log", "level"),
];
const LISTS: [(&str, &str); 2] = [("", "reload_users"), ("server", "same_server_as")];
const OF_APPLICATIONS: [&str; 7] = [
    "software_statement_file",
    "redirect_uri",
    "application_id",
    "allow_users",
    "allow_groups",
    "allow_labels",
    "unknown",
];

/// A device with all that is secret, and the secrets, each with its name.
fn device() -> (Scene, Vec<(&'static str, String)>) {
    let scene = Scene::new();
    let (tokend, player) = scene.start();
    let (token, _) = player.get_token(CINEMA, 0).unwrap();
    let log = scene.authority.log();
    let last = log.requests.last().unwrap();
    let field = |name: &str| last.fields[name].clone();
    let secrets = vec![
        ("statement", fs::read_to_string(scene.statement_file(CINEMA)).unwrap()),
        ("token", token),
        ("client id", field("client_id")),
        ("client secret", field("client_secret")),
        ("identity", IDENTITY.to_owned()),
        ("root key", ROOT_KEY.to_owned()),
        ("PIN", PIN.to_owned()),
    ];
    tokend.terminate();
    (scene, secrets)
}

/// Both forms, of a device as it is.
fn diagnose(scene: &Scene, place: &str, said: &mut Said) {
    let forms: [&[&str]; 2] = [&[], &["--json"]];
    for form in forms {
        let ran = run(&scene.device, form);
        assert!(matches!(ran.code, Some(0 | 1)), "{place}: {ran:?}");
        said.add(format!("{place} {form:?}"), ran.stdout + &ran.stderr);
    }
}

#[test]
fn no_secret_under_a_wrong_key_is_said() {
    let (mut scene, secrets) = device();
    let mut said = Said::default();
    for (name, secret) in &secrets {
        let text = format!("{secret:?}");
        let list = format!("[{text}]");
        let keys = TEXTS.iter().map(|key| (key, &text)).chain(LISTS.iter().map(|key| (key, &list)));
        for ((section, key), value) in keys {
            let before = settings(&scene);
            if key.starts_with("pkcs11") {
                scene.device.set("storage", "seal", "\"pkcs11\"");
            }
            if *key == "key_file" {
                scene.device.set("storage", "seal", "\"key-file\"");
            }
            scene.device.set(section, key, value);
            diagnose(&scene, &format!("{name} as {section} {key}"), &mut said);
            scene.device.set("storage", "seal", "\"generated\"");
            scene.device.unset(section, key);
            restore(&mut scene, &before);
        }
        // As the name of a key.
        let key: String =
            secret.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        scene.device.set("server", &key, "1");
        let ran = run(&scene.device, &[]);
        assert!(!ran.stdout.contains(&key), "{}", ran.stdout);
        scene.device.unset("server", &key);
        for key in OF_APPLICATIONS {
            let value = if key.starts_with("allow") { &list } else { &text };
            let application = Application::new(CINEMA, &statement::issue(CINEMA));
            scene.device.add(&application.with(key, value)).unwrap();
            diagnose(&scene, &format!("{name} as {key}"), &mut said);
        }
        scene.add(CINEMA);
    }
    search(&values(&secrets), &said);
}

/// What [`restore`] brings back.
fn settings(scene: &Scene) -> [String; 2] {
    [scene.authority.origin(), scene.authority.ca_file().to_str().unwrap().to_owned()]
}

fn restore(scene: &mut Scene, [origin, ca_file]: &[String; 2]) {
    scene.device.set("server", "url", &format!("{origin:?}"));
    scene.device.set("server", "ca_file", &format!("{ca_file:?}"));
    scene.device.set("log", "level", "\"debug\"");
}

fn values(secrets: &[(&str, String)]) -> Vec<String> {
    secrets.iter().map(|(_, secret)| secret.clone()).collect()
}

#[test]
fn no_secret_in_a_wrong_file_is_said() {
    let (mut scene, secrets) = device();
    scene.device.set("storage", "seal", "\"key-file\"");
    scene.device.set("storage", "key_file", "\"seal.key\"");
    scene.device.set("device", "identity_file", "\"identity\"");
    scene.device.set("server", "ca_file", "\"roots.pem\"");
    let good = fs::read_to_string(scene.device.config().join("tokend.toml")).unwrap();
    let application =
        fs::read_to_string(scene.device.config().join("applications.d/cinema.toml")).unwrap();
    let mut said = Said::default();
    for (name, secret) in &secrets {
        for file in [
            "seal.key",
            "identity",
            "roots.pem",
            "applications.d/cinema.jwt",
            "applications.d/cinema.toml",
            "applications.d/other.toml",
            "tokend.toml",
        ] {
            scene.device.write_config(file, secret);
            diagnose(&scene, &format!("{name} in {file}"), &mut said);
            scene.device.write_config("tokend.toml", &good);
            scene.device.write_config("applications.d/cinema.toml", &application);
        }
        // As somebody pastes it, beside what belongs there.
        scene.device.write_config("tokend.toml", &format!("{good}\n{secret}\n"));
        diagnose(&scene, &format!("{name} behind tokend.toml"), &mut said);
        scene.device.write_config("tokend.toml", &good);
    }
    search(&values(&secrets), &said);
}

#[test]
fn no_value_of_the_configuration_is_said() {
    let mut scene = Scene::new();
    let values = [
        ("server", "user_agent", "Agent-of-a-box/1.0"),
        ("device", "model", "Model-of-a-box"),
        ("device", "vendor", "Vendor-of-a-box"),
        ("clock", "synchronized_file", "/run/the-clock-is-set"),
    ];
    for (section, key, value) in values {
        scene.device.set(section, key, &format!("{value:?}"));
    }
    let application = Application::new(CINEMA, &statement::issue(CINEMA))
        .with("redirect_uri", "\"adobepass://com.programmer.of.it\"")
        .with("application_id", "\"REF-OF-IT\"")
        .with("allow_groups", "[\"group-of-it\"]");
    scene.device.add(&application).unwrap();
    let (_tokend, player) = scene.start();
    let changes = player.watch(CINEMA);
    let _waiting = player.start_get_token(1, CINEMA, 0);
    changes.wait_for(|change| change.is_state("ready"));
    for form in [&[][..], &["--json"]] {
        let ran = run(&scene.device, form);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
        let origin = scene.authority.origin();
        let host = origin.split("://").nth(1).unwrap();
        let of_files = ["com.programmer.of.it", "REF-OF-IT", "group-of-it", &origin, host];
        for value in values.iter().map(|(.., value)| *value).chain(of_files) {
            assert!(!ran.stdout.contains(value), "{value} in {}", ran.stdout);
        }
        assert!(ran.stdout.contains("[server] url"), "{}", ran.stdout);
        assert!(ran.stdout.contains("cinema.toml"), "{}", ran.stdout);
    }
}
