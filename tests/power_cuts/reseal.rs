// SPDX-License-Identifier: MIT OR Apache-2.0
//! `tokend reseal`, killed before each call, on a failing disk, and on every disk that a power cut
//! may leave: all opens under the old key or all under the new one, and a second try ends it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, thread};

use tokend::common::model::Stored;
use tokend::config::{KeyFile, Seal};
use tokend::seal;
use tokend::store::{self, StateDir, Store};

use super::disk::{self, Disk};
use super::strace::{self, Call, Strike};
use super::support::tokend::Ran;
use super::world::{self, CINEMA, Files, Operation, World};
use super::{STATEMENT, WORKERS, may_trace, say};

/// Nothing of a start belongs to this operation; its device has registered and fetched once.
const BEGINNING: Operation = Operation::Replacement;
const ERRORS: [&str; 4] = ["ENOSPC", "EIO", "EROFS", "EACCES"];

struct Mover {
    world: World,
    token: String,
    old: PathBuf,
}

impl Mover {
    fn new() -> Self {
        let mut world = World::new(BEGINNING, &STATEMENT);
        let old = world.device.config().join("old");
        fs::create_dir(&old).unwrap();
        fs::copy(world.device.config().join("tokend.toml"), old.join("tokend.toml")).unwrap();
        world.device.set("storage", "seal", "\"key-file\"");
        world.device.set("storage", "key_file", "\"seal.key\"");
        world.device.write_config("seal.key", &"k.".repeat(16));
        let token = open_copy(&world.before, &Seal::Generated).unwrap().0.token.unwrap();
        let token = token.value.expose().to_owned();
        Self { world, token, old }
    }

    fn key(&self) -> Seal {
        key_file(&self.world.device.config().join("seal.key"))
    }

    fn run(&self) -> Ran {
        let device = &self.world.device;
        let paths = [self.old.clone(), device.config(), device.state()];
        let [old, config, state] = paths.map(|path| path.display().to_string());
        device.run(&["reseal", "--from", &old, "--config", &config, "--state", &state])
    }

    fn reset(&self) {
        let state = self.world.device.state();
        fs::remove_dir_all(&state).unwrap();
        world::write(&state, &self.world.before);
    }

    /// Whatever happened: whole under one key; a second try ends it; the daemon goes on.
    fn check(&mut self, what: &str) {
        self.world.device.set_runner(Vec::new());
        let (before, state) = (self.world.before.clone(), self.world.device.state());
        let registered = self.world.registrations();
        check(&before, &world::read(&state), &self.key(), what);
        let ran = self.run();
        assert_eq!(ran.code, Some(0), "{what}: {ran:?}");
        let tokend = self.world.start().unwrap_or_else(|| panic!("{what}: no start"));
        assert_eq!(self.world.token().unwrap_or_default(), self.token, "{what}");
        assert_eq!(tokend.terminate().code(), 0, "{what}");
        assert_eq!(self.world.registrations(), registered, "{what}");
        let names: Vec<_> = world::read(&state).into_keys().collect();
        let wanted: Vec<_> = before.into_keys().filter(|name| name != "generated-key").collect();
        assert_eq!(names, wanted, "{what}");
    }
}

struct Recording {
    lines: Vec<strace::Line>,
    names: Vec<String>,
    before: Files,
    after: Files,
    changes: Vec<disk::Change>,
    key: PathBuf,
}

fn record() -> Recording {
    let mut mover = Mover::new();
    let state = mover.world.device.state();
    let known: Vec<_> = mover.world.before.keys().cloned().collect();
    let beside = known.iter().map(|name| format!(".new-{name}"));
    let mut names: Vec<_> = known.iter().cloned().chain(beside).collect();
    names.extend(names.clone().iter().map(|name| format!(".tmp-{name}")));
    let log = tempfile::NamedTempFile::new().unwrap();
    mover.world.device.set_runner(strace::recording(&state, &names, log.path()));
    mover.reset();
    let ran = mover.run();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let lines = strace::read(&fs::read_to_string(log.path()).unwrap());
    let changes = disk::changes(&lines, &state);
    let (before, after) = (mover.world.before.clone(), world::read(&state));
    let key = tempfile::NamedTempFile::new().unwrap().into_temp_path().keep().unwrap();
    fs::write(&key, "k.".repeat(16)).unwrap();
    Recording { lines, names, before, after, changes, key }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.key);
    }
}

fn key_file(path: &Path) -> Seal {
    Seal::KeyFile(KeyFile { path: path.to_owned(), from_credential: false, credential: None })
}

type Content = (Stored, Option<String>);

