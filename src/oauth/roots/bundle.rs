// SPDX-License-Identifier: MIT OR Apache-2.0
//! Certificates out of files: read without waiting, and one by one, so that a damaged one costs no
//! other.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Dir, Mode, OFlags, openat};
use rustix::io::Errno;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};

use super::Fault;
use crate::system::fs::trusted;

/// The most that is read, in bytes, of all files together: many times what all public roots need.
const LONGEST: u64 = 4 * 1024 * 1024;

const FILE: OFlags =
    OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC).union(OFlags::NOCTTY);
const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// What a file holds.
pub(super) struct Bundle {
    /// The certificates that can be used.
    pub(super) certificates: Vec<CertificateDer<'static>>,
    /// How many have lost their form: their PEM cannot be read.
    pub(super) damaged: usize,
    /// How many can be read, and are no certificates.
    pub(super) unusable: usize,
    /// What is wrong with the first damaged one.
    pub(super) cause: Option<pem::Error>,
}

impl Bundle {
    /// Whether there is no trace of a certificate.
    pub(super) fn is_empty(&self) -> bool {
        self.certificates.is_empty() && self.damaged + self.unusable == 0
    }

    fn parse(text: &[u8]) -> Self {
        let (begins, ends) = (places(text, b"-----BEGIN "), places(text, b"-----END CERTIFICATE-"));
        let (mut read, mut begun, mut cause) = (Vec::new(), 0, None);
        for (at, begin) in begins.iter().enumerate() {
            // Up to the next one, so that one without an end does not take it along.
            let section = &text[*begin..begins.get(at + 1).copied().unwrap_or(text.len())];
            begun += usize::from(section.starts_with(b"-----BEGIN CERTIFICATE-----"));
            match CertificateDer::pem_slice_iter(section).next() {
                Some(Ok(certificate)) => read.push(certificate),
                Some(Err(error)) => cause = cause.or(Some(error)),
                None => {}
            }
        }
        let damaged = begun.max(ends.len()).saturating_sub(read.len());
        let usable = |c: &CertificateDer<'static>| RootCertStore::empty().add(c.clone()).is_ok();
        let (certificates, unusable): (Vec<_>, Vec<_>) = read.into_iter().partition(usable);
        Self { certificates, damaged, unusable: unusable.len(), cause }
    }
}

/// Where lines begin with this.
fn places(text: &[u8], start: &[u8]) -> Vec<usize> {
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let starts = lines.scan(0, |at, line| {
        let start = *at;
        *at += line.len();
        Some((start, line))
    });
    starts.filter(|(_, line)| line.starts_with(start)).map(|(at, _)| at).collect()
}

/// Reads files, of all together no more than [`LONGEST`].
pub(super) struct Reader {
    judged: bool,
    left: u64,
    /// The files read so far (device, inode), sorted: in a directory each may have several names.
    seen: Vec<(u64, u64)>,
}

impl Reader {
    /// Refuses what anybody but root and the user that runs tokend could have written.
    pub(super) fn of_trusted_files() -> Self {
        Self { judged: true, left: LONGEST, seen: Vec::new() }
    }

    pub(super) fn of_anybodys_files() -> Self {
        Self { judged: false, ..Self::of_trusted_files() }
    }

    /// Reads a file.
    pub(super) fn file(&mut self, path: &Path) -> Result<Bundle, Fault> {
        self.open_file(self.judged_file(path)?)
    }

    /// Opens a file that may be believed.
    pub(super) fn judged_file(&self, path: &Path) -> Result<File, Fault> {
        let file = File::from(openat(CWD, path, FILE, Mode::empty()).map_err(io::Error::from)?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("not a regular file").into());
        }
        self.judge(&file)?;
        Ok(file)
    }

    /// Opens a directory that may be believed.
    pub(super) fn judged_directory(&self, path: &Path) -> Result<File, Fault> {
        let dir = openat(CWD, path, DIRECTORY, Mode::empty()).map_err(io::Error::from)?;
        let dir = File::from(dir);
        self.judge(&dir)?;
        Ok(dir)
    }

    /// Reads the files of a directory: each with its path, in the order of their names. Left out
    /// are directories, links to nowhere, and what was read before.
    pub(super) fn directory(&mut self, path: &Path) -> Result<Vec<FileRead>, (PathBuf, Fault)> {
        let fault = |fault: io::Error| (path.to_owned(), Fault::from(fault));
        let dir = self.judged_directory(path).map_err(|fault| (path.to_owned(), fault))?;
        let mut names = names(dir.as_fd()).map_err(fault)?;
        names.sort_unstable();
        let mut files = Vec::new();
        for name in names {
            let path = path.join(std::ffi::OsStr::from_bytes(&name));
            match self.entry(&dir, &name) {
                Ok(Some(bundle)) => files.push(Ok((path, bundle))),
                Ok(None) => {}
                Err(fault) => files.push(Err((path, fault))),
            }
        }
        Ok(files)
    }

    fn entry(&mut self, dir: &File, name: &[u8]) -> Result<Option<Bundle>, Fault> {
        let file = match openat(dir, name, FILE, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            opened => File::from(opened.map_err(io::Error::from)?),
        };
        let metadata = file.metadata()?;
        let id = (metadata.dev(), metadata.ino());
        match (metadata.is_dir(), metadata.is_file(), self.seen.binary_search(&id)) {
            (true, ..) | (.., Ok(_)) => Ok(None),
            (_, false, _) => Err(io::Error::other("not a regular file").into()),
            _ => {
                self.judge(&file)?;
                self.open_file(file).map(Some)
            }
        }
    }

    fn open_file(&mut self, file: File) -> Result<Bundle, Fault> {
        let metadata = file.metadata()?;
        let id = (metadata.dev(), metadata.ino());
        if let Err(at) = self.seen.binary_search(&id) {
            self.seen.insert(at, id);
        }
        let mut text = Vec::new();
        file.take(self.left + 1).read_to_end(&mut text)?;
        let left = self.left.checked_sub(text.len() as u64);
        self.left = left.ok_or_else(|| io::Error::other("longer than 4 MiB"))?;
        Ok(Bundle::parse(&text))
    }

    fn judge(&self, file: &File) -> Result<(), Fault> {
        match self.judged {
            true => trusted::judge(&file.metadata()?).map_err(Fault::Refused),
            false => Ok(()),
        }
    }
}

/// A file of a directory: its path, and what it holds, or what is wrong with it.
pub(super) type FileRead = Result<(PathBuf, Bundle), (PathBuf, Fault)>;

fn names(dir: BorrowedFd<'_>) -> io::Result<Vec<Vec<u8>>> {
    let entries = Dir::read_from(dir)?.collect::<rustix::io::Result<Vec<_>>>()?;
    Ok(entries.iter().map(|entry| entry.file_name().to_bytes().to_vec()).collect())
}
