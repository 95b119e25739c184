// SPDX-License-Identifier: MIT OR Apache-2.0
//! The authorization server, and the root certificates that it is checked against. Nothing is sent.

use super::diagnostic::Diagnostics;
use crate::common::error::chain;
use crate::config::Server;
use crate::oauth::roots::{self, Roots};

pub(super) fn check(server: &Server, findings: &mut Diagnostics) {
    let Server { origin, ca_file, .. } = server;
    let tls = origin.0.starts_with("https:");
    let finding = if tls {
        findings.ok("server", origin.to_string())
    } else {
        findings.warning("server", format!("{origin}: without TLS, which is good for tests alone"))
    };
    finding.value(origin.0.as_str());

    let loaded = match roots::load(ca_file.as_deref()) {
        Ok(loaded) => loaded,
        Err(error) => {
            findings.error("server", chain(&error));
            return;
        }
    };
    if let Some(damage) = &loaded.damage {
        findings.warning("server", damage);
    }
    match loaded.roots {
        Roots::Found(found) => {
            let message = format!("{} root certificates from {}", found.len(), loaded.from);
            findings.ok("server", message).origin(loaded.from);
        }
        Roots::CompiledIn if loaded.damage.is_none() => {
            let message = "this system has no bundle of root certificates: those compiled in count";
            findings.ok("server", message).origin(loaded.from);
        }
        Roots::CompiledIn => {}
    }
}
