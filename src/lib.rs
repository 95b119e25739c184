//! tokend keeps Adobe Pass client credentials and access tokens for the player applications of a
//! device, and serves them over D-Bus. This is the map: one line for each module.

/// What is known of this device: the data and the identity behind the request headers.
pub mod device;
/// Names, credentials, tokens and attempt records: plain data.
pub mod model;
/// The authorization server: its two requests, and what each answer means.
pub mod oauth;
/// A string that cannot be printed.
pub mod secret;
/// Boot time, wall time, "now": types only.
pub mod time;
