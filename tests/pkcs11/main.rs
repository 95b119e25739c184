// SPDX-License-Identifier: MIT OR Apache-2.0
//! The seal `pkcs11` with real tokens of SoftHSM's, and with a module that misbehaves. No part of
//! `cargo test`, which would then need SoftHSM: `cargo test --test pkcs11` (the packages softhsm2
//! and opensc).

mod check;
mod hsm;
mod modules;
mod moves;
#[path = "../support/mod.rs"]
mod support;
mod tokens;
mod tpm;
