// SPDX-License-Identifier: MIT OR Apache-2.0
//! What counts the instructions of a program in user space: callgrind, and a plugin of QEMU's for
//! programs of devices. No other program disturbs that.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::programs;
use super::stats::number;
use super::support::{Failure, child};

const OUTPUT: &str = "out";

/// How to run what is built for a device here.
pub(crate) struct Emulator {
    pub(crate) target: &'static str,
    program: &'static str,
    libraries: &'static str,
}

impl Emulator {
    pub(crate) const ALL: [Self; 2] = [
        Self {
            target: "armv7-unknown-linux-gnueabihf",
            program: "qemu-arm",
            libraries: "/usr/arm-linux-gnueabihf",
        },
        Self {
            target: "aarch64-unknown-linux-gnu",
            program: "qemu-aarch64",
            libraries: "/usr/aarch64-linux-gnu",
        },
    ];
}

/// It counts one run at a time, with all processes of it.
pub(crate) struct Counter {
    /// What starts a program that is not counted.
    pub(crate) plain: Vec<OsString>,
    /// What starts a program that is counted.
    pub(crate) runner: Vec<OsString>,
    /// Where the numbers of the last run are written.
    dir: TempDir,
}

impl Counter {
    /// Of programs of this machine.
    pub(crate) fn callgrind() -> Result<Self, Failure> {
        let (dir, output) = place()?;
        let mut option = OsString::from("--callgrind-out-file=");
        option.push(&output);
        // Each process has a file of its own.
        option.push(".%p");
        let valgrind = child::find("valgrind", "valgrind")?.into();
        let runner = vec![valgrind, "--quiet".into(), "--tool=callgrind".into(), option];
        Ok(Self { plain: Vec::new(), runner, dir })
    }

    /// Of programs of a device.
    pub(crate) fn emulated(emulator: &Emulator) -> Result<Self, Failure> {
        let (dir, output) = place()?;
        let plugin = dir.path().join("libcount.so");
        programs::compile("count.c", &plugin, &["-shared", "-fPIC"])?;
        let mut option = plugin.into_os_string();
        option.push(",output=");
        option.push(&output);
        let qemu = child::find(emulator.program, "qemu-user")?.into();
        let plain = vec![qemu, "-L".into(), emulator.libraries.into()];
        let runner = plain.iter().cloned().chain(["-plugin".into(), option]).collect();
        Ok(Self { plain, runner, dir })
    }

    /// What the run that has just ended took.
    pub(crate) fn instructions(&self) -> Result<f64, Failure> {
        let failure = |error| Failure::new("no instructions have been counted", error);
        let mut sum = None;
        for entry in fs::read_dir(&self.dir).map_err(failure)? {
            let entry = entry.map_err(failure)?;
            if !entry.file_name().to_string_lossy().starts_with(OUTPUT) {
                continue;
            }
            let text = fs::read_to_string(entry.path()).map_err(failure)?;
            fs::remove_file(entry.path()).map_err(failure)?;
            let totals = text.lines().find_map(|line| line.strip_prefix("totals: "));
            let totals = totals.and_then(|totals| totals.trim().parse::<u64>().ok());
            sum = totals.map(|totals| sum.unwrap_or(0) + totals).or(sum);
        }
        sum.map(number).ok_or_else(|| Failure("no instructions have been counted".into()))
    }
}

/// A directory, and a file in it.
fn place() -> Result<(TempDir, PathBuf), Failure> {
    let dir = tempfile::tempdir().map_err(|error| Failure::new("no temporary directory", error))?;
    let output = dir.path().join(OUTPUT);
    Ok((dir, output))
}
