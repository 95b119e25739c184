// SPDX-License-Identifier: MIT OR Apache-2.0
//! The goals, and whether they are met.

use std::process::ExitCode;

use crate::report::markdown;
use crate::sim::scene::{Power, Trouble};
use crate::study::{Study, least};

/// A goal is missed in earnest beyond this: below it, chance may have decided.
const MARGIN: f64 = 1.1;
/// A fleet that is too small says little of the time for a large one.
const TIMED: u64 = 1_000_000;

/// Something that must not be larger than its bound.
pub struct Goal {
    what: String,
    value: f64,
    bound: f64,
}

/// What is wanted of a scene.
pub fn of(study: &Study) -> Vec<Goal> {
    let (scene, tally) = (study.scene, &study.tokend);
    let mut goals = Vec::new();
    let mut goal = |what: &str, value: f64, bound: f64| {
        goals.push(Goal { what: format!("{}: {what}", scene.name), value, bound });
    };
    if scene.is_quiet() {
        goal("requests, times the least possible", tally.each_day() / least(scene), 1.3);
        goal("devices ever without a token, %", tally.percent(tally.lost), 0.0);
        if tally.devices >= TIMED {
            goal("seconds for a million devices and a day", study.speed(), 60.0);
        }
    }
    if scene.trouble == Some(Trouble::Down) && scene.power == Power::Always {
        goal("busiest 10 s after it, times the even rate of 10 min", tally.rush(10), 3.0);
        let recovered = tally.caught_up.within(0.99).map_or(f64::INFINITY, |s| s as f64);
        goal("99 % recovered after so many seconds", recovered, 600.0);
        goal("devices ever without a token, %", tally.percent(tally.lost), 2.0);
    }
    if !scene.is_quiet() {
        goal("devices that registered anew, %", tally.percent(tally.registered), 0.0);
    }
    goals
}

/// The most memory that this process has had.
pub fn memory() -> Goal {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next());
    let kilobytes = peak.and_then(|kilobytes| kilobytes.parse::<f64>().ok());
    let value = kilobytes.map_or(f64::INFINITY, |kilobytes| kilobytes / 1024.0);
    Goal { what: "memory of the simulation, MiB".to_owned(), value, bound: 64.0 }
}

impl Goal {
    fn verdict(&self) -> &'static str {
        match self.value {
            value if value <= self.bound => "met",
            value if value <= self.bound * MARGIN => "missed, by less than a tenth",
            _ => "MISSED",
        }
    }
}

pub fn table(goals: &[Goal]) -> String {
    let rows = goals.iter().map(|goal| {
        let value = format!("{:.2}", goal.value);
        vec![goal.what.clone(), value, goal.bound.to_string(), goal.verdict().to_owned()]
    });
    format!("goals\n\n{}", markdown(&["goal", "value", "at most", ""], rows))
}

pub fn exit_code(goals: &[Goal]) -> ExitCode {
    let missed = goals.iter().any(|goal| goal.value > goal.bound * MARGIN);
    if missed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
