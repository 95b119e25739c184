// SPDX-License-Identifier: MIT OR Apache-2.0
//! A file system of its own for the state: small enough to be filled.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A tmpfs of a megabyte. Dropped: unmounted.
pub(crate) struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one. `None` where the tests may not mount: they do not run as root, or in a
    /// container that allows root nothing.
    pub(crate) fn mount(dir: &Path) -> Option<Self> {
        let options = "size=1m,mode=0700,nosuid,nodev,noexec";
        let mounted = mount(&["-t", "tmpfs", "-o", options, "tokend-test"], dir);
        if !mounted {
            eprintln!("not tested: no file system can be mounted here");
        }
        mounted.then(|| Self(dir.to_owned()))
    }

    /// Takes all its room.
    pub(crate) fn fill(&self) {
        let mut filler = File::create(self.filler()).unwrap();
        for size in [4096, 1] {
            while filler.write_all(&vec![0; size]).is_ok() {}
        }
    }

    /// Gives its room back.
    pub(crate) fn empty(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    pub(crate) fn make_read_only(&self) {
        assert!(mount(&["-o", "remount,ro"], &self.0));
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the daemon may still be there.
        let _ = quiet("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn mount(arguments: &[&str], dir: &Path) -> bool {
    let status = quiet("mount").args(arguments).arg(dir).status();
    status.expect("mount runs: it is in the package mount").success()
}

fn quiet(program: &str) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}
