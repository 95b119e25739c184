// SPDX-License-Identifier: MIT OR Apache-2.0
//! The steps and their lines, as text and as JSON.

use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use super::causes::{Cause, Symptom};
use super::redact::{Redactor, escaped};
use crate::oauth::probe::{Stopwatch, seconds};

/// How good or bad a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    Ok,
    Info,
    Warning,
    Error,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Info => "",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    Ok,
    Failed,
    Skipped,
}

/// One line.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    pub(super) level: Level,
    pub(super) text: String,
}

/// One step.
pub(super) struct Step {
    name: &'static str,
    outcome: Outcome,
    took: Duration,
    watch: Stopwatch,
    pub(super) lines: Vec<Line>,
    /// What it has seen that a cause may be found by.
    pub(super) symptoms: Vec<Symptom>,
}

impl Step {
    /// It begins now.
    pub(super) fn begin(name: &'static str) -> Self {
        Self {
            name,
            outcome: Outcome::Ok,
            took: Duration::ZERO,
            watch: Stopwatch::start(),
            lines: Vec::new(),
            symptoms: Vec::new(),
        }
    }

    pub(super) fn line(&mut self, level: Level, text: impl Into<String>) {
        self.lines.push(Line { level, text: text.into() });
    }

    /// It has failed, for this reason.
    pub(super) fn fail(&mut self, symptom: Symptom, text: impl Into<String>) {
        self.outcome = Outcome::Failed;
        self.symptoms.push(symptom);
        self.line(Level::Error, text);
    }

    /// It was not done, for this reason.
    pub(super) fn skip(mut self, text: impl Into<String>) -> Self {
        self.outcome = Outcome::Skipped;
        self.line(Level::Info, text);
        self.end()
    }

    /// It has taken too long.
    pub(super) fn late(mut self, limit: Duration) -> Self {
        self.fail(Symptom::TimedOut(self.name), format!("not done within {}", seconds(limit)));
        self.end()
    }

    /// It ends now.
    pub(super) fn end(mut self) -> Self {
        self.took = self.watch.read();
        self
    }

    pub(super) fn is_good(&self) -> bool {
        self.outcome != Outcome::Failed
    }

    /// The last door: whatever has come into a line, no value of a file leaves by it.
    pub(super) fn redact(&mut self, redactor: &Redactor) {
        for line in &mut self.lines {
            line.text = escaped(&redactor.redact(&line.text));
        }
    }
}

/// All that is said.
pub(super) struct Report {
    pub(super) steps: Vec<Step>,
    pub(super) causes: Vec<Cause>,
}

impl Report {
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for Step { name, outcome, took, lines, .. } in &self.steps {
            let outcome = match outcome {
                Outcome::Ok => "ok",
                Outcome::Failed => "failed",
                Outcome::Skipped => "skipped",
            };
            text.push_str(&format!("{name}: {outcome} ({})\n", seconds(*took)));
            for Line { level, text: line } in lines {
                let line = format!("  {:7}  {line}", level.word());
                text.push_str(line.trim_end());
                text.push('\n');
            }
        }
        if self.causes.is_empty() {
            text.push_str("nothing wrong was found: all that was tried works\n");
            return text;
        }
        text.push_str("likeliest causes:\n");
        for (number, Cause { cause, remedy }) in self.causes.iter().enumerate() {
            text.push_str(&format!("{}. {cause}: {remedy}\n", number + 1));
        }
        text
    }

    pub(super) fn json(&self) -> String {
        let step = |step: &Step| {
            json!({
                "step": step.name,
                "result": step.outcome,
                "milliseconds": u64::try_from(step.took.as_millis()).unwrap_or(u64::MAX),
                "lines": step.lines,
            })
        };
        let report = json!({
            "ok": self.steps.iter().all(Step::is_good),
            "version": env!("CARGO_PKG_VERSION"),
            "steps": self.steps.iter().map(step).collect::<Vec<_>>(),
            "causes": self.causes,
        });
        format!("{report:#}\n")
    }
}
