// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the server learns of this device, with the origin of each value.

use super::diagnostic::Diagnostics;
use super::user::User;
use crate::common::error::chain;
use crate::config::Config;
use crate::daemon::Options;
use crate::device::{self, DeviceInfo, Field, LONGEST_HEADER, UNKNOWN, Value};
use crate::store::Inspection;

pub(super) fn check(
    options: &Options,
    config: &Config,
    look: Option<&Inspection>,
    user: User,
    findings: &mut Diagnostics,
) {
    if !options.root.is_dir() {
        let message = format!("--root {}: found no such directory", options.root.display());
        findings.error("device", message);
        return;
    }
    let info = device::collect(&options.root, &config.settings.device);
    fields(&info, findings);
    headers(&info, config, findings);
    identity(options, config, look, user, findings);
}

fn fields(info: &DeviceInfo, findings: &mut Diagnostics) {
    let warnings = info.warnings();
    for field in Field::ALL {
        let key = field.key();
        let about_it =
            |warning: &String| Some(warning.strip_prefix(key)?.strip_prefix(": ")?.to_owned());
        let warning = warnings.iter().find_map(about_it);
        let found = info.0.get(&field);
        let finding = match (warning, found) {
            (Some(warning), _) => findings.warning("device", warning),
            (None, Some(found)) => {
                findings.ok("device", format!("{}  ({})", shown(&found.value), found.origin))
            }
            (None, None) => continue,
        };
        finding.of(key).origin(found.map_or(UNKNOWN, |found| &found.origin));
        if let Some(found) = found {
            finding.value(serde_json::to_value(&found.value).unwrap_or_default());
        }
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

/// One warning for each application whose header is too long, or for that without any application.
fn headers(info: &DeviceInfo, config: &Config, findings: &mut Diagnostics) {
    let mut judge = |of: &str, application_id: Option<&str>| {
        let length = info.header(application_id).len();
        if length > LONGEST_HEADER {
            let message = format!(
                "X-Device-Info{of} has {length} bytes; expected: at most {LONGEST_HEADER}, for \
                 servers and proxies refuse longer headers; shorten the texts in [device]"
            );
            findings.warning("device", message);
        }
    };
    for (id, application) in &config.applications {
        judge(&format!(" of {id}"), application.application_id.as_deref());
    }
    if config.applications.is_empty() {
        judge("", None);
    }
}

/// Which sources the identity rests on. Neither what they say nor their hash is said.
fn identity(
    options: &Options,
    config: &Config,
    look: Option<&Inspection>,
    user: User,
    findings: &mut Diagnostics,
) {
    let stored = look.is_some_and(Inspection::has_identity);
    let state = options.state.display();
    let decided = device::identity_for(&options.root, &config.settings.device, user.reader());
    let decided = match decided {
        Ok(decided) => decided,
        Err(error) if stored => {
            let message =
                format!("{}; the one stored in {state} stays in use, permanently", chain(&error));
            findings.warning("identity", message);
            return;
        }
        Err(error) => {
            let message = format!(
                "{}; until then tokend registers nothing, and uses no other source",
                chain(&error)
            );
            findings.error("identity", message);
            return;
        }
    };
    let origin = decided.origin();
    let finding = if stored {
        let message = format!(
            "stored in {state} already, which counts permanently; decided now, it would come from \
             {origin}"
        );
        findings.ok("identity", message)
    } else {
        let message = format!("decided at the first start, permanently; if now, from {origin}");
        match decided.weakness() {
            Some(weakness) => {
                let remedy = "give [device] identity_file the path of a file with a serial number";
                findings.warning("identity", format!("{message}; {weakness}; {remedy}"))
            }
            None => findings.ok("identity", message),
        }
    };
    finding.origin(origin);
}
