// SPDX-License-Identifier: MIT OR Apache-2.0
//! What `tokend check` finds, without the values that it shows an integrator.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::bounded;
use super::causes::Symptom;
use super::redact::Redactor;
use super::step::{Level, Step};
use crate::cli::check;
use crate::common::time::WallTime;
use crate::config::{Source, is_key};
use crate::daemon::Options;

const AS_JSON: check::Asked = check::Asked { json: true, strict: false };

pub(super) fn step(options: &Options, now: WallTime, redactor: &Redactor, limit: Duration) -> Step {
    let mut step = Step::begin("check");
    let options = copy(options);
    let Some((text, _)) = bounded::run(limit, move || check::run(&options, AS_JSON, now)) else {
        return step.late(limit);
    };
    let report: Value = serde_json::from_str(&text).unwrap_or_default();
    for finding in report["findings"].as_array().into_iter().flatten() {
        let word = |key: &str| finding[key].as_str().unwrap_or_default();
        let Some(said) = said(word, redactor) else { continue };
        let line = match word("key") {
            key if key.is_empty() || word("subject") == "configuration" => {
                format!("{}: {said}", word("subject"))
            }
            key => format!("{} {key}: {said}", word("subject")),
        };
        match word("level") {
            "error" => step.fail(symptom(word("subject"), &said), line),
            "warning" => step.line(Level::Warning, line),
            _ => step.line(Level::Ok, line),
        }
    }
    step.end()
}

/// What may be said of a finding; none if nothing that is of use.
fn said<'a>(word: impl Fn(&str) -> &'a str, redactor: &Redactor) -> Option<String> {
    let (level, message) = (word("level"), word("message"));
    let good = level == "ok";
    let said = match word("subject") {
        // What was found in the file is part of the message.
        "configuration" if level == "error" => fault(word("origin"), word("key")),
        "application" => format!("configured by {}", word("origin")),
        "reload" if good => return None,
        // Another step has these, with their values as far as they come from the device.
        "device" if good => return None,
        "callers" if good => "named".to_owned(),
        "callers" => match message.strip_prefix("root only").and(message.split(':').next()) {
            Some(beginning) => beginning.to_owned(),
            None => {
                "the number 65534 is among them, which is everybody without a number".to_owned()
            }
        },
        "statement" if good => match message.find(", issued").or(message.find(", expires")) {
            Some(dates) => format!("a JWT{}", &message[dates..]),
            None => "a JWT".to_owned(),
        },
        _ => message.to_owned(),
    };
    Some(redactor.redact(&said))
}

/// Where a fault is, and of which key, but neither what was found nor a key that there is not.
fn fault(origin: &str, key: &str) -> String {
    let what = match key {
        "" => String::new(),
        key if is_key(key) => format!(": {key}"),
        _ => ": a key that tokend does not know".to_owned(),
    };
    format!("{origin}{what}: is not right; tokend check says what was found and what is expected")
}

fn symptom(subject: &str, said: &str) -> Symptom {
    match subject {
        "configuration" | "application" | "reload" => Symptom::Configuration,
        "seal" => Symptom::Seal,
        "state" | "credentials" if said.contains("is wrong") => Symptom::WrongKey,
        "state" | "credentials" | "user" => Symptom::State,
        "statement" => Symptom::Statement,
        "identity" | "device" => Symptom::Identity,
        "server" => Symptom::Roots,
        _ => Symptom::Check,
    }
}

/// The same options, for a thread of their own.
pub(super) fn copy(options: &Options) -> Options {
    let Options { config: Source { directory, credentials }, state, root, bus } = options;
    Options {
        config: Source { directory: directory.clone(), credentials: credentials.clone() },
        state: PathBuf::clone(state),
        root: PathBuf::clone(root),
        bus: bus.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said_of(finding: &[(&str, &str)]) -> Option<String> {
        let word = |key: &str| {
            finding.iter().find_map(|(name, value)| (*name == key).then_some(*value)).unwrap_or("")
        };
        said(word, &Redactor::default())
    }

    #[test]
    fn a_fault_says_where_and_which_key_but_nothing_of_the_file() {
        let fault = |key| {
            said_of(&[
                ("level", "error"),
                ("subject", "configuration"),
                ("origin", "/etc/tokend/tokend.toml:3"),
                ("key", key),
                ("message", "/etc/tokend/tokend.toml:3: x: found \"hunter2\"; legal: y"),
            ])
            .unwrap()
        };
        assert!(
            fault("storage.seal").starts_with("/etc/tokend/tokend.toml:3: storage.seal: is not")
        );
        assert!(!fault("hunter2").contains("hunter2") && !fault("").contains("hunter2"));
        assert!(fault("hunter2").contains("a key that tokend does not know"));
    }

    #[test]
    fn neither_claims_nor_callers_are_said() {
        let statement = [
            ("level", "ok"),
            ("subject", "statement"),
            (
                "message",
                "/f: a JWT for client_name \"Cinema\", issued 2017-04-28, expires 2030-03-17",
            ),
        ];
        let wanted = "a JWT, issued 2017-04-28, expires 2030-03-17";
        assert_eq!(said_of(&statement).unwrap(), wanted);
        for (level, message, wanted) in [
            ("ok", "root, and callers of the users gui", "named"),
            ("warning", "root only: none of allow_users is given", "root only"),
            (
                "warning",
                "root only, for this matches nobody: root, and callers of the users gui",
                "root only, for this matches nobody",
            ),
        ] {
            let finding = [("level", level), ("subject", "callers"), ("message", message)];
            assert_eq!(said_of(&finding).unwrap(), wanted);
        }
    }
}
