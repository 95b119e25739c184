// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which files may be believed: those that only root, or the user that runs tokend, can change
//! (contract, section 5). A file is opened first and judged afterwards, by its descriptor, so
//! that what was judged is what is read.

use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{CWD, Dir, Mode, OFlags};
use zeroize::Zeroizing;

/// Reads a file whole: regular, of trusted ownership, at most `limit` bytes. Never waits for a
/// pipe to be filled.
pub fn read(path: &Path, limit: usize) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let fail = |problem| FileError { path: path.to_owned(), problem };
    let fd = rustix::fs::openat(CWD, path, FILE, Mode::empty()).map_err(|e| fail(io(e)))?;
    read_open(File::from(fd), limit).map_err(fail)
}

/// Whether what is at this path, a symbolic link followed, belongs to root or to the user that
/// runs tokend, and is writable by nobody else.
pub fn check_ownership(path: &Path) -> Result<(), FileError> {
    std::fs::metadata(path)
        .map_err(Problem::Io)
        .and_then(|metadata| judge(&metadata))
        .map_err(|problem| FileError { path: path.to_owned(), problem })
}

/// From now on trusts files of `uid` in place of this process's own: for root, who checks what the
/// daemon of that user will make of them.
pub fn judge_for(uid: u32) {
    OWN.store(uid, Ordering::Relaxed);
}

/// Whose files are trusted besides root's; [`u32::MAX`], which is no user's: those of this process.
static OWN: AtomicU32 = AtomicU32::new(u32::MAX);

fn own() -> u32 {
    match OWN.load(Ordering::Relaxed) {
        u32::MAX => rustix::process::geteuid().as_raw(),
        uid => uid,
    }
}

/// A directory of trusted ownership, held open.
pub(crate) struct Directory {
    fd: OwnedFd,
    path: PathBuf,
}

impl Directory {
    /// Opens it; none where there is no such directory.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>, FileError> {
        Self::accept(rustix::fs::openat(CWD, path, DIRECTORY, Mode::empty()), path.to_owned())
    }

    /// Opens a directory in it; none where there is no such directory.
    pub(crate) fn directory(&self, name: &str) -> Result<Option<Self>, FileError> {
        let found = rustix::fs::openat(&self.fd, name, DIRECTORY, Mode::empty());
        Self::accept(found, self.path.join(name))
    }

    /// Reads a file in it, as [`read`] does; none where there is no such file.
    pub(crate) fn read(
        &self,
        name: &str,
        limit: usize,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, FileError> {
        let read = match rustix::fs::openat(&self.fd, name, FILE, Mode::empty()) {
            // A link to nowhere is a mistake, not an absence.
            Err(rustix::io::Errno::NOENT) if !self.lists(name) => return Ok(None),
            Err(errno) => Err(io(errno)),
            Ok(fd) => read_open(File::from(fd), limit),
        };
        read.map(Some).map_err(|problem| FileError { path: self.path.join(name), problem })
    }

    /// The names in it, sorted; those that are no UTF-8 with replacement characters.
    pub(crate) fn names(&self) -> Result<Vec<String>, FileError> {
        let list = || -> rustix::io::Result<Vec<String>> {
            let entries = Dir::read_from(&self.fd)?.collect::<rustix::io::Result<Vec<_>>>()?;
            Ok(entries.iter().map(|e| e.file_name().to_string_lossy().into_owned()).collect())
        };
        let mut names =
            list().map_err(|errno| FileError { path: self.path.clone(), problem: io(errno) })?;
        names.sort_unstable();
        Ok(names)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn accept(
        found: rustix::io::Result<OwnedFd>,
        path: PathBuf,
    ) -> Result<Option<Self>, FileError> {
        let fd = match found {
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(rustix::io::Errno::NOTDIR) => {
                return Err(FileError { path, problem: Problem::NotADirectory });
            }
            Err(errno) => return Err(FileError { path, problem: io(errno) }),
            Ok(fd) => fd,
        };
        let file = File::from(fd);
        match file.metadata().map_err(Problem::Io).and_then(|metadata| judge(&metadata)) {
            Ok(()) => Ok(Some(Self { fd: file.into(), path })),
            Err(problem) => Err(FileError { path, problem }),
        }
    }

    fn lists(&self, name: &str) -> bool {
        rustix::fs::statat(&self.fd, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }
}

const FILE: OFlags =
    OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC).union(OFlags::NOCTTY);
const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

fn read_open(file: File, limit: usize) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let metadata = file.metadata().map_err(Problem::Io)?;
    if !metadata.is_file() {
        return Err(Problem::NotAFile(kind(&metadata)));
    }
    judge(&metadata)?;
    // Room for all of it at once, so that no half-filled copy of a secret is left behind.
    let size = usize::try_from(metadata.len()).unwrap_or(limit).min(limit);
    let mut bytes = Zeroizing::new(Vec::with_capacity(size + 64));
    file.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(Problem::Io)?;
    if bytes.len() > limit {
        return Err(Problem::TooLong(limit));
    }
    Ok(bytes)
}

