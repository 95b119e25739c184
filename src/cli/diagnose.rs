// SPDX-License-Identifier: MIT OR Apache-2.0
//! `tokend diagnose`: one text for a support line. What is configured, what the daemon says, what
//! lies around it, and the way to the server, step by step; at its end the likeliest causes.
//!
//! It changes nothing, starts no daemon, registers nothing, and sends nothing of this device. No
//! secret and no value of a configuration file is in what it says.

mod bounded;
mod build;
mod causes;
mod checked;
mod data;
mod files;
mod installed;
mod journal;
mod probe;
mod redact;
mod running;
mod step;

use std::time::Duration;

use crate::common::time::WallTime;
use crate::config;
use crate::daemon::Options;
use crate::oauth::probe::Stopwatch;

use causes::causes;
use redact::Redactor;
use step::{Report, Step};

/// By then it has ended, with some seconds to spare before a minute has passed.
const WHOLE: Duration = Duration::from_secs(56);

/// What goes to standard output, and whether all is good: no `error` of `check`, no step that
/// failed.
///
/// For each step a headline with its name and `ok`, `failed` or `skipped`, and below it indented
/// lines; then the likeliest causes, at most three, the likeliest one first, each with what to do.
///
/// With `json`, one object that stays as it is (fields, steps and levels may be added):
///
/// - `ok`: all is good;
/// - `version`;
/// - `steps`: an array, in their order, of objects with `step` (`build`, `check`, `status`,
///   `device`, `installed`, `files`, `journal`, `dns`, `tcp`, `tls`, `http`), `result` (`ok`,
///   `failed` or `skipped`), `milliseconds`, and `lines`: objects with `level` (`ok`, `info`,
///   `warning` or `error`) and `text`;
/// - `causes`: an array of objects with `cause` and `remedy`.
#[must_use]
pub fn run(options: &Options, json: bool, now: WallTime) -> (String, bool) {
    let watch = Stopwatch::start();
    let left = |limit: u64| Duration::from_secs(limit).min(WHOLE.saturating_sub(watch.read()));
    let redactor = bounded::run(left(2), {
        let source = options.config.clone();
        move || Redactor::new(config::written(&source), &source)
    });
    // A file server that is gone: then nothing that came from a file may be repeated.
    let redactor = redactor.unwrap_or_default();

    let mut steps = vec![build::step(options, now)];
    steps.push(checked::step(options, now, &redactor, left(13)));
    let (status, throttled) = running::step(options, now, left(8));
    steps.push(status);
    steps.push(data::step(options, left(3)));
    let (installed, found) = installed::step(options, left(3));
    steps.push(installed);
    steps.push(files::step(options, &redactor, found, left(3)));
    steps.push(journal::step(left(4)));
    steps.extend(probe::steps(options, throttled, &redactor, left));
    steps.iter_mut().for_each(|step| step.redact(&redactor));

    let symptoms: Vec<_> = steps.iter().flat_map(|step| step.symptoms.iter().copied()).collect();
    let report = Report { causes: causes(&symptoms), steps };
    let text = if json { report.json() } else { report.text() };
    (text, report.steps.iter().all(Step::is_good))
}
