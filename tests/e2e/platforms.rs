// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cross/platforms`: each sample is good as it stands, on the device that it is for.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::bus::{self, Bus};
use crate::support::scene::{CINEMA, Scene, uid};
use crate::support::statement;
use crate::support::tokend::Device;
use tempfile::TempDir;

/// Platform, the device tree of such a device, and where its root key lies.
const PLATFORMS: [(&str, &str, &str); 3] = [
    ("rdk", "rdk", "/opt/secure/tokend.key"),
    ("webos", "webos", "/mnt/oem/tokend.key"),
    ("generic", "raspberry-pi", "seal.key"),
];

/// A user and a group that every Debian has.
const NOBODY: u32 = 65_534;
const DAEMON: u32 = 1;

fn checkout(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn sample(platform: &str, file: &str) -> String {
    fs::read_to_string(checkout("cross/platforms").join(platform).join(file)).unwrap()
}

/// The configuration of a platform with what the integrator adds: a statement and a root key, whose
/// path is one on this machine.
fn configured(platform: &str, key_path: &str) -> TempDir {
    let dir = crate::support::scratch("tokend-test-").unwrap();
    let path = |name: &str| dir.path().join(name);
    let write = |name: &str, text: &str, mode: u32| {
        fs::write(path(name), text).unwrap();
        fs::set_permissions(path(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    fs::create_dir(path("applications.d")).unwrap();
    for directory in ["", "applications.d"] {
        fs::set_permissions(path(directory), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let settings = sample(platform, "tokend.toml");
    let key_line = format!("key_file = \"{key_path}\"");
    assert!(settings.contains(&key_line), "{settings}");
    let ours = format!("key_file = \"{}\"", path("seal.key").display());
    write("tokend.toml", &settings.replace(&key_line, &ours), 0o644);
    write("seal.key", &"k.".repeat(16), 0o400);
    let cinema = sample(platform, "applications.d/cinema.toml");
    write("applications.d/cinema.toml", &cinema, 0o644);
    write("applications.d/cinema.jwt", &statement::issue(CINEMA), 0o644);
    dir
}

fn check(platform: &str, tree: &str, key_path: &str) -> Output {
    let config = configured(platform, key_path);
    Command::new(env!("CARGO_BIN_EXE_tokend"))
        .env_clear()
        .arg("check")
        .args([Path::new("--config"), config.path()])
        .args([Path::new("--state"), &config.path().join("state")])
        .args([Path::new("--root"), &checkout("tests/trees").join(tree)])
        .output()
        .unwrap()
}

#[test]
fn each_sample_passes_the_check_and_knows_all_that_the_server_requires_of_the_device() {
    for (platform, tree, key_path) in PLATFORMS {
        let output = check(platform, tree, key_path);
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{platform}: {said}");
        let faulty = |line: &&str| line.starts_with("error") || line.starts_with("warning  device");
        assert_eq!(said.lines().find(faulty), None, "{platform}: {said}");
        for field in ["primaryHardwareType", "model", "version", "osVersion", "connectionType"] {
            let words = ["ok", "device", field];
            let known = |line: &str| line.split_whitespace().take(3).eq(words);
            assert!(said.lines().any(known), "{platform}: no {field} in {said}");
        }
    }
}

#[test]
fn every_platform_in_the_directory_is_tried_here() {
    let entries = fs::read_dir(checkout("cross/platforms")).unwrap().map(Result::unwrap);
    let mut found: Vec<_> = entries.filter(|entry| entry.path().is_dir()).collect();
    found.sort_by_key(fs::DirEntry::file_name);
    let names: Vec<_> = found.iter().map(|e| e.file_name().into_string().unwrap()).collect();
    let mut tried = PLATFORMS.map(|(platform, ..)| platform);
    tried.sort_unstable();
    assert_eq!(names, tried);
}

/// As root, since it takes callers of other groups.
#[test]
fn the_narrow_bus_policy_lets_players_and_root_ask_for_tokens_and_everybody_see_the_state() {
    if !bus::can_act_as_others() {
        println!("left out: only root can play callers of other groups");
        return;
    }
    let policy = sample("rdk", "tv.tokend.conf");
    let rules = policy.split_once("<busconfig>").unwrap().1.replace("</busconfig>", "");
    // Group 1 stands for the players; tokend runs as the user who runs the tests.
    let rules = rules
        .replace("group=\"players\"", "group=\"1\"")
        .replace("user=\"tokend\"", "user=\"root\"");
    let mut scene = Scene::new();
    scene.bus = Bus::start_with(&rules).unwrap();
    if !scene.bus.tells_groups() {
        println!("left out: this bus goes by the groups of the user database");
        return;
    }
    scene.device = Device::of_this_build(&scene.authority, &scene.bus);
    scene.device.set("", "reload_users", &format!("[{}]", uid()));
    let application = scene.add(CINEMA).with("allow_users", "[65534]");
    scene.device.add(&application).unwrap();
    let (_tokend, player) = scene.start();
    player.get_token(CINEMA, 0).unwrap();

    let object = "/tv/tokend/application/cinema";
    let token = ["tv.tokend", object, "tv.tokend.Application1", "GetToken", "u", "0"];
    let properties = "org.freedesktop.DBus.Properties";
    let application = "tv.tokend.Application1";
    let state = ["tv.tokend", object, properties, "Get", "ss", application, "State"];
    assert!(scene.call_as(NOBODY, &[NOBODY, DAEMON], &token).0);
    let (done, said) = scene.call_as(NOBODY, &[], &token);
    // It is the bus that says so: tokend would let this user in.
    assert!(!done && said.contains("Error.AccessDenied: "), "{said}");
    assert!(scene.call_as(NOBODY, &[], &state).0);
}