/// Whether an opened file or directory is root's, or the user's that runs tokend, and nobody else
/// can write it.
pub(crate) fn judge(metadata: &Metadata) -> Result<(), Problem> {
    judge_as(metadata.uid(), metadata.mode(), own())
}

fn judge_as(owner: u32, mode: u32, own: u32) -> Result<(), Problem> {
    if owner != 0 && owner != own {
        return Err(Problem::Owner { owner, own });
    }
    if mode & 0o022 != 0 {
        return Err(Problem::Writable { mode: mode & 0o7777 });
    }
    Ok(())
}

fn io(errno: rustix::io::Errno) -> Problem {
    Problem::Io(errno.into())
}

fn kind(metadata: &Metadata) -> &'static str {
    let kind = metadata.file_type();
    match () {
        () if kind.is_dir() => "a directory",
        () if kind.is_fifo() => "a pipe",
        () if kind.is_char_device() || kind.is_block_device() => "a device",
        () => "no regular file",
    }
}

/// A file or directory that cannot be read, or may not be believed.
#[derive(Debug)]
pub struct FileError {
    /// Which one.
    pub path: PathBuf,
    /// Why.
    pub problem: Problem,
}

/// Why a file or directory is refused.
#[derive(Debug)]
pub enum Problem {
    /// It cannot be opened or read.
    Io(io::Error),
    /// It belongs to somebody else.
    Owner {
        /// The user it belongs to.
        owner: u32,
        /// The user that runs tokend.
        own: u32,
    },
    /// Others can change it.
    Writable {
        /// Its permission bits.
        mode: u32,
    },
    /// It is something else, which is named.
    NotAFile(&'static str),
    /// It is something else than a directory.
    NotADirectory,
    /// It has more than this many bytes.
    TooLong(usize),
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.problem)
    }
}

impl std::error::Error for FileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.problem {
            Problem::Io(cause) => Some(cause),
            _ => None,
        }
    }
}

