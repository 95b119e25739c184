// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line.

use std::path::PathBuf;

use crate::sim::scene::{SCENES, Scene};

const DEVICES: u64 = 1_000_000;
const QUICK: u64 = 20_000;
const VARIANTS: &str = "variants";

/// What is asked for.
pub enum Command {
    Run(Options),
    Help,
}

/// A run.
pub struct Options {
    pub devices: u64,
    pub seed: u64,
    /// The scenes to lead it through.
    pub scenes: Vec<&'static Scene>,
    /// Whether other numbers are tried, too.
    pub variants: bool,
    /// Where plots go, if any are wanted.
    pub plots: Option<PathBuf>,
}

pub fn parse() -> Result<Command, lexopt::Error> {
    use lexopt::prelude::*;
    let scenes = SCENES.iter().collect();
    let mut options = Options { devices: DEVICES, seed: 1, scenes, variants: true, plots: None };
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("quick") => options.devices = QUICK,
            Long("devices") => options.devices = arguments.value()?.parse()?,
            Long("seed") => options.seed = arguments.value()?.parse()?,
            Long("scene") => {
                let name = arguments.value()?.string()?;
                options.scenes.retain(|scene| scene.name == name);
                options.variants = name == VARIANTS;
                if options.scenes.is_empty() && !options.variants {
                    return Err(format!("no scene is called {name}").into());
                }
            }
            Long("plots") => options.plots = Some(arguments.value()?.into()),
            Short('h') | Long("help") => return Ok(Command::Help),
            // What cargo says to every bench.
            Long("bench") => {}
            other => return Err(other.unexpected()),
        }
    }
    if options.devices < 1000 {
        return Err("fewer than 1000 devices are no fleet".into());
    }
    Ok(Command::Run(options))
}

pub fn help() -> String {
    let mut text = format!(
        "usage: cargo bench --bench fleet -- [OPTION]...\n\n\
         Leads a fleet through its scenes, and prints what the server and the viewers see of it.\n\
         Exit code 1 where a goal is missed by more than a tenth.\n\n\
         --quick        {QUICK} devices instead of {DEVICES}\n\
         --devices N    so many\n\
         --scene NAME   one scene alone\n\
         --seed N       another fleet\n\
         --plots DIR    writes plots there (those in the documents: docs/fleet)\n\n"
    );
    for scene in &SCENES {
        text.push_str(&format!("{:15}{}\n", scene.name, scene.about));
    }
    text.push_str(&format!("{VARIANTS:15}other refresh points and waits than the contract's\n"));
    text
}
