// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is about a program of somebody else: bash completes, mandoc reads, ip changes a network.
//! `cargo test` leaves this out; `cargo test --test foreign` names the package of what is missing.

#![allow(unreachable_pub, reason = "a test has no outside")]

#[path = "../e2e/again.rs"]
mod again;
#[allow(dead_code, reason = "its other parts are for tests/e2e")]
#[path = "../e2e/bus_rig.rs"]
mod bus_rig;
#[path = "../support/mod.rs"]
mod support;

mod completion;
mod dbus_reference;
mod device_data;
mod man_pages;
mod name_service;
mod sequences;
mod user_namespace;
mod watch;
