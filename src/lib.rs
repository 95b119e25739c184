//! tokend keeps Adobe Pass client credentials and access tokens for the player applications of a
//! device, and serves them over D-Bus. This is the map: one line for each module.

/// What to do and when: a plain function of state, event and time.
pub mod lifecycle;
/// Names, credentials, tokens and attempt records: plain data.
pub mod model;
/// stand-in
pub mod oauth;
/// A string that cannot be printed.
pub mod secret;
/// Boot time, wall time, "now": types only.
pub mod time;
/// stand-in
pub mod view;
