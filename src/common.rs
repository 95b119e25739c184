// SPDX-License-Identifier: MIT OR Apache-2.0
//! What every room may use: plain data and small tools. No file, no clock, no network.

/// Who may have which token: pure rules over what the bus says of a caller.
pub mod access;
/// What an answer of the server means.
pub mod answer;
/// An error with its causes.
pub mod error;
/// What the program exits with.
pub mod exit;
/// A small map in the order of its keys.
pub mod map;
/// Names, credentials, tokens and attempt records: plain data.
pub mod model;
#[cfg(any(test, fuzzing))]
pub(crate) mod recipe;
/// A string that cannot be printed.
pub mod secret;
/// Text that others have written, as people may see it.
pub mod text;
/// Boot time, wall time, "now": types only.
pub mod time;
