// SPDX-License-Identifier: MIT OR Apache-2.0
//! `docs/completion/tokend.bash` completes what the program takes, in a real bash.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::BOUND;
use crate::support::child::{self, Child};
use crate::support::lines::Lines;
use crate::support::manual::synopsis;
use crate::support::scene::{CINEMA, Scene};

/// Where no bus is.
const NO_BUS: &str = "unix:path=/nonexistent/bus";

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/completion/tokend.bash")
}

/// Where the program of this build is found first.
fn path() -> OsString {
    let ours = Path::new(env!("CARGO_BIN_EXE_tokend")).parent().unwrap().to_owned();
    let others = env::var_os("PATH").unwrap_or_default();
    env::join_paths(std::iter::once(ours).chain(env::split_paths(&others))).unwrap()
}

/// What bash offers for a line, with the cursor at its end.
fn offered_on(bus: &str, line: &str) -> Vec<String> {
    let asks =
        r#"source "$1"; COMP_LINE=$2 COMP_POINT=${#2}; _tokend; printf '%s\n' "${COMPREPLY[@]}""#;
    let output = Command::new(child::find("bash", "bash").unwrap())
        .args(["--norc", "--noprofile", "-c", asks, "bash"])
        .arg(script())
        .arg(line)
        .env_clear()
        .env("PATH", path())
        .env("DBUS_SYSTEM_BUS_ADDRESS", bus)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{line}");
    let said = String::from_utf8(output.stdout).unwrap();
    let mut words: Vec<_> =
        said.lines().filter(|word| !word.is_empty()).map(str::to_owned).collect();
    words.sort();
    words
}

fn offered(line: &str) -> Vec<String> {
    offered_on(NO_BUS, line)
}

#[test]
fn every_command_is_offered() {
    assert_eq!(offered("tokend "), synopsis().into_keys().collect::<Vec<_>>());
    assert_eq!(offered("tokend re"), ["reload", "reseal"]);
    assert_eq!(offered("/usr/bin/tokend  stat"), ["status"]);
    assert_eq!(offered("tokend --"), ["--help", "--version"]);
    assert_eq!(offered("tokend reload "), [""; 0]);
    assert_eq!(offered("tokend dance "), [""; 0]);
}

#[test]
fn every_option_of_a_command_is_offered_once_and_no_other() {
    for (command, options) in synopsis() {
        let all: Vec<_> = options.iter().map(|option| format!("--{option}")).collect();
        assert_eq!(offered(&format!("tokend {command} --")), all, "{command}");
    }
    assert_eq!(offered("tokend status --json -"), ["--bus", "--watch"]);
    let rest = ["--config", "--id", "--json", "--state"];
    assert_eq!(offered("tokend device-info --bus=system --root /r --"), rest);
    assert_eq!(offered("tokend reseal --from /old --st"), ["--state"]);
}

#[test]
fn the_values_of_options_are_offered() {
    assert_eq!(offered("tokend status --bus "), ["session", "system", "unix:path="]);
    assert_eq!(offered("tokend status --bus=sy"), ["system"]);
    assert_eq!(offered("tokend check --config tests/tr"), ["tests/trees"]);
    assert_eq!(offered("tokend check --root=tests/trees/webos-"), ["tests/trees/webos-ose"]);
    assert_eq!(offered("tokend run --state tests/trees/rdk/no"), [""; 0]);
}

#[test]
fn the_running_daemons_applications_are_offered() {
    let scene = Scene::new();
    let long = "a_player_with_a_name_that_is_much_longer_than_most_of_them_are_x";
    scene.add(long);
    let (_tokend, _player) = scene.start();
    let bus = scene.bus.address();
    for command in ["status", "token", "headers", "forget"] {
        assert_eq!(offered_on(bus, &format!("tokend {command} ")), [long, CINEMA]);
        assert_eq!(offered_on(bus, &format!("tokend {command} ci")), [CINEMA]);
        assert_eq!(offered_on(bus, &format!("tokend {command} cinema ")), [""; 0]);
    }
    for line in [format!("tokend token --bus {bus} "), format!("tokend forget --yes --bus={bus} ")]
    {
        assert_eq!(offered(&line), [long, CINEMA], "{line}");
    }
    assert_eq!(offered_on(bus, "tokend check "), [""; 0]);
    assert_eq!(offered("tokend token "), [""; 0], "without a daemon, none and no complaint");
}

#[test]
fn a_person_who_types_tabs_gets_there() {
    let scene = Scene::new();
    let (_tokend, player) = scene.start();
    player.get_token(CINEMA, 0).unwrap();

    let home = tempfile::tempdir().unwrap();
    let typed = home.path().join("typed");
    let keys = format!("source {}\ntokend hea\tcin\t\nexit\n", script().display());
    fs::write(&typed, keys).unwrap();
    let mut command = child::command(child::find("script", "bsdutils").unwrap());
    command
        .args(["--quiet", "--flush", "--return", "--command", "bash --norc --noprofile -i"])
        .arg("/dev/null")
        .env_clear()
        .env("PATH", path())
        .env("HOME", home.path())
        .env("TERM", "dumb")
        .env("INPUTRC", "/dev/null")
        .env("DBUS_SYSTEM_BUS_ADDRESS", scene.bus.address())
        .stdin(File::open(&typed).unwrap());
    let said = Lines::default();
    said.collect(child::capture(&mut command).unwrap(), || ());
    let mut shell = Child::spawn(command).unwrap();
    let ended = shell.wait(BOUND);
    said.wait_for_end(BOUND);
    assert!(ended.is_some_and(|status| status.success()), "{}", said.text(0));
    let headers = |line: &str| line.starts_with("Authorization: Bearer ");
    assert!(said.text(0).lines().any(headers), "{}", said.text(0));
}
