// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ways to files, each with a promise of its own.

/// Writes that are all there or not at all, whatever becomes of the power.
pub(crate) mod durable;
/// Disks that fail, for tests.
#[cfg(test)]
pub(crate) mod faults;
/// The files in which a device describes itself, below `/` or a copy of its tree.
pub mod rooted;
#[cfg(any(test, fuzzing))]
pub(crate) mod scratch;
/// Files that only root and the user that runs tokend can change.
pub mod trusted;
