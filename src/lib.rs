// SPDX-License-Identifier: MIT OR Apache-2.0
//! tokend keeps Adobe Pass client credentials and access tokens for the player applications of a
//! device, and serves them over D-Bus. This is the map: one line for each module, in the order in
//! which data flows.

// Who may have which token: pure rules over what the bus says of a caller.
pub mod access;
// The D-Bus objects, and the client's side of them: the only user of zbus.
pub mod bus;
// The commands of the command line.
pub mod cli;
// The configuration: found, judged by who could have written it, read and checked.
pub mod config;
// Waits for events, lets the lifecycle decide, runs its actions: knows everyone.
pub mod daemon;
// What is known of this device: the data and the identity behind the request headers.
pub mod device;
// What to do and when: a plain function of state, event and time.
pub mod lifecycle;
// The authorization server: its two requests, and what each answer means.
pub mod oauth;
// The root key, its sources, and the envelope sealed under it.
pub mod seal;
// Sealed files that survive a power cut.
pub mod store;
// What the bus shows of an application, and whether its token will do.
pub mod view;

// The clocks: the only place that reads one.
pub mod clock;
// What the process gives up before it holds a secret.
pub mod harden;
// Where log lines go.
pub mod logging;
// Memory that is not needed goes back to the kernel.
pub mod memory;
// What is said to the service manager.
pub mod systemd;
// The daemon's one waiting place.
pub mod watch;

// Names, credentials, tokens and attempt records: plain data.
pub mod model;
// A small map in the order of its keys.
pub mod map;
// A string that cannot be printed.
pub mod secret;
// Text that others have written, as people may see it.
pub mod text;
// Boot time, wall time, "now": types only.
pub mod time;

// What holds for any input from outside, for the fuzzer and its seeds; no part of the daemon.
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;

// What unit tests write goes where that of all other tests goes.
#[cfg(test)]
#[path = "../tests/support/scratch.rs"]
mod scratch;
