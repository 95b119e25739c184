// SPDX-License-Identifier: MIT OR Apache-2.0
//! Signals as events. The test is a process of its own: it sends itself
//! signals that would end it.

use nix::sys::signal::{Signal, raise};
use tokend::system::events::{Watch, Woken, block_signals};

use crate::again::{is_child, passes, this_test};

#[test]
fn signals_are_events_and_many_of_a_kind_are_one() {
    if !is_child() {
        passes(this_test());
        return;
    }
    block_signals().unwrap();
    // Before there is anybody to read it: it waits.
    raise(Signal::SIGTERM).unwrap();
    let mut watch = Watch::new().unwrap();
    assert_eq!(watch.wait(None).unwrap(), [Woken::Terminate]);

    for (signal, woken) in [
        (Signal::SIGHUP, Woken::Reload),
        (Signal::SIGINT, Woken::Terminate),
        (Signal::SIGTERM, Woken::Terminate),
        (Signal::SIGHUP, Woken::Reload),
    ] {
        raise(signal).unwrap();
        raise(signal).unwrap();
        assert_eq!(watch.wait(None).unwrap(), [woken]);
    }

    raise(Signal::SIGTERM).unwrap();
    raise(Signal::SIGINT).unwrap();
    assert_eq!(watch.wait(None).unwrap(), [Woken::Terminate]);
}
