// SPDX-License-Identifier: MIT OR Apache-2.0
//! Networks that are not there, lead nowhere, come, go and change, with the real daemon, the
//! system's own resolver, and real interfaces in network namespaces. A minute and more, so it is no
//! part of `cargo test`: `cargo test --test network -- --test-threads 8`. Only root can run it.

#![allow(unreachable_pub, reason = "a test has no outside")]

mod dns;
mod home;
mod hosts;
#[path = "../support/mod.rs"]
mod support;

mod backoff;
mod bundles;
mod connection;
mod diagnose;
mod families;
mod lookup;
mod other_link;
mod silence;

use support::player::{Change, Changes};

const UNAVAILABLE: &str = "tv.tokend.Error.Unavailable";

/// The next failure whose message contains this.
fn wait_for_error(changes: &Changes, wanted: &str) {
    changes.wait_for(|change| {
        let error: Option<(String, String)> = error(change);
        error.is_some_and(|(name, message)| name == UNAVAILABLE && message.contains(wanted))
    });
}

fn error(change: &Change) -> Option<(String, String)> {
    change.get("LastError")
}
