// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hostile and broken authorization servers, at the socket: no request outlives its time limit,
//! nothing bad is stored, memory stays bounded, and the next good answer is taken.

#![allow(unreachable_pub, reason = "a test has no outside")]

#[path = "hostile_servers/answers.rs"]
mod answers;
#[path = "hostile_servers/early_close.rs"]
mod early_close;
#[path = "hostile_servers/rig.rs"]
mod rig;
#[path = "hostile_servers/streams.rs"]
mod streams;
mod support;
#[path = "hostile_servers/tls.rs"]
mod tls;
