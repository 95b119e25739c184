//! tokend keeps Adobe Pass client credentials and access tokens for the player applications of a
//! device, and serves them over D-Bus. This is the map: one line for each module.

/// May this caller have this application's token? Pure.
pub mod access;
/// The D-Bus objects and the client of them: the only user of zbus.
pub mod bus;
/// argv to a command; each client command in its own file.
pub mod cli;
/// The only place that reads a clock.
pub mod clock;
/// Names, credentials, tokens and attempt records: plain data.
pub mod model;
/// A string that cannot be printed.
pub mod secret;
/// Boot time, wall time, "now": types only.
pub mod time;
/// What the bus serves of an application, and whether the cached token will do. Pure.
pub mod view;
