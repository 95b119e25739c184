// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hostile callers on the bus: whatever one of them does, the callers of another application are
//! served, and the daemon's memory comes back.

#![allow(unreachable_pub, reason = "a test has no outside")]

#[path = "hostile_callers/forgery.rs"]
mod forgery;
#[path = "hostile_callers/random.rs"]
mod random;
#[path = "hostile_callers/rig.rs"]
mod rig;
#[path = "hostile_callers/sizes.rs"]
mod sizes;
#[path = "hostile_callers/storm.rs"]
mod storm;
mod support;
