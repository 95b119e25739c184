// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading the small files in which a device describes itself, below a root directory: bounded,
//! and never waiting.
//!
//! Below a copied tree nothing of the machine that it lies on is ever read.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Uid, User, getgrouplist};
use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use zeroize::Zeroizing;

/// No file of a source is read beyond this.
pub(crate) const LONGEST_FILE: usize = 64 * 1024;

/// No more names of a directory are looked at.
const MOST_NAMES: usize = 4096;

/// Neither waits for the other end of a FIFO nor makes a terminal ours.
const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// A user whose rights decide what may be read, when root asks for that user.
#[derive(Clone, Debug)]
pub struct Reader {
    uid: u32,
    groups: Vec<u32>,
}

impl Reader {
    /// The user with this number, in the groups that the user database gives it.
    #[must_use]
    pub fn of(uid: u32) -> Self {
        let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
        let groups = user.and_then(|user| {
            let name = CString::new(user.name).ok()?;
            getgrouplist(&name, user.gid).ok()
        });
        Self { uid, groups: groups.into_iter().flatten().map(Gid::as_raw).collect() }
    }

    /// By the file's own mode, as the kernel's own files have it; no access lists.
    fn may_read(&self, status: &Stat) -> bool {
        let bit = match () {
            () if self.uid == 0 => return true,
            () if self.uid == status.st_uid => Mode::RUSR,
            () if self.groups.contains(&status.st_gid) => Mode::RGRP,
            () => Mode::ROTH,
        };
        Mode::from_raw_mode(status.st_mode).contains(bit)
    }
}

/// The directory that stands before every path of a source: `/`, or a copy of a device's tree.
pub(crate) struct Root {
    /// None for `/` itself.
    copy: Option<PathBuf>,
    /// None for the user of this process.
    reader: Option<Reader>,
}

impl Root {
    pub(crate) fn new(root: &Path) -> Self {
        Self::read_by(root, None)
    }

    /// What that user may not read is not there.
    pub(crate) fn read_by(root: &Path, reader: Option<Reader>) -> Self {
        let is_host = root == Path::new("/");
        Self { copy: (!is_host).then(|| root.to_owned()), reader }
    }

    /// Whether this is the running device itself, and not a copy of a tree.
    pub(crate) const fn is_host(&self) -> bool {
        self.copy.is_none()
    }

    /// The first 64 KiB of a regular file. Wiped when dropped: it may hold a serial number.
    pub(crate) fn bytes(&self, path: &str) -> io::Result<Zeroizing<Vec<u8>>> {
        let file = self.open(path, READ)?;
        let status = rustix::fs::fstat(&file)?;
        if self.reader.as_ref().is_some_and(|reader| !reader.may_read(&status)) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        read(file, &status)
    }

    /// A file as text; what is not UTF-8 in it is replaced.
    pub(crate) fn text(&self, path: &str) -> Option<String> {
        let bytes = self.bytes(path).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Whether anything is there, if only a link that leads nowhere (in a copied tree).
    pub(crate) fn exists(&self, path: &str) -> bool {
        self.open(path, OFlags::PATH | OFlags::NOFOLLOW).is_ok()
    }

    /// What a symbolic link says.
    pub(crate) fn link(&self, path: &str) -> Option<String> {
        let link = self.open(path, OFlags::PATH | OFlags::NOFOLLOW).ok()?;
        rustix::fs::readlinkat(link, c"", Vec::new()).ok()?.into_string().ok()
    }

    /// The names in a directory, in order; none if there is no directory.
    pub(crate) fn names(&self, path: &str) -> Vec<String> {
        let Ok(directory) = self.open(path, OFlags::RDONLY | OFlags::DIRECTORY) else {
            return Vec::new();
        };
        let Ok(entries) = Dir::new(directory) else { return Vec::new() };
        let mut names: Vec<_> = entries
            .take(MOST_NAMES)
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

fn read(file: OwnedFd, status: &Stat) -> io::Result<Zeroizing<Vec<u8>>> {
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
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

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
        assert_eq!(root.text("/var/run/nyx/here").as_deref(), Some("inside\n"));
        assert_eq!(root.text("/up").as_deref(), Some("inside\n"));
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
        assert_eq!(root.text("/latin").as_deref(), Some("caf\u{fffd}\n"));
    }

    #[test]
    fn a_file_counts_for_a_user_only_if_its_mode_lets_that_user_read_it() {
        let tree = tempfile::tempdir().unwrap();
        let file = tree.path().join("serial");
        fs::write(&file, "S").unwrap();
        let owner = fs::metadata(&file).unwrap();
        let (uid, gid) = (owner.uid(), owner.gid());
        let stranger = Reader { uid: uid + 1, groups: vec![gid + 1] };
        let member = Reader { uid: uid + 1, groups: vec![gid + 1, gid] };
        for (mode, reads) in
            [(0o400, [false, false]), (0o440, [false, true]), (0o444, [true, true])]
        {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            let found = [&stranger, &member].map(|reader| {
                let root = Root::read_by(tree.path(), Some(reader.clone()));
                root.bytes("/serial").is_ok()
            });
            assert_eq!(found, reads, "{mode:o}");
        }
        assert!(Reader::of(0).groups.contains(&0));
    }

    #[test]
    fn a_link_is_seen_whether_or_not_it_leads_anywhere() {
        let tree = tempfile::tempdir().unwrap();
        symlink("../nowhere/usb1", tree.path().join("device")).unwrap();
        symlink("loop", tree.path().join("loop")).unwrap();
        let root = Root::new(tree.path());
        assert!(root.exists("/device") && root.exists("/loop"));
        assert_eq!(root.link("/device").as_deref(), Some("../nowhere/usb1"));
        assert_eq!(root.link("/"), None);
        assert!(root.text("/loop").is_none() && root.names("/loop").is_empty());
    }

    #[test]
    fn a_root_that_is_not_there_has_no_files() {
        let root = Root::new(Path::new("/nonexistent/root"));
        assert!(root.text("/etc/os-release").is_none());
    }
}
