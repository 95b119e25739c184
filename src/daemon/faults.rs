// SPDX-License-Identifier: MIT OR Apache-2.0
//! The faults of the configuration that are in force now, as anybody may read them: the property
//! `Faults`.

use std::path::PathBuf;

use super::Daemon;
use crate::common::map::Map;
use crate::common::model::AppId;
use crate::common::text::{cut, printable};
use crate::config::{Application, Fault, Statement, StatementError, jwt};
use crate::oauth::roots;

/// Lines, and bytes of each (contract, section 2).
const MOST: usize = 32;
const LONGEST: usize = 256;

/// What is at fault, without any value of it.
pub(super) struct InForce {
    /// The `tokend.toml` that was read last.
    pub(super) file: PathBuf,
    configuration: Vec<String>,
    pub(super) statements: Map<AppId, String>,
    /// Of root certificates that were named.
    roots: Option<String>,
    /// As the bus has them.
    pub(super) shown: Vec<String>,
}

impl InForce {
    pub(super) fn new(file: PathBuf, faults: &[Fault]) -> Self {
        let mut new = Self {
            file,
            configuration: Vec::new(),
            statements: Map::new(),
            roots: None,
            shown: Vec::new(),
        };
        new.configured(faults);
        new
    }

    /// These are the faults of the files that were read last.
    pub(super) fn configured(&mut self, faults: &[Fault]) {
        self.configuration = faults.iter().map(Fault::without_values).collect();
    }

    /// Notes what is wrong with a statement. Returns that it is no JWT, if that is news.
    pub(super) fn judge_statement(
        &mut self,
        application: &Application,
        read: &Result<Statement, StatementError>,
    ) -> Option<String> {
        const EXPECTED: &str = "expected: a software statement (a JWT)";
        let Application { id, file, statement_file, .. } = application;
        let (fault, no_jwt) = match read {
            Ok(statement) => match jwt::claims(&statement.text) {
                Ok(_) => (None, None),
                Err(error) => {
                    let text = format!("{}: {error}", statement_file.display());
                    (Some(format!("{text}; {EXPECTED}")), Some(text))
                }
            },
            // A path that leads nowhere may be no path: whoever wrote it may have mistaken the key.
            Err(StatementError::File(_)) if !statement_file.exists() => {
                let file = file.display();
                let missing = "there is no such file";
                (Some(format!("{file}: software_statement_file: {missing}; {EXPECTED}")), None)
            }
            Err(error) => {
                let text = error.to_string().replace("; legal: ", "; expected: ");
                (Some(text), None)
            }
        };
        let before = match fault {
            Some(fault) => self.statements.insert(id.clone(), fault),
            None => self.statements.remove(id),
        };
        no_jwt.filter(|_| before.as_ref() != self.statements.get(id))
    }
}

impl Daemon {
    /// Looks whether the root certificates that are named may be believed.
    pub(super) fn judge_roots(&mut self) {
        let server = &self.settings.server;
        let tls = server.origin.0.starts_with("https:");
        let fault = tls.then(|| roots::named_fault(server.ca_file.as_deref())).flatten();
        let file = self.faults.file.display();
        self.faults.roots = fault.map(|(what, wrong)| match what.starts_with("server.") {
            true => format!("{file}: {what}: {wrong}"),
            false => format!("{what}: {wrong}"),
        });
    }

    /// The property `Faults`.
    pub(super) fn faults_now(&self) -> Vec<String> {
        let InForce { file, configuration, statements, roots, .. } = &self.faults;
        let identity = self.storage.identity_fault();
        let identity = identity.map(|fault| format!("{}: {fault}", file.display()));
        let key = self.storage.has_blank_key().then(|| {
            let found = "the root key is one byte, repeated, which anybody can guess";
            let file = file.display();
            format!("{file}: storage.seal: {found}; expected: 32 random bytes, by tokend reseal")
        });
        let all = configuration.iter().chain(statements.values());
        let all = all.chain(roots).chain(&identity).chain(&key);
        bounded(all.map(String::as_str))
    }
}

/// At most [`MOST`] lines of [`LONGEST`] bytes; the last one says how many more there are.
fn bounded<'a>(all: impl Iterator<Item = &'a str> + Clone) -> Vec<String> {
    let count = all.clone().count();
    let shown = if count > MOST { MOST - 1 } else { count };
    let mut lines: Vec<_> = all.take(shown).map(line).collect();
    if count > shown {
        lines.push(format!("and {} more", count - shown));
    }
    lines
}

fn line(text: &str) -> String {
    cut(&printable(text), LONGEST).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_are_bounded_and_the_last_one_says_how_many_more() {
        let fault = "é".repeat(200);
        for (count, shown) in [(0, 0), (1, 1), (32, 32), (33, 32), (1000, 32)] {
            let lines = bounded((0..count).map(|_| fault.as_str()));
            assert_eq!(lines.len(), shown);
            assert!(lines.iter().all(|line| line.len() <= LONGEST));
            let last = lines.last().cloned().unwrap_or_default();
            let more = format!("and {} more", (count + 1_usize).saturating_sub(MOST));
            assert_eq!(last == more, count > MOST, "{count}: {last}");
        }
    }

    #[test]
    fn a_control_character_in_a_name_reaches_nobody() {
        assert_eq!(line("/etc/a\u{1b}[2J\n: x"), "/etc/a [2J : x");
    }
}
