// SPDX-License-Identifier: MIT OR Apache-2.0
//! Signals as events. The test is a process of its own: it sends itself
//! signals that would end it.

use nix::sys::signal::{Signal, raise};
use tokend::system::events::{EventLoop, Wakeup, block_signals};

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
    let mut watch = EventLoop::new().unwrap();
    assert_eq!(watch.wait(None).unwrap(), [Wakeup::Terminate]);

    for (signal, woken) in [
        (Signal::SIGHUP, Wakeup::Reload),
        (Signal::SIGINT, Wakeup::Terminate),
        (Signal::SIGTERM, Wakeup::Terminate),
        (Signal::SIGHUP, Wakeup::Reload),
    ] {
        raise(signal).unwrap();
        raise(signal).unwrap();
        assert_eq!(watch.wait(None).unwrap(), [woken]);
    }

    raise(Signal::SIGTERM).unwrap();
    raise(Signal::SIGINT).unwrap();
    assert_eq!(watch.wait(None).unwrap(), [Wakeup::Terminate]);
}
