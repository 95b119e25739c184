// SPDX-License-Identifier: MIT OR Apache-2.0
//! One directory: durable, atomic writes and bounded reads. Everything goes through the
//! directory's own descriptor, so that a path swapped later leads nowhere else.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

/// What the name of a file that is being written begins with.
pub(crate) const TEMPORARY: &str = ".tmp-";

/// What the name of a file begins with that keeps room on the disk for another.
pub(crate) const ROOM: &str = ".room-";

/// An open directory.
pub(crate) struct Directory {
    descriptor: OwnedFd,
    path: PathBuf,
    #[cfg(test)]
    pub(crate) faults: super::faults::Faults,
}

/// What a file has.
pub(crate) enum Content {
    Missing,
    /// More than the limit.
    TooLong,
    Bytes(Vec<u8>),
}

/// One step on the disk. Tests make the nth one fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    List,
    Open,
    Create,
    Write,
    Sync,
    Rename,
    Remove,
    SyncDirectory,
}

impl Directory {
    /// Opens a directory; a symbolic link is none.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let descriptor = rustix::fs::open(path, flags, Mode::empty())?;
        Ok(Self {
            descriptor,
            path: path.to_owned(),
            #[cfg(test)]
            faults: super::faults::Faults::default(),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The names of all entries that are UTF-8, as all of ours are, sorted.
    pub(crate) fn list(&self) -> io::Result<Vec<String>> {
        self.step(Step::List)?;
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.descriptor)? {
            if let Ok(name) = entry?.file_name().to_str()
                && !matches!(name, "." | "..")
            {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Reads at most `limit` bytes of a file.
    pub(crate) fn read(&self, name: &str, limit: usize) -> io::Result<Content> {
        let Some((file, length)) = self.open_with_length(name)? else {
            return Ok(Content::Missing);
        };
        // A little more room than it needs: one read takes it, of a few kilobytes, one finds the end.
        let length = usize::try_from(length).unwrap_or(limit).min(limit);
        let mut bytes = Vec::with_capacity(length + 32);
        file.take(limit as u64 + 1).read_to_end(&mut bytes)?;
        Ok(if bytes.len() > limit { Content::TooLong } else { Content::Bytes(bytes) })
    }

    /// Opens a regular file for reading; None where there is no file.
    pub(crate) fn open_file(&self, name: &str) -> io::Result<Option<File>> {
        Ok(self.open_with_length(name)?.map(|(file, _)| file))
    }

    fn open_with_length(&self, name: &str) -> io::Result<Option<(File, u64)>> {
        self.step(Step::Open)?;
        // A pipe in its place must not hold up the start.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = match rustix::fs::openat(&self.descriptor, name, flags, Mode::empty()) {
            Ok(descriptor) => File::from(descriptor),
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        Ok(Some((file, metadata.len())))
    }

    /// Replaces or makes a file, so that after a power cut the old or the new content is there,
    /// whole. After an error either may be there.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let temporary = format!("{TEMPORARY}{name}");
        let replaced = self.fill(&temporary, content).and_then(|()| self.rename(&temporary, name));
        if let Err(error) = replaced {
            // What is left is overwritten by the next try, or removed at the next start.
            let _ = self.remove(&temporary);
            return Err(error);
        }
        self.sync()
    }

    /// Keeps room on the disk for a file, once: what is there stays.
    pub(crate) fn keep_room(&self, name: &str, bytes: usize) -> io::Result<()> {
        let room = format!("{ROOM}{name}");
        if self.open_with_length(&room)?.is_some_and(|(_, length)| length >= bytes as u64) {
            return Ok(());
        }
        // Noise: a file system that compresses would keep no room for zeros.
        let mut noise = vec![0; bytes];
        fastrand::Rng::with_seed(0).fill(&mut noise);
        self.write(&room, &noise)
    }

    /// As [`Directory::write`], in the blocks of the room that is kept for the file, if it is.
    pub(crate) fn write_into_room(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let temporary = format!("{TEMPORARY}{name}");
        match self.rename(&format!("{ROOM}{name}"), &temporary) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return self.write(name, content);
            }
            room => room?,
        }
        let replaced =
            self.refill(&temporary, content).and_then(|()| self.rename(&temporary, name));
        if replaced.is_err() {
            // A file system that never writes in place wants other blocks: give it these back.
            let _ = self.remove(&temporary);
            return self.write(name, content);
        }
        self.sync()
    }

    fn refill(&self, temporary: &str, content: &[u8]) -> io::Result<()> {
        self.step(Step::Open)?;
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.descriptor, temporary, flags, Mode::empty())?;
        let mut file = File::from(file);
        self.step(Step::Write)?;
        file.write_all(content)?;
        file.set_len(content.len() as u64)?;
        self.step(Step::Sync)?;
        file.sync_all()
    }

    fn fill(&self, temporary: &str, content: &[u8]) -> io::Result<()> {
        let mut file = self.create(temporary)?;
        self.step(Step::Write)?;
        file.write_all(content)?;
        self.step(Step::Sync)?;
        file.sync_all()
    }

    fn create(&self, name: &str) -> io::Result<File> {
        self.step(Step::Create)?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let create = || rustix::fs::openat(&self.descriptor, name, flags, Mode::RUSR | Mode::WUSR);
        let created = match create() {
            // Left by a try that could not even clean up. The lock says that nobody writes it now.
            Err(Errno::EXIST) => {
                self.remove(name)?;
                create()
            }
            created => created,
        };
        Ok(File::from(created?))
    }

    /// Renames a file, over another if need be. Not durable before [`Directory::sync`].
    pub(crate) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.step(Step::Rename)?;
        Ok(rustix::fs::renameat(&self.descriptor, from, &self.descriptor, to)?)
    }

    /// Removes a file; false where there is none. Not durable before [`Directory::sync`].
    pub(crate) fn remove(&self, name: &str) -> io::Result<bool> {
        self.step(Step::Remove)?;
        match rustix::fs::unlinkat(&self.descriptor, name, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes all renames and removals durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.step(Step::SyncDirectory)?;
        Ok(rustix::fs::fsync(&self.descriptor)?)
    }

    #[cfg(not(test))]
    fn step(&self, _step: Step) -> io::Result<()> {
        Ok(())
    }

    #[cfg(test)]
    fn step(&self, step: Step) -> io::Result<()> {
        self.faults.step(step)
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

#[cfg(test)]
mod tests;
