// SPDX-License-Identifier: MIT OR Apache-2.0
//! The sandbox's own arguments.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::Arg;

pub(crate) const HELP: &str = "\
Usage: cargo run --example sandbox [-- OPTIONS]
       cargo run --example sandbox -- scene NAME
  --once            end after the protected call
  --system-like     stay up in place of a device's system bus, and play scenes: lines
                    on standard input, or `scene NAME` from another terminal
  --origin ORIGIN   the pages of this origin may call the protected endpoint (CORS), as
                    http://127.0.0.1:8000; may be given more than once
  --tokend PATH     run this binary instead of the one of this build
  --runner COMMAND  run the binary through this command, split at spaces, as
                    \"qemu-arm-static -L /usr/arm-linux-gnueabihf\"
  --help            this text

Scenes, for an application that is tried without Adobe:
";

/// What the command line asks for.
pub(crate) enum Asked {
    Run(Options),
    /// A scene for the sandbox that runs.
    Scene(String),
    Help,
}

#[derive(Default)]
pub(crate) struct Options {
    pub(crate) once: bool,
    pub(crate) system_like: bool,
    /// Whose pages may call the protected endpoint.
    pub(crate) origins: Vec<String>,
    pub(crate) tokend: Option<PathBuf>,
    /// Words; empty for a binary of this machine.
    pub(crate) runner: Vec<OsString>,
}

/// Reads the command line.
pub(crate) fn parse() -> Result<Asked, lexopt::Error> {
    let mut options = Options::default();
    let mut arguments = lexopt::Parser::from_env();
    let mut words = Vec::new();
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("once") => options.once = true,
            Arg::Long("system-like") => options.system_like = true,
            Arg::Long("origin") => options.origins.push(arguments.value()?.into_string()?),
            Arg::Long("tokend") => options.tokend = Some(arguments.value()?.into()),
            Arg::Long("runner") => {
                let command = arguments.value()?.into_string()?;
                options.runner = command.split_whitespace().map(OsString::from).collect();
            }
            Arg::Long("help") | Arg::Short('h') => return Ok(Asked::Help),
            Arg::Value(word) => words.push(word.into_string()?),
            other => return Err(other.unexpected()),
        }
    }
    match words.as_slice() {
        [] if options.once && options.system_like => {
            Err("--once ends what --system-like keeps up".into())
        }
        [] => Ok(Asked::Run(options)),
        [word, name] if word == "scene" => Ok(Asked::Scene(name.clone())),
        [word] if word == "scene" => Err("scene needs a name: --help lists them".into()),
        [word, ..] => Err(format!("unexpected argument {word:?}").into()),
    }
}
