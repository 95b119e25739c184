// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tokens and attempt records have one file.

use super::*;

#[test]
fn a_damaged_token_is_put_aside_and_the_rest_is_there() {
    let mut it = Fixture::new();
    it.store.save_credentials(&app("cinema"), &digest(1), &filed("c1")).unwrap();
    it.store.save_token(&app("cinema"), &token(1)).unwrap();
    it.damage("cinema.token");
    let damaged = it.read("cinema.token");
    let (stored, notes) = it.load("cinema");
    assert_eq!((stored.token, stored.record_lost), (None, false));
    assert_eq!(stored.filed[&digest(1)], filed("c1"));
    assert_eq!(notes.len(), 1);
    assert_eq!(notes[0].level, log::Level::Warn);
    assert!(notes[0].text.ends_with("kept as cinema.token.corrupt"), "{notes:?}");
    assert_eq!(it.read("cinema.token.corrupt"), damaged);
    it.load_quietly("cinema");
}

#[test]
fn a_lost_record_stays_lost_through_restarts_until_one_is_saved() {
    let mut it = Fixture::new();
    it.store.save_record(&app("cinema"), &record(1)).unwrap();
    it.damage("cinema.record");
    let (stored, notes) = it.load("cinema");
    assert_eq!((stored.record, stored.record_lost), (AttemptLog::default(), true));
    assert_eq!(notes.len(), 1);

    let mut it = it.restart();
    assert!(it.load_quietly("cinema").record_lost);
    it.store.save_record(&app("cinema"), &record(2)).unwrap();
    let stored = it.restart().load_quietly("cinema");
    assert_eq!((stored.record, stored.record_lost), (record(2), false));
}

#[test]
fn a_missing_record_is_not_a_lost_one() {
    let mut it = Fixture::new();
    it.store.save_token(&app("cinema"), &token(1)).unwrap();
    assert!(!it.load_quietly("cinema").record_lost);
}

#[test]
fn damage_that_cannot_be_put_aside_is_in_nobodys_way() {
    for name in ["cinema.token", "cinema.record"] {
        let mut it = Fixture::new();
        it.store.save_token(&app("cinema"), &token(1)).unwrap();
        it.store.save_record(&app("cinema"), &record(1)).unwrap();
        it.damage(name);
        fs::create_dir(it.path(&format!("{name}.corrupt"))).unwrap();
        let (stored, notes) = it.load("cinema");
        assert_eq!(stored.token.is_none(), name == "cinema.token");
        assert_eq!(stored.record_lost, name == "cinema.record");
        assert!(notes[0].text.contains("stays where it is"), "{notes:?}");
    }
}

#[test]
fn what_cannot_be_read_or_is_newer_is_an_error_and_nothing_is_touched() {
    for name in ["cinema.token", "cinema.record"] {
        for newer in [false, true] {
            let mut it = Fixture::new();
            it.store.save_token(&app("cinema"), &token(1)).unwrap();
            it.store.save_record(&app("cinema"), &record(1)).unwrap();
            if newer {
                it.make_newer(name)
            } else {
                it.make_unreadable(name)
            }
            let before = snapshot(it.temp.path());
            let error = it.store.load(&app("cinema")).unwrap_err();
            assert_eq!(error.path(), it.path(name));
            assert_eq!(matches!(error, StoreError::UnknownVersion { .. }), newer, "{error}");
            it.store.save_token(&app("cinema"), &token(2)).unwrap_err();
            it.store.save_record(&app("cinema"), &record(2)).unwrap_err();
            assert_eq!(snapshot(it.temp.path()), before);
        }
    }
}

#[test]
fn a_removed_token_stays_removed() {
    let mut it = Fixture::new();
    it.store.save_token(&app("cinema"), &token(1)).unwrap();
    it.store.remove_token(&app("cinema")).unwrap();
    it.store.remove_token(&app("cinema")).unwrap();
    let mut it = it.restart();
    assert_eq!(it.load_quietly("cinema").token, None);
    it.store.save_token(&app("cinema"), &token(2)).unwrap();
    assert_eq!(it.load_quietly("cinema").token, Some(token(2)));
}

#[test]
fn a_write_that_fails_names_the_file_and_the_reason_once() {
    let mut it = Fixture::new();
    it.load_quietly("cinema");
    fs::create_dir(it.path("cinema.token")).unwrap();
    let error = it.store.save_token(&app("cinema"), &token(1)).unwrap_err();
    let wanted = format!("cannot write {}", it.path("cinema.token").display());
    assert_eq!(error.to_string(), wanted);
    assert_eq!(
        crate::common::error::chain(&error),
        format!("{wanted}: Is a directory (os error 21)")
    );
}
