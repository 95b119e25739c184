// SPDX-License-Identifier: MIT OR Apache-2.0
//! `tokend check`: would tokend do its job on this device, and from where does it take what it
//! says of it? Offline; writes nothing, takes no lock, makes neither directory nor key.

mod applications;
mod clock;
mod configuration;
mod credentials;
mod device;
mod diagnostic;
mod server;
mod storage;
mod unit;
pub(super) mod user;

use crate::common::time::WallTime;
use crate::config;
use crate::daemon::Options;

use diagnostic::Diagnostics;

/// What `check` was asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    /// `--json`
    pub json: bool,
    /// `--strict`: a warning is as bad as an error.
    pub strict: bool,
}

/// What goes to standard output, and whether all is good: no finding is an `error` (nor, if strict, a
/// `warning`), so the exit code is 0 and not 78.
///
/// One line for each finding: `ok`, `warning` or `error`, what it is about, and the finding.
///
/// With `json`, one object that stays as it is (fields and subjects may be added):
///
/// - `ok`: all is good;
/// - `findings`: an array, in the order of the lines, of objects with
///   - `level`: `ok`, `warning` or `error`;
///   - `subject`: `user`, `configuration`, `application`, `statement`, `callers`, `reload`,
///     `seal`, `state`, `credentials`, `device`, `identity`, `server` or `clock`;
///   - `message`: the finding, for a person;
///   - `key`, where there is one: of `application`, `statement`, `callers` and `credentials` the
///     application's name, of `device` the field, of a fault of a file the key in that file;
///   - `value`, where there is one: of `device` the value, a string, a number or a boolean; of
///     `server` its origin;
///   - `origin`, where there is one: where the value comes from; of a fault the file, and its line
///     behind a colon.
///
/// Where `tokend.toml` is faulty, only its faults and those of the application files are found.
#[must_use]
pub fn run(options: &Options, asked: Asked, now: WallTime) -> (String, bool) {
    let findings = findings(options, asked.strict, now);
    let text = if asked.json { findings.json() } else { findings.text() };
    (text, findings.good())
}

fn findings(options: &Options, strict: bool, now: WallTime) -> Diagnostics {
    let mut findings = Diagnostics::new(strict);
    let user = user::check(options, &mut findings);
    let config = match config::load(&options.config) {
        Ok(config) => config,
        Err(faults) => {
            configuration::faults(&faults.0, &mut findings);
            findings.warning("configuration", "what depends on tokend.toml was not looked at");
            return findings;
        }
    };
    configuration::check(&config, &mut findings);
    for application in config.applications.values() {
        applications::check(application, now, &mut findings);
    }
    let (look, key) = storage::check(options, &config.settings.seal, user, &mut findings);
    if let (Some(look), Some(key)) = (&look, &key) {
        credentials::check(look, key, &config, &mut findings);
    }
    device::check(options, &config, look.as_ref(), user, &mut findings);
    server::check(&config.settings.server, &mut findings);
    clock::check(config.settings.synchronized_files, now, &mut findings);
    findings
}
