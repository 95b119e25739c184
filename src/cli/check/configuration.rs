// SPDX-License-Identifier: MIT OR Apache-2.0
//! What was read, what is wrong with it, and what is hardly meant.

use super::diagnostic::Diagnostics;
use crate::common::access::Name;
use crate::config::{Config, Fault};

pub(super) fn check(config: &Config, findings: &mut Diagnostics) {
    let file = config.file.display().to_string();
    findings.ok("configuration", format!("{file} is good")).origin(file);
    for application in config.applications.values() {
        let file = application.file.display().to_string();
        let mut message = format!("configured by {file}");
        if let Some(uri) = &application.redirect_uri {
            message.push_str(&format!(", redirect_uri {uri}"));
        }
        if let Some(id) = &application.application_id {
            message.push_str(&format!(", application_id {id}"));
        }
        findings.ok("application", message).of(&application.id).origin(file);
    }
    faults(&config.faults, findings);
    for warning in &config.warnings {
        findings.warning("configuration", warning);
    }
    let users: Vec<_> = config.settings.reload_users.iter().map(name).collect();
    let root = std::iter::once("root".to_owned());
    let who = root.chain(users).collect::<Vec<_>>().join(", ");
    let message = format!("may be called by {who}");
    match config.settings.reload_users.iter().any(Name::is_nobody) {
        false => findings.ok("reload", message),
        true => findings.warning("reload", format!("{message}; {}", Name::NOBODY_MEANS)),
    };
}

/// One error each.
pub(super) fn faults(faults: &[Fault], findings: &mut Diagnostics) {
    for fault in faults {
        let mut place = fault.file.display().to_string();
        if let Some(line) = fault.line {
            place.push_str(&format!(":{line}"));
        }
        let finding = findings.error("configuration", fault.to_string()).origin(place);
        if let Some(key) = &fault.key {
            finding.key(key);
        }
    }
}

/// A user or a group, with the number that stands for it.
pub(super) fn name(name: &Name) -> String {
    match name.id {
        None => format!("{name} (unknown)"),
        Some(id) if id.to_string() == name.text => name.text.clone(),
        Some(id) => format!("{name} ({id})"),
    }
}
