// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a user who may nothing can do to drown the daemon, from processes of its own: an honest
//! player's cached call is answered all the while, and the daemon's memory stays within its bounds.

use std::env;
use std::time::{Duration, Instant};

use crate::hostile_callers::rig::{CINEMA, Rig};
use crate::support::BOUND;
use crate::support::bus::{Bus, can_act_as_others};
use crate::support::child::{self, Child};
use crate::support::lines::Lines;
use crate::support::raw::{Message, Raw};

const ATTACK: &str = "TOKEND_TEST_ATTACK";
const ADDRESS: &str = "TOKEND_TEST_BUS";
const APPLICATION: &str = "tv.tokend.Application1";
const MANAGER: &str = "tv.tokend.Manager1";
const NOBODY: u32 = 65_534;
/// What an attacker says once its attack has some way behind it.
const BEGUN: &str = "the attack has begun";
/// Calls of the honest player while an attack goes on.
const HONEST: usize = 200;
/// The bounds of the contract, in KiB: meanwhile, and afterwards.
const MEANWHILE: u64 = 2048;
const AFTERWARDS: u64 = 200;
/// The daemon gives memory back within 10 s; a busy machine may need some more for it.
const PATIENCE: Duration = Duration::from_secs(30);

fn cinema() -> String {
    format!("/tv/tokend/application/{CINEMA}")
}

fn replace(bytes: usize) -> Message {
    let call = Message::call(&cinema(), APPLICATION, "ReplaceToken");
    call.with_strings(&[&"x".repeat(bytes), ""])
}

