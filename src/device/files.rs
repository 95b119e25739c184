// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading the small files in which a device describes itself, below a root directory: bounded,
//! and never waiting.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::clean::clean;

/// No file of a source is read beyond this.
pub(super) const LONGEST_FILE: usize = 64 * 1024;

/// Neither waits for the other end of a FIFO nor makes a terminal ours.
const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// The directory that stands before every path of a source: `/`, or a copy of a device's tree.
pub(super) struct Root {
    /// None for `/` itself.
    copy: Option<PathBuf>,
}

impl Root {
    pub(super) fn new(root: &Path) -> Self {
        let is_host = root == Path::new("/");
        Self { copy: (!is_host).then(|| root.to_owned()) }
    }

    /// Whether this is the running device itself, and not a copy of a tree.
    pub(super) const fn is_host(&self) -> bool {
        self.copy.is_none()
    }

    /// The first 64 KiB of a regular file. Wiped when dropped: it may hold a serial number.
    pub(super) fn bytes(&self, path: &str) -> io::Result<Zeroizing<Vec<u8>>> {
        read(self.open(path, READ)?)
    }

    /// A file as text; what is not UTF-8 in it is replaced.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        let bytes = self.bytes(path).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A file that holds one value, and no placeholder in its stead.
    pub(super) fn value(&self, path: &str) -> Option<String> {
        clean(&self.text(path)?).filter(|value| !super::clean::is_placeholder(value))
    }

    /// Whether anything is there.
    pub(super) fn exists(&self, path: &str) -> bool {
        self.open(path, OFlags::PATH).is_ok()
    }

    /// The names in a directory, in order; none where there is no directory.
    pub(super) fn names(&self, path: &str) -> Vec<String> {
        let Ok(directory) = self.open(path, OFlags::RDONLY | OFlags::DIRECTORY) else {
            return Vec::new();
        };
        let Ok(entries) = Dir::new(directory) else { return Vec::new() };
        let mut names: Vec<_> = entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str().ok().map(str::to_owned))
            .filter(|name| name != "." && name != "..")
            .collect();
        names.sort_unstable();
        names
    }

    fn open(&self, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
        let flags = flags | OFlags::CLOEXEC;
        let Some(copy) = &self.copy else {
            return Ok(rustix::fs::openat(CWD, path, flags, Mode::empty())?);
        };
        let base = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let copy = rustix::fs::openat(CWD, copy, base, Mode::empty())?;
        let path = format!("./{}", path.trim_start_matches('/'));
        // An absolute link in a copied tree (/var/run -> /run) must lead back into the copy.
        for _ in 0..ATTEMPTS {
            match rustix::fs::openat2(&copy, &path, flags, Mode::empty(), ResolveFlags::IN_ROOT) {
                // A rename somewhere in the system during the look-up.
                Err(Errno::AGAIN) => {}
                // Linux before 5.6, or a filter that does not know the call.
                Err(Errno::NOSYS | Errno::PERM) => {
                    return Ok(rustix::fs::openat(&copy, &path, flags, Mode::empty())?);
                }
                done => return Ok(done?),
            }
        }
        Err(Errno::AGAIN.into())
    }
}

/// Look-ups in a copied tree before giving up on a file system that keeps changing.
const ATTEMPTS: u32 = 100;

/// The first 64 KiB of a regular file anywhere.
pub(super) fn read_path(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    read(rustix::fs::openat(CWD, path, READ | OFlags::CLOEXEC, Mode::empty())?)
}

fn read(file: OwnedFd) -> io::Result<Zeroizing<Vec<u8>>> {
    let status = rustix::fs::fstat(&file)?;
    if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    // Room for all of it from the start, so that no copy is left behind by growth.
    let size = usize::try_from(status.st_size).unwrap_or(LONGEST_FILE);
    let mut bytes = Zeroizing::new(Vec::with_capacity(size.clamp(4096, LONGEST_FILE) + 1));
    File::from(file).take(LONGEST_FILE as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn an_absolute_link_in_a_copied_tree_leads_back_into_the_copy() {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir_all(tree.path().join("run/nyx")).unwrap();
        fs::create_dir_all(tree.path().join("var")).unwrap();
        fs::write(tree.path().join("run/nyx/here"), "inside\n").unwrap();
        symlink("/run", tree.path().join("var/run")).unwrap();
        symlink("../../../../../run/nyx/here", tree.path().join("up")).unwrap();
        let root = Root::new(tree.path());
        assert_eq!(root.value("/var/run/nyx/here").as_deref(), Some("inside"));
        assert_eq!(root.value("/up").as_deref(), Some("inside"));
    }

    #[test]
    fn a_fifo_a_directory_and_a_missing_file_are_errors_and_nothing_waits() {
        let tree = tempfile::tempdir().unwrap();
        let fifo = tree.path().join("fifo");
        rustix::fs::mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR, 0).unwrap();
        let root = Root::new(tree.path());
        assert_eq!(root.bytes("/fifo").unwrap_err().to_string(), "not a regular file");
        assert!(root.bytes("/").is_err());
        assert_eq!(root.bytes("/none").unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(root.exists("/fifo") && !root.exists("/none"));
        assert_eq!(root.names("/"), ["fifo"]);
        assert!(root.names("/none").is_empty());
    }

    #[test]
    fn a_file_is_read_up_to_64_kib_and_need_not_be_utf_8() {
        let tree = tempfile::tempdir().unwrap();
        fs::write(tree.path().join("long"), vec![b'x'; 100_000]).unwrap();
        fs::write(tree.path().join("latin"), b"caf\xe9\n").unwrap();
        let root = Root::new(tree.path());
        assert_eq!(root.bytes("/long").unwrap().len(), LONGEST_FILE);
        assert_eq!(root.value("/latin").as_deref(), Some("caf\u{fffd}"));
    }

    #[test]
    fn a_root_that_is_not_there_has_no_files() {
        let root = Root::new(Path::new("/nonexistent/root"));
        assert!(root.text("/etc/os-release").is_none());
    }
}
