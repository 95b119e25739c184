// SPDX-License-Identifier: MIT OR Apache-2.0
//! Power cuts and disk faults at every system call on the state directory, with the real daemon
//! and the real store. Minutes long, so it is no part of `cargo test`:
//! `cargo test --test power_cuts`.
//!
//! The tracer must see the paths of a process that is not dumpable, so this runs as root.

mod cuts;
mod disk;
mod faults;
mod losses;
mod reseal;
mod strace;
#[path = "../support/mod.rs"]
mod support;
mod world;

use std::fs;
use std::io::Write as _;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use strace::Line;
use support::{bus, statement};
use world::{CINEMA, Content, Files, Operation, World};

/// Each has a device of its own; most of the time they wait.
const WORKERS: usize = 10;

static STATEMENT: LazyLock<String> = LazyLock::new(|| statement::issue(CINEMA));

/// What one run of an operation does when nothing fails.
struct Recording {
    before: Files,
    after: Files,
    lines: Vec<Line>,
    /// The names of all files, the temporary ones too.
    names: Vec<String>,
    registrations: usize,
    changes: Vec<disk::Change>,
}

fn record(operation: Operation) -> Recording {
    let mut world = World::new(operation, &STATEMENT);
    let run = |world: &World| {
        world.reset();
        let tokend = world.start().expect("the daemon starts");
        world.operate().unwrap();
        assert_eq!(tokend.terminate().code(), 0);
    };
    run(&world);
    let state = world.device.state();
    let known: Files = world.before.clone().into_iter().chain(world::read(&state)).collect();
    let temporary = known.keys().map(|name| format!(".tmp-{name}"));
    let names: Vec<_> = known.keys().cloned().chain(temporary).collect();

    let log = tempfile::NamedTempFile::new().unwrap();
    world.device.set_runner(strace::recording(&state, &names, log.path()));
    let registrations = world.registrations();
    run(&world);
    let registrations = world.registrations() - registrations;
    let lines = strace::read(&fs::read_to_string(log.path()).unwrap());
    let changes = disk::changes(&lines, &state);
    let (before, after) = (world.before.clone(), world::read(&state));
    Recording { before, after, lines, names, registrations, changes }
}

/// Says something that is no test's output to be hidden.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn may_trace() -> bool {
    let root = bus::can_act_as_others();
    if !root {
        say("not tested: only root may trace a process that is not dumpable");
    }
    root
}

/// Does `one` for every job, on several devices at once.
fn on_many_devices<T: Sync>(operation: Operation, jobs: &[T], one: impl Fn(&mut World, &T) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..WORKERS.min(jobs.len()) {
            scope.spawn(|| {
                let mut world = World::new(operation, &STATEMENT);
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    one(&mut world, job);
                }
            });
        }
    });
}

/// After whatever happened: a daemon starts on what is left, and a player gets a token.
/// `log` may say of a file that it was put aside; then it is.
fn check_fresh_start(
    world: &mut World,
    recording: &Recording,
    registered: usize,
    log: &str,
    what: &str,
) {
    world.authority.end_faults();
    world.device.set_runner(Vec::new());
    let tokend = world.start().unwrap_or_else(|| panic!("{what}: no start"));
    world.token().unwrap_or_else(|error| panic!("{what}: no token: {error}"));
    let ended = tokend.terminate();
    assert_eq!(ended.code(), 0, "{what}: {}", ended.output);

    let registrations = world.registrations() - registered;
    assert!(registrations <= recording.registrations + 1, "{what}: {registrations} registrations");
    let state = world.device.state();
    for name in world::read(&state).keys() {
        let known = recording.names.contains(name) && !name.starts_with(".tmp-");
        // Room for credentials stays until a registration needs it or is refused.
        let explained =
            known || name.starts_with(".room-") || log.contains(&format!("kept as {name}"));
        assert!(explained, "{what}: {name}; {}", ended.output);
    }
    let content = world::open(&state).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(content.complaints, [""; 0], "{what}: left behind by {}", ended.output);
    check_clients(world, &content, registrations, what);
}

/// The credentials are the old ones or new ones, and the old ones are kept.
fn check_clients(world: &World, content: &Content, registrations: usize, what: &str) {
    let (current, all) = content.clients();
    assert_eq!(current.len(), 1, "{what}: {content:?}");
    let Some(old) = old_client(world) else { return };
    let new = all.iter().filter(|client| **client != old).count();
    assert!(new <= registrations, "{what}: {new} new, {registrations} registrations");
    if world.operation != Operation::Forget {
        assert!(all.contains(&old), "{what}: the old credentials are gone");
    }
}

/// The client id with which the operation begins.
fn old_client(world: &World) -> Option<String> {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    world::write(&state, &world.before);
    world::open(&state).unwrap().clients().0.into_iter().next()
}
