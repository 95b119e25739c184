// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a disk may hold after the power has failed.
//!
//! The model knows what POSIX promises, and takes nothing for granted beyond it:
//! - data that was not fsynced is there up to any length, or the rest of its length reads as zeros;
//!   over old data it is there up to any length, and the file has the old length or the new one;
//! - of the changes to the directory since its last fsync any may have come through, in every
//!   combination; of a rename, both names or the new one alone may be there, but never neither.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::strace::Line;
use super::world::Files;

/// One change of the state directory or of a file in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Create(String),
    /// Opened to be written over from its beginning.
    Rewind(String),
    Write(String, Vec<u8>),
    SetLength(String, usize),
    Sync(String),
    Rename(String, String),
    Remove(String),
    SyncDirectory,
}

/// The changes of a recording. Panics at a call of which the model does not know what it does.
pub(crate) fn changes(lines: &[Line], state: &Path) -> Vec<Change> {
    lines.iter().filter_map(|line| change(line, state)).collect()
}

fn change(line: &Line, state: &Path) -> Option<Change> {
    let result = line.result?;
    let text = |number: usize| String::from_utf8(line.texts[number].clone()).unwrap();
    let file = || {
        let path = &line.paths[0];
        assert_eq!(path.parent(), Some(state), "{line:?}");
        path.file_name().unwrap().to_str().unwrap().to_owned()
    };
    Some(match line.name.as_str() {
        "openat" if line.flags.contains("O_CREAT") => {
            assert!(line.flags.contains("O_EXCL") && line.paths[0] == state, "{line:?}");
            Change::Create(text(0))
        }
        "openat" => {
            assert!(!line.flags.contains("O_TRUNC"), "{line:?}");
            if !line.flags.contains("O_WRONLY") {
                return None;
            }
            assert!(line.paths[0] == state, "{line:?}");
            Change::Rewind(text(0))
        }
        "write" => Change::Write(file(), line.texts[0][..result].to_vec()),
        "ftruncate" => {
            let last = line.flags.rsplit(", ").next().unwrap_or_default();
            let length = last.trim_end().trim_end_matches(')');
            Change::SetLength(file(), length.parse().expect("a length"))
        }
        "fsync" if line.paths[0] == state => Change::SyncDirectory,
        "fsync" => Change::Sync(file()),
        "renameat" => {
            assert!(line.paths.iter().all(|path| path == state), "{line:?}");
            Change::Rename(text(0), text(1))
        }
        "unlinkat" => {
            assert!(line.paths.iter().all(|path| path == state), "{line:?}");
            Change::Remove(text(0))
        }
        // They change nothing; a mode is not modelled.
        "read" | "lseek" | "getdents64" | "flock" | "fchmod" | "stat" | "fstat" | "lstat"
        | "newfstatat" | "statx" | "close" | "open" => return None,
        _ => panic!("the model does not know {line:?}"),
    })
}

#[derive(Clone)]
struct Inode {
    durable: Vec<u8>,
    content: Vec<u8>,
    /// Where the next write goes to.
    at: usize,
}

/// A name, and what it stands for from now on.
type Entry = (String, Option<usize>);

/// A disk, as the system shows it and as it may be found.
#[derive(Clone)]
pub(crate) struct Disk {
    inodes: Vec<Inode>,
    durable: BTreeMap<String, usize>,
    shown: BTreeMap<String, usize>,
    /// Changes of the directory since its last fsync: for each, the ways in which it may be found.
    pending: Vec<Vec<Vec<Entry>>>,
}

impl Disk {
    /// A disk on which these files lie for long.
    pub(crate) fn new(files: &Files) -> Self {
        let contents = files.values();
        let inode = |it: &Vec<u8>| Inode { durable: it.clone(), content: it.clone(), at: it.len() };
        let names: BTreeMap<_, _> = files.keys().cloned().zip(0..).collect();
        Self {
            inodes: contents.map(inode).collect(),
            durable: names.clone(),
            shown: names,
            pending: Vec::new(),
        }
    }

