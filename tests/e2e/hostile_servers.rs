// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hostile and broken authorization servers, at the socket: no request outlives its time limit,
//! nothing bad is stored, memory stays bounded, and the next good answer is taken.

#![allow(unreachable_pub, reason = "a test has no outside")]

mod answers;
mod early_close;
mod rig;
mod streams;
mod tls;
