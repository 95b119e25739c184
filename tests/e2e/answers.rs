// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every row of the contract's answer table (section 1), over the real wire: what an answer means
//! for the next request, and for the callers.

#![allow(unreachable_pub, reason = "a test has no outside")]

mod failures;
mod invalid_client;
mod refusals;
mod throttling;
mod tls;
mod unusable;

use crate::support::player::{CallError, Change, Changes};

const UNAVAILABLE: &str = "tv.tokend.Error.Unavailable";
const THROTTLED: &str = "tv.tokend.Error.Throttled";
const REJECTED: &str = "tv.tokend.Error.Rejected";

/// The property `LastError`, where this change tells of an error.
fn error(change: &Change) -> Option<CallError> {
    let (name, message) = change.get::<(String, String)>("LastError")?;
    (!name.is_empty()).then_some(CallError { name, message })
}

/// The next `LastError` that is one.
fn next_error(changes: &Changes) -> CallError {
    error(&changes.wait_for(|change| error(change).is_some())).expect("an error")
}
