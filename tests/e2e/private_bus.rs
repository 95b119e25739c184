// SPDX-License-Identifier: MIT OR Apache-2.0
//! The private bus and the children of the tests: everyone may connect, and nothing outlives them.

use std::time::Duration;

use crate::support::bus::{self, Bus};
use crate::support::child::{self, Child};
use crate::support::player::Player;

#[test]
fn a_private_bus_answers_and_its_end_leaves_nothing() {
    let bus = Bus::start().unwrap();
    let player = Player::connect(bus.address()).unwrap();
    assert!(player.unique_name().starts_with(":1."));
    let error = player.get_token("cinema", 0).unwrap_err();
    assert_eq!(error.name, "org.freedesktop.DBus.Error.ServiceUnknown");

    let socket = bus.address().trim_start_matches("unix:path=").split(',').next().unwrap();
    let socket = std::path::PathBuf::from(socket);
    assert!(socket.exists());
    drop(bus);
    assert!(!socket.exists());
    assert!(!socket.parent().unwrap().exists());
}

#[test]
fn another_user_reaches_the_private_bus_as_that_user() {
    if !bus::can_act_as_others() {
        return;
    }
    let bus = Bus::start().unwrap();
    let get_id = ["org.freedesktop.DBus", "/", "org.freedesktop.DBus", "GetId"];
    let (good, said) = bus.call_as(65_534, &[], &get_id);
    assert!(good, "{said}");

    let own = ["org.freedesktop.DBus", "/", "org.freedesktop.DBus", "ListNames"];
    assert!(bus.call_as(65_534, &[1001, 1002], &own).0);
    assert!(bus.call(&own).0);
}

#[test]
fn a_child_ends_with_its_handle_and_within_the_bound() {
    let mut command = child::command("sleep");
    command.arg("1000");
    let mut child = Child::spawn(command).unwrap();
    assert_eq!(child.wait(Duration::ZERO), None);
    let alive = format!("/proc/{}", child.id());
    assert!(std::fs::exists(&alive).unwrap());
    drop(child);
    assert!(!std::fs::exists(&alive).unwrap());
}

#[test]
fn a_missing_program_is_named_with_its_package() {
    let error = child::find("no-such-program", "no-such-package").unwrap_err();
    assert_eq!(
        error.to_string(),
        "no-such-program is not installed: install the package no-such-package"
    );
}
