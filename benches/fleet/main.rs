// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a fleet of devices asks of the server, and what its viewers notice: the real lifecycle,
//! device after device, through ordinary days, outages, power cuts and revoked statements.
//!
//! `cargo bench --bench fleet -- --help`; docs/fleet.md has the results.

#![allow(unreachable_pub, reason = "a program has no outside")]

use std::process::ExitCode;

mod curve;
mod goals;
mod options;
mod plot;
mod report;
mod sim;
mod study;
mod svg;

use goals::Goal;
use options::{Command, Options};
use study::Study;

fn main() -> ExitCode {
    let options = match options::parse() {
        Ok(Command::Run(options)) => options,
        Ok(Command::Help) => {
            print!("{}", options::help());
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("fleet: {error}\nTry --help.");
            return ExitCode::from(64); // EX_USAGE
        }
    };
    match run(&options) {
        Ok(goals) => goals::exit_code(&goals),
        Err(error) => {
            eprintln!("fleet: a plot cannot be written: {error}");
            ExitCode::from(74) // EX_IOERR
        }
    }
}

fn run(options: &Options) -> std::io::Result<Vec<Goal>> {
    println!(
        "{} devices, seed {}; rates are for a million devices\n",
        options.devices, options.seed
    );
    let mut goals = Vec::new();
    for scene in &options.scenes {
        let study = Study::of(scene, options.devices, options.seed);
        print!("{}", report::scene(&study));
        if let Some(directory) = &options.plots {
            plot::scene(&study, directory)?;
        }
        goals.extend(goals::of(&study));
    }
    if options.variants {
        let variants = curve::variants(options.devices, options.seed);
        print!("{}", report::variants(&variants));
        if let Some(directory) = &options.plots {
            plot::refresh_points(&variants, directory)?;
        }
    }
    goals.push(goals::memory());
    print!("{}", goals::table(&goals));
    Ok(goals)
}
