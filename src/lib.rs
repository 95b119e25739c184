//! tokend keeps Adobe Pass client credentials and access tokens for the player applications of a
//! device, and serves them over D-Bus. This is the map: one line for each module.

/// May this caller have this application's token? Pure.
pub mod access;
/// The configuration files, read and checked: settings in which nothing can be wrong any more.
pub mod config;
/// What the device says of itself: fields, sources, identity.
pub mod device;
/// Names, credentials, tokens and attempt records: plain data.
pub mod model;
/// A string that cannot be printed.
pub mod secret;
/// Boot time, wall time, "now": types only.
pub mod time;
