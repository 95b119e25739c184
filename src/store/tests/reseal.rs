// SPDX-License-Identifier: MIT OR Apache-2.0
//! All that is stored, moved to another root key: whole under the old one or whole under the new.

use super::*;
use crate::system::fs::faults::How;

/// What opens under a key, and what was said; None where the key opens nothing.
fn found(path: &Path, key: u8) -> Option<(Stored, Stored, Option<String>)> {
    let dir = Arc::new(StateDir::lock(path).unwrap());
    match Store::open(dir, &mut Key(key)) {
        Ok(mut store) => {
            let cinema = store.load(&app("cinema")).unwrap().0;
            let sport = store.load(&app("sport")).unwrap().0;
            Some((cinema, sport, store.identity().unwrap().0))
        }
        Err(OpenError::WrongKey { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

/// Two applications, one of them with a damaged copy of its credentials and a lost record.
fn filled() -> Fixture {
    let mut it = Fixture::new();
    it.store.save_identity("abcd").unwrap();
    for (id, client) in [("cinema", "c1"), ("sport", "s1")] {
        it.store.save_record(&app(id), &record(1)).unwrap();
        it.store.save_credentials(&app(id), &digest(1), &filed("older")).unwrap();
        it.store.save_credentials(&app(id), &digest(1), &filed(client)).unwrap();
        it.store.save_token(&app(id), &token(3)).unwrap();
    }
    it.damage("sport.record");
    it.load("sport");
    it
}

fn moved(it: &Fixture) -> Result<Resealed, ResealError> {
    reseal(&it.dir, &mut Key(7), &mut Key(9), &mut Vec::new())
}

#[test]
fn after_a_move_the_new_key_opens_all_that_the_old_one_did_and_the_old_one_nothing() {
    let it = filled();
    let path = it.temp.path().to_owned();
    let names = it.names();
    let corrupt = it.read("sport.record.corrupt");
    let Resealed::Moved(files) = moved(&it).unwrap() else { panic!() };
    assert_eq!(files.len() + 1, names.len(), "all but what was put aside");
    assert_eq!(it.names(), names);
    assert_eq!(it.read("sport.record.corrupt"), corrupt);
    let Fixture { temp, dir, store } = it;
    drop((dir, store));
    assert_eq!(found(&path, 7), None);
    let (cinema, sport, identity) = found(&path, 9).unwrap();
    assert_eq!((&cinema.filed[&digest(1)], identity.as_deref()), (&filed("c1"), Some("abcd")));
    assert_eq!((cinema.record, cinema.record_lost), (record(1), false));
    assert_eq!(sport.filed[&digest(1)], filed("s1"));
    assert!(sport.record_lost, "a lost record stays a lost one");
    drop(temp);
}

#[test]
fn a_move_can_be_asked_for_again_and_one_of_nothing_does_nothing() {
    let it = filled();
    assert!(matches!(moved(&it).unwrap(), Resealed::Moved(_)));
    let after = snapshot(it.temp.path());
    assert_eq!(moved(&it).unwrap(), Resealed::Already);
    assert_eq!(snapshot(it.temp.path()), after);

    let empty = crate::scratch::scratch("tokend-store-").unwrap();
    let dir = StateDir::lock(empty.path()).unwrap();
    let done = reseal(&dir, &mut Key(7), &mut Key(9), &mut Vec::new()).unwrap();
    assert_eq!((done, names_in(empty.path()).len()), (Resealed::Empty, 0));
}

#[test]
fn a_wrong_old_key_moves_nothing() {
    let it = filled();
    let before = snapshot(it.temp.path());
    let error = reseal(&it.dir, &mut Key(1), &mut Key(9), &mut Vec::new()).unwrap_err();
    assert!(matches!(error, ResealError::Old(OpenError::WrongKey { .. })), "{error}");
    assert_eq!(snapshot(it.temp.path()), before);
}

/// A source that has another key each time.
struct Fickle(u8);

impl RootKeySource for Fickle {
    fn name(&self) -> &'static str {
        "pkcs11"
    }

    fn root_key(&mut self, _store_is_empty: bool) -> Result<RootKey, SealError> {
        self.0 += 1;
        Ok(root(self.0))
    }

    fn fixed_for_this_process(&self) -> bool {
        false
    }
}

#[test]
fn nothing_is_moved_to_a_key_that_comes_only_once() {
    let it = filled();
    let error = reseal(&it.dir, &mut Key(7), &mut Fickle(100), &mut Vec::new()).unwrap_err();
    assert!(matches!(error, ResealError::NotTheSame { .. }), "{error}");
    let path = it.temp.path().to_owned();
    let Fixture { temp, dir, store } = it;
    drop((dir, store));
    assert!(found(&path, 7).is_some());
    assert!(names_in(&path).iter().all(|name| !name.starts_with('.')));
    drop(temp);
}

#[test]
fn a_file_of_a_newer_version_or_that_cannot_be_read_is_not_left_behind() {
    for damage in [Fixture::make_newer as fn(&Fixture, &str), Fixture::make_unreadable] {
        let it = filled();
        damage(&it, &copy('a'));
        let others = |it: &Fixture| {
            let mut all = snapshot(it.temp.path());
            all.retain(|(name, _)| !name.starts_with('.'));
            all
        };
        let before = others(&it);
        let error = moved(&it).unwrap_err();
        assert!(matches!(error, ResealError::Store(_)), "{error}");
        assert_eq!(others(&it), before);
    }
}

#[test]
fn whatever_step_the_power_or_the_disk_fails_at_all_opens_under_one_of_the_keys_and_a_second_try_ends_it()
 {
    for how in [How::ForEver, How::Once] {
        let mut seen = [0, 0];
        for steps in 0.. {
            let mut it = filled();
            let whole = (it.load("cinema").0, it.load("sport").0, it.store.identity().unwrap().0);
            it.dir.files().faults.after(steps, how);
            let result = moved(&it);
            if !it.dir.files().faults.heal() {
                assert!(matches!(result.unwrap(), Resealed::Moved(_)));
                break;
            }
            let what = format!("{how:?}, step {steps}: {result:?}");
            let path = it.temp.path().to_owned();
            let Fixture { temp, dir, store } = it;
            drop((dir, store));
            let by_key = [7, 9].map(|key| found(&path, key));
            let opened = by_key.iter().position(Option::is_some).expect(&what);
            assert_eq!(by_key[1 - opened], None, "{what}");
            assert_eq!(by_key[opened].as_ref(), Some(&whole), "{what}");
            assert!(names_in(&path).iter().all(|name| !name.starts_with('.')), "{what}");
            seen[opened] += 1;

            let dir = StateDir::lock(&path).unwrap();
            reseal(&dir, &mut Key(7), &mut Key(9), &mut Vec::new()).expect(&what);
            drop(dir);
            assert_eq!(found(&path, 9), Some(whole), "{what}");
            drop(temp);
        }
        assert!(seen[0] > 50 && seen[1] > 10, "{seen:?}");
    }
}

#[test]
fn an_older_tokend_that_knows_of_no_move_leaves_a_half_done_one_alone() {
    // It takes the sign in the place of the key check for a file of a newer version.
    let sign = envelope::sign_of_a_move();
    let error = envelope::open(&root(7), &Subject::KeyCheck, &sign).err().unwrap();
    assert!(matches!(error, envelope::NotOpened::UnknownVersion(_)), "{error}");
    let it = Fixture::new();
    it.write("key-check", &sign);
    let it = {
        let Fixture { temp, dir, store } = it;
        drop((dir, store));
        temp
    };
    let dir = Arc::new(StateDir::lock(it.path()).unwrap());
    let error = Store::open(dir, &mut Key(7)).err().unwrap();
    assert!(error.to_string().contains("cannot be checked"), "{error}");
    assert_eq!(fs::read(it.path().join("key-check")).unwrap(), sign);
}
