// SPDX-License-Identifier: MIT OR Apache-2.0
//! What has two copies is repaired, or put aside; never lost in silence, and never taken for
//! nothing.

use super::*;
use crate::system::fs::faults::How;

fn saved() -> Fixture {
    let mut it = Fixture::new();
    it.store.save_credentials(&app("cinema"), &digest(1), &filed("c1")).unwrap();
    it
}

fn assert_one_note(notes: &[Note], level: log::Level, words: &[&str]) {
    let [note] = notes else { panic!("{notes:?}") };
    assert_eq!(note.level, level, "{note:?}");
    for word in words {
        assert!(note.text.contains(word), "{note:?} without {word:?}");
    }
}

#[test]
fn a_copy_is_repaired_whatever_byte_of_it_is_damaged() {
    let mut it = saved();
    let good = it.read(&copy('a'));
    for at in 0..good.len() {
        let mut damaged = good.clone();
        damaged[at] ^= 0x10;
        it.write(&copy('a'), &damaged);
        let (stored, notes) = it.load("cinema");
        assert_eq!(stored.filed[&digest(1)], filed("c1"), "byte {at}");
        assert_one_note(&notes, log::Level::Warn, &["was damaged: repaired", &copy('a')]);
        assert_eq!(it.load_quietly("cinema"), stored);
    }
}

#[test]
fn a_copy_that_is_missing_empty_cut_or_too_long_is_repaired() {
    for which in ['a', 'b'] {
        let mut it = saved();
        let good = it.read(&copy(which));
        let contents =
            [None, Some(vec![]), Some(good[..good.len() / 2].to_vec()), Some(vec![0; 300 << 10])];
        for content in contents {
            fs::remove_file(it.path(&copy(which))).unwrap();
            if let Some(content) = content {
                it.write(&copy(which), &content);
            }
            let (stored, notes) = it.load("cinema");
            assert_eq!(stored.filed[&digest(1)], filed("c1"));
            assert_one_note(&notes, log::Level::Warn, &["repaired from", &copy(which)]);
            assert_eq!(it.load_quietly("cinema"), stored);
        }
    }
}

#[test]
fn of_two_good_copies_the_higher_generation_wins_wherever_it_is() {
    for which in ['a', 'b'] {
        let mut it = saved();
        let old = it.read(&copy(which));
        it.store.save_credentials(&app("cinema"), &digest(1), &filed("c2")).unwrap();
        it.write(&copy(which), &old);
        let mut it = it.restart();
        let (stored, notes) = it.load("cinema");
        assert_eq!(stored.filed[&digest(1)], filed("c2"));
        assert_one_note(&notes, log::Level::Warn, &["older than its other copy", &copy(which)]);
        assert_eq!(it.load_quietly("cinema"), stored);
        // And what is saved then is newer than both.
        it.store.save_credentials(&app("cinema"), &digest(1), &filed("c3")).unwrap();
        assert_eq!(it.restart().load_quietly("cinema").filed[&digest(1)], filed("c3"));
    }
}

#[test]
fn a_repair_that_cannot_be_written_is_a_note_and_no_failure() {
    for good in 0..5 {
        let mut it = saved();
        it.damage(&copy('b'));
        let (list_and_two_opens, how) = (3, How::Once);
        it.dir.files().faults.after(list_and_two_opens + good, how);
        let (stored, notes) = it.load("cinema");
        assert!(it.dir.files().faults.heal());
        assert_eq!(stored.filed[&digest(1)], filed("c1"));
        assert_one_note(&notes, log::Level::Warn, &["cannot be repaired", "Input/output error"]);
    }
}

