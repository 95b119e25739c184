// SPDX-License-Identifier: MIT OR Apache-2.0
//! The slow part of `hostile_servers`: a good answer that breaks off after each of its bytes.
//! `cargo test --test hostile_servers_slow`.

#![allow(unreachable_pub, reason = "a test has no outside")]
#![allow(dead_code, reason = "the quick part uses the rest of these files")]

#[path = "e2e/hostile_servers"]
mod hostile_servers {
    pub mod early_close;
    pub mod rig;
}
mod support;

use hostile_servers::early_close::{Framing, at_every};

#[test]
fn an_answer_that_breaks_off_at_any_byte_is_not_stored() {
    at_every(1, &[Framing::Counted, Framing::Chunked, Framing::Closed]);
}
