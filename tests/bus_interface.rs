// SPDX-License-Identifier: MIT OR Apache-2.0
//! The D-Bus interface as the contract, section 2, has it: the bus module on a real bus, with the
//! test in the daemon's place.

mod bus_rig;

#[path = "bus_interface/access.rs"]
mod access;
#[path = "bus_interface/client.rs"]
mod client;
#[path = "bus_interface/errors.rs"]
mod errors;
#[path = "bus_interface/introspection.rs"]
mod introspection;
#[path = "bus_interface/lifetime.rs"]
mod lifetime;
#[path = "bus_interface/manager.rs"]
mod manager;
#[path = "bus_interface/signals.rs"]
mod signals;
#[path = "bus_interface/tokens.rs"]
mod tokens;
#[path = "bus_interface/waiting.rs"]
mod waiting;