#[test]
fn two_damaged_copies_are_put_aside_and_logged_as_an_error() {
    let mut it = saved();
    it.store.save_credentials(&app("cinema"), &digest(2), &filed("c2")).unwrap();
    it.damage(&copy('a'));
    it.damage(&copy('b'));
    let (a, b) = (it.read(&copy('a')), it.read(&copy('b')));
    it.write(&format!("{}.corrupt", copy('a')), b"of an earlier time");
    let (stored, notes) = it.load("cinema");
    assert_eq!(stored.filed, [(digest(2), filed("c2"))].into());
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes.iter().all(|note| note.level == log::Level::Error), "{notes:?}");
    assert_eq!(it.read(&format!("{}.corrupt", copy('a'))), a);
    assert_eq!(it.read(&format!("{}.corrupt", copy('b'))), b);
    assert!(!it.path(&copy('a')).exists() && !it.path(&copy('b')).exists());

    it.store.save_credentials(&app("cinema"), &digest(1), &filed("c3")).unwrap();
    assert_eq!(it.restart().load_quietly("cinema").filed[&digest(1)], filed("c3"));
}

#[test]
fn one_copy_missing_and_the_other_damaged_are_two_bad_ones() {
    for (missing, damaged) in [('a', 'b'), ('b', 'a')] {
        let mut it = saved();
        fs::remove_file(it.path(&copy(missing))).unwrap();
        it.damage(&copy(damaged));
        let (stored, notes) = it.load("cinema");
        assert!(stored.filed.is_empty());
        assert_one_note(&notes, log::Level::Error, &[&copy(damaged), "kept as"]);
        assert_eq!(it.names(), [format!("{}.corrupt", copy(damaged)), "key-check".into()]);
    }
}

#[test]
fn damaged_copies_that_cannot_be_put_aside_are_no_absence() {
    for (good, note_count) in [(3, 0), (4, 1)] {
        let mut it = saved();
        it.damage(&copy('a'));
        it.damage(&copy('b'));
        it.dir.files().faults.after(good, How::ForEver);
        let error = it.store.load(&app("cinema")).unwrap_err();
        assert!(error.to_string().starts_with("cannot put aside the damaged /"), "{error}");
        it.dir.files().faults.heal();
        // What was put aside is said all the same.
        assert_eq!(it.store.take_notes().len(), note_count);
    }
}

#[test]
fn a_copy_that_cannot_be_read_is_left_alone_and_the_other_one_used() {
    for (unreadable, good) in [('a', 'b'), ('b', 'a')] {
        let mut it = saved();
        it.make_unreadable(&copy(unreadable));
        let before = snapshot(it.temp.path());
        for _ in 0..2 {
            let (stored, notes) = it.load("cinema");
            assert_eq!(stored.filed[&digest(1)], filed("c1"));
            let words = ["cannot read /", &copy(unreadable), &format!("{} is used", copy(good))];
            assert_one_note(&notes, log::Level::Warn, &words);
        }
        assert_eq!(snapshot(it.temp.path()), before);
        it.store.identity().unwrap();
        it.store.save_token(&app("cinema"), &token(1)).unwrap();
        assert!(it.path(&copy(unreadable)).is_dir());
    }
}

#[test]
fn a_save_keeps_the_copy_that_could_not_be_read_and_writes_both_anew() {
    for unreadable in ['a', 'b'] {
        let mut it = saved();
        it.make_unreadable(&copy(unreadable));
        it.load("cinema");
        it.store.save_credentials(&app("cinema"), &digest(1), &filed("c2")).unwrap();
        let aside = format!("{}.corrupt", copy(unreadable));
        let notes = it.store.take_notes();
        assert_one_note(&notes, log::Level::Warn, &["could not be read", &aside, "written anew"]);
        assert!(it.path(&aside).is_dir());
        it.store.save_credentials(&app("cinema"), &digest(1), &filed("c3")).unwrap();
        let mut it = it.restart();
        assert_eq!(it.load_quietly("cinema").filed[&digest(1)], filed("c3"));
        assert!(it.path(&aside).is_dir());
    }
}