fn open(state: &Path, seal: &Seal) -> Result<Content, String> {
    let dir = Arc::new(StateDir::lock(state).map_err(|error| format!("{error:?}"))?);
    let mut source = seal::source(seal, dir.path());
    let mut store = Store::open(dir, source.as_mut()).map_err(|error| format!("{error:?}"))?;
    let stored = store.load(&CINEMA.parse().unwrap()).map_err(|error| format!("{error:?}"))?;
    let identity = store.identity().map_err(|error| format!("{error:?}"))?;
    assert!(stored.1.is_empty() && identity.1.is_empty(), "{stored:?}, {identity:?}");
    Ok((stored.0, identity.0))
}

/// A copy of `files` that nobody has locked before: a process that another test has just forked may
/// hold a lock a moment longer.
fn laid_out(files: &Files) -> (tempfile::TempDir, PathBuf) {
    let temp = tempfile::tempdir().unwrap();
    let state = temp.path().join("state");
    world::write(&state, files);
    (temp, state)
}

fn open_copy(files: &Files, seal: &Seal) -> Result<Content, String> {
    let (_temp, state) = laid_out(files);
    open(&state, seal)
}

/// Under which key these files open, and that a second try ends under the new one.
fn check(before: &Files, files: &Files, key: &Seal, what: &str) {
    let whole = open_copy(before, &Seal::Generated).unwrap();
    let opened = [&Seal::Generated, key].map(|seal| open_copy(files, seal));
    assert_eq!(opened.iter().filter(|it| it.is_ok()).count(), 1, "{what}: {opened:?}");
    assert_eq!(opened.into_iter().find_map(Result::ok).as_ref(), Some(&whole), "{what}");

    let (_temp, state) = laid_out(files);
    let dir = StateDir::lock(&state).unwrap();
    let [mut old, mut new] = [&Seal::Generated, key].map(|seal| seal::source(seal, &state));
    let done = store::reseal(&dir, old.as_mut(), new.as_mut(), &mut Vec::new());
    done.unwrap_or_else(|error| panic!("{what}: {error:?}"));
    drop(dir);
    let after = world::read(&state);
    assert_eq!(open_copy(&after, key).as_ref(), Ok(&whole), "{what}");
    for name in after.keys() {
        assert!(!name.starts_with('.') && name != "generated-key", "{what}: {name}");
    }
}

/// Strikes at every call, on several devices at once.
fn strike_everywhere(recording: &Recording, strikes: &[(Call, Strike)]) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                let mut mover = Mover::new();
                while let Some((call, strike)) = strikes.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let what = format!("reseal, {call}: {strike:?}");
                    mover.reset();
                    let state = mover.world.device.state();
                    let runner = strace::striking(&state, &recording.names, call, *strike);
                    mover.world.device.set_runner(runner);
                    let ran = mover.run();
                    let expected = match strike {
                        Strike::Kill => ran.code.is_none(),
                        _ => [0, 73, 74].map(Some).contains(&ran.code),
                    };
                    assert!(expected, "{what}: {ran:?}");
                    mover.check(&what);
                }
            });
        }
    });
}

#[test]
fn power_cuts_during_reseal() {
    if !may_trace() {
        return;
    }
    let recording = record();
    let cuts: Vec<_> =
        strace::calls(&recording.lines).into_iter().map(|call| (call, Strike::Kill)).collect();
    strike_everywhere(&recording, &cuts);
    say(&format!("reseal: {} power cuts survived", cuts.len()));
}

#[test]
fn storage_faults_during_reseal() {
    if !may_trace() {
        return;
    }
    let recording = record();
    let calls = strace::calls(&recording.lines).into_iter().filter(|call| call.name != "close");
    let faults: Vec<_> = calls
        .enumerate()
        .map(|(number, call)| (call, Strike::Fail(ERRORS[number % ERRORS.len()])))
        .collect();
    strike_everywhere(&recording, &faults);
    say(&format!("reseal: {} storage faults survived", faults.len()));
}

#[test]
fn what_a_disk_may_lose_during_reseal() {
    if !may_trace() {
        return;
    }
    let recording = record();
    let mut disk = Disk::new(&recording.before);
    let mut states: BTreeSet<Files> = disk.crashes();
    for change in &recording.changes {
        disk.apply(change);
        states.append(&mut disk.crashes());
    }
    assert_eq!(disk.shown(), recording.after, "the model is another disk");
    assert!(disk.is_settled(), "the last change is not durable");
    let (states, next) = (states.into_iter().collect::<Vec<_>>(), AtomicUsize::new(0));
    let key = key_file(&recording.key);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(files) = states.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let sizes: Vec<_> =
                        files.iter().map(|(name, it)| format!("{name} {}", it.len())).collect();
                    check(&recording.before, files, &key, &sizes.join(", "));
                }
            });
        }
    });
    say(&format!(
        "reseal: {} states of the disk after {} changes",
        states.len(),
        recording.changes.len()
    ));
}
