// SPDX-License-Identifier: MIT OR Apache-2.0
//! Directories of a test's own. The unit tests of the crate use this file too.

use std::path::Path;
use std::{env, io};

use tempfile::TempDir;

/// A directory of a test's own. Dropped: removed.
///
/// Where `TMPDIR` says; without it, tests have it in memory, if this system has a place there. Each
/// file that tokend writes is followed by an fsync, for which a busy disk takes long.
pub(crate) fn scratch(prefix: &str) -> io::Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix);
    let memory = Path::new("/dev/shm");
    let wanted = cfg!(test) && env::var_os("TMPDIR").is_none();
    // It may be small or not for us: then the usual place will do.
    let room = || rustix::fs::statvfs(memory).is_ok_and(|at| at.f_bavail * at.f_frsize > 1 << 30);
    if wanted
        && room()
        && let Ok(dir) = builder.tempdir_in(memory)
    {
        return Ok(dir);
    }
    builder.tempdir()
}
