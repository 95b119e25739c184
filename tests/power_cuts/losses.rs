// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a disk may have lost when the power failed between two calls: every state that the model
//! of [`super::disk`] allows is laid out and opened with the real store.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::disk::{Change, Disk};
use super::world::{self, Content, Files, Operation};
use super::{Recording, may_trace, record, say};

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
    states: BTreeSet<Files>,
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
        if *change == Change::SyncDirectory {
            let names: Vec<_> = recording.changes[first..=number].iter().map(name).collect();
            let ends = [start, disk.shown()];
            all.push(Stretch { ends, states, what: names.join(", ") });
            (states, first, start) = (disk.crashes(), number + 1, disk.shown());
        }
    }
    all
}

fn name(change: &Change) -> String {
    match change {
        Change::Write(name, data) => format!("Write({name:?}, {} bytes)", data.len()),
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
