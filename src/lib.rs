// SPDX-License-Identifier: MIT OR Apache-2.0
//! tokend keeps Adobe Pass client credentials and access tokens for the player applications of a
//! device, and serves them over D-Bus. This is the map: one line for each room, from the top floor
//! down. A room imports from those below it alone, which tests/e2e/layout.rs holds.

// The commands of the command line.
pub mod cli;
// Waits for events, lets the lifecycle decide, runs its actions: knows everyone.
pub mod daemon;
// The client's side of the bus, for the command line: the only user of zbus.
pub mod client;
// The service on the bus: reads each call, decides who may have what, answers.
pub mod bus;
// Sealed files that survive a power cut.
pub mod store;
// The root key, its sources, and the envelope sealed under it.
pub mod seal;
// The configuration: found, judged by who could have written it, read and checked.
pub mod config;
// What is known of this device: the data and the identity behind the request headers.
pub mod device;
// The authorization server: its two requests, and what each answer means.
pub mod oauth;
// What to do and when: a plain function of state, event and time.
pub mod lifecycle;
// The machine under it: clocks, files, events, the log, the process.
pub mod system;
// Plain data and small tools for everyone.
pub mod common;

// What holds for any input from outside, for the fuzzer and its seeds; no part of the daemon.
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;

// What unit tests write goes where that of all other tests goes.
#[cfg(test)]
#[path = "../tests/support/scratch.rs"]
mod scratch;
