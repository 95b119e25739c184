// SPDX-License-Identifier: MIT OR Apache-2.0
//! The arguments.

use std::path::PathBuf;

use lexopt::{Arg, ValueExt as _};

pub(crate) const HELP: &str = "\
Usage: cargo bench --bench daemon -- [OPTIONS] [PART]...
Measures the release of tokend beside a service of sd-bus and one of zbus that do nothing but
answer with the same bytes, and compares it with its goals. Exit code 1 where one is missed.

Parts; without one, all but the soak:
  calls             round trips and processor time of cached calls
  costs             memory, start, wake-ups, what is written and sent
  growth            how that grows with applications and with connected clients
  instructions      instructions of a call and of a start, by callgrind and by qemu
  oidc-agent        memory and cached calls beside Debian's oidc-agent
  soak              a million calls and ten thousand refreshes

Options:
  --quick           fewer rounds, and wider bounds for what a busy machine disturbs
  --soak            the soak too
  --refreshes N     of the soak, instead of ten thousand: each takes a second
  --markdown        tables as in docs/performance.md
  --tokend PATH     measure this program, and build no other tokend; a copy, as cargo bench itself
                    writes to target/release/tokend
  --help            this text

Needs root, a C compiler, and Debian's dbus-daemon, dbus-broker, systemd, util-linux, strace,
libsystemd-dev, pkgconf, valgrind, oidc-agent-cli. The programs of devices, where cross/build has
left them, are counted with qemu-user, and the C library of libc6-armhf-cross or libc6-arm64-cross.";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Calls,
    Costs,
    Growth,
    Instructions,
    OidcAgent,
    Soak,
}

impl Part {
    const ALL: [(&str, Self); 6] = [
        ("calls", Self::Calls),
        ("costs", Self::Costs),
        ("growth", Self::Growth),
        ("instructions", Self::Instructions),
        ("oidc-agent", Self::OidcAgent),
        ("soak", Self::Soak),
    ];
}

/// What the command line asks for.
pub(crate) enum Asked {
    Run(Options),
    Help,
}

#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) parts: Vec<Part>,
    pub(crate) quick: bool,
    pub(crate) markdown: bool,
    pub(crate) refreshes: Option<usize>,
    pub(crate) tokend: Option<PathBuf>,
}

/// Reads the command line.
pub(crate) fn parse() -> Result<Asked, lexopt::Error> {
    let mut options = Options::default();
    let mut soak = false;
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            // cargo says so to every benchmark.
            Arg::Long("bench") => {}
            Arg::Long("quick") => options.quick = true,
            Arg::Long("soak") => soak = true,
            Arg::Long("markdown") => options.markdown = true,
            Arg::Long("refreshes") => options.refreshes = Some(arguments.value()?.parse()?),
            Arg::Long("tokend") => options.tokend = Some(arguments.value()?.into()),
            Arg::Long("help") | Arg::Short('h') => return Ok(Asked::Help),
            Arg::Value(ref word) => {
                let part = Part::ALL.iter().find(|(name, _)| word == name);
                options.parts.push(part.ok_or_else(|| argument.unexpected())?.1);
            }
            other => return Err(other.unexpected()),
        }
    }
    if options.parts.is_empty() {
        let parts = Part::ALL.iter().map(|(_, part)| *part);
        options.parts = parts.filter(|part| *part != Part::Soak).collect();
    }
    if soak && !options.parts.contains(&Part::Soak) {
        options.parts.push(Part::Soak);
    }
    Ok(Asked::Run(options))
}
