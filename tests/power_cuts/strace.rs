// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tracer: counts a daemon's calls on its state directory, or strikes at one of them.
//!
//! strace matches a call by the files that it names or whose descriptors it is given, and counts
//! for each kind of call and each thread apart. All calls on the state directory are the main
//! thread's, so a kind and a number name one call.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use super::support::child;

/// Every call that can touch the state directory or a file in it.
const TRACED: &str = "open,openat,openat2,creat,read,pread64,readv,write,pwrite64,writev,lseek,\
    fsync,fdatasync,sync_file_range,truncate,ftruncate,fallocate,rename,renameat,renameat2,\
    unlink,unlinkat,rmdir,link,linkat,symlink,symlinkat,mkdir,mkdirat,getdents64,flock,chmod,\
    fchmod,fchmodat,stat,fstat,lstat,newfstatat,statx,close,copy_file_range,sendfile";

/// What happens to one call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Strike {
    /// The process is killed before it.
    Kill,
    /// It fails with this error, and does nothing.
    Fail(&'static str),
    /// It and every later one of its kind fails.
    FailForEver(&'static str),
}

/// One call of a run, by its kind and its number among them.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub name: String,
    pub number: usize,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.number)
    }
}

/// The command line that stands before the daemon's. The tracer is its grandchild, so that the
/// process id is the daemon's own.
fn tracer(state: &Path, names: &[String]) -> Vec<OsString> {
    let strace = child::find("strace", "strace").unwrap();
    let mut words: Vec<OsString> = vec![strace.into()];
    words.extend(["-D", "-f", "--quiet=path-resolution,attach,exit"].map(OsString::from));
    words.extend(["-e", "signal=none", "-e"].map(OsString::from));
    words.push(format!("trace={TRACED}").into());
    let files = names.iter().map(|name| state.join(name));
    for path in std::iter::once(state.to_owned()).chain(files) {
        words.extend([OsString::from("-P"), path.into()]);
    }
    words
}

/// Writes every call on `state`, and on the files `names` in it, to `log`.
pub(crate) fn recording(state: &Path, names: &[String], log: &Path) -> Vec<OsString> {
    let mut words = tracer(state, names);
    words.extend(["-y", "-xx", "-s", "300000", "-o"].map(OsString::from));
    words.push(log.into());
    words
}

/// Strikes at one call.
pub(crate) fn striking(
    state: &Path,
    names: &[String],
    call: &Call,
    strike: Strike,
) -> Vec<OsString> {
    let Call { name, number } = call;
    let what = match strike {
        Strike::Kill => format!("inject={name}:signal=KILL:when={number}"),
        Strike::Fail(error) => format!("inject={name}:error={error}:when={number}"),
        Strike::FailForEver(error) => format!("inject={name}:error={error}:when={number}+"),
    };
    let mut words = tracer(state, names);
    words.extend(["-o", "/dev/null", "-e", &what].map(OsString::from));
    words
}

/// One line of a recording.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub name: String,
    /// Its text arguments, decoded: names and data.
    pub texts: Vec<Vec<u8>>,
    /// The paths behind the descriptors that it was given, decoded.
    pub paths: Vec<PathBuf>,
    pub flags: String,
    /// What it returned, where it did not fail.
    pub result: Option<usize>,
}

/// Reads a recording. Panics where a line has another form than expected.
pub(crate) fn read(log: &str) -> Vec<Line> {
    log.lines().filter_map(line).collect()
}

fn line(text: &str) -> Option<Line> {
    let (_, call) = text.split_once(' ')?;
    let call = call.trim_start();
    // Of a thread that ends with its tracer, no call is known.
    if ["+++", "---", "???("].iter().any(|mark| call.starts_with(mark)) {
        return None;
    }
    assert!(!call.contains("<unfinished") && !call.contains(" resumed>"), "{text}");
    let (name, rest) = call.split_once('(').unwrap_or_else(|| panic!("no call: {text}"));
    let (arguments, result) = rest.rsplit_once(" = ").unwrap_or_else(|| panic!("no end: {text}"));
    let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>();
    let (mut texts, mut paths) = (Vec::new(), Vec::new());
    for (number, part) in arguments.split('"').enumerate() {
        if number % 2 == 1 {
            texts.push(decode(part));
            continue;
        }
        for path in part.split('<').skip(1) {
            let path = decode(path.split('>').next().unwrap_or_default());
            paths.push(String::from_utf8(path).expect("a path of the tests").into());
        }
    }
    Some(Line {
        name: name.to_owned(),
        texts,
        paths,
        flags: arguments.rsplit('"').next().unwrap_or_default().to_owned(),
        result: digits(result.trim()).parse().ok(),
    })
}

/// `\x` and two digits for each byte; a text in the clear stays.
fn decode(text: &str) -> Vec<u8> {
    if !text.starts_with("\\x") {
        return text.as_bytes().to_vec();
    }
    text.split("\\x").skip(1).map(|digits| u8::from_str_radix(digits, 16).unwrap()).collect()
}

/// Every call of a recording.
pub(crate) fn calls(lines: &[Line]) -> Vec<Call> {
    let mut numbers = BTreeMap::new();
    let call = |line: &Line| {
        let number = numbers.entry(line.name.clone()).or_insert(0);
        *number += 1;
        Call { name: line.name.clone(), number: *number }
    };
    lines.iter().map(call).collect()
}
