// SPDX-License-Identifier: MIT OR Apache-2.0
//! Real clocks and real standby, in a virtual machine with a kernel of its own: boots in 1970 and in
//! 2040, clocks that are set while the daemon runs, standby, a leap second, reboots.
//!
//! This sets the clock of the machine it runs on, so it runs nowhere but in that one:
//! `tests/machine/run` makes it, boots it and starts this in it.

#![allow(unreachable_pub, reason = "a test has no outside")]

mod across_2038;
mod boot_in_1970;
mod boot_in_2040;
mod clock_changes;
mod guest;
mod kernel_clock;
mod reboot;
mod standby;
#[path = "../support/mod.rs"]
mod support;
