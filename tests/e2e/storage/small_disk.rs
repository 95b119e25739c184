// SPDX-License-Identifier: MIT OR Apache-2.0
//! A file system of its own for the state: small enough to be filled.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};

const FLAGS: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV).union(MountFlags::NOEXEC);

/// A tmpfs of a megabyte. Dropped: unmounted.
pub(crate) struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one. `None` where the tests may not mount: they do not run as root, or in a
    /// container that allows root nothing.
    pub(crate) fn mount(dir: &Path) -> Option<Self> {
        let mounted = mount("tokend-test", dir, "tmpfs", FLAGS, c"size=1m,mode=0700");
        if let Err(error) = mounted {
            eprintln!("not tested: no file system can be mounted here: {error}");
        }
        mounted.is_ok().then(|| Self(dir.to_owned()))
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
        mount_remount(&self.0, FLAGS | MountFlags::RDONLY, c"").unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the daemon may still be there.
        let _ = unmount(&self.0, UnmountFlags::DETACH);
    }
}