    pub(crate) fn apply(&mut self, change: &Change) {
        match change {
            Change::Create(name) => {
                self.inodes.push(Inode { durable: Vec::new(), content: Vec::new(), at: 0 });
                let inode = self.inodes.len() - 1;
                self.enter(vec![vec![(name.clone(), Some(inode))]]);
            }
            Change::Rewind(name) => self.inode(name).at = 0,
            Change::Write(name, data) => {
                let inode = self.inode(name);
                let end = inode.at + data.len();
                if inode.content.len() < end {
                    inode.content.resize(end, 0);
                }
                inode.content[inode.at..end].copy_from_slice(data);
                inode.at = end;
            }
            Change::SetLength(name, length) => self.inode(name).content.resize(*length, 0),
            Change::Sync(name) => {
                let inode = self.inode(name);
                inode.durable.clone_from(&inode.content);
            }
            Change::Rename(from, to) => {
                let to = (to.clone(), Some(self.shown[from]));
                self.enter(vec![vec![to.clone(), (from.clone(), None)], vec![to]]);
            }
            Change::Remove(name) => self.enter(vec![vec![(name.clone(), None)]]),
            Change::SyncDirectory => {
                self.durable.clone_from(&self.shown);
                self.pending.clear();
            }
        }
    }

    fn inode(&mut self, name: &str) -> &mut Inode {
        &mut self.inodes[self.shown[name]]
    }

    /// Takes a change of the directory in; the first way is how it is meant.
    fn enter(&mut self, ways: Vec<Vec<Entry>>) {
        enter(&mut self.shown, &ways[0]);
        self.pending.push(ways);
    }

    /// Whether the directory has nothing that an fsync would add to.
    pub(crate) fn is_settled(&self) -> bool {
        self.pending.is_empty()
    }

    /// As the system shows it.
    pub(crate) fn shown(&self) -> Files {
        let file =
            |(name, inode): (&String, &usize)| (name.clone(), self.inodes[*inode].content.clone());
        self.shown.iter().map(file).collect()
    }

    /// Everything that may be found if the power fails now.
    pub(crate) fn crashes(&self) -> BTreeSet<Files> {
        let mut directories = BTreeSet::from([self.durable.clone()]);
        for ways in &self.pending {
            // Without this change, too.
            for directory in directories.clone() {
                for way in ways {
                    let mut found = directory.clone();
                    enter(&mut found, way);
                    directories.insert(found);
                }
            }
        }
        let torn = self.inodes.iter().filter(|inode| inode.durable != inode.content).count();
        assert!(torn <= 1, "{torn} files are not fsynced at once: more than the store ever leaves");
        let mut all = BTreeSet::new();
        for directory in directories {
            let mut found = vec![Files::new()];
            for (name, inode) in directory {
                let contents = self.inodes[inode].contents();
                let with = |files: &Files, content: &Vec<u8>| {
                    let mut files = files.clone();
                    files.insert(name.clone(), content.clone());
                    files
                };
                let each = |files| contents.iter().map(move |content| with(files, content));
                found = found.iter().flat_map(each).collect();
            }
            all.extend(found);
        }
        all
    }
}

impl Inode {
    /// What may be found of it: each part of it that is longer than what was fsynced, with or
    /// without zeros up to its full length; if old data was written over, each part of the new
    /// with the rest of the old, in both lengths. Not every length: each 16th, and the last ones; of
    /// a file whose content nobody reads, the room for another, some.
    fn contents(&self) -> BTreeSet<Vec<u8>> {
        let (durable, full) = (self.durable.len(), self.content.len());
        let step = if durable.max(full) < 8192 { 16 } else { 8192 };
        if !self.content.starts_with(&self.durable) {
            let lengths = (0..=full).filter(|length| length % (step / 16 * 4).max(64) == 0);
            let mixed = |length: usize| {
                let mut old = self.durable.clone();
                old.resize(durable.max(full), 0);
                old[..length].copy_from_slice(&self.content[..length]);
                [old[..full].to_vec(), old[..durable.max(length)].to_vec()]
            };
            return lengths
                .flat_map(mixed)
                .chain([self.content.clone(), self.durable.clone()])
                .collect();
        }
        let lengths = (durable..=full).filter(|length| length % step == 0 || full - length < 2);
        let torn = |length: usize| {
            let cut = self.content[..length].to_vec();
            let mut zeros = cut.clone();
            zeros.resize(full, 0);
            [cut, zeros]
        };
        lengths.chain([durable]).flat_map(torn).chain([self.durable.clone()]).collect()
    }
}

fn enter(directory: &mut BTreeMap<String, usize>, way: &[Entry]) {
    for (name, inode) in way {
        match inode {
            Some(inode) => directory.insert(name.clone(), *inode),
            None => directory.remove(name),
        };
    }
}
