// SPDX-License-Identifier: MIT OR Apache-2.0
//! The sandbox's own arguments.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::Arg;

pub(crate) const HELP: &str = "\
Usage: cargo run --example sandbox [-- OPTIONS]
  --once            end after the protected call
  --tokend PATH     run this binary instead of the one of this build
  --runner COMMAND  run the binary through this command, split at spaces, as
                    \"qemu-arm-static -L /usr/arm-linux-gnueabihf\"
  --help            this text";

/// What the command line asks for.
pub(crate) enum Asked {
    Run(Options),
    Help,
}

#[derive(Default)]
pub(crate) struct Options {
    pub(crate) once: bool,
    pub(crate) tokend: Option<PathBuf>,
    /// Words; empty for a binary of this machine.
    pub(crate) runner: Vec<OsString>,
}

/// Reads the command line.
pub(crate) fn parse() -> Result<Asked, lexopt::Error> {
    let mut options = Options::default();
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("once") => options.once = true,
            Arg::Long("tokend") => options.tokend = Some(arguments.value()?.into()),
            Arg::Long("runner") => {
                let command = arguments.value()?.into_string()?;
                options.runner = command.split_whitespace().map(OsString::from).collect();
            }
            Arg::Long("help") | Arg::Short('h') => return Ok(Asked::Help),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Asked::Run(options))
}
