// SPDX-License-Identifier: MIT OR Apache-2.0
//! One processor for all who take part in a call, under real-time scheduling: else the placement
//! of processes on processors decides more than the programs do.

use std::ffi::{OsStr, OsString};
use std::fs;

use super::support::child::find;
use super::support::process::Process;
use super::support::{Failure, child};

const PRIORITY: &str = "50";

/// The processor that is used: the last one that this process may use.
pub(crate) fn processor() -> Result<String, Failure> {
    let path = "/proc/self/status";
    let status = fs::read_to_string(path).map_err(|error| Failure::new(path, error))?;
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let last = list.and_then(|list| list.trim().rsplit([',', '-']).next());
    last.map(str::to_owned).ok_or_else(|| Failure("the kernel names no processors".into()))
}

/// What starts a program bound.
pub(crate) fn runner() -> Result<Vec<OsString>, Failure> {
    let (chrt, taskset) = (find("chrt", "util-linux")?, find("taskset", "util-linux")?);
    let words = [chrt.as_os_str(), "-f".as_ref(), PRIORITY.as_ref(), taskset.as_os_str()];
    let words = words.into_iter().chain(["-c".as_ref()]).map(OsStr::to_owned);
    Ok(words.chain([processor()?.into()]).collect())
}

/// Binds a process and its threads.
pub(crate) fn process(process: &Process) -> Result<(), Failure> {
    bind(&["-a"], &process.0.to_string())
}

/// Binds this thread, and those that it will start.
pub(crate) fn this_thread() -> Result<(), Failure> {
    // PROCESS/task/THREAD
    let path = fs::read_link("/proc/thread-self").map_err(|e| Failure::new("no /proc", e))?;
    let thread = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    bind(&[], &thread)
}

fn bind(all: &[&str], id: &str) -> Result<(), Failure> {
    let processor = processor()?;
    for (program, arguments) in
        [("taskset", ["-c", "-p", processor.as_str(), id]), ("chrt", ["-f", "-p", PRIORITY, id])]
    {
        let mut command = child::command(find(program, "util-linux")?);
        let output = command.args(all).args(arguments).output();
        let output = output.map_err(|error| Failure::new(program, error))?;
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(Failure::new(format!("{program} (only root may)"), why));
        }
    }
    Ok(())
}
