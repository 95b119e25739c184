// SPDX-License-Identifier: MIT OR Apache-2.0
//! Nothing is touched before the root key is proven.

use super::*;
use crate::config::Seal;
use crate::seal::source;

/// A state directory with something of everything, and no store open on it.
fn filled() -> TempDir {
    let mut it = Fixture::new();
    it.store.save_credentials(&app("cinema"), &digest(1), &filed("c1")).unwrap();
    it.store.save_record(&app("cinema"), &record(1)).unwrap();
    it.store.save_token(&app("cinema"), &token(1)).unwrap();
    it.store.save_identity("abcd").unwrap();
    it.temp
}

fn open(temp: &TempDir, key: u8) -> Result<Store, OpenError> {
    Store::open(Arc::new(StateDir::lock(temp.path()).unwrap()), &mut Key(key))
}

#[test]
fn a_wrong_key_touches_nothing() {
    let temp = filled();
    let before = snapshot(temp.path());
    for also_without in ["", "key-check"] {
        let _ = fs::remove_file(temp.path().join(also_without));
        let error = open(&temp, 8).err().unwrap();
        assert!(matches!(error, OpenError::WrongKey { .. }), "{error}");
        assert!(error.to_string().contains(temp.path().to_str().unwrap()), "{error}");
    }
    let kept = before.into_iter().filter(|(name, _)| name != "key-check").collect::<Vec<_>>();
    assert_eq!(snapshot(temp.path()), kept);
}

#[test]
fn a_key_that_cannot_be_had_touches_nothing() {
    let temp = filled();
    let before = snapshot(temp.path());
    let dir = Arc::new(StateDir::lock(temp.path()).unwrap());
    let error = Store::open(dir, &mut *source(&Seal::Generated, temp.path())).err().unwrap();
    let lost =
        matches!(error, OpenError::Seal { seal: "generated", source: SealError::Lost { .. } });
    assert!(lost, "{error}");
    assert_eq!(snapshot(temp.path()), before);
}

#[test]
fn the_key_check_is_written_on_first_use_and_proves_the_key_from_then_on() {
    let temp = crate::scratch::scratch("tokend-store-").unwrap();
    open(&temp, 7).unwrap();
    assert_eq!(names_in(temp.path()), ["key-check"]);
    let before = snapshot(temp.path());
    assert!(matches!(open(&temp, 8), Err(OpenError::WrongKey { .. })));
    open(&temp, 7).unwrap();
    assert_eq!(snapshot(temp.path()), before);
}

#[test]
fn any_sealed_file_proves_the_key_and_the_key_check_is_written_anew() {
    let damages: [fn(&Path); 3] = [
        |path| fs::remove_file(path).unwrap(),
        |path| fs::write(path, "damaged").unwrap(),
        |path| fs::write(path, "").unwrap(),
    ];
    for witness in
        [copy('b'), "cinema.record".into(), "cinema.token".into(), "device-identity.a".into()]
    {
        for damage in damages {
            let temp = filled();
            for name in names_in(temp.path()) {
                if name != witness && name != "key-check" {
                    fs::write(temp.path().join(name), "damaged").unwrap();
                }
            }
            damage(&temp.path().join("key-check"));
            let notes = open(&temp, 7).unwrap().take_notes();
            assert_eq!(notes.len(), 1, "{notes:?}");
            assert!(notes[0].text.contains(&witness), "{notes:?}");
            assert_eq!(open(&temp, 7).unwrap().take_notes(), []);
        }
    }
}

#[test]
fn a_key_check_that_cannot_be_written_anew_is_a_note() {
    let temp = filled();
    fs::remove_file(temp.path().join("key-check")).unwrap();
    fs::create_dir(temp.path().join("key-check")).unwrap();
    let mut store = open(&temp, 7).unwrap();
    let notes = store.take_notes();
    assert!(notes[0].text.contains("cannot be written anew"), "{notes:?}");
    assert_eq!(store.load(&app("cinema")).unwrap().0.filed[&digest(1)], filed("c1"));
}

#[test]
fn where_a_file_cannot_be_read_the_key_is_not_called_wrong() {
    let temp = filled();
    let name = temp.path().join("cinema.token");
    fs::remove_file(&name).unwrap();
    fs::create_dir(&name).unwrap();
    let before = snapshot(temp.path());
    assert!(matches!(open(&temp, 8), Err(OpenError::Store(StoreError::Io { .. }))));
    assert_eq!(snapshot(temp.path()), before);
}

#[test]
fn a_key_check_of_an_unknown_version_touches_nothing() {
    let it = Fixture::at(filled());
    it.make_newer("key-check");
    let temp = it.temp;
    drop((it.dir, it.store));
    let before = snapshot(temp.path());
    let error = open(&temp, 7).err().unwrap();
    assert!(matches!(error, OpenError::Store(StoreError::UnknownVersion { .. })), "{error}");
    assert_eq!(snapshot(temp.path()), before);
}

#[test]
fn a_store_all_of_an_unknown_version_is_not_called_wrong() {
    let it = Fixture::at(filled());
    for name in it.names() {
        it.make_newer(&name);
    }
    let temp = it.temp;
    drop((it.dir, it.store));
    fs::remove_file(temp.path().join("key-check")).unwrap();
    let before = snapshot(temp.path());
    let error = open(&temp, 7).err().unwrap();
    assert!(matches!(error, OpenError::Store(StoreError::UnknownVersion { .. })), "{error}");
    assert_eq!(snapshot(temp.path()), before);
}

