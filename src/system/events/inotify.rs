// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files that come, go and change: inotify(7) on their directories.
//!
//! A file's directory is watched, not the file, which may be replaced by a rename. Where the
//! directory does not exist yet, the nearest one above it is watched for the next step on the way
//! down; when a directory comes or goes, every way is looked up again.

use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{
    CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init, remove_watch,
};
use rustix::io::{Errno, Result};

use super::Wakeup;
use super::source::Source;

/// A directory higher up: the next one on the way down comes, or becomes readable.
const ABOVE: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR)
    // One directory may be both for two files; a watch only ever gets wider.
    .union(WatchFlags::MASK_ADD);
/// The directory of a file.
const HERE: WatchFlags =
    ABOVE.union(WatchFlags::CLOSE_WRITE).union(WatchFlags::DELETE).union(WatchFlags::MOVED_FROM);
/// The directory itself is no longer at its path, or no longer watched.
const LOST: ReadFlags = ReadFlags::DELETE_SELF
    .union(ReadFlags::MOVE_SELF)
    .union(ReadFlags::UNMOUNT)
    .union(ReadFlags::IGNORED);
/// Looks at a way on which directories come and go; then it is taken as it is.
const LOOKS: usize = 16;

#[derive(Debug)]
pub(super) struct Files {
    inotify: OwnedFd,
    files: Vec<File>,
    watches: Vec<i32>,
    /// The files that cannot be watched, of which that has been said.
    unwatched: Vec<PathBuf>,
}

#[derive(Debug)]
struct File {
    path: PathBuf,
    anchor: Option<Anchor>,
}

/// The deepest directory on the way to a file that can be watched.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Anchor {
    watch: i32,
    /// What to look out for in it: the file, or the next directory.
    name: OsString,
    is_the_file: bool,
}

impl Files {
    pub(super) fn new() -> io::Result<Self> {
        let (files, watches, unwatched) = (Vec::new(), Vec::new(), Vec::new());
        match init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK) {
            Ok(inotify) => Ok(Self { inotify, files, watches, unwatched }),
            Err(error @ Errno::MFILE) => Err(io::Error::other(format!(
                "{error}: this user has no inotify instance left (fs.inotify.max_user_instances)"
            ))),
            Err(error) => Err(error.into()),
        }
    }

    /// Watches these files and no others. One that was watched before loses no event.
    pub(super) fn set(&mut self, files: &[PathBuf]) {
        self.files = files.iter().map(|path| File { path: path.clone(), anchor: None }).collect();
        self.look_up();
    }

    /// Looks up the way to each file, and says which may have changed unseen.
    fn look_up(&mut self) -> Vec<PathBuf> {
        let mut changed = Vec::new();
        for file in &mut self.files {
            let (anchor, obstacle) = find(&self.inotify, &file.path, &mut self.watches);
            say(&file.path, obstacle, &mut self.unwatched);
            if anchor != file.anchor {
                let was_there = file.anchor.as_ref().is_some_and(|anchor| anchor.is_the_file);
                if was_there || file.path.symlink_metadata().is_ok() {
                    changed.push(file.path.clone());
                }
                file.anchor = anchor;
            }
        }
        let anchors = self.files.iter().filter_map(|file| file.anchor.as_ref());
        let used: Vec<_> = anchors.map(|anchor| anchor.watch).collect();
        for unused in self.watches.iter().filter(|watch| !used.contains(watch)) {
            // Fails where the directory has gone, and its watch with it.
            let _ = remove_watch(&self.inotify, *unused);
        }
        self.watches = used;
        changed
    }

    /// Reads all events: the files that they concern, and whether a directory came or went.
    fn read(&self) -> io::Result<(Vec<PathBuf>, bool)> {
        let (mut changed, mut moved) = (Vec::new(), false);
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(&self.inotify, &mut buffer);
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => return Ok((changed, moved)),
                Err(error) => return Err(error.into()),
            };
            if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                moved = true;
                changed.extend(self.files.iter().map(|file| file.path.clone()));
                continue;
            }
            let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
            for file in &self.files {
                let Some(anchor) = &file.anchor else { continue };
                if anchor.watch != event.wd() {
                    continue;
                }
                match name {
                    Some(name) if name != anchor.name => {}
                    Some(_) if anchor.is_the_file => changed.push(file.path.clone()),
                    Some(_) => moved = true,
                    None => moved |= event.events().intersects(LOST),
                }
            }
        }
    }
}

impl Source for Files {
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.inotify.as_fd())
    }

    fn take(&mut self, woken: &mut Vec<Wakeup>) -> io::Result<()> {
        let (mut changed, moved) = self.read()?;
        if moved {
            changed.extend(self.look_up());
        }
        for file in changed.into_iter().map(Wakeup::File) {
            if !woken.contains(&file) {
                woken.push(file);
            }
        }
        Ok(())
    }
}

/// A directory that cannot be watched though it is there, and why.
type Obstacle = (PathBuf, Errno);

/// Warns of a file that cannot be watched, once, and tells when it is watched again.
fn say(file: &Path, obstacle: Option<Obstacle>, unwatched: &mut Vec<PathBuf>) {
    let said = unwatched.iter().position(|path| path == file);
    match (obstacle, said) {
        (Some((dir, error)), None) => {
            let limit = match error {
                Errno::NOSPC => {
                    ": this user has no inotify watch left (fs.inotify.max_user_watches)"
                }
                _ => "",
            };
            log::warn!(
                "cannot watch {} for changes, which count at the next reload: {}: {error}{limit}",
                file.display(),
                dir.display()
            );
            unwatched.push(file.to_owned());
        }
        (None, Some(at)) => {
            unwatched.remove(at);
            log::info!("{} is watched for changes again", file.display());
        }
        _ => {}
    }
}

/// Watches the deepest directory on the way to a file. None if not even the first can be watched,
/// or if the path ends in no name. With what keeps a deeper one from being watched.
fn find(
    inotify: &OwnedFd,
    file: &Path,
    watches: &mut Vec<i32>,
) -> (Option<Anchor>, Option<Obstacle>) {
    let mut watch = |dir: &Path, depth: usize| -> Result<i32> {
        let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
        let watch = add_watch(inotify, dir, if depth == 0 { HERE } else { ABOVE })?;
        if !watches.contains(&watch) {
            watches.push(watch);
        }
        Ok(watch)
    };
    let dirs: Vec<&Path> = file.ancestors().skip(1).collect();
    for look in 1..=LOOKS {
        let mut obstacle = None;
        let deepest = (0..dirs.len()).find_map(|depth| match watch(dirs[depth], depth) {
            Ok(watch) => Some((depth, watch)),
            Err(Errno::NOENT | Errno::NOTDIR) => None,
            Err(error) => {
                obstacle.get_or_insert_with(|| (dirs[depth].to_owned(), error));
                None
            }
        });
        let Some((depth, at)) = deepest else { return (None, obstacle) };
        let name = match depth {
            0 => file.file_name(),
            _ => dirs[depth - 1].file_name(),
        };
        let anchor =
            name.map(|name| Anchor { watch: at, name: name.to_owned(), is_the_file: depth == 0 });
        // The next one may have come just before this one was watched: only now does a look count.
        if depth == 0 || look == LOOKS || watch(dirs[depth - 1], depth - 1).is_err() {
            return (anchor, obstacle);
        }
    }
    (None, None)
}

#[cfg(test)]
mod tests;
