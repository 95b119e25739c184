// SPDX-License-Identifier: MIT OR Apache-2.0
//! Room on the disk that is kept for credentials.

use std::os::unix::fs::MetadataExt;

use super::*;
use crate::system::fs::faults::How;

fn room(which: char) -> String {
    format!(".room-{}", copy(which))
}

fn inode(it: &Fixture, name: &str) -> u64 {
    it.path(name).metadata().unwrap().ino()
}

fn with_room() -> Fixture {
    let mut it = Fixture::new();
    it.store.keep_room(&app("cinema"), &digest(1)).unwrap();
    it
}

#[test]
fn room_is_64_kib_for_each_copy_kept_once_and_through_restarts() {
    let it = with_room();
    let before = ['a', 'b'].map(|which| inode(&it, &room(which)));
    assert_eq!(it.read(&room('a')).len(), 64 * 1024);
    let mut it = it.restart();
    it.store.keep_room(&app("cinema"), &digest(1)).unwrap();
    assert_eq!(['a', 'b'].map(|which| inode(&it, &room(which))), before);
    assert!(it.path(&room('b')).metadata().unwrap().blocks() * 512 >= 64 * 1024, "no hole");
}

#[test]
fn credentials_are_written_into_the_room_that_is_kept_for_them() {
    let mut it = with_room();
    let before = ['a', 'b'].map(|which| inode(&it, &room(which)));
    it.store.save_credentials(&app("cinema"), &digest(1), &filed("c1")).unwrap();
    assert_eq!(['a', 'b'].map(|which| inode(&it, &copy(which))), before);
    assert!(!it.names().iter().any(|name| name.starts_with('.')), "{:?}", it.names());
    let mut it = it.restart();
    assert_eq!(it.load_quietly("cinema").filed[&digest(1)], filed("c1"));
    assert!(it.read(&copy('a')).len() < 4096, "cut to its length");
}

#[test]
fn a_disk_that_will_not_be_written_in_place_gets_the_room_back_first() {
    let steps = {
        let mut it = with_room();
        it.dir.files().faults.trace();
        it.store.save_credentials(&app("cinema"), &digest(1), &filed("c1")).unwrap();
        it.dir.files().faults.trace().len()
    };
    for good in 0..steps {
        let mut it = with_room();
        it.dir.files().faults.after(good, How::Once);
        let saved = it.store.save_credentials(&app("cinema"), &digest(1), &filed("c1"));
        it.dir.files().faults.heal();
        if saved.is_err() {
            it.store.save_credentials(&app("cinema"), &digest(1), &filed("c1")).unwrap();
        }
        let mut it = it.restart();
        assert_eq!(it.load("cinema").0.filed[&digest(1)], filed("c1"), "step {good}");
    }
}

#[test]
fn a_power_cut_while_the_room_is_filled_leaves_the_old_credentials_or_the_new() {
    for good in 0..30 {
        let mut it = Fixture::new();
        it.store.save_credentials(&app("cinema"), &digest(1), &filed("c1")).unwrap();
        it.store.keep_room(&app("cinema"), &digest(1)).unwrap();
        it.dir.files().faults.after(good, How::ForEver);
        let saved = it.store.save_credentials(&app("cinema"), &digest(1), &filed("c2"));
        it.dir.files().faults.heal();
        let mut it = it.restart();
        let stored = it.load("cinema").0.filed[&digest(1)].clone();
        let new = stored == filed("c2");
        assert!(new || stored == filed("c1") && saved.is_err(), "step {good}");
    }
}

#[test]
fn room_that_cannot_be_kept_is_an_error_that_names_it() {
    let mut it = Fixture::new();
    it.dir.files().faults.after(4, How::ForEver);
    let error = it.store.keep_room(&app("cinema"), &digest(1)).unwrap_err().to_string();
    assert!(error.contains("64 KiB") && error.contains(&copy('a')), "{error}");
}

#[test]
fn room_goes_with_a_refusal_with_another_statement_and_with_the_application() {
    let mut it = with_room();
    it.store.keep_room(&app("music"), &digest(1)).unwrap();
    it.store.keep_room(&app("cinema"), &digest(2)).unwrap();
    let rooms = |it: &Fixture| {
        it.names().into_iter().filter(|name| name.starts_with(".room-")).collect::<Vec<_>>()
    };
    assert_eq!(rooms(&it).len(), 4);
    assert!(!rooms(&it).contains(&room('a')));
    it.store.release_room(&app("cinema")).unwrap();
    assert_eq!(rooms(&it).len(), 2);
    assert!(it.dir.forget(&app("music")).unwrap());
    assert_eq!(rooms(&it), Vec::<String>::new());
}

#[test]
fn room_alone_makes_no_store_that_a_key_must_open() {
    let it = Fixture::new();
    let dir = tempfile::tempdir().unwrap();
    drop(it);
    fs::write(dir.path().join(room('a')), "noise").unwrap();
    assert!(StateDir::lock(dir.path()).unwrap().is_empty().unwrap());
}
