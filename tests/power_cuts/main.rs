//! Power cuts and disk faults at every system call on the state directory, with the real daemon
//! and the real store. Minutes long, so it is no part of `cargo test`:
//! `cargo test --test power_cuts`.
//!
//! The tracer must see the paths of a process that is not dumpable, so this runs as root.

mod disk;
mod strace;
#[path = "../support/mod.rs"]
mod support;
mod world;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex};
use std::thread;

use disk::Disk;
use strace::{Call, Line, Strike};
use support::{bus, statement};
use world::{CINEMA, Content, Files, Operation, World};

/// Each has a device of its own; most of the time they wait.
const WORKERS: usize = 6;

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
fn check_fresh_start(world: &mut World, recording: &Recording, registered: usize, what: &str) {
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
        let explained = recording.names.contains(name) && !name.starts_with(".tmp-");
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

#[test]
fn power_cuts() {
    if !may_trace() {
        return;
    }
    let mut total = 0;
    for operation in Operation::ALL {
        let recording = record(operation);
        let calls = strace::calls(&recording.lines);
        let late = Mutex::new(Vec::new());
        on_many_devices(operation, &calls, |world, call| {
            if !cut(world, &recording, call) {
                late.lock().unwrap().push(call.to_string());
            }
        });
        let late = late.into_inner().unwrap();
        assert!(late.len() * 20 <= calls.len(), "{operation:?}: never came to {late:?}");
        let kinds = kinds(&calls);
        say(&format!("{operation:?}: {} power cuts survived ({kinds})", calls.len() - late.len()));
        total += calls.len() - late.len();
    }
    say(&format!("power cuts survived: {total}"));
}

/// Cuts the power before one call; false where the run did not come to it.
fn cut(world: &mut World, recording: &Recording, call: &Call) -> bool {
    let what = format!("{:?}, killed before {call}", world.operation);
    world.reset();
    let registered = world.registrations();
    let state = world.device.state();
    world.device.set_runner(strace::striking(&state, &recording.names, call, Strike::Kill));
    let mut killed = true;
    if let Some(mut tokend) = world.start() {
        let done = world.operate();
        killed = done.is_err() || tokend.has_ended();
        if killed {
            assert_eq!(tokend.wait_exit().code(), 128 + 9, "{what}: {done:?}");
        } else {
            assert_eq!(tokend.terminate().code(), 0, "{what}");
        }
    }
    check_fresh_start(world, recording, registered, &what);
    killed
}

fn kinds(calls: &[Call]) -> String {
    let mut kinds = BTreeMap::<&str, usize>::new();
    calls.iter().for_each(|call| *kinds.entry(&call.name).or_default() += 1);
    let kinds: Vec<_> = kinds.iter().map(|(name, count)| format!("{count} {name}")).collect();
    kinds.join(", ")
}

#[test]
fn what_a_disk_may_lose() {
    if !may_trace() {
        return;
    }
    let mut total = 0;
    for operation in Operation::ALL {
        let recording = record(operation);
        let mut end = Disk::new(&recording.before);
        recording.changes.iter().for_each(|change| end.apply(change));
        assert_eq!(end.shown(), recording.after, "{operation:?}: the model is another disk");
        assert!(end.is_settled(), "{operation:?}: the last change is not durable");
        let jobs = stretches(&recording);
        let states: usize = jobs.iter().map(|job| job.states.len()).sum();
        check_stretches(operation, &jobs);
        let changes = recording.changes.len();
        say(&format!("{operation:?}: {states} states of the disk after {changes} changes"));
        total += states;
    }
    say(&format!("states of the disk that the store came back from: {total}"));
}

/// What may be found from one durable moment to the next.
struct Stretch {
    /// The directory at both moments, with nothing left to make durable.
    ends: [Files; 2],
    states: std::collections::BTreeSet<Files>,
    /// Its changes, for a person.
    what: String,
}

fn stretches(recording: &Recording) -> Vec<Stretch> {
    let mut disk = Disk::new(&recording.before);
    let (mut all, mut states, mut first) = (Vec::new(), disk.crashes(), 0);
    let mut start = disk.shown();
    for (number, change) in recording.changes.iter().enumerate() {
        disk.apply(change);
        states.append(&mut disk.crashes());
        if *change == disk::Change::SyncDirectory {
            let names: Vec<_> = recording.changes[first..=number].iter().map(name).collect();
            let ends = [start, disk.shown()];
            all.push(Stretch { ends, states, what: names.join(", ") });
            (states, first, start) = (disk.crashes(), number + 1, disk.shown());
        }
    }
    all
}

fn name(change: &disk::Change) -> String {
    match change {
        disk::Change::Append(name, data) => format!("Append({name:?}, {} bytes)", data.len()),
        other => format!("{other:?}"),
    }
}

fn check_stretches(operation: Operation, stretches: &[Stretch]) {
    let jobs: Vec<_> =
        stretches.iter().flat_map(|it| it.states.iter().map(move |state| (it, state))).collect();
    let ends: Vec<[Content; 2]> = stretches
        .iter()
        .map(|it| it.ends.each_ref().map(|files| found_in(files).expect("a whole directory")))
        .collect();
    let next = AtomicUsize::new(0);
    let dir = tempfile::tempdir().unwrap();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((stretch, files)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let number = stretches.iter().position(|it| std::ptr::eq(it, *stretch));
                    check_state(operation, stretch, &ends[number.unwrap()], files);
                }
            });
        }
    });
    drop(dir);
}

fn found_in(files: &Files) -> Result<Content, String> {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    world::write(&state, files);
    let content = world::open(&state)?;
    for name in world::read(&state).keys() {
        if name.starts_with(".tmp-") || name.ends_with(".corrupt") {
            return Err(format!("{name} is there after the start"));
        }
    }
    Ok(content)
}

/// Each part is as at the one end of the stretch or as at the other.
fn check_state(operation: Operation, stretch: &Stretch, ends: &[Content; 2], files: &Files) {
    let what = || {
        let sizes: Vec<_> = files.iter().map(|(name, it)| format!("{name} {}", it.len())).collect();
        format!("{operation:?}, {}; found {}", stretch.what, sizes.join(", "))
    };
    let found = found_in(files).unwrap_or_else(|error| panic!("{}: {error}", what()));
    let [a, b] = ends;
    let old_or_new = [
        [&a.stored.filed, &b.stored.filed].contains(&&found.stored.filed),
        [&a.stored.record, &b.stored.record].contains(&&found.stored.record),
        [&a.stored.token, &b.stored.token].contains(&&found.stored.token),
        [&a.identity, &b.identity].contains(&&found.identity),
        !found.stored.record_lost,
    ];
    assert_eq!(old_or_new, [true; 5], "{}: {found:?}", what());
}
