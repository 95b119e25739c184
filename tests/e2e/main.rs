// SPDX-License-Identifier: MIT OR Apache-2.0
//! What tokend promises, tried from outside: a module for each promise. Each test has a bus, a server
//! and a state directory of its own, so that all can run side by side.

#![allow(unreachable_pub, reason = "a test has no outside")]

#[path = "../support/mod.rs"]
mod support;

mod access;
mod again;
mod answers;
mod authority;
mod bad_configuration;
mod broken_situations;
mod bus_interface;
mod bus_rig;
mod bus_threads;
mod check;
mod command_line;
mod dbus_reference;
mod developers_sandbox;
mod device_data;
mod diagnose;
mod documentation;
mod faults;
mod first_start;
mod fleet;
mod forget;
mod harden;
mod history;
mod hostile_callers;
mod hostile_servers;
mod installation;
mod layout;
mod leftovers;
mod logging;
mod man_pages;
mod memory_of_secrets;
mod old_store;
mod panics;
mod platforms;
mod private_bus;
mod process;
mod refresh;
mod reload;
mod reseal;
mod restart;
mod same_server;
mod same_user;
mod secrets;
mod sequences;
mod signals;
mod statements;
mod status_watch;
mod storage;
mod storage_faults;
mod systemd;
