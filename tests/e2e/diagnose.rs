// SPDX-License-Identifier: MIT OR Apache-2.0
//! `tokend diagnose`: whoever stands before a box that does not work learns in a minute where the
//! way ends and what to do. It changes nothing, says no secret, and works without whatever it
//! diagnoses.

#![allow(unreachable_pub, reason = "a test has no outside")]

mod around;
mod secrets;
mod server;

use std::fmt;

use serde_json::Value;

use crate::support::household::Household;
use crate::support::scene::Scene;
use crate::support::tokend::{Device, Ran};

/// What a diagnosis says.
struct Diagnosis {
    code: i32,
    json: Value,
}

impl Diagnosis {
    fn of(device: &Device) -> Self {
        let ran = run(device, &["--json"]);
        assert_eq!(ran.stderr, "");
        let json = serde_json::from_str(&ran.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", ran.stdout));
        let it = Self { code: ran.code.unwrap(), json };
        assert_eq!(it.json["ok"], it.code == 0, "{it}");
        it
    }

    fn step(&self, name: &str) -> &Value {
        let mut steps = self.json["steps"].as_array().unwrap().iter();
        steps.find(|step| step["step"] == name).unwrap_or(&Value::Null)
    }

    /// `ok`, `failed`, `skipped`; empty if it did not come to that.
    fn result(&self, name: &str) -> &str {
        self.step(name)["result"].as_str().unwrap_or_default()
    }

    /// The lines of a step, each behind its level.
    fn lines(&self, name: &str) -> Vec<String> {
        let lines = self.step(name)["lines"].as_array().cloned().unwrap_or_default();
        let word = |line: &Value, key: &str| line[key].as_str().unwrap().to_owned();
        lines.iter().map(|line| word(line, "level") + " " + &word(line, "text")).collect()
    }

    /// Panics where no line of that step has these words.
    fn says(&self, step: &str, words: &str) {
        assert!(self.lines(step).iter().any(|line| line.contains(words)), "no {words:?} in {self}");
    }

    /// Panics where the causes are not these, in their order.
    fn blames(&self, causes: &[&str]) {
        let said = self.json["causes"].as_array().unwrap();
        assert_eq!(said.len(), causes.len(), "{self}");
        for (said, words) in said.iter().zip(causes) {
            assert!(said["cause"].as_str().unwrap().contains(words), "no {words:?} in {self}");
            assert!(said["remedy"].as_str().unwrap().len() > 10, "{self}");
        }
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit code {}\n{:#}", self.code, self.json)
    }
}

fn run(device: &Device, more: &[&str]) -> Ran {
    let options = device.options();
    let mut line = vec!["diagnose"];
    line.extend(options.iter().map(String::as_str));
    line.extend(["--bus", device.bus()]);
    line.extend(more);
    device.run(&line)
}

/// A device whose daemon runs and has a token.
fn healthy() -> (Scene, crate::support::tokend::Tokend) {
    let scene = Scene::new();
    let (tokend, player) = scene.start();
    player.get_token(crate::support::scene::CINEMA, 0).unwrap();
    (scene, tokend)
}

/// A device whose server is of plain HTTP, and whose daemon does not run.
fn without_tls() -> Household {
    Household::new(crate::support::authority::Authority::http(), &["cinema"])
}
