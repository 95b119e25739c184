// SPDX-License-Identifier: MIT OR Apache-2.0
//! The property `Faults`: what is wrong with configuration and statements now, and no value of it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::player::Player;
use crate::support::scene::{CINEMA, Scene};
use crate::support::statement;
use crate::support::tokend::Application;

fn faults(player: &Player) -> Vec<String> {
    player.manager_property("Faults")
}

/// The lines, without the directory of the configuration.
fn said(scene: &Scene, player: &Player) -> Vec<String> {
    let directory = format!("{}/", scene.device.config().display());
    faults(player).iter().map(|line| line.replace(&directory, "")).collect()
}

#[test]
fn a_faulty_application_is_told_with_file_line_key_kind_and_what_is_expected_until_it_is_mended() {
    let scene = Scene::new();
    let radio = "applications.d/radio.toml";
    scene.device.write_config(radio, "software_statement_file = \"x.jwt\"\nallow_users = 7\n");
    let (_tokend, player) = scene.start();
    let expected = "applications.d/radio.toml:2: allow_users: wrong type; expected: an array, each \
                    entry a string or an integer";
    assert_eq!(said(&scene, &player), [expected]);
    let status = scene.command(&["status"]).stdout;
    assert!(status.contains("fault:") && status.contains("allow_users"), "{status}");

    fs::remove_file(scene.device.config().join(radio)).unwrap();
    player.reload().unwrap();
    assert_eq!(faults(&player), [""; 0]);
}

#[test]
fn at_a_reload_the_faults_of_tokend_toml_are_told_though_the_last_good_one_stays_in_force() {
    let scene = Scene::new();
    let (_tokend, player) = scene.start();
    let file = scene.device.config().join("tokend.toml");
    let good = fs::read_to_string(&file).unwrap();
    fs::write(&file, good.clone() + "[log]\nlevle = 1\n").unwrap();
    player.reload().unwrap_err();
    assert!(faults(&player)[0].contains("tokend.toml"), "{:?}", faults(&player));
    fs::write(&file, good).unwrap();
    player.reload().unwrap();
    assert_eq!(faults(&player), [""; 0]);
}

#[test]
fn a_statement_that_is_no_jwt_is_a_fault_from_the_start_and_none_once_it_is_one() {
    let scene = Scene::new();
    scene.set_statement(CINEMA, "<html><body>Please sign in</body></html>");
    let (tokend, player) = scene.start();
    let expected = "applications.d/cinema.jwt: no JWT: it has 1 part, and not 3 with dots between; \
                    expected: a software statement (a JWT)";
    assert_eq!(said(&scene, &player), [expected]);
    assert!(tokend.output().contains("error: cinema: "), "{}", tokend.output());
    scene.set_statement(CINEMA, &statement::issue(CINEMA));
    player.reload().unwrap();
    assert_eq!(faults(&player), [""; 0]);
}

#[test]
fn a_statement_that_is_missing_or_refused_is_a_fault() {
    let scene = Scene::new();
    let missing = Application::new("radio", &statement::issue("radio"));
    scene.device.add(&missing).unwrap();
    fs::remove_file(scene.statement_file("radio")).unwrap();
    let file = scene.statement_file(CINEMA);
    fs::set_permissions(file, fs::Permissions::from_mode(0o666)).unwrap();
    let (_tokend, player) = scene.start();
    let expected = [
        "applications.d/cinema.jwt: has mode 0666; expected: not writable by group or others (such \
         as 0644)",
        "applications.d/radio.toml: software_statement_file: there is no such file; expected: a \
         software statement (a JWT)",
    ];
    assert_eq!(said(&scene, &player), expected);
}

#[test]
fn a_file_of_root_certificates_that_cannot_be_used_is_a_fault() {
    let mut scene = Scene::new();
    let file = scene.device.config().join("roots.pem");
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    scene.device.set("server", "ca_file", &format!("{file:?}"));
    let (_tokend, player) = scene.start();
    let refused = "tokend.toml: server.ca_file: has mode 0666; expected: not writable by group or \
                   others (such as 0644)";
    assert_eq!(said(&scene, &player), [refused]);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let begin = "-----BEGIN CERTIFICATE-----";
    for (content, wrong) in [
        ("hello", "has no certificate in it; expected: a PEM file of them"),
        (begin, "is damaged; expected: a whole PEM file"),
    ] {
        fs::write(&file, content).unwrap();
        player.reload().unwrap();
        assert_eq!(said(&scene, &player), [format!("tokend.toml: server.ca_file: {wrong}")]);
    }
    fs::remove_file(&file).unwrap();
    player.reload().unwrap();
    assert!(said(&scene, &player)[0].starts_with("tokend.toml: server.ca_file: cannot be read"));
}

#[test]
fn an_identity_that_is_a_placeholder_is_a_fault_while_none_is_stored() {
    let mut scene = Scene::new();
    scene.device.set("device", "identity", "\"To be filled by O.E.M.\"");
    let (_tokend, player) = scene.start();
    let expected = "tokend.toml: device.identity: a placeholder, which many devices share; \
                    expected: a serial number that no other device has";
    assert_eq!(said(&scene, &player), [expected]);
}

/// In each key, and as a key, and as a whole file.
#[test]
fn no_value_of_a_file_is_in_them_whatever_is_written_where() {
    const SECRET: &str = "S3cr3t-0f-a-v13w3r";
    let keys = [
        "software_statement_file",
        "redirect_uri",
        "application_id",
        "allow_users",
        "allow_groups",
        "allow_labels",
        "colour",
    ];
    let scene = Scene::new();
    let values =
        [format!("\"{SECRET} ; legal: {SECRET}\\u0007\""), format!("[\"\", 1.5, {SECRET}]")];
    let mut contents: Vec<String> = Vec::new();
    for key in keys {
        contents.extend(values.iter().map(|value| format!("{key} = {value}\n")));
    }
    contents.push(format!("{SECRET} = 1\n"));
    contents.push(format!("[{SECRET}]\n"));
    contents.push(format!("\"x{SECRET}\" = 1\n"));
    contents.push(SECRET.to_owned());
    for (number, content) in contents.iter().enumerate() {
        scene.device.write_config(&format!("applications.d/a{number}.toml"), content);
    }
    let (_tokend, player) = scene.start();
    let shown = faults(&player);
    assert!(shown.len() > 10, "{shown:?}");
    assert!(!shown.concat().contains(&SECRET[..6]), "{shown:#?}");
    assert!(!scene.command(&["status"]).stdout.contains(&SECRET[..6]));
}
