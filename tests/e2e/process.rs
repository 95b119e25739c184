// SPDX-License-Identifier: MIT OR Apache-2.0
//! The process as a service manager sees it: when it is ready, how it ends, what it costs.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;

use rustix::process::Signal;
use zbus::fdo::RequestNameFlags;

use crate::support::BOUND;
use crate::support::authority::{Endpoint, Fault, Gate};
use crate::support::player::path_of;
use crate::support::scene::{CINEMA, Scene};

#[test]
fn when_the_bus_dies_it_exits_75() {
    let mut scene = Scene::new();
    let (tokend, player) = scene.start();
    player.get_token(CINEMA, 0).unwrap();
    scene.bus.kill();
    let ended = tokend.wait_exit();
    assert_eq!(ended.code(), 75, "{}", ended.output);
    assert!(ended.output.contains("the bus is lost"), "{}", ended.output);
}

#[test]
fn when_the_bus_dies_during_a_request_it_exits_75() {
    let mut scene = Scene::new();
    scene.authority.always(Endpoint::Register, Fault::Hang);
    let (tokend, player) = scene.start();
    let _waiting = player.start_get_token(1, CINEMA, 0);
    scene.authority.wait_until("a registration", |log| log.count(Endpoint::Register) == 1);
    scene.bus.kill();
    assert_eq!(tokend.wait_exit().code(), 75);
}

#[test]
fn where_the_name_is_owned_already_it_exits_75_and_leaves_the_owner_alone() {
    let scene = Scene::new();
    let address = zbus::connection::Builder::address(scene.bus.address());
    let owner = zbus::block_on(address.build()).unwrap();
    let flags = RequestNameFlags::DO_NOT_QUEUE;
    zbus::block_on(owner.request_name_with_flags("tv.tokend", flags)).unwrap();
    let ended = scene.device.spawn().unwrap().wait_exit();
    assert_eq!(ended.code(), 75, "{}", ended.output);
    assert!(ended.output.contains("tv.tokend"), "{}", ended.output);
    let who = ["org.freedesktop.DBus", "/", "org.freedesktop.DBus", "GetNameOwner", "s"];
    let (_, owns) = scene.bus.call(&[&who[..], &["tv.tokend"]].concat());
    let name = owner.unique_name().unwrap().to_string();
    assert!(owns.contains(&name));
}

#[test]
fn without_a_bus_it_exits_75() {
    let mut scene = Scene::new();
    scene.bus.kill();
    let mut tokend = scene.device.spawn().unwrap();
    assert!(tokend.wait_notified("READY=1").is_err());
    let ended = tokend.wait_exit();
    assert_eq!(ended.code(), 75, "{}", ended.output);
}

#[test]
fn sigterm_ends_it_with_exit_0_idle_or_during_a_request() {
    for endpoint in [None, Some(Endpoint::Register), Some(Endpoint::Token)] {
        let scene = Scene::new();
        let (tokend, player) = scene.start();
        let mut waiting = None;
        if let Some(endpoint) = endpoint {
            scene.authority.always(endpoint, Fault::Hang);
            waiting = Some(player.start_get_token(1, CINEMA, 0));
            scene.authority.wait_until("a request", |log| log.count(endpoint) == 1);
        }
        let notified = tokend.notified();
        let ended = tokend.terminate();
        assert_eq!(ended.code(), 0, "{}", ended.output);
        assert!(notified.text(0).contains("STOPPING=1"), "{}", notified.text(0));
        // The caller is not left waiting.
        if let Some(waiting) = waiting {
            waiting.recv_timeout(BOUND).unwrap().unwrap_err();
        }
    }
}

#[test]
fn sigint_ends_it_too() {
    let scene = Scene::new();
    let (tokend, _player) = scene.start();
    tokend.signal(Signal::INT);
    let ended = tokend.wait_exit();
    assert_eq!((ended.code(), ended.status.signal()), (0, None), "{}", ended.output);
}

#[test]
fn a_faulty_configuration_exits_78_with_each_fault_on_its_standard_error() {
    let scene = Scene::new();
    let text = "[server]\nurl = \"ftp://x\"\n[storage]\nseal = \"wax\"\n[log]\nlevel = 3\n";
    scene.device.write_settings(text).unwrap();
    let ended = scene.device.spawn().unwrap().wait_exit();
    assert_eq!(ended.code(), 78, "{}", ended.output);
    for fault in ["tokend.toml:2: server.url", "tokend.toml:4: storage.seal", "tokend.toml:6: log"]
    {
        let lines: Vec<_> = ended.output.lines().filter(|line| line.contains(fault)).collect();
        assert_eq!(lines.len(), 1, "{fault:?} in {}", ended.output);
    }
    assert!(ended.output.contains("key-file, pkcs11, generated"), "{}", ended.output);
    assert!(scene.stored().is_empty());
}

