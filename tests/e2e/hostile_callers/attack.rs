// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a user who may nothing can do to drown the daemon, from processes of its own: an honest
//! player's cached call is answered all the while, and the daemon's memory stays within its bounds.

use std::env;
use std::io::{self, Read as _, Write as _};
use std::time::{Duration, Instant};

use crate::hostile_callers::rig::{CINEMA, Rig};
use crate::support::BOUND;
use crate::support::bus::{Bus, can_act_as_others, is_broker};
use crate::support::child::{self, Child};
use crate::support::lines::Lines;
use crate::support::raw::{Message, Raw, Received};

const ATTACK: &str = "TOKEND_TEST_ATTACK";
const ADDRESS: &str = "TOKEND_TEST_BUS";
const APPLICATION: &str = "tv.tokend.Application1";
const MANAGER: &str = "tv.tokend.Manager1";
const BUS: &str = "org.freedesktop.DBus";
const LIMITS_EXCEEDED: &str = "org.freedesktop.DBus.Error.LimitsExceeded";
/// Connections that an attacker keeps.
const LASTING: usize = 250;
const NOBODY: u32 = 65_534;
/// What an attacker says once its attack has some way behind it.
const BEGUN: &str = "the attack has begun";
/// Calls of the honest player while an attack goes on.
const HONEST: usize = 200;
/// The bounds of the contract, in KiB: meanwhile, and afterwards.
const MEANWHILE: u64 = 2048;
pub const AFTERWARDS: u64 = 200;
/// The daemon gives memory back within 10 s; a busy machine may need some more for it.
const PATIENCE: Duration = Duration::from_secs(30);

fn cinema() -> String {
    format!("/tv/tokend/application/{CINEMA}")
}

/// A call of the bus itself.
fn of_bus(interface: &str, member: &str) -> Message {
    let mut call = Message::call("/org/freedesktop/DBus", interface, member);
    call.destination = BUS.into();
    call
}

/// Asks for more than the bus gives to a connection: whether it has refused both a match rule and,
/// for the replies that are still to come, a call.
fn reaches_limits(raw: &mut Raw) -> io::Result<bool> {
    let refused = |answer: &Received| answer.error.as_deref() == Some(LIMITS_EXCEEDED);
    let mut rules = false;
    for i in 0..1000 {
        let rule = format!("type='signal',sender='tv.tokend',arg0='{i}'");
        rules = rules || refused(&raw.ask(&of_bus(BUS, "AddMatch").with_strings(&[&rule]))?);
    }
    let call = Message::get_token(CINEMA, 0);
    let calls: Vec<u32> = (0..1000).map(|_| raw.send(&call)).collect::<Result<_, _>>()?;
    let answers = calls.iter().map(|_| raw.next_answer()).collect::<Result<Vec<_>, _>>()?;
    Ok(rules && answers.iter().any(refused))
}

/// Calls and calls, and reads of each answer one byte.
fn reads_slowly(mut raw: Raw, mut each: impl FnMut(usize)) -> io::Result<()> {
    let calls: Vec<_> = members().iter().map(|call| call.encode(7)).collect();
    // The bus has given it a name.
    raw.next_signal()?;
    let mut stream = raw.into_stream();
    (0..).try_for_each(|i: usize| {
        each(i);
        stream.write_all(&calls[i % calls.len()])?;
        stream.read_exact(&mut [0])
    })
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
            "lasting" => {
                let more = (1..LASTING).map_while(|_| connect().ok());
                let mut all: Vec<_> = std::iter::once(raw).chain(more).collect();
                let (members, count) = (members(), all.len());
                (0..).try_for_each(|i: usize| {
                    tell(i == 2 * LASTING && count == LASTING);
                    all[i % count].ask(&members[i % members.len()]).map(drop)
                })
            }
            "limits" => loop {
                match reaches_limits(&mut raw) {
                    Ok(reached) => tell(reached),
                    Err(error) => break Err(error),
                }
            },
            "reads-slowly" => reads_slowly(raw, |i| tell(i == 1000)),
            other => panic!("no such attack: {other}"),
        };
        made += 1;
        tell(made == 10 && attack.starts_with("churn"));
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
pub fn settled(rig: &Rig, before: u64) -> (u64, Duration) {
    let start = Instant::now();
    let mut after = rig.memory();
    while after > before + AFTERWARDS && start.elapsed() < PATIENCE {
        std::thread::park_timeout(Duration::from_millis(200));
        after = rig.anonymous();
    }
    (after, start.elapsed())
}

/// The honest player of `sports` is served while so many processes attack.
pub fn survives(rig: &Rig, attack: &str, processes: usize) {
    rig.others_are_served();
    let before = rig.memory();
    let attackers: Vec<_> = (0..processes).map(|_| start(attack, rig.bus.address())).collect();
    let mut beside = Raw::connect(rig.bus.address()).unwrap();
    let ping = of_bus("org.freedesktop.DBus.Peer", "Ping");
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

/// [`survives`], on dbus-daemon, and on dbus-broker if it is installed and we are root.
pub fn on_each_bus(attack: &str, processes: &[usize]) {
    for bus in Bus::start_each().unwrap() {
        let rig = Rig::on(bus);
        for processes in processes {
            survives(&rig, attack, *processes);
        }
    }
}

/// On dbus-daemon alone. A dbus-broker takes messages in faster than it hands them on, keeps up to
/// 512 MiB of them, and the honest call stands in line behind those of one who never stops sending.
pub fn on_dbus_daemon(attack: &str, elements: &str) {
    if is_broker() {
        eprintln!("not tried on dbus-broker, which keeps what one sends too fast");
        return;
    }
    survives(&Rig::on(Bus::start_with(elements).unwrap()), attack, 1);
}
