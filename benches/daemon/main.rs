// SPDX-License-Identifier: MIT OR Apache-2.0
//! What tokend costs, beside a service of sd-bus and one of zbus that do nothing but answer with
//! the same bytes, and whether it meets its goals: `cargo bench --bench daemon -- --help`.

use std::process::ExitCode;

mod calls;
mod client;
mod costs;
mod counter;
mod growth;
mod instructions;
mod oidc;
mod options;
mod pin;
mod programs;
mod report;
mod soak;
mod stage;
mod stats;
#[path = "../../tests/support/mod.rs"]
mod support;
mod wire;

use options::{Asked, HELP, Options, Part};
use programs::Programs;
use report::Report;
use support::Failure;

fn main() -> ExitCode {
    let options = match options::parse() {
        Ok(Asked::Run(options)) => options,
        Ok(Asked::Help) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("daemon: {error}\n{HELP}");
            return ExitCode::from(64); // EX_USAGE
        }
    };
    match run(options) {
        Ok(report) => report.end(),
        Err(error) => {
            eprintln!("daemon: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> Result<Report, Failure> {
    let programs = Programs::new(options.tokend)?;
    let quick = options.quick;
    let mut report = Report::new(options.markdown, quick);
    for part in options.parts {
        match part {
            Part::Calls => calls::run(&programs, quick, &mut report)?,
            Part::Costs => costs::run(&programs, quick, &mut report)?,
            Part::Growth => growth::run(&programs, quick, &mut report)?,
            Part::Instructions => instructions::run(&programs, &mut report)?,
            Part::OidcAgent => oidc::run(&programs, quick, &mut report)?,
            Part::Soak => soak::run(&programs, quick, options.refreshes, &mut report)?,
        }
    }
    Ok(report)
}