#[test]
fn a_generated_key_serves_from_the_first_start_on() {
    let temp = crate::scratch::scratch("tokend-store-").unwrap();
    for start in 0..3 {
        let dir = Arc::new(StateDir::lock(temp.path()).unwrap());
        let mut store = Store::open(dir, &mut *source(&Seal::Generated, temp.path())).unwrap();
        let found = store.identity().unwrap();
        assert_eq!(found, ((start > 0).then(|| "abcd".into()), vec![]));
        store.save_identity("abcd").unwrap();
    }
}

#[test]
fn a_look_judges_a_key_and_changes_nothing() {
    let temp = filled();
    fs::write(temp.path().join(".tmp-cinema.token"), "half").unwrap();
    let owner = rustix::process::geteuid().as_raw();
    let before = snapshot(temp.path());
    // Nor does the lock of a running daemon matter.
    let directory = fs::File::open(temp.path()).unwrap();
    rustix::fs::flock(&directory, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    let look = Inspection::open(temp.path(), owner).unwrap().unwrap();
    assert!(!look.is_empty() && look.has_identity());
    assert_eq!(look.judge(&root(7)).unwrap(), Verdict::Proven("key-check".into()));
    assert_eq!(look.judge(&root(8)).unwrap(), Verdict::Wrong);
    assert_eq!(snapshot(temp.path()), before);

    fs::write(temp.path().join("key-check"), "damaged").unwrap();
    let Verdict::Proven(file) = look.judge(&root(7)).unwrap() else { panic!("proven") };
    assert_ne!(file, "key-check");
    assert_eq!(fs::read(temp.path().join("key-check")).unwrap(), b"damaged");
}

#[test]
fn a_look_at_nothing_makes_nothing() {
    let temp = crate::scratch::scratch("tokend-store-").unwrap();
    let owner = rustix::process::geteuid().as_raw();
    let missing = temp.path().join("state");
    assert!(Inspection::open(&missing, owner).unwrap().is_none());
    assert!(!missing.exists());
    let look = Inspection::open(temp.path(), owner).unwrap().unwrap();
    assert!(look.is_empty() && !look.has_identity());
    assert_eq!(look.judge(&root(7)).unwrap(), Verdict::Empty);
    assert_eq!(names_in(temp.path()), [""; 0]);
}

#[test]
fn what_is_hardly_meant_about_a_key_is_said_when_the_store_opens() {
    let temp = filled();
    let key = tempfile::NamedTempFile::new().unwrap();
    fs::write(key.path(), [vec![7; 31], vec![!7]].concat()).unwrap();
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(key.path(), readable).unwrap();
    let (path, credential) = (key.path().to_owned(), None);
    let file = crate::config::KeyFile { path, from_credential: false, credential };
    let mut source = source(&Seal::KeyFile(file), temp.path());
    let dir = Arc::new(StateDir::lock(temp.path()).unwrap());
    let notes = Store::open(dir, &mut *source).unwrap().take_notes();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].text.contains("everybody may read it"), "{notes:?}");
}

/// A store of 0.1.0, which took any key.
fn sealed_with_zeros() -> TempDir {
    let temp = crate::scratch::scratch("tokend-store-").unwrap();
    let proof = envelope::seal(&root(0), &Subject::KeyCheck, 1, b"").unwrap();
    drop(StateDir::lock(temp.path()).unwrap());
    fs::write(temp.path().join(names::KEY_CHECK), &*proof).unwrap();
    temp
}

#[test]
fn a_key_of_one_repeated_byte_is_refused_while_nothing_is_sealed_and_nothing_is_written() {
    let temp = crate::scratch::scratch("tokend-store-").unwrap();
    let error = open(&temp, 0).err().unwrap();
    let OpenError::Seal { source: SealError::OneByte, .. } = error else { panic!("{error}") };
    assert_eq!(names_in(temp.path()), [""; 0]);
}

#[test]
fn a_store_that_a_key_of_one_repeated_byte_opens_is_used_on_with_an_error_at_each_start() {
    let temp = sealed_with_zeros();
    for _ in 0..2 {
        let mut store = open(&temp, 0).unwrap();
        assert!(store.has_blank_key());
        let notes = store.take_notes();
        assert!(
            notes.iter().any(|n| n.level == log::Level::Error && n.text == BLANK_KEY),
            "{notes:?}"
        );
        store.save_identity("abcd").unwrap();
    }
    assert!(!Fixture::new().store.has_blank_key());
}

#[test]
fn reseal_moves_away_from_a_key_of_one_repeated_byte_and_never_to_one() {
    let temp = sealed_with_zeros();
    let dir = StateDir::lock(temp.path()).unwrap();
    let moved = reseal(&dir, &mut Key(0), &mut Key(7), &mut Vec::new());
    assert!(matches!(moved, Ok(Resealed::Moved(_))), "{moved:?}");
    let before = snapshot(temp.path());
    let refused = reseal(&dir, &mut Key(7), &mut Key(0), &mut Vec::new()).unwrap_err();
    assert!(crate::common::error::chain(&refused).contains("one byte, repeated"), "{refused}");
    assert_eq!(snapshot(temp.path()), before);
}
