//! tokend keeps Adobe Pass client credentials and access tokens for the player applications of a
//! device, and serves them over D-Bus. This is the map: one line for each module.

/// Boot time, wall time, "is the clock set": the only place that reads a clock.
pub mod clock;
/// What the process gives up before it holds a secret.
pub mod harden;
/// The log: stderr, the journal or syslog.
pub mod logging;
/// Names, credentials, tokens and attempt records: plain data.
pub mod model;
/// A string that cannot be printed.
pub mod secret;
/// What is said to the service manager: READY, STATUS, WATCHDOG.
pub mod systemd;
/// Boot time, wall time, "now": types only.
pub mod time;
/// The daemon's one waiting place: signals, deadlines, the network, the display, files.
pub mod watch;