/// Every member, and some that are not there.
fn members() -> Vec<Message> {
    let (properties, introspectable) =
        ("org.freedesktop.DBus.Properties", "org.freedesktop.DBus.Introspectable");
    let manager = "/tv/tokend";
    vec![
        Message::get_token(CINEMA, 0),
        replace(8000),
        Message::call(manager, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects"),
        Message::call(manager, introspectable, "Introspect"),
        Message::call(&cinema(), properties, "GetAll").with_strings(&[APPLICATION]),
        Message::call(&cinema(), properties, "Get").with_strings(&[APPLICATION, "State"]),
        Message::call(manager, MANAGER, "GetDeviceInfo"),
        Message::call(manager, MANAGER, "Reload"),
        Message::call(manager, MANAGER, "Forget").with_strings(&[CINEMA]),
        Message::call(manager, MANAGER, "Nonsense"),
        Message::call("/nowhere", "no.such.Interface", "Nonsense"),
    ]
}

/// A process of the attacker's, if the others start it so: goes on until it is killed.
#[test]
fn attacker() {
    let Ok(attack) = env::var(ATTACK) else { return };
    let address = env::var(ADDRESS).expect("a bus");
    let connect = || Raw::connect(&address);
    let silent = |message: &Message| {
        let mut bytes = message.encode(7);
        bytes[2] |= 1;
        bytes
    };
    let tell = |begun: bool| {
        if begun {
            println!("{BEGUN}");
        }
    };
    let mut made = 0;
    loop {
        // The bus may refuse a connection while it is busy with the last ones.
        let Ok(mut raw) = connect() else { continue };
        let _ = match attack.as_str() {
            "churn-small" => raw.send(&Message::get_token(CINEMA, 0)).map(drop),
            "churn-large" => raw.send(&replace(60_000)).map(drop),
            "churn-answered" => raw.ask(&replace(7000)).map(drop),
            "churn-half" => {
                let bytes = replace(60_000).encode(9);
                raw.send_bytes(&bytes[..bytes.len() / 2])
            }
            "silent" => {
                let bytes: Vec<_> = members().iter().map(silent).collect();
                (0..).try_for_each(|i: usize| {
                    tell(i == 1000);
                    raw.send_bytes(&bytes[i % bytes.len()])
                })
            }
            "never-reads" => {
                let members = members();
                (0..).try_for_each(|i: usize| {
                    tell(i == 1000);
                    raw.send(&members[i % members.len()]).map(drop)
                })
            }
            "asks" => {
                let members = members();
                (0..).try_for_each(|i: usize| {
                    tell(i == 10);
                    raw.ask(&members[i % members.len()]).map(drop)
                })
            }
            other => panic!("no such attack: {other}"),
        };
        made += 1;
        tell(made == 10);
    }
}

fn start(attack: &str, address: &str) -> Child {
    let mut command = child::command(env::current_exe().unwrap());
    if can_act_as_others() {
        child::becomes(&mut command, NOBODY, &[]);
    } else {
        eprintln!("not root: the attacker is our own user, who may have the token");
    }
    let module = module_path!().split_once("::").unwrap().1;
    command.args(["--exact", &format!("{module}::attacker"), "--nocapture"]);
    command.env(ATTACK, attack).env(ADDRESS, address);
    let output = Lines::default();
    output.collect(child::capture(&mut command).unwrap(), || ());
    let child = Child::spawn(command).unwrap();
    let begun = output.wait_for(0, BOUND, |line| line.contains(BEGUN));
    assert!(begun.is_some(), "{attack} does not begin: {}", output.text(0));
    child
}

#[expect(clippy::disallowed_methods, reason = "a measurement, which is only printed")]
fn took(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// The daemon's memory once it has given back what a burst took, and how long that was.
#[expect(clippy::disallowed_methods, reason = "the bound of a wait")]
fn settled(rig: &Rig, before: u64) -> (u64, Duration) {
    let start = Instant::now();
    let mut after = rig.memory();
    while after > before + AFTERWARDS && start.elapsed() < PATIENCE {
        std::thread::park_timeout(Duration::from_millis(200));
        after = rig.anonymous();
    }
    (after, start.elapsed())
}

fn survives(rig: &Rig, attack: &str, processes: usize) {
    rig.others_are_served();
    let before = rig.memory();
    let attackers: Vec<_> = (0..processes).map(|_| start(attack, rig.bus.address())).collect();
    let mut beside = Raw::connect(rig.bus.address()).unwrap();
    let mut ping = Message::call("/org/freedesktop/DBus", "org.freedesktop.DBus.Peer", "Ping");
    ping.destination = "org.freedesktop.DBus".into();
    let (mut served, mut pinged, mut peak) = (Vec::new(), Vec::new(), 0);
    for _ in 0..HONEST {
        served.push(took(|| rig.others_are_served()));
        pinged.push(took(|| drop(beside.ask(&ping).unwrap())));
        peak = peak.max(rig.anonymous());
    }
    for mut attacker in attackers {
        assert_eq!(attacker.wait(Duration::ZERO), None, "{attack} goes on to the end");
    }
    served.sort_unstable();
    pinged.sort_unstable();
    let (after, since) = settled(rig, before);
    println!(
        "{attack} by {processes}: a cached call took {:?} (at most {:?}), the bus's Ping {:?} (at \
         most {:?}); RssAnon {before} KiB before, {peak} at most, {after} after {:?}",
        served[HONEST / 2],
        served[HONEST - 1],
        pinged[HONEST / 2],
        pinged[HONEST - 1],
        since,
    );
    assert!(peak <= before + MEANWHILE, "{before} KiB became {peak} KiB");
    assert!(after <= before + AFTERWARDS, "{before} KiB became {after} KiB");
}

/// On dbus-daemon, and on dbus-broker if it is installed and we are root.
fn on_each_bus(attack: &str, processes: &[usize]) {
    let mut buses = vec![Bus::start().unwrap()];
    let needed = ["dbus-broker-launch", "systemd-socket-activate", "unshare", "mount"];
    if can_act_as_others() && child::are_in_path(&needed) {
        buses.push(Bus::start_broker().unwrap());
    } else {
        eprintln!("not tried on dbus-broker: that takes root and the package dbus-broker");
    }
    for bus in buses {
        let rig = Rig::on(bus);
        for processes in processes {
            survives(&rig, attack, *processes);
        }
    }
}

#[test]
fn connections_that_call_once_and_leave_drown_nobody() {
    on_each_bus("churn-small", &[1, 3]);
}

#[test]
fn connections_that_leave_60_kb_behind_drown_nobody() {
    on_each_bus("churn-large", &[1, 3]);
}

#[test]
fn connections_that_leave_after_the_answer_drown_nobody() {
    on_each_bus("churn-answered", &[3]);
}

#[test]
fn connections_that_leave_in_the_middle_of_a_message_drown_nobody() {
    on_each_bus("churn-half", &[3]);
}

/// One connection that never stops sending. Not on dbus-broker: it takes messages in faster than it
/// hands them on, keeps up to 512 MiB of them, and the honest call stands in line behind those.
#[test]
fn calls_that_want_no_reply_cost_the_others_nothing() {
    survives(&Rig::start(), "silent", 1);
}

#[test]
fn calls_whose_replies_nobody_reads_drown_nobody() {
    survives(&Rig::start(), "never-reads", 1);
}

#[test]
fn calls_of_every_member_by_one_who_may_nothing_drown_nobody() {
    on_each_bus("asks", &[3]);
}

#[test]
fn a_thousand_connections_leave_no_more_than_a_fixed_table() {
    let rig = Rig::start();
    let before = rig.memory();
    let mut callers: Vec<Raw> = (0..1000).map(|_| rig.hostile()).collect();
    for _ in 0..2 {
        let calls: Vec<u32> = callers
            .iter_mut()
            .map(|caller| caller.send(&Message::get_token(CINEMA, 0)).unwrap())
            .collect();
        for (caller, call) in callers.iter_mut().zip(calls) {
            assert!(caller.answer(call).unwrap().error.is_none());
        }
    }
    let (after, since) = settled(&rig, before);
    println!("RssAnon: {before} KiB before, {after} KiB {since:?} after 1000 callers");
    assert!(after <= before + AFTERWARDS, "{before} KiB became {after} KiB");
}
