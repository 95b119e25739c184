// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the kernel says of a process under `/proc`.

use std::fs;

use super::support::Failure;

/// A process, by its id.
pub(crate) struct Process(pub(crate) u32);

impl Process {
    /// How many threads it has.
    pub(crate) fn threads(&self) -> Result<u64, Failure> {
        number(&self.read("status")?, "Threads")
    }

    /// How often its threads were put to sleep or off the processor so far: one that wakes up is
    /// put to sleep again.
    pub(crate) fn sleeps(&self) -> Result<u64, Failure> {
        let tasks = format!("/proc/{}/task", self.0);
        let entries = fs::read_dir(&tasks).map_err(|error| Failure::new(&tasks, error))?;
        let mut sleeps = 0;
        for entry in entries {
            let task = entry.map_err(|error| Failure::new(&tasks, error))?.file_name();
            let status = self.read(&format!("task/{}/status", task.display()))?;
            sleeps += number(&status, "voluntary_ctxt_switches")?
                + number(&status, "nonvoluntary_ctxt_switches")?;
        }
        Ok(sleeps)
    }

    /// A size from `status`, in bytes.
    pub(crate) fn memory(&self, key: &str) -> Result<u64, Failure> {
        Ok(number(&self.read("status")?, key)? * 1024)
    }

    /// What no other process shares, in bytes.
    pub(crate) fn private(&self) -> Result<u64, Failure> {
        let rollup = self.read("smaps_rollup")?;
        Ok((number(&rollup, "Private_Clean")? + number(&rollup, "Private_Dirty")?) * 1024)
    }

    fn read(&self, name: &str) -> Result<String, Failure> {
        let path = format!("/proc/{}/{name}", self.0);
        fs::read_to_string(&path).map_err(|error| Failure::new(path, error))
    }
}

/// `KEY: NUMBER …`
fn number(text: &str, key: &str) -> Result<u64, Failure> {
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    let number = value.and_then(|value| value.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| Failure(format!("no {key} in {text}")))
}
