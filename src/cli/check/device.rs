// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the server learns of this device, with the origin of each value.

use super::finding::Findings;
use super::user::User;
use crate::cli::chain;
use crate::daemon::Options;
use crate::device::{self, Overrides, UNKNOWN, Value};
use crate::store::Look;

pub(super) fn check(
    options: &Options,
    overrides: &Overrides,
    look: Option<&Look>,
    user: User,
    findings: &mut Findings,
) {
    fields(options, overrides, findings);
    identity(options, overrides, look, user, findings);
}

fn fields(options: &Options, overrides: &Overrides, findings: &mut Findings) {
    let info = device::collect(&options.root, overrides);
    let warnings = info.warnings();
    for (field, found) in &info.0 {
        let key = field.key();
        let finding = if found.origin == UNKNOWN {
            let about_it = |warning: &String| {
                warning
                    .strip_prefix(key)
                    .and_then(|rest| rest.strip_prefix(": "))
                    .map(str::to_owned)
            };
            let warning = warnings.iter().find_map(about_it);
            findings.warning("device", warning.unwrap_or_else(|| "no source gives it".to_owned()))
        } else {
            findings.ok("device", format!("{}  ({})", shown(&found.value), found.origin))
        };
        let value = serde_json::to_value(&found.value).unwrap_or_default();
        finding.of(key).value(value).origin(&found.origin);
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Decimal(decimal) => decimal.to_string(),
        Value::Flag(flag) => flag.to_string(),
    }
}

/// Where the identity comes from. Neither what it is nor its hash is said.
fn identity(
    options: &Options,
    overrides: &Overrides,
    look: Option<&Look>,
    user: User,
    findings: &mut Findings,
) {
    let stored = look.is_some_and(Look::has_identity);
    let decided = match device::identity(&options.root, overrides) {
        Ok(decided) => decided.origin,
        Err(error) => {
            findings.error("identity", chain(&error));
            return;
        }
    };
    let state = options.state.display();
    let mut message = if stored {
        format!(
            "stored in {state} already, which counts for ever; decided now, it would come from {decided}"
        )
    } else {
        format!("decided at the first start, for ever; if now, from {decided}")
    };
    if user.own == 0 && decided.starts_with("/sys/class/dmi/") {
        message.push_str(
            " (only root can read that: if another user runs tokend, it decides from the next source)",
        );
    }
    let finding = if !stored && decided == "random" {
        message.push_str("; whoever empties the state directory makes another device of it");
        findings.warning("identity", message)
    } else {
        findings.ok("identity", message)
    };
    finding.origin(decided);
}
