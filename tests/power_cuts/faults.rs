// SPDX-License-Identifier: MIT OR Apache-2.0
//! Each call on the state directory fails: once, and for ever. ENOSPC, EIO, EROFS and EACCES take
//! turns, for the daemon asks none of them by name.

use super::strace::{self, Call, Strike};
use super::support::tokend::Ended;
use super::world::{self, Content, Operation, World};
use super::{Recording, check_fresh_start, may_trace, on_many_devices, record, say};

const ERRORS: [&str; 4] = ["ENOSPC", "EIO", "EROFS", "EACCES"];
const STORAGE: &str = "tv.tokend.Error.Storage";

/// How often a caller asks again while the storage has trouble, before it is called stuck.
const PATIENCE: usize = 50;

#[test]
fn storage_faults() {
    if !may_trace() {
        return;
    }
    let mut total = 0;
    for operation in Operation::ALL {
        let recording = record(operation);
        let calls = strace::calls(&recording.lines);
        // What becomes of a close makes no difference.
        let calls = calls.iter().filter(|call| call.name != "close").enumerate();
        let strikes: Vec<_> = calls
            .flat_map(|(number, call)| {
                let (now, then) = (ERRORS[number % 4], ERRORS[(number + 1) % 4]);
                let once = (call, Strike::Fail(now));
                // A file that can never be read is as one that cannot be opened.
                let reads = ["read", "statx", "fstat", "newfstatat"].contains(&&*call.name);
                let for_ever = (!reads).then_some((call, Strike::FailForEver(then)));
                std::iter::once(once).chain(for_ever)
            })
            .collect();
        on_many_devices(operation, &strikes, |world, (call, strike)| {
            fail(world, &recording, call, *strike);
        });
        say(&format!("{operation:?}: {} storage faults survived", strikes.len()));
        total += strikes.len();
    }
    say(&format!("storage faults survived: {total}"));
}

fn fail(world: &mut World, recording: &Recording, call: &Call, strike: Strike) {
    let what = format!("{:?}, {call}: {strike:?}", world.operation);
    world.reset();
    let registered = world.registrations();
    let state = world.device.state();
    world.device.set_runner(strace::striking(&state, &recording.names, call, strike));
    let mut tokend = world.device.spawn().unwrap();
    if tokend.wait_notified("READY=1").is_err() {
        let Ended { status, output } = tokend.wait_exit();
        // The service manager starts it anew.
        let code = status.code().unwrap_or_default();
        assert!((64..=78).contains(&code), "{what}: {status}, {output}");
        assert_eq!(world.registrations(), registered, "{what}");
        return check_fresh_start(world, recording, registered, &output, &what);
    }
    let done = operate(world, strike, &what);
    let trouble = world.last_error();
    let ended = tokend.terminate();
    assert_eq!(ended.code(), 0, "{what}: {}", ended.output);
    check_disk(world, registered, done.as_deref(), &trouble, &what);
    check_fresh_start(world, recording, registered, &ended.output, &what);
}

/// The token that a caller gets, if it gets one.
fn operate(world: &World, strike: Strike, what: &str) -> Option<String> {
    let changes = world.watch();
    for _ in 0..PATIENCE {
        match world.operate() {
            Ok(token) => {
                if matches!(strike, Strike::Fail(_)) {
                    world.wait_until_well();
                }
                return Some(token);
            }
            Err(error) => assert_eq!(error.name, STORAGE, "{what}: {error}"),
        }
        if matches!(strike, Strike::FailForEver(_)) {
            return None;
        }
        if !world.last_error().is_empty() {
            changes.next();
        }
    }
    panic!("{what}: it does not recover");
}

/// What is served and not stored is said to be so, and no registration was sent that is not
/// on the disk.
fn check_disk(world: &World, registered: usize, token: Option<&str>, trouble: &str, what: &str) {
    assert!(["", STORAGE].contains(&trouble), "{what}: {trouble}");
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    world::write(&state, &world::read(&world.device.state()));
    let found: Option<Content> = world::open(&state).ok();
    let stored = found.as_ref().and_then(|it| it.stored.token.as_ref());
    if token.is_some() && stored.map(|it| it.value.expose()) != token {
        assert_eq!(trouble, STORAGE, "{what}: the token is not stored");
    }
    if world.registrations() > registered {
        let record = &found.expect(what).stored.record;
        let mut attempts = record.attempts.values().flat_map(|by_origin| by_origin.values());
        assert!(attempts.any(|it| it.registered.is_some()), "{what}: no record of the attempt");
    }
}
