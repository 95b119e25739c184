// SPDX-License-Identifier: MIT OR Apache-2.0
//! What lies around the daemon: a bus, a unit, a policy, a journal, another user. It works without
//! each of them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{Diagnosis, healthy};
use crate::support::authority::Authority;
use crate::support::bus::{Bus, can_act_as_others};
use crate::support::child::Start;
use crate::support::scene::Scene;
use crate::support::statement;
use crate::support::tokend::{Application, Device, Program};

const NOBODY: u32 = 65_534;

#[test]
fn a_daemon_that_does_not_run_is_not_started_and_the_rest_is_looked_at() {
    let scene = Scene::new();
    let diagnosis = Diagnosis::of(&scene.device);
    assert_eq!((diagnosis.code, diagnosis.result("status")), (1, "failed"), "{diagnosis}");
    diagnosis.says("status", "tokend does not run");
    for step in ["check", "tcp", "tls", "http"] {
        assert_eq!(diagnosis.result(step), "ok", "{diagnosis}");
    }
    diagnosis.blames(&["bus policy", "not installed", "stopped"]);
}

#[test]
fn without_a_bus_the_rest_is_looked_at() {
    let mut scene = Scene::new();
    scene.bus.kill();
    let diagnosis = Diagnosis::of(&scene.device);
    assert_eq!((diagnosis.code, diagnosis.result("status")), (1, "failed"), "{diagnosis}");
    diagnosis.says("status", "cannot connect to the bus at");
    assert_eq!(diagnosis.result("http"), "ok", "{diagnosis}");
    diagnosis.blames(&["the message bus", "stopped"]);
}

#[test]
fn a_faulty_configuration_is_the_first_cause_and_the_server_is_not_guessed() {
    let (scene, _tokend) = healthy();
    scene.device.write_settings("[storage]\nseal = \"wax\"\n").unwrap();
    let diagnosis = Diagnosis::of(&scene.device);
    assert_eq!((diagnosis.code, diagnosis.result("check")), (1, "failed"), "{diagnosis}");
    diagnosis.says("check", "tokend.toml:2: storage.seal: is not right");
    assert_eq!((diagnosis.result("dns"), diagnosis.result("http")), ("skipped", ""));
    diagnosis.blames(&["the configuration is faulty"]);
}

#[test]
fn unit_and_policy_are_found_where_systemd_and_the_bus_look() {
    let (scene, _tokend) = healthy();
    let root = scene.device.root();
    let root = root.display();
    let comes_with = |file: &str| {
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd").join(file))
            .unwrap()
    };
    let units = "/usr/lib/systemd/system";
    scene.device.write_root(&format!("{units}/tokend.service"), &comes_with("tokend.service"));
    let drop_in = "/etc/systemd/system/tokend.service.d/user.conf";
    scene.device.write_root(drop_in, "[Service]\nUser=media\n");
    let policy = "/usr/share/dbus-1/system.d/tv.tokend.conf";
    scene.device.write_root(policy, &comes_with("tv.tokend.conf"));
    let diagnosis = Diagnosis::of(&scene.device);
    assert_eq!(diagnosis.code, 0, "{diagnosis}");
    for line in [
        format!("info unit: {root}{units}/tokend.service"),
        format!("info drop-in: {root}{drop_in}"),
        format!("info bus policy: {root}{policy}"),
        format!("info the unit runs {root}/usr/bin/tokend as media"),
        "warning the bus policy does not let media own tv.tokend".to_owned(),
    ] {
        assert!(diagnosis.lines("installed").contains(&line), "no {line:?} in {diagnosis}");
    }
    scene.device.write_root(drop_in, "[Service]\nUser=tokend\n");
    let denied = "ok the bus policy lets tokend own tv.tokend, and denies it to everybody else";
    let diagnosis = Diagnosis::of(&scene.device);
    assert!(diagnosis.lines("installed").contains(&denied.to_owned()), "{diagnosis}");
}