#[test]
fn a_copy_that_can_be_read_again_wins_where_it_is_the_newer_one() {
    let mut it = saved();
    let old = it.read(&copy('b'));
    it.store.save_credentials(&app("cinema"), &digest(1), &filed("c2")).unwrap();
    let newer = it.read(&copy('a'));
    it.write(&copy('b'), &old);
    it.make_unreadable(&copy('a'));
    let mut it = it.restart();
    assert_eq!(it.load("cinema").0.filed[&digest(1)], filed("c1"));
    fs::remove_dir(it.path(&copy('a'))).unwrap();
    it.write(&copy('a'), &newer);
    assert_eq!(it.restart().load("cinema").0.filed[&digest(1)], filed("c2"));
}

#[test]
fn room_that_cannot_be_made_is_an_error_and_the_good_copy_stays() {
    for good in 0..2 {
        let mut it = saved();
        it.make_unreadable(&copy('a'));
        it.load("cinema");
        it.dir.files().faults.after(good, How::Once);
        it.store.save_credentials(&app("cinema"), &digest(1), &filed("c2")).unwrap_err();
        assert!(it.dir.files().faults.heal());
        assert!(it.path(&copy('b')).is_file());
        it.store.save_credentials(&app("cinema"), &digest(1), &filed("c2")).unwrap();
        assert_eq!(it.restart().load_quietly("cinema").filed[&digest(1)], filed("c2"));
    }
}

#[test]
fn what_cannot_be_read_at_all_is_an_error_and_nothing_is_touched() {
    for missing in [None, Some('a'), Some('b')] {
        let mut it = saved();
        for which in ['a', 'b'] {
            if missing == Some(which) {
                fs::remove_file(it.path(&copy(which))).unwrap();
            } else {
                it.make_unreadable(&copy(which));
            }
        }
        let before = snapshot(it.temp.path());
        let error = it.store.load(&app("cinema")).unwrap_err();
        assert!(matches!(error, StoreError::Io { action: Action::Read, .. }), "{error}");
        // Nor is it overwritten by somebody who does not listen.
        it.store.save_credentials(&app("cinema"), &digest(1), &filed("c9")).unwrap_err();
        assert_eq!(snapshot(it.temp.path()), before);
    }
}

#[test]
fn a_copy_beside_an_unreadable_one_is_not_put_aside() {
    let mut it = saved();
    it.damage(&copy('a'));
    it.make_unreadable(&copy('b'));
    let before = snapshot(it.temp.path());
    it.store.load(&app("cinema")).unwrap_err();
    assert_eq!(snapshot(it.temp.path()), before);
}

#[test]
fn a_directory_that_cannot_be_listed_is_an_error() {
    let mut it = saved();
    it.dir.files().faults.after(0, How::Once);
    let error = it.store.load(&app("cinema")).unwrap_err();
    assert_eq!(error.path(), it.temp.path());
}

#[test]
fn a_copy_of_an_unknown_version_is_an_error_and_nothing_is_overwritten() {
    for names in [&[copy('a')][..], &[copy('b')], &[copy('a'), copy('b')]] {
        let mut it = saved();
        it.store.save_credentials(&app("radio"), &digest(1), &filed("r1")).unwrap();
        for name in names {
            it.make_newer(name);
        }
        let before = snapshot(it.temp.path());
        let mut it = it.restart();
        let error = it.store.load(&app("cinema")).unwrap_err();
        assert!(matches!(error, StoreError::UnknownVersion { .. }), "{error}");
        assert!(error.to_string().contains("install that one again"), "{error}");
        it.store.save_credentials(&app("cinema"), &digest(1), &filed("c9")).unwrap_err();
        assert_eq!(snapshot(it.temp.path()), before);
        assert_eq!(it.load_quietly("radio").filed[&digest(1)], filed("r1"));
    }
}

