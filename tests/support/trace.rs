// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which system calls a process makes, by `strace`.

use std::collections::BTreeMap;
use std::fs;

use rustix::process::Signal;
use tempfile::TempDir;

use super::child::{self, Child};
use super::lines::Lines;
use super::{BOUND, Failure};

/// System calls that open a file.
pub const OPENS: &[&str] = &["open", "openat", "openat2", "creat", "memfd_create"];
/// System calls that begin a connection.
pub const CONNECTS: &[&str] = &["socket", "socketpair", "connect"];

/// A process that is being traced.
pub struct Trace {
    strace: Child,
    output: Lines,
    dir: TempDir,
}

impl Trace {
    /// Traces all threads of a process from now on.
    pub fn start(process: u32) -> Result<Self, Failure> {
        let program = child::find("strace", "strace")?;
        let dir = super::scratch("tokend-trace-")
            .map_err(|e| Failure::new("no temporary directory", e))?;
        let mut command = child::command(program);
        command.arg("-f").arg("-o").arg(dir.path().join("calls"));
        command.args(["-p", &process.to_string()]);
        let output = Lines::default();
        output.collect(child::capture(&mut command)?, || ());
        let strace = Child::spawn(command)?;
        // "/usr/bin/strace: Process 1 attached with 2 threads", else why not.
        match output.wait_for(0, BOUND, |line| line.contains("strace: ")) {
            Some(line) if line.contains(" attached") => Ok(Self { strace, output, dir }),
            line => Err(Failure::new("cannot trace it (only root may)", line.unwrap_or_default())),
        }
    }

    /// Stops tracing: the system calls since, by name.
    pub fn end(mut self) -> Result<BTreeMap<String, usize>, Failure> {
        self.strace.signal(Signal::INT);
        if self.strace.wait(BOUND).is_none() {
            return Err(Failure::new("strace does not end", self.output.text(0)));
        }
        let calls = fs::read_to_string(self.dir.path().join("calls"));
        let calls = calls.map_err(|error| Failure::new("no output of strace", error))?;
        let mut counts = BTreeMap::new();
        for name in calls.lines().filter_map(name) {
            *counts.entry(name.to_owned()).or_default() += 1;
        }
        Ok(counts)
    }
}

/// `1 recvmsg(3, …`; none where the line is a signal, an end, or the second half of a call.
fn name(line: &str) -> Option<&str> {
    let (_process, call) = line.split_once(char::is_whitespace)?;
    let (name, _arguments) = call.trim_start().split_once('(')?;
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_').then_some(name)
}
