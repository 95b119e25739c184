// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hostile callers on the bus: whatever one of them does, the callers of another application are
//! served, and the daemon's memory comes back.

#![allow(unreachable_pub, reason = "a test has no outside")]

mod attack;
mod attacks;
mod forgery;
mod random;
mod rig;
mod sizes;
mod storm;
