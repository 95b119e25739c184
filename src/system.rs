// SPDX-License-Identifier: MIT OR Apache-2.0
//! The machine under the daemon: its clocks, files, events and log, and the process itself.

/// The clocks: the only place that reads one.
pub mod clock;
/// The daemon's one waiting place.
pub mod events;
/// Files that survive a power cut, files that may be believed, files below a root directory.
pub mod fs;
/// Where log lines go.
pub mod logging;
/// Memory that is not needed goes back to the kernel.
pub mod memory;
/// What is said to the service manager.
pub mod notify;
/// What the process gives up before it holds a secret.
pub mod process;
