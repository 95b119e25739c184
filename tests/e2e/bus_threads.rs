// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the bus costs while nothing happens. The test is a process of its own: it counts its threads.

use std::fs;

use crate::again::{is_child, passes, this_test};
use crate::bus_rig::{APPLICATION1, CINEMA, PrivateBus, Rig, ready};

/// The threads of this process, and how often each has gone to sleep by itself.
fn threads() -> Vec<(String, u64)> {
    let read = |entry: fs::DirEntry| {
        let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            line.split_once(':').map_or("", |(_, value)| value.trim()).to_owned()
        };
        (field("Name"), field("voluntary_ctxt_switches").parse().unwrap_or(0))
    };
    fs::read_dir("/proc/self/task").unwrap().map(|entry| read(entry.unwrap())).collect()
}

fn sleeps_of_the_bus_thread() -> u64 {
    threads().iter().find(|(name, _)| name == "bus").unwrap().1
}

#[test]
fn the_bus_takes_one_thread_that_strangers_do_not_wake() {
    if !is_child() {
        passes(this_test());
        return;
    }
    let bus = PrivateBus::start("");
    let before = threads().len();
    let rig = Rig::on(bus, ready());
    // These clients have no thread.
    let call = ["tv.tokend", CINEMA, APPLICATION1, "GetToken", "u", "0"];
    for _ in 0..3 {
        let (good, text) = rig.bus.call(&call);
        assert!(good && text.contains("the-token"), "{text}");
    }
    rig.silence();
    let names: Vec<_> = threads().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), before + 1, "{names:?}");
    assert_eq!(names.iter().filter(|name| *name == "bus").count(), 1, "{names:?}");

    rig.silence();
    let sleeps = sleeps_of_the_bus_thread();
    let strangers = 40;
    for _ in 0..strangers {
        let ask = ["org.freedesktop.DBus", "/", "org.freedesktop.DBus", "GetId"];
        assert!(rig.bus.call(&ask).0);
    }
    rig.silence();
    let woken = sleeps_of_the_bus_thread() - sleeps;
    assert!(woken < strangers / 4, "woken {woken} times by {strangers} strangers");
}
