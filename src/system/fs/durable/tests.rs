// SPDX-License-Identifier: MIT OR Apache-2.0
use std::fs;

use super::*;
use crate::system::fs::faults::How;

fn directory() -> (tempfile::TempDir, Directory) {
    let dir = crate::scratch::scratch("tokend-store-").unwrap();
    let directory = Directory::open(dir.path()).unwrap();
    (dir, directory)
}

fn bytes(directory: &Directory, name: &str) -> Vec<u8> {
    match directory.read(name, 1000).unwrap() {
        Content::Bytes(bytes) => bytes,
        _ => panic!("{name} has no content"),
    }
}

#[test]
fn content_is_on_the_disk_before_its_name_and_the_name_before_success() {
    let (_dir, directory) = directory();
    directory.write("f", b"content").unwrap();
    let wanted = [Step::Create, Step::Write, Step::Sync, Step::Rename, Step::SyncDirectory];
    assert_eq!(directory.faults.trace(), wanted);
}

#[test]
fn a_write_that_fails_leaves_the_old_content_and_nothing_else() {
    let (_dir, directory) = directory();
    directory.write("f", b"old").unwrap();
    for good in 0..4 {
        directory.faults.after(good, How::Once);
        assert!(directory.write("f", b"new").is_err());
        assert_eq!(bytes(&directory, "f"), b"old", "step {good}");
        assert_eq!(directory.list().unwrap(), ["f"], "step {good}");
    }
}

#[test]
fn what_a_failed_write_could_not_remove_is_in_nobodys_way() {
    let (dir, directory) = directory();
    fs::write(dir.path().join(".tmp-f"), "a longer text than the new one").unwrap();
    directory.write("f", b"new").unwrap();
    assert_eq!(bytes(&directory, "f"), b"new");
    assert_eq!(directory.list().unwrap(), ["f"]);
}

#[test]
fn only_a_missing_file_is_missing() {
    let (dir, directory) = directory();
    assert!(matches!(directory.read("f", 10), Ok(Content::Missing)));
    fs::create_dir(dir.path().join("directory")).unwrap();
    assert!(directory.read("directory", 10).is_err());
    std::os::unix::fs::symlink("nowhere", dir.path().join("link")).unwrap();
    assert!(directory.read("link", 10).is_err());
    let pipe = dir.path().join("pipe");
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, kind, 0o600.into(), 0).unwrap();
    assert!(directory.read("pipe", 10).is_err());
}

#[test]
fn reading_stops_at_the_limit() {
    let (_dir, directory) = directory();
    directory.write("f", b"12345").unwrap();
    assert!(matches!(directory.read("f", 5), Ok(Content::Bytes(bytes)) if bytes == b"12345"));
    assert!(matches!(directory.read("f", 4), Ok(Content::TooLong)));
}

#[test]
fn a_directory_that_is_moved_away_is_still_the_one() {
    let (dir, _) = directory();
    let (here, there) = (dir.path().join("here"), dir.path().join("there"));
    fs::create_dir(&here).unwrap();
    let directory = Directory::open(&here).unwrap();
    fs::rename(&here, &there).unwrap();
    fs::create_dir(&here).unwrap();
    directory.write("f", b"x").unwrap();
    assert_eq!(fs::read(there.join("f")).unwrap(), b"x");
    assert_eq!(fs::read_dir(here).unwrap().count(), 0);
}
