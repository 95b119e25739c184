// SPDX-License-Identifier: MIT OR Apache-2.0
//! What all tests of the store share.

mod credentials;
mod directory;
mod key;
mod power_cut;
mod reseal;
mod room;
mod single;

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use zeroize::Zeroizing;

use super::*;
use crate::common::model::{Attempts, CredentialSet, Credentials, Origin};
use crate::common::secret::Secret;
use crate::common::time::{BootId, BootTime, WallTime};
use crate::seal::envelope;
use crate::system::fs::durable;

/// A source of root keys that are made of one byte.
struct Key(u8);

impl RootKeySource for Key {
    fn name(&self) -> &'static str {
        "key-file"
    }

    fn root_key(&mut self, _store_is_empty: bool) -> Result<RootKey, SealError> {
        Ok(root(self.0))
    }

    fn fixed_for_this_process(&self) -> bool {
        false
    }
}

/// Zeros for 0.
fn root(byte: u8) -> RootKey {
    let last = if byte == 0 { 0 } else { !byte };
    RootKey::new(Zeroizing::new([vec![byte; 31], vec![last]].concat())).unwrap()
}

/// A state directory and the store in it.
struct Fixture {
    temp: TempDir,
    dir: Arc<StateDir>,
    store: Store,
}

impl Fixture {
    fn new() -> Self {
        Self::at(crate::scratch::scratch("tokend-store-").unwrap())
    }

    fn at(temp: TempDir) -> Self {
        let dir = Arc::new(StateDir::lock(temp.path()).unwrap());
        let store = Store::open(dir.clone(), &mut Key(7)).unwrap();
        Self { temp, dir, store }
    }

    /// Starts anew on what is on the disk.
    fn restart(self) -> Self {
        let Self { temp, dir, store } = self;
        drop((dir, store));
        Self::at(temp)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.path(name), content).unwrap();
    }

    /// Damages a file in the middle of its ciphertext.
    fn damage(&self, name: &str) {
        let mut bytes = self.read(name);
        let at = bytes.len() - 20;
        bytes[at] ^= 1;
        self.write(name, &bytes);
    }

    /// Makes every attempt to read a file fail, for root too.
    fn make_unreadable(&self, name: &str) {
        let _ = fs::remove_file(self.path(name));
        fs::create_dir(self.path(name)).unwrap();
    }

    /// Turns a file into one of a format to come.
    fn make_newer(&self, name: &str) {
        let mut bytes = self.read(name);
        bytes[8..12].copy_from_slice(&[0, 2, 0xff, 0xfd]);
        self.write(name, &bytes);
    }

    fn names(&self) -> Vec<String> {
        names_in(self.temp.path())
    }

    fn load(&mut self, id: &str) -> (Stored, Vec<Note>) {
        self.store.load(&app(id)).unwrap()
    }

    /// Loads an application that there is nothing to say about.
    fn load_quietly(&mut self, id: &str) -> Stored {
        let (stored, notes) = self.load(id);
        assert_eq!(notes, []);
        stored
    }
}

fn names_in(path: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
    let mut names: Vec<_> =
        fs::read_dir(path).unwrap().map(|entry| name(entry).into_string().unwrap()).collect();
    names.sort();
    names
}

/// Every file of a directory with its content.
fn snapshot(path: &Path) -> Vec<(String, Vec<u8>)> {
    let content = |name: String| (name.clone(), fs::read(path.join(&name)).unwrap_or_default());
    names_in(path).into_iter().map(content).collect()
}

fn app(name: &str) -> AppId {
    name.parse().unwrap()
}

fn digest(byte: u8) -> StatementDigest {
    StatementDigest([byte; 32])
}

/// The name of a copy of the credentials of `cinema`'s first statement.
fn copy(which: char) -> String {
    format!("cinema.{}.{which}", digest(1))
}

fn filed(client_id: &str) -> CredentialsByOrigin {
    let credentials = Credentials {
        client_id: Secret::new(client_id.into()),
        client_secret: Secret::new(format!("secret of {client_id}")),
        issued_at: 1_700_000_000,
        scopes: vec!["api:client:v2".into()],
        redirect_uris: vec!["adobepass://com.programmer".into()],
    };
    let slot = CredentialSet { pending: Some(credentials), ..CredentialSet::default() };
    CredentialsByOrigin::from([(Origin("https://api.auth.adobe.com".into()), slot)])
}

fn record(unanswered: u32) -> AttemptLog {
    let attempts = Attempts { unanswered, ..Attempts::default() };
    let by_origin = [(Origin("https://api.auth.adobe.com".into()), attempts)].into();
    AttemptLog {
        active: Some(digest(1)),
        attempts: [(digest(1), by_origin)].into(),
        registrations: 3,
    }
}

fn token(number: u64) -> Token {
    Token {
        value: Secret::new(format!("token {number}")),
        number,
        lifetime: 21_600,
        statement: digest(1),
        origin: Origin("https://api.auth.adobe.com".into()),
        boot_id: BootId("boot".into()),
        expires_boot: BootTime(1),
        confirmed: true,
        expires_wall: WallTime(2),
    }
}

