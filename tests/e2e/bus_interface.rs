// SPDX-License-Identifier: MIT OR Apache-2.0
//! The D-Bus interface as the contract, section 2, has it: the bus module on a real bus, with the
//! test in the daemon's place.

mod access;
mod client;
mod errors;
mod introspection;
mod lifetime;
mod manager;
mod signals;
mod tokens;
mod waiting;
