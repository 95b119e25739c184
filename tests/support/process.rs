// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the kernel says of a process under `/proc`.

use std::fs;
use std::time::Duration;

use super::Failure;

/// A process, by its id.
pub struct Process(pub u32);

impl Process {
    /// How many threads it has.
    pub fn threads(&self) -> Result<u64, Failure> {
        number(&self.read("status")?, "Threads")
    }

    /// The processor time of its threads so far.
    pub fn processor(&self) -> Result<Duration, Failure> {
        let of_task = |task: &str| {
            let text = self.read(&format!("task/{task}/schedstat"))?;
            let first: Option<u64> =
                text.split_whitespace().next().and_then(|word| word.parse().ok());
            first.ok_or_else(|| Failure(format!("no processor time in {text}")))
        };
        let nanoseconds: Result<u64, _> = self.tasks()?.iter().map(|task| of_task(task)).sum();
        Ok(Duration::from_nanos(nanoseconds?))
    }

    /// How often its threads were put to sleep or off the processor so far: one that wakes up is
    /// put to sleep again.
    pub fn sleeps(&self) -> Result<u64, Failure> {
        let of_task = |task: &str| {
            let status = self.read(&format!("task/{task}/status"))?;
            Ok(number(&status, "voluntary_ctxt_switches")?
                + number(&status, "nonvoluntary_ctxt_switches")?)
        };
        self.tasks()?.iter().map(|task| of_task(task)).sum()
    }

    /// How many files it has open.
    pub fn descriptors(&self) -> Result<usize, Failure> {
        Ok(self.list("fd")?.len())
    }

    /// The process that it has started, where there is one.
    pub fn child(&self) -> Option<Self> {
        let parent = format!("\nPPid:\t{}\n", self.0);
        let processes = fs::read_dir("/proc").ok()?.flatten();
        let mut ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let is_child = |&id: &u32| Self(id).read("status").is_ok_and(|text| text.contains(&parent));
        ids.find(is_child).map(Self)
    }

    /// How large all that it shares with others is, each byte divided among them, in bytes.
    pub fn proportional(&self) -> Result<u64, Failure> {
        Ok(number(&self.read("smaps_rollup")?, "Pss")? * 1024)
    }

    /// Bytes that it has handed to system calls which write.
    pub fn written(&self) -> Result<u64, Failure> {
        number(&self.read("io")?, "wchar")
    }

    /// A size from `status`, in bytes.
    pub fn memory(&self, key: &str) -> Result<u64, Failure> {
        Ok(number(&self.read("status")?, key)? * 1024)
    }

    /// What no other process shares, in bytes.
    pub fn private(&self) -> Result<u64, Failure> {
        let rollup = self.read("smaps_rollup")?;
        Ok((number(&rollup, "Private_Clean")? + number(&rollup, "Private_Dirty")?) * 1024)
    }

    fn tasks(&self) -> Result<Vec<String>, Failure> {
        self.list("task")
    }

    fn list(&self, name: &str) -> Result<Vec<String>, Failure> {
        let path = format!("/proc/{}/{name}", self.0);
        let failure = |error| Failure::new(&path, error);
        let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        let entries = fs::read_dir(&path).map_err(failure)?;
        entries.map(|entry| entry.map(name).map_err(failure)).collect()
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
