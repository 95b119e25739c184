//! tokend keeps Adobe Pass client credentials and access tokens for the player applications of a
//! device, and serves them over D-Bus. This is the map: one line for each module.

/// The configuration, checked.
pub mod config;
/// Names, credentials, tokens and attempt records: plain data.
pub mod model;
/// The root key, its sources, and the envelope sealed under it.
pub mod seal;
/// A string that cannot be printed.
pub mod secret;
/// Sealed files that survive a power cut.
pub mod store;
/// Boot time, wall time, "now": types only.
pub mod time;