#[test]
fn authentic_content_that_means_nothing_is_an_error_without_a_word_of_it() {
    let mut it = saved();
    let subject = Subject::Credentials(app("cinema"), digest(1));
    let plaintext = br#"{"origins": "opensesame"}"#;
    for which in ['a', 'b'] {
        it.write(&copy(which), &envelope::seal(&root(7), &subject, 5, plaintext).unwrap());
    }
    let before = snapshot(it.temp.path());
    let error = it.store.load(&app("cinema")).unwrap_err();
    assert!(matches!(error, StoreError::NotUnderstood { .. }));
    assert!(!format!("{error} {error:?}").contains("opensesame"));
    it.store.save_credentials(&app("cinema"), &digest(1), &filed("c9")).unwrap_err();
    assert_eq!(snapshot(it.temp.path()), before);
}

#[test]
fn the_files_of_another_application_statement_or_role_are_damage() {
    let mut it = saved();
    it.store.save_credentials(&app("cinema"), &digest(2), &filed("c2")).unwrap();
    it.store.save_credentials(&app("radio"), &digest(1), &filed("r1")).unwrap();
    it.store.save_identity("abcd").unwrap();
    let foreign = [
        format!("cinema.{}.a", digest(2)),
        format!("radio.{}.a", digest(1)),
        "device-identity.a".into(),
        "key-check".into(),
    ];
    for name in foreign {
        it.write(&copy('a'), &it.read(&name));
        let (stored, notes) = it.load("cinema");
        assert_eq!(stored.filed[&digest(1)], filed("c1"));
        assert_one_note(&notes, log::Level::Warn, &["was damaged: repaired", &copy('a')]);
    }
}

#[test]
fn the_identity_is_kept_like_credentials() {
    let mut it = Fixture::new();
    it.store.save_identity("abcd").unwrap();
    it.damage("device-identity.a");
    let (identity, notes) = it.store.identity().unwrap();
    assert_eq!(identity.as_deref(), Some("abcd"));
    assert_one_note(&notes, log::Level::Warn, &["device-identity.a was damaged: repaired"]);

    it.damage("device-identity.a");
    it.damage("device-identity.b");
    let (identity, notes) = it.store.identity().unwrap();
    assert_eq!((identity, notes.len()), (None, 2));
    it.store.save_identity("ef01").unwrap();

    it.make_newer("device-identity.b");
    it.store.identity().unwrap_err();
    it.store.save_identity("2345").unwrap_err();
}

#[test]
fn a_copy_that_could_not_be_read_and_was_forgotten_stands_in_no_new_ones_way() {
    let mut it = saved();
    it.make_unreadable(&copy('a'));
    it.load("cinema");
    fs::remove_dir(it.path(&copy('a'))).unwrap();
    it.dir.forget(&app("cinema")).unwrap();
    // As the daemon does after it has forgotten an application.
    assert_eq!(it.load_quietly("cinema"), Stored::default());
    it.store.save_credentials(&app("cinema"), &digest(1), &filed("c2")).unwrap();
    assert_eq!(it.restart().load_quietly("cinema").filed[&digest(1)], filed("c2"));
}

#[test]
fn a_directory_that_cannot_be_listed_after_a_forget_leaves_nothing_in_a_new_ones_way() {
    let mut it = saved();
    it.make_unreadable(&copy('a'));
    it.load("cinema");
    fs::remove_dir(it.path(&copy('a'))).unwrap();
    it.dir.forget(&app("cinema")).unwrap();
    it.store.invalidate_listing();
    it.dir.files().faults.after(0, How::Once);
    it.store.load(&app("cinema")).unwrap_err();
    it.store.save_credentials(&app("cinema"), &digest(1), &filed("c2")).unwrap();
    assert_eq!(it.restart().load_quietly("cinema").filed[&digest(1)], filed("c2"));
}

#[test]
fn what_is_brought_back_after_a_listing_that_failed_is_not_overwritten_unseen() {
    let mut it = saved();
    it.load("cinema");
    it.make_newer(&copy('a'));
    it.make_newer(&copy('b'));
    it.store.invalidate_listing();
    it.dir.files().faults.after(0, How::Once);
    it.store.load(&app("cinema")).unwrap_err();
    it.store.save_credentials(&app("cinema"), &digest(1), &filed("c2")).unwrap_err();
}
