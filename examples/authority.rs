// SPDX-License-Identifier: MIT OR Apache-2.0
//! The sandbox's authorization server alone, for a tokend that runs elsewhere on this machine:
//! `tests/systemd_boot/run` uses it. It obeys lines on its standard input, answers each with one
//! line on its standard output, and ends when the input does. Requests are told on standard error,
//! without a secret.

use std::io::{self, BufRead as _, Write as _};
use std::process::ExitCode;

#[path = "../tests/support/mod.rs"]
mod support;

use support::authority::{Authority, Endpoint, Fault, Options, Outcome};
use support::{Failure, statement};

const HELP: &str = "\
origin           what goes into `url`
ca               the file that goes into `ca_file`
statement NAME   a fresh software statement for the application NAME
registrations    how many registration requests have come
tokens           how many token requests have come
hang             from now on no token request gets an answer
serve            from now on all do again
hanging          waits until a token request waits for its answer
secrets FILE     writes every secret of this server's life into FILE, one a line";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("authority: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let authority = Authority::start(Options::default())?;
    authority.lines().listen(|line| eprintln!("{line}"));
    for line in io::stdin().lock().lines() {
        let line = line.map_err(|error| Failure::new("cannot read a command", error))?;
        let answer = obey(&authority, &line)?;
        let mut out = io::stdout().lock();
        let said = writeln!(out, "{answer}").and_then(|()| out.flush());
        said.map_err(|error| Failure::new("cannot answer", error))?;
    }
    Ok(())
}

fn obey(authority: &Authority, line: &str) -> Result<String, Failure> {
    let done = || Ok("done".to_owned());
    match line.split_once(' ').unwrap_or((line, "")) {
        ("origin", "") => Ok(authority.origin()),
        ("ca", "") => Ok(authority.ca_file().display().to_string()),
        ("statement", name) if !name.is_empty() => Ok(statement::issue(name)),
        ("registrations", "") => Ok(authority.count(Endpoint::Register).to_string()),
        ("tokens", "") => Ok(authority.count(Endpoint::Token).to_string()),
        ("hang", "") => {
            authority.always(Endpoint::Token, Fault::Hang);
            done()
        }
        ("serve", "") => {
            authority.end_faults();
            done()
        }
        ("hanging", "") => {
            authority.wait_until("a token request", |log| {
                log.of(Endpoint::Token).any(|request| request.outcome == Outcome::UnderWay)
            });
            done()
        }
        ("secrets", file) if !file.is_empty() => {
            std::fs::write(file, authority.secrets().join("\n") + "\n")
                .map_err(|error| Failure::new("cannot write the secrets", error))?;
            done()
        }
        _ => Err(Failure(format!("{line:?}? Commands:\n{HELP}"))),
    }
}