#[test]
fn what_is_saved_is_there_after_a_restart() {
    let mut it = Fixture::new();
    for (id, client) in [("cinema", "c1"), ("identity", "c2")] {
        assert_eq!(it.load_quietly(id), Stored::default());
        it.store.save_record(&app(id), &record(1)).unwrap();
        it.store.save_credentials(&app(id), &digest(1), &filed(client)).unwrap();
        it.store.save_credentials(&app(id), &digest(2), &filed("other")).unwrap();
        it.store.save_token(&app(id), &token(3)).unwrap();
    }
    it.store.save_identity("abcd").unwrap();

    let mut it = it.restart();
    for (id, client) in [("cinema", "c1"), ("identity", "c2")] {
        let wanted = Stored {
            filed: [(digest(1), filed(client)), (digest(2), filed("other"))].into(),
            record: record(1),
            record_lost: false,
            token: Some(token(3)),
        };
        assert_eq!(it.load_quietly(id), wanted);
    }
    assert_eq!(it.store.identity().unwrap(), (Some("abcd".into()), vec![]));
    assert_eq!(it.store.take_notes(), []);
}

#[test]
fn the_state_directory_holds_the_documented_files_and_no_secret_in_the_clear() {
    let mut it = Fixture::new();
    it.store.save_record(&app("cinema"), &record(1)).unwrap();
    it.store.save_credentials(&app("cinema"), &digest(1), &filed("c1")).unwrap();
    it.store.save_token(&app("cinema"), &token(3)).unwrap();
    it.store.save_identity("abcd").unwrap();
    let wanted = [
        copy('a'),
        copy('b'),
        "cinema.record".into(),
        "cinema.token".into(),
        "device-identity.a".into(),
        "device-identity.b".into(),
        "key-check".into(),
    ];
    assert_eq!(it.names(), wanted);
    for (name, content) in snapshot(it.temp.path()) {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(it.path(&name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600, "{name}");
        for secret in ["c1", "token 3", "abcd", "client_secret"] {
            let seen = content.windows(secret.len()).any(|window| window == secret.as_bytes());
            // Two characters may come up by chance, in a ciphertext.
            assert!(!seen || secret.len() == 2, "{secret} in {name}");
        }
    }
}

#[test]
fn a_token_refresh_writes_one_file_once_and_touches_nothing_else() {
    let mut it = Fixture::new();
    it.store.save_credentials(&app("cinema"), &digest(1), &filed("c1")).unwrap();
    it.store.save_token(&app("cinema"), &token(1)).unwrap();
    let before = snapshot(it.temp.path());
    it.dir.files().faults.trace();
    it.store.save_token(&app("cinema"), &token(2)).unwrap();
    let steps = it.dir.files().faults.trace();
    assert_eq!(steps.iter().filter(|step| **step == durable::Step::Create).count(), 1);
    for (old, new) in before.iter().zip(snapshot(it.temp.path())) {
        assert_eq!(old.0, new.0);
        assert_eq!(old.1 == new.1, old.0 != "cinema.token", "{}", old.0);
    }
}

#[test]
fn loads_that_follow_each_other_list_the_directory_once() {
    let mut it = Fixture::new();
    for id in ["cinema", "news", "sport"] {
        it.store.save_credentials(&app(id), &digest(1), &filed(id)).unwrap();
    }
    let mut it = it.restart();
    it.dir.files().faults.trace();
    for id in ["cinema", "news", "sport"] {
        assert_eq!(it.load_quietly(id).filed, [(digest(1), filed(id))].into());
    }
    let steps = it.dir.files().faults.trace();
    assert_eq!(steps.iter().filter(|step| **step == durable::Step::List).count(), 1);
}

#[test]
fn files_that_others_bring_back_are_found_by_the_next_load_after_anything_else() {
    type Between = fn(&mut Store);
    let between: [Between; 5] = [
        |store| store.save_record(&app("news"), &record(1)).unwrap(),
        |store| store.save_credentials(&app("news"), &digest(1), &filed("c")).unwrap(),
        |store| store.save_identity("abcd").unwrap(),
        |store| store.remove_token(&app("news")).unwrap(),
        Store::invalidate_listing,
    ];
    for between in between {
        let mut it = Fixture::new();
        it.store.save_credentials(&app("cinema"), &digest(1), &filed("c1")).unwrap();
        let kept = it.read(&copy('a'));
        it.dir.forget(&app("cinema")).unwrap();
        assert_eq!(it.load_quietly("cinema"), Stored::default());
        it.write(&copy('a'), &kept);
        it.write(&copy('b'), &kept);
        between(&mut it.store);
        assert_eq!(it.load_quietly("cinema").filed, [(digest(1), filed("c1"))].into());
    }
}

#[test]
fn the_generation_goes_up_with_every_write_through_restarts_too() {
    let mut it = Fixture::new();
    for wanted in 1..=4 {
        it.store.save_credentials(&app("cinema"), &digest(1), &filed("c1")).unwrap();
        let subject = Subject::Credentials(app("cinema"), digest(1));
        for which in ['a', 'b'] {
            let opened = envelope::open(&root(7), &subject, &it.read(&copy(which))).unwrap();
            assert_eq!(opened.generation, wanted);
        }
        if wanted == 2 {
            it = it.restart();
        }
    }
}

#[test]
fn what_is_too_large_is_refused_and_the_old_stays() {
    let mut it = Fixture::new();
    it.store.save_identity("abcd").unwrap();
    let error = it.store.save_identity(&"x".repeat(envelope::MAX_LEN)).unwrap_err();
    assert!(matches!(error, StoreError::Seal { .. }), "{error}");
    assert_eq!(it.store.identity().unwrap().0.as_deref(), Some("abcd"));
}