#[test]
fn without_a_configuration_it_exits_78_and_names_the_seals() {
    let scene = Scene::new();
    fs::remove_file(scene.device.config().join("tokend.toml")).unwrap();
    let ended = scene.device.spawn().unwrap().wait_exit();
    assert_eq!(ended.code(), 78, "{}", ended.output);
    for seal in ["key-file", "pkcs11", "generated"] {
        assert!(ended.output.contains(seal), "{}", ended.output);
    }
}

#[test]
fn without_any_application_it_runs_and_warns() {
    let scene = Scene::new();
    scene.device.remove(CINEMA);
    let (tokend, player) = scene.start();
    assert_eq!(player.managed_objects(), [""; 0]);
    tokend.wait_for_line("no application");
    assert_eq!(tokend.terminate().code(), 0);
}

#[test]
fn ready_is_said_only_when_the_name_is_owned_and_every_object_is_there() {
    let scene = Scene::new();
    // Enough for a gap to show.
    let mut wanted = vec![path_of(CINEMA)];
    for number in 100..140 {
        let id = format!("player_{number}");
        scene.add(&id);
        wanted.push(path_of(&id));
    }
    // Not when the network is there.
    scene.authority.set_down(true);
    let player = scene.player();
    let _tokend = scene.device.start();
    assert_eq!(player.managed_objects(), wanted);
    for path in &wanted {
        assert!(player.introspect(path).contains("tv.tokend.Application1"), "{path}");
    }
    assert_eq!(player.properties("player_139").id, "player_139");
}

#[test]
fn the_watchdog_is_fed_and_the_status_says_how_many_tokens_there_are() {
    let mut scene = Scene::new();
    scene.device.set_environment("WATCHDOG_USEC", "2000000");
    let (mut tokend, player) = scene.start();
    tokend.wait_notified("WATCHDOG=1").unwrap();
    tokend.wait_notified("STATUS=0 of 1 ").unwrap();
    player.get_token(CINEMA, 0).unwrap();
    tokend.wait_notified("STATUS=1 of 1 ").unwrap();
}

#[test]
fn without_a_watchdog_none_is_fed() {
    let scene = Scene::new();
    let (tokend, player) = scene.start();
    player.get_token(CINEMA, 0).unwrap();
    let notified = tokend.notified();
    tokend.terminate();
    assert!(!notified.text(0).contains("WATCHDOG"), "{}", notified.text(0));
}

#[test]
fn an_idle_daemon_has_two_threads_at_most() {
    let scene = Scene::new();
    scene.add("radio");
    let (tokend, player) = scene.start();
    let gate = Gate::new();
    scene.authority.next(Endpoint::Token, [Fault::hold(&gate)]);
    let waiting = player.start_get_token(3, CINEMA, 0);
    scene.authority.wait_until("a fetch", |log| log.count(Endpoint::Token) == 1);
    gate.open();
    for _ in 0..3 {
        waiting.recv_timeout(BOUND).unwrap().unwrap();
    }
    player.get_token("radio", 0).unwrap();
    player.reload().unwrap();
    // A thread whose answer has come may still be on its way out: each round trip gives it time.
    let tasks = format!("/proc/{}/task", tokend.id());
    let threads = || fs::read_dir(&tasks).unwrap().count();
    let idle = (0..100_000).any(|_| {
        player.get_token(CINEMA, 0).unwrap();
        threads() <= 2
    });
    assert!(idle, "{} threads", threads());
}

#[test]
fn the_process_cannot_be_dumped_or_read() {
    let scene = Scene::new();
    let (tokend, _player) = scene.start();
    let limits = fs::read_to_string(format!("/proc/{}/limits", tokend.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().rev().nth(1), Some("0"), "{core}");
    use std::os::unix::fs::MetadataExt as _;
    // What belongs to a process that is not dumpable belongs to root.
    let meta = fs::metadata(format!("/proc/{}/environ", tokend.id())).unwrap();
    assert_eq!(meta.uid(), 0);
}
