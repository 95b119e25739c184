//! tokend keeps Adobe Pass client credentials and access tokens for the player applications of a
//! device, and serves them over D-Bus. This is the map: one line for each module, in the order in
//! which data flows.

/// What is known of this device: the data and the identity behind the request headers.
pub mod device;
/// The authorization server: its two requests, and what each answer means.
pub mod oauth;
/// What to do and when: a plain function of state, event and time.
pub mod lifecycle;
/// What the bus shows of an application, and whether its token will do.
pub mod view;
/// Names, credentials, tokens and attempt records: plain data.
pub mod model;
/// A string that cannot be printed.
pub mod secret;
/// Boot time, wall time, "now": types only.
pub mod time;
