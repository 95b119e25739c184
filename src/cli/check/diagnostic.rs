// SPDX-License-Identifier: MIT OR Apache-2.0
//! Diagnostics, as lines and as JSON, where they are called findings.

use serde::Serialize;
use serde_json::Value;

use crate::common::text::{escaped_json, printable};

/// How good or bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    Ok,
    Warning,
    Error,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One line.
#[derive(Debug, Serialize)]
pub(super) struct Diagnostic {
    level: Level,
    subject: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    /// The line shows the key in front of the message; else the message says it.
    #[serde(skip)]
    key_in_front: bool,
}

impl Diagnostic {
    /// Of what or of whom, in front of the message.
    pub(super) fn of(&mut self, key: impl ToString) -> &mut Self {
        self.key_in_front = true;
        self.key(key)
    }

    pub(super) fn key(&mut self, key: impl ToString) -> &mut Self {
        self.key = Some(key.to_string());
        self
    }

    pub(super) fn value(&mut self, value: impl Into<Value>) -> &mut Self {
        self.value = Some(value.into());
        self
    }

    pub(super) fn origin(&mut self, origin: impl Into<String>) -> &mut Self {
        self.origin = Some(origin.into());
        self
    }

    fn what(&self) -> String {
        match &self.key {
            Some(key) if self.key_in_front => format!("{} {key}", self.subject),
            _ => self.subject.to_owned(),
        }
    }
}

/// All findings, in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Diagnostics {
    all: Vec<Diagnostic>,
    /// A warning is as bad as an error.
    pub(super) strict: bool,
}

impl Diagnostics {
    pub(super) fn new(strict: bool) -> Self {
        Self { all: Vec::new(), strict }
    }

    pub(super) fn ok(
        &mut self,
        subject: &'static str,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        self.add(Level::Ok, subject, message)
    }

    pub(super) fn warning(
        &mut self,
        subject: &'static str,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        self.add(Level::Warning, subject, message)
    }

    pub(super) fn error(
        &mut self,
        subject: &'static str,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        self.add(Level::Error, subject, message)
    }

    pub(super) fn add(
        &mut self,
        level: Level,
        subject: &'static str,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        let (key, value, origin) = Default::default();
        let message = message.into();
        let at = self.all.len();
        self.all.push(Diagnostic {
            level,
            subject,
            message,
            key,
            value,
            origin,
            key_in_front: false,
        });
        &mut self.all[at]
    }

    pub(super) fn good(&self) -> bool {
        let bad = |level| level == Level::Error || (self.strict && level == Level::Warning);
        !self.all.iter().any(|finding| bad(finding.level))
    }

    pub(super) fn text(&self) -> String {
        // A name of 64 letters must not push all the others to the right.
        const WIDEST: usize = 28;
        let whats: Vec<_> = self.all.iter().map(Diagnostic::what).collect();
        let widths = whats.iter().map(String::len).filter(|width| *width <= WIDEST);
        let width = widths.max().unwrap_or(0);
        let line = |(finding, what): (&Diagnostic, &String)| {
            let level = finding.level.word();
            format!("{level:7}  {what:width$}  {}\n", printable(&finding.message))
        };
        self.all.iter().zip(&whats).map(line).collect()
    }

    pub(super) fn json(&self) -> String {
        let report = serde_json::json!({ "ok": self.good(), "findings": self.all });
        escaped_json(&format!("{report:#}\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings() -> Diagnostics {
        let mut findings = Diagnostics::default();
        findings.ok("seal", "good");
        findings.warning("device", "Tele\u{1b}[2Jvision").of("model").value(7).origin("somewhere");
        findings.error("configuration", "a.toml:1: x: bad").key("x");
        findings.ok("statement", "far").of("y".repeat(64));
        findings
    }

    #[test]
    fn lines_are_aligned_and_no_terminal_obeys_them() {
        let long = "y".repeat(64);
        let wanted = format!(
            "ok       seal           good\n\
             warning  device model   Tele [2Jvision\n\
             error    configuration  a.toml:1: x: bad\n\
             ok       statement {long}  far\n"
        );
        assert_eq!(findings().text(), wanted);
    }

    #[test]
    fn json_leaves_out_what_there_is_not() {
        let json: Value = serde_json::from_str(&findings().json()).unwrap();
        assert_eq!(json["ok"], false);
        let wanted = serde_json::json!({ "level": "ok", "subject": "seal", "message": "good" });
        assert_eq!(json["findings"][0], wanted);
        assert_eq!(json["findings"][1]["value"], 7);
        assert_eq!(json["findings"][2]["key"], "x");
    }

    #[test]
    fn only_an_error_makes_it_bad() {
        let mut findings = Diagnostics::default();
        findings.warning("clock", "late");
        assert!(findings.good());
        findings.strict = true;
        assert!(!findings.good(), "strict, a warning does too");
        findings.strict = false;
        findings.error("clock", "wrong");
        assert!(!findings.good());
    }
}
