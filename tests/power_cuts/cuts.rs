// SPDX-License-Identifier: MIT OR Apache-2.0
//! The process is killed before each call on the state directory, as a power cut ends it.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::strace::{self, Call, Strike};
use super::world::{Operation, World};
use super::{Recording, check_fresh_start, may_trace, on_many_devices, record, say};

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
    if let Some(tokend) = world.start() {
        let done = world.operate();
        let ended = if done.is_ok() { tokend.terminate() } else { tokend.wait_exit() };
        killed = ended.code() == 128 + 9;
        assert!(killed || done.is_ok() && ended.code() == 0, "{what}: {done:?}, {ended:?}");
    }
    check_fresh_start(world, recording, registered, "", &what);
    killed
}

fn kinds(calls: &[Call]) -> String {
    let mut kinds = BTreeMap::<&str, usize>::new();
    calls.iter().for_each(|call| *kinds.entry(&call.name).or_default() += 1);
    let kinds: Vec<_> = kinds.iter().map(|(name, count)| format!("{count} {name}")).collect();
    kinds.join(", ")
}
