// SPDX-License-Identifier: MIT OR Apache-2.0
//! The daemon's binary: found, or built. `cargo run --example` builds none by itself.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::events::{Events, Stop, say, show};
use super::options::Options;
use super::support::Failure;
use super::support::child::{self, Child};
use super::support::tokend::Program;

/// The binary that the options name, else the one of this build, which is built where it is
/// missing or older than its sources.
pub(crate) fn find(options: &Options, events: &Events) -> Result<Program, Stop> {
    let tokend = match &options.tokend {
        Some(path) => path.clone(),
        None => of_this_build(events)?,
    };
    // Not by a search of PATH, whatever the name is.
    let tokend = fs::canonicalize(&tokend)
        .map_err(|error| Failure::new(format_args!("no daemon at {}", tokend.display()), error))?;
    let runner = options.runner.clone();
    say("Using this daemon:");
    show(&tokend.display().to_string());
    Ok(Program { runner, ..Program::from(tokend) })
}

fn of_this_build(events: &Events) -> Result<PathBuf, Stop> {
    let sandbox = env::current_exe()
        .map_err(|error| Failure::new("cannot tell where the sandbox lies", error))?;
    // target/[TRIPLE/]PROFILE/examples/sandbox
    let beside = || Failure("the sandbox lies in no target directory: give --tokend PATH".into());
    let profile_dir = sandbox.ancestors().nth(2).ok_or_else(beside)?;
    let tokend = profile_dir.join(format!("tokend{}", env::consts::EXE_SUFFIX));
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    let Some(reason) = why_build(&tokend, sources) else { return Ok(tokend) };
    if !sources.join("Cargo.toml").is_file() {
        return Err(Failure(format!("tokend {reason}, and its sources are gone")).into());
    }
    say(&format!("Building tokend: the binary {reason}. This takes a while."));
    build(profile_dir, sources, events)?;
    Ok(tokend)
}

/// Why the binary will not do; `None` where it will.
fn why_build(tokend: &Path, sources: &Path) -> Option<&'static str> {
    let Ok(built) = fs::metadata(tokend).and_then(|file| file.modified()) else {
        return Some("is missing");
    };
    let sources = ["src", "Cargo.toml", "Cargo.lock"].map(|name| sources.join(name));
    let newest = sources.iter().filter_map(|path| newest(path)).max();
    (newest > Some(built)).then_some("is older than its sources")
}

/// The newest time of change in a file or a tree of them.
fn newest(path: &Path) -> Option<SystemTime> {
    if let Ok(entries) = fs::read_dir(path) {
        return entries.flatten().filter_map(|entry| newest(&entry.path())).max();
    }
    fs::metadata(path).and_then(|file| file.modified()).ok()
}

/// `cargo build --bin tokend` into the very directory in which the sandbox lies.
fn build(profile_dir: &Path, sources: &Path, events: &Events) -> Result<(), Stop> {
    let profile = match profile_dir.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    // cargo marks the target directory itself with this file.
    let target_dir = profile_dir.ancestors().find(|dir| dir.join(".rustc_info.json").is_file());
    let target_dir = target_dir.ok_or_else(|| {
        Failure("no target directory around the sandbox: give --tokend PATH".into())
    })?;
    let between = profile_dir.parent().and_then(|dir| dir.strip_prefix(target_dir).ok());

    let mut command = child::cargo();
    command.args(["build", "--bin", "tokend", "--profile", profile]).current_dir(sources);
    command.arg("--target-dir").arg(target_dir);
    if let Some(triple) = between.filter(|triple| !triple.as_os_str().is_empty()) {
        command.arg("--target").arg(triple);
    }
    let mut cargo = Child::spawn(command)?;
    events.run(cargo.watch())?;
    match cargo.wait(Duration::ZERO) {
        Some(status) if status.success() => Ok(()),
        _ => Err(Failure("cargo build --bin tokend failed".into()).into()),
    }
}
