// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which files make up the configuration (contract, section 5). `tokend.toml` of `/etc` replaces
//! that of `/usr/lib` whole. An application file of `/etc` replaces the one of the same name, and
//! one of `/run` may only add a name.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{Fault, Faults, Source};
use crate::common::map::Map;
use crate::common::model::{AppId, BadAppId};
use crate::system::fs::trusted::{Directory, FileError};

const SETTINGS: &str = "tokend.toml";
const APPLICATIONS: &str = "applications.d";
const LIMIT: usize = 256 * 1024;

/// A directory of the search, in the order in which later ones replace earlier ones.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) directory: PathBuf,
    pub(super) role: Role,
}

/// What a directory may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// `tokend.toml`, and applications that replace earlier ones.
    Whole,
    /// Applications of new names only.
    Adds,
}

/// A file that has been read.
pub(super) struct Text {
    pub(super) path: PathBuf,
    pub(super) bytes: Zeroizing<Vec<u8>>,
}

/// All that was found.
pub(super) struct Found {
    pub(super) settings: Text,
    pub(super) applications: Map<AppId, Text>,
    /// Of application files that were left out.
    pub(super) faults: Vec<Fault>,
    /// Applications whose file could not be read.
    pub(super) unreadable: Vec<AppId>,
}

/// Where to look.
pub(super) fn places(source: &Source) -> Vec<Place> {
    let place = |directory: &Path, role| Place { directory: directory.to_owned(), role };
    match &source.directory {
        Some(directory) => vec![place(directory, Role::Whole)],
        None => vec![
            place(Path::new("/usr/lib/tokend"), Role::Whole),
            place(Path::new("/etc/tokend"), Role::Whole),
            place(Path::new("/run/tokend"), Role::Adds),
        ],
    }
}

/// Reads all that is there. The error is about `tokend.toml` or a directory.
pub(super) fn search(places: &[Place]) -> Result<Found, Faults> {
    let mut faults = Vec::new();
    let mut opened = Vec::new();
    let mut listed = Vec::new();
    for place in places {
        let Some(directory) = noted(Directory::open(&place.directory), &mut faults) else {
            continue;
        };
        if let Some(inner) = noted(directory.directory(APPLICATIONS), &mut faults) {
            let names = noted(inner.names().map(Some), &mut faults).unwrap_or_default();
            listed.push(Listed { directory: inner, role: place.role, names });
        }
        if place.role == Role::Whole {
            opened.push(directory);
        }
    }
    // A faulty file of /etc is a fault: what it replaces is not a substitute.
    let settings = opened.iter().rev().find_map(|directory| {
        let path = directory.path().join(SETTINGS);
        match directory.read(SETTINGS, LIMIT) {
            Ok(bytes) => bytes.map(|bytes| Ok(Text { path, bytes })),
            Err(error) => Some(Err(error.into())),
        }
    });
    match settings {
        Some(Ok(settings)) if faults.is_empty() => Ok(Found::with_applications(settings, &listed)),
        Some(Ok(_)) => Err(Faults(faults)),
        Some(Err(fault)) => {
            faults.push(fault);
            Err(Faults(faults))
        }
        None => {
            // A directory that was refused may hold them.
            if faults.is_empty() {
                faults.push(no_settings(places));
            }
            Err(Faults(faults))
        }
    }
}

/// One `applications.d`.
struct Listed {
    directory: Directory,
    role: Role,
    names: Vec<String>,
}

impl Found {
    fn with_applications(settings: Text, listed: &[Listed]) -> Self {
        let mut found =
            Self { settings, applications: Map::new(), faults: Vec::new(), unreadable: Vec::new() };
        for (id, (directory, name)) in found.choose(listed) {
            match directory.read(&name, LIMIT) {
                Ok(Some(bytes)) => {
                    let path = directory.path().join(name);
                    found.applications.insert(id, Text { path, bytes });
                }
                // It has gone since it was listed.
                Ok(None) => {}
                Err(error) => {
                    found.faults.push(error.into());
                    found.unreadable.push(id);
                }
            }
        }
        found
    }

    /// The file that counts for each application.
    fn choose<'a>(&mut self, listed: &'a [Listed]) -> Map<AppId, (&'a Directory, String)> {
        let mut chosen: Map<AppId, (&Directory, String)> = Map::new();
        for Listed { directory, role, names } in listed {
            for name in names {
                let id = match id(name) {
                    None => continue,
                    Some(Ok(id)) => id,
                    Some(Err(rule)) => {
                        let path = directory.path().join(name);
                        let message = format!("found a file of an illegal name; legal: {rule}");
                        self.faults.push(Fault::of_file(path, message));
                        continue;
                    }
                };
                match chosen.get(&id) {
                    Some((first, name)) if *role == Role::Adds => {
                        let first = first.path().join(name);
                        self.faults.push(Fault::of_file(
                            directory.path().join(name),
                            format!(
                                "found an application that {} configures already, which stays in \
                                 force; legal: a new name",
                                first.display()
                            ),
                        ));
                    }
                    _ => {
                        chosen.insert(id, (directory, name.clone()));
                    }
                }
            }
        }
        chosen
    }
}

/// The application of a file name; none for what is no application file: hidden files and the
/// backups of editors.
fn id(name: &str) -> Option<Result<AppId, BadAppId>> {
    let stem = name.strip_suffix(".toml")?;
    (!name.starts_with('.')).then(|| stem.parse())
}

fn noted<T>(found: Result<Option<T>, FileError>, faults: &mut Vec<Fault>) -> Option<T> {
    found.map_err(|error| faults.push(error.into())).ok().flatten()
}

fn no_settings(places: &[Place]) -> Fault {
    let mut looked: Vec<PathBuf> = places
        .iter()
        .filter(|place| place.role == Role::Whole)
        .map(|place| place.directory.join(SETTINGS))
        .collect();
    let file = looked.pop().unwrap_or_else(|| SETTINGS.into());
    let instead: Vec<_> = looked.iter().map(|path| format!(", nor {}", path.display())).collect();
    Fault::of_file(
        file,
        format!(
            "found no such file{}; legal: a file that has at least, under [storage], \
             seal = \"key-file\", \"pkcs11\" or \"generated\"",
            instead.concat()
        ),
    )
}
