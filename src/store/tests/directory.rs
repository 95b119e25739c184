// SPDX-License-Identifier: MIT OR Apache-2.0
//! The state directory: made, locked, tightened, cleaned; and what is forgotten.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

use super::*;
use crate::system::fs::faults::How;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_second_instance_is_told_that_the_directory_is_in_use() {
    let temp = crate::scratch::scratch("tokend-store-").unwrap();
    let first = StateDir::lock(temp.path()).unwrap();
    assert!(matches!(StateDir::lock(temp.path()), Err(LockError::Busy { .. })));
    drop(first);
    StateDir::lock(temp.path()).unwrap();
}

#[test]
fn nothing_is_looked_at_or_changed_before_the_lock_is_held() {
    let temp = crate::scratch::scratch("tokend-store-").unwrap();
    let _first = StateDir::lock(temp.path()).unwrap();
    fs::set_permissions(temp.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(temp.path().join(".tmp-key-check"), "in use").unwrap();
    assert!(StateDir::lock(temp.path()).is_err());
    assert_eq!((mode(temp.path()), names_in(temp.path()).len()), (0o755, 1));
}

#[test]
fn the_directory_is_made_with_its_parents_for_its_owner_alone() {
    let temp = crate::scratch::scratch("tokend-store-").unwrap();
    let path = temp.path().join("var/lib/tokend");
    let dir = StateDir::lock(&path.join("")).unwrap();
    assert_eq!((dir.path(), dir.notes()), (path.as_path(), &[][..]));
    assert_eq!(mode(&path), 0o700);
}

#[test]
fn a_directory_that_is_open_to_others_is_tightened_and_a_note_says_so() {
    let temp = crate::scratch::scratch("tokend-store-").unwrap();
    fs::set_permissions(temp.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let dir = StateDir::lock(temp.path()).unwrap();
    assert_eq!(mode(temp.path()), 0o700);
    let [note] = dir.notes() else { panic!("{:?}", dir.notes()) };
    assert!(note.text.contains("mode 0755"), "{note:?}");
}

#[test]
fn a_symbolic_link_or_a_file_is_no_state_directory() {
    let temp = crate::scratch::scratch("tokend-store-").unwrap();
    let (real, link, file) = ["real", "link", "file"].map(|name| temp.path().join(name)).into();
    fs::create_dir(&real).unwrap();
    symlink(&real, &link).unwrap();
    fs::write(&file, "").unwrap();
    for path in [&link, &link.join("")] {
        let error = StateDir::lock(path).err().unwrap();
        assert!(error.to_string().contains("is a symbolic link; name the directory"), "{error}");
    }
    let error = StateDir::lock(&file).err().unwrap();
    assert!(error.to_string().ends_with("is not a directory"), "{error}");
}

#[test]
fn a_directory_of_somebody_else_is_refused() {
    let temp = crate::scratch::scratch("tokend-store-").unwrap();
    // Only root can give a directory away.
    if fs::metadata(temp.path()).unwrap().uid() != 0 {
        return;
    }
    chown(temp.path(), Some(12345), None).unwrap();
    let error = StateDir::lock(temp.path()).err().unwrap();
    assert!(error.to_string().contains("belongs to user 12345"), "{error}");
}

#[test]
fn leftovers_of_a_power_cut_are_removed() {
    let temp = crate::scratch::scratch("tokend-store-").unwrap();
    fs::set_permissions(temp.path(), fs::Permissions::from_mode(0o700)).unwrap();
    for name in [".tmp-cinema.token", ".tmp-key-check", "strange"] {
        fs::write(temp.path().join(name), "half").unwrap();
    }
    let dir = StateDir::lock(temp.path()).unwrap();
    assert_eq!(names_in(temp.path()), ["strange"]);
    assert_eq!(dir.notes().len(), 2);
}

#[test]
fn forgetting_deletes_everything_of_that_application_and_of_no_other() {
    let mut it = Fixture::new();
    for id in ["cinema", "cinema_2", "cine"] {
        it.store.save_credentials(&app(id), &digest(1), &filed("c1")).unwrap();
        it.store.save_credentials(&app(id), &digest(2), &filed("c2")).unwrap();
        it.store.save_record(&app(id), &record(1)).unwrap();
        it.store.save_token(&app(id), &token(1)).unwrap();
    }
    it.store.save_identity("abcd").unwrap();
    for name in ["cinema.token.corrupt", ".tmp-cinema.record", "cinema.record.corrupt"] {
        it.write(name, b"x");
    }
    it.write(&format!("{}.corrupt", copy('a')), b"x");
    let mut kept = it.names();
    kept.retain(|name| !name.contains("cinema."));

    assert_eq!(it.dir.stored_applications().unwrap(), ["cine", "cinema", "cinema_2"].map(app));
    assert!(it.dir.forget(&app("cinema")).unwrap());
    assert_eq!(it.names(), kept);
    assert_eq!(it.dir.stored_applications().unwrap(), ["cine", "cinema_2"].map(app));
    assert!(!it.dir.forget(&app("cinema")).unwrap());

    assert_eq!(it.load_quietly("cinema"), Stored::default());
    it.store.save_credentials(&app("cinema"), &digest(1), &filed("c3")).unwrap();
    assert_eq!(it.restart().load_quietly("cinema").filed[&digest(1)], filed("c3"));
}

#[test]
fn forgetting_needs_no_key_and_no_readable_file() {
    let mut it = Fixture::new();
    it.store.save_credentials(&app("cinema"), &digest(1), &filed("c1")).unwrap();
    it.make_newer(&copy('a'));
    it.write(&copy('b'), b"damaged");
    let Fixture { temp, dir, store } = it;
    drop((dir, store));
    let dir = StateDir::lock(temp.path()).unwrap();
    assert!(dir.forget(&app("cinema")).unwrap());
    assert_eq!(names_in(temp.path()), ["key-check"]);
}

#[test]
fn the_token_is_forgotten_first_and_a_failure_is_said() {
    let mut it = Fixture::new();
    it.store.save_credentials(&app("cinema"), &digest(1), &filed("c1")).unwrap();
    it.store.save_token(&app("cinema"), &token(1)).unwrap();
    it.dir.files().faults.after(2, How::ForEver);
    let error = it.dir.forget(&app("cinema")).unwrap_err();
    it.dir.files().faults.heal();
    assert!(error.to_string().starts_with("cannot remove "), "{error}");
    assert!(!it.path("cinema.token").exists());
    assert!(it.path(&copy('a')).exists());

    // One file that stays does not keep the others.
    it.make_unreadable(&copy('a'));
    it.dir.forget(&app("cinema")).unwrap_err();
    assert!(!it.path(&copy('b')).exists());
}