impl std::error::Error for Problem {}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(_) => f.write_str("cannot be read"),
            Self::Owner { owner, own: 0 } => {
                write!(f, "belongs to uid {owner}; legal: uid 0 (root)")
            }
            Self::Owner { owner, own } => {
                write!(f, "belongs to uid {owner}; legal: uid 0 (root) or {own} (runs tokend)")
            }
            Self::Writable { mode } => write!(
                f,
                "has mode {mode:04o}; legal: not writable by group or others (such as {:04o})",
                mode & !0o022
            ),
            Self::NotAFile(kind) => write!(f, "found {kind}; legal: a regular file"),
            Self::NotADirectory => f.write_str("found no directory; legal: a directory"),
            Self::TooLong(limit) => {
                write!(f, "has too many bytes; legal: at most {} KiB", limit / 1024)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use super::*;

    fn file(mode: u32, content: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (dir, path)
    }

    fn message(result: Result<impl Sized, FileError>) -> String {
        result.map(|_| ()).unwrap_err().problem.to_string()
    }

    #[test]
    fn only_root_and_ourselves_are_trusted_as_owners() {
        for (owner, own) in [(0, 0), (0, 990), (990, 990)] {
            assert!(judge_as(owner, 0o100_644, own).is_ok(), "{owner} {own}");
        }
        assert_eq!(
            judge_as(1000, 0o100_644, 990).unwrap_err().to_string(),
            "belongs to uid 1000; legal: uid 0 (root) or 990 (runs tokend)"
        );
        assert_eq!(
            judge_as(990, 0o100_644, 0).unwrap_err().to_string(),
            "belongs to uid 990; legal: uid 0 (root)"
        );
    }

    #[test]
    fn what_group_or_others_can_write_is_refused() {
        for (mode, better) in [(0o664, "0644"), (0o646, "0644"), (0o622, "0600"), (0o1777, "1755")]
        {
            assert_eq!(
                judge_as(0, 0o100_000 | mode, 0).unwrap_err().to_string(),
                format!(
                    "has mode {mode:04o}; legal: not writable by group or others (such as {better})"
                )
            );
        }
        let (_dir, path) = file(0o666, b"x");
        let wanted = "has mode 0666; legal: not writable by group or others (such as 0644)";
        assert_eq!(message(read(&path, 10)), wanted);
        assert_eq!(message(check_ownership(&path)), wanted);
    }

    #[test]
    fn a_file_of_ours_is_read_whole() {
        let (dir, path) = file(0o400, b"0123456789");
        assert_eq!(read(&path, 10).unwrap().as_slice(), b"0123456789");
        assert!(check_ownership(&path).is_ok());
        assert_eq!(read(&path, 9).unwrap_err().problem.to_string().split(';').count(), 2);
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(read(&link, 10).unwrap().len(), 10);
    }

    #[test]
    fn a_file_over_the_limit_is_refused() {
        let (_dir, path) = file(0o600, &[b'x'; 2049]);
        assert_eq!(message(read(&path, 2048)), "has too many bytes; legal: at most 2 KiB");
    }

    #[test]
    fn only_a_regular_file_is_read_and_a_pipe_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(message(read(dir.path(), 10)), "found a directory; legal: a regular file");
        let pipe = dir.path().join("pipe");
        rustix::fs::mknodat(CWD, &pipe, rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || sender.send(message(read(&pipe, 10))));
        assert_eq!(
            receiver.recv_timeout(Duration::from_secs(60)).unwrap(),
            "found a pipe; legal: a regular file"
        );
        assert_eq!(
            message(read(Path::new("/dev/null"), 10)),
            "found a device; legal: a regular file"
        );
    }

    #[test]
    fn a_missing_file_says_so_and_keeps_its_cause() {
        use std::error::Error;
        let error = read(Path::new("/nonexistent/a"), 10).unwrap_err();
        assert_eq!(error.to_string(), "/nonexistent/a: cannot be read");
        assert!(error.source().unwrap().to_string().starts_with("No such file"));
    }

    #[test]
    fn a_directory_that_others_can_write_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o775)).unwrap();
        assert_eq!(
            message(Directory::open(dir.path())),
            "has mode 0775; legal: not writable by group or others (such as 0755)"
        );
        let (_dir, path) = file(0o644, b"");
        assert_eq!(message(Directory::open(&path)), "found no directory; legal: a directory");
        assert!(Directory::open(Path::new("/nonexistent")).unwrap().is_none());
    }

    #[test]
    fn a_link_to_nowhere_is_a_mistake_and_not_an_absence() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
        std::os::unix::fs::symlink("/nonexistent", dir.path().join("link")).unwrap();
        let dir = Directory::open(dir.path()).unwrap().unwrap();
        assert!(dir.read("none", 10).unwrap().is_none());
        assert_eq!(message(dir.read("link", 10)), "cannot be read");
    }
}