#[test]
fn the_program_that_the_units_user_can_read_is_warned_about() {
    let (scene, _tokend) = healthy();
    let unit = "/usr/lib/systemd/system/tokend.service";
    scene.device.write_root(unit, "[Service]\nUser=nobody\nExecStart=/usr/bin/tokend run\n");
    scene.device.write_root("/usr/bin/tokend", "");
    let program = scene.device.root().join("usr/bin/tokend");
    let said = |mode: u32| {
        fs::set_permissions(&program, fs::Permissions::from_mode(mode)).unwrap();
        let lines = Diagnosis::of(&scene.device).lines("files");
        lines.into_iter().find(|line| line.contains("usr/bin/tokend: ")).unwrap()
    };
    let open = said(0o755);
    assert!(open.starts_with("warning program ") && open.contains(": 0755, uid "), "{open}");
    // Without root, it belongs to who runs the tests, which is another warning.
    if can_act_as_others() {
        assert!(open.contains("nobody can read it"), "{open}");
        let shut = said(0o711);
        assert!(shut.starts_with("ok program ") && shut.contains(": 0711, uid 0"), "{shut}");
    }
}

#[test]
fn the_journal_is_bounded_and_no_terminal_obeys_it() {
    let (mut scene, _tokend) = healthy();
    let programs = crate::support::scratch("tokend-test-").unwrap();
    let journalctl = |script: &str| {
        let path = programs.path().join("journalctl");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    scene.device.set_environment("PATH", programs.path());
    let without = Diagnosis::of(&scene.device);
    assert_eq!(without.result("journal"), "skipped", "{without}");
    without.says("journal", "there is no journalctl");

    // It never ends of itself, and has things to say that must not be said.
    journalctl(
        "while :; do printf 'a \\033[2J \\342\\200\\256 https://secret.example:1/x?y end\\n'; done",
    );
    let diagnosis = Diagnosis::of(&scene.device);
    assert_eq!((diagnosis.code, diagnosis.result("journal")), (0, "ok"), "{diagnosis}");
    let lines = diagnosis.lines("journal");
    assert!(lines.len() <= 40, "{}", lines.len());
    assert_eq!(lines[0], "info a \\u{1b}[2J \\u{202e} (a URL) end");

    // It hangs.
    journalctl("kill -STOP $$");
    let diagnosis = Diagnosis::of(&scene.device);
    assert_eq!((diagnosis.code, diagnosis.result("journal")), (1, "failed"), "{diagnosis}");
    diagnosis.says("journal", "journalctl gave no answer");
    assert_eq!(diagnosis.result("http"), "ok", "{diagnosis}");
}

/// Not run without root: it takes another user's rights.
#[test]
fn a_stranger_gets_a_diagnosis_too() {
    if !can_act_as_others() {
        eprintln!("not run: only root can become another user");
        return;
    }
    let (authority, bus) = (Authority::https(), Bus::start().unwrap());
    let programs = crate::support::scratch("tokend-test-").unwrap();
    let program = programs.path().join("tokend");
    fs::copy(env!("CARGO_BIN_EXE_tokend"), &program).unwrap();
    for path in [programs.path(), &program] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut device = Device::new(&authority, &bus, Program::from(program)).unwrap();
    device.add(&Application::new("cinema", &statement::issue("cinema"))).unwrap();
    let _tokend = device.start();
    device.set_start(Start { user: Some(NOBODY), ..Start::default() });

    // Nothing of the device can be read.
    let diagnosis = Diagnosis::of(&device);
    assert_eq!((diagnosis.code, diagnosis.result("check")), (1, "failed"), "{diagnosis}");
    diagnosis.says("build", "as uid 65534");
    assert_eq!(diagnosis.result("status"), "ok", "{diagnosis}");
    diagnosis.says("status", "cinema");
    authority.assert_no_secret_in("diagnose", &diagnosis.to_string());

    // All but the state can be.
    let config = device.config();
    let dir = config.parent().unwrap();
    let certificates = authority.ca_file();
    for path in [dir, &config, &config.join("applications.d"), certificates.parent().unwrap()] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    for file in ["tokend.toml", "applications.d/cinema.toml", "applications.d/cinema.jwt"] {
        fs::set_permissions(config.join(file), fs::Permissions::from_mode(0o644)).unwrap();
    }
    fs::set_permissions(&certificates, fs::Permissions::from_mode(0o644)).unwrap();
    let diagnosis = Diagnosis::of(&device);
    diagnosis.says("check", "ok statement cinema: a JWT");
    for step in ["status", "tcp", "tls", "http"] {
        assert_eq!(diagnosis.result(step), "ok", "{diagnosis}");
    }
    assert_eq!(diagnosis.code, 0, "{diagnosis}");
}
