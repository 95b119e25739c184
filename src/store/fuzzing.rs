// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whatever lies in the state directory: nothing comes out that was not put in, nothing good is
//! lost, and what cannot be explained is left alone.

use std::collections::BTreeMap;
use std::fs;

use zeroize::Zeroizing;

use super::*;
use crate::common::model::{CredentialSet, Credentials, Origin};
use crate::common::recipe::{Recipe, is_one_line};
use crate::common::secret::Secret;
use crate::seal::{SealError, envelope};
use crate::system::fs::scratch::Scratch;

/// What is inside a sealed file, as a document of each kind.
pub fn documents(input: &[u8]) {
    if let Some(documents::Credentials { origins }) = documents::from_json(input) {
        let json = documents::to_json(&documents::CredentialsRef { origins: &origins }).unwrap();
        let again: documents::Credentials = documents::from_json(&json).unwrap();
        assert_eq!(again.origins, origins);
        later_members_are_passed_over::<documents::Credentials>(&json);
        let debug = format!("{origins:?}");
        let slots = origins.values();
        let all = slots.flat_map(|s| s.current.iter().chain(&s.pending).chain(&s.replaced));
        let secrets = all.map(|credentials| credentials.client_secret.expose());
        // One that stands in no other place.
        let text = String::from_utf8_lossy(&json);
        for secret in secrets.filter(|s| s.len() >= 12 && text.matches(*s).count() == 1) {
            assert!(!debug.contains(secret));
        }
    }
    round_trip::<documents::Identity>(input);
    if let Some(record) = round_trip::<AttemptLog>(input) {
        let attempts = record.attempts.values().flat_map(|origins| origins.values());
        for stamp in attempts.flat_map(|one| one.registered.iter().chain(&one.refused)) {
            for confirmed in [false, true] {
                let now = crate::common::time::Now {
                    boot: crate::common::time::BootTime(5),
                    wall: crate::common::time::WallTime(-7),
                    confirmed,
                };
                // Whatever is stored, no time comes out of nothing.
                assert_eq!(stamp.elapsed(&stamp.boot_id, now), now.boot.since(stamp.boot));
                assert!(
                    stamp.elapsed(&crate::common::time::BootId("another".into()), now)
                        >= now.boot.since(crate::common::time::BootTime(0))
                );
            }
        }
    }
    round_trip::<Token>(input);
}

fn round_trip<T: Serialize + DeserializeOwned>(input: &[u8]) -> Option<T> {
    let document: T = documents::from_json(input)?;
    let json = documents::to_json(&document).unwrap();
    let again: T = documents::from_json(&json).unwrap();
    assert_eq!(*documents::to_json(&again).unwrap(), *json);
    later_members_are_passed_over::<T>(&json);
    Some(document)
}

/// What a later tokend adds, at any place where this one reads members by name.
fn later_members_are_passed_over<T: DeserializeOwned>(json: &[u8]) {
    let mut value: serde_json::Value = serde_json::from_slice(json).unwrap();
    value["later"] = serde_json::json!({"a": [1, null, {"b": "c"}]});
    assert!(documents::from_json::<T>(value.to_string().as_bytes()).is_some());
}

struct Key;

impl RootKeySource for Key {
    fn name(&self) -> &'static str {
        "key-file"
    }

    fn root_key(&mut self, _store_is_empty: bool) -> Result<RootKey, SealError> {
        Ok(root())
    }

    fn fixed_for_this_process(&self) -> bool {
        false
    }
}

fn root() -> RootKey {
    RootKey::new(Zeroizing::new([vec![7; 31], vec![8]].concat())).unwrap()
}

const DIGEST: StatementDigest = StatementDigest([9; 32]);

/// A recipe for a state directory: good files of some generation, their beginnings, files of other
/// subjects, of other versions, and any bytes, under any of the store's names.
pub fn state_directory(input: &[u8]) {
    let scratch = Scratch::new();
    let id: AppId = "cinema".parse().unwrap();
    plant(&scratch, &id, &mut Recipe(input));
    let before = contents(&scratch);

    let dir = Arc::new(StateDir::lock(&scratch.0).unwrap());
    let mut store = match Store::open(dir, &mut Key) {
        Ok(store) => store,
        Err(error) => {
            assert!(is_one_line(&error.to_string()));
            assert_eq!(contents(&scratch), before, "nothing is touched without a proven key");
            return;
        }
    };
    let first = store.load(&id);
    for note in first.iter().flat_map(|(_, notes)| notes) {
        assert!(is_one_line(&note.text), "{}", note.text);
    }
    // Whatever was good is still there, in its place, repaired, or put aside.
    let after = contents(&scratch);
    let opens = |subject: &Subject, bytes: &[u8]| envelope::open(&root(), subject, bytes).ok();
    for (name, bytes) in &before {
        let Some(subject) = names::subject(name) else { continue };
        let Some(good) = opens(&subject, bytes) else { continue };
        let files = names::files(&subject);
        let kept = files.iter().filter_map(|file| opens(&subject, after.get(file)?));
        assert!(kept.map(|kept| kept.generation).max() >= Some(good.generation), "{name} is lost");
    }
    // What a later version wrote is untouched.
    for (name, bytes) in before.iter().filter(|(_, bytes)| bytes.starts_with(LATER)) {
        if names::subject(name).is_some_and(|s| s != Subject::KeyCheck) {
            assert_eq!(after.get(name), Some(bytes), "{name} is of a later version");
        }
    }
    let Ok((stored, _)) = first else { return };
    let newest = |files: &[String]| {
        let good = files.iter().filter_map(|file| {
            let subject = names::subject(file).unwrap();
            opens(&subject, before.get(file)?).map(|opened| opened.generation)
        });
        good.max()
    };
    match stored.filed.get(&DIGEST) {
        Some(filed) => assert_eq!(generation(filed), newest(&names::credentials(&id, &DIGEST))),
        None => assert_eq!(newest(&names::credentials(&id, &DIGEST)), None),
    }
    assert!(stored.token.is_none(), "there was none");
    assert_eq!(store.load(&id).unwrap().0, stored, "it stays so");
    // The record that was lost is known as such as long as nothing is written in its stead.
    store.save_record(&id, &AttemptLog::default()).unwrap();
    assert!(!store.load(&id).unwrap().0.record_lost);
}

/// The beginning of a file of format 2.
const LATER: &[u8] = b"tokend\x1a\n\x00\x02\xff\xfd";

fn plant(scratch: &Scratch, id: &AppId, recipe: &mut Recipe<'_>) {
    let [credentials_a, credentials_b] = names::credentials(id, &DIGEST);
    let [identity_a, identity_b] = names::identity();
    let names = [
        credentials_a,
        credentials_b,
        names::record(id),
        names::token(id),
        names::KEY_CHECK.to_owned(),
        identity_a,
        identity_b,
        names::quarantined(&names::record(id)),
        format!(".tmp-{}", names::token(id)),
        "lost+found".to_owned(),
    ];
    let subjects = [
        Subject::Credentials(id.clone(), DIGEST),
        Subject::Record(id.clone()),
        Subject::Identity,
        Subject::KeyCheck,
    ];
    for _ in 0..12 {
        if recipe.is_over() {
            return;
        }
        let name = &names[usize::from(recipe.byte()) % names.len()];
        let own = names::subject(name).filter(|subject| !matches!(subject, Subject::Token(_)));
        let other = &subjects[usize::from(recipe.byte()) % subjects.len()];
        let number = recipe.byte();
        let subject = own.as_ref().unwrap_or(other);
        let content = match recipe.byte() % 6 {
            0 | 1 => sealed(subject, number),
            2 => sealed(other, number),
            3 => {
                let mut damaged = sealed(subject, number);
                let at = recipe.number() % damaged.len();
                damaged[at] ^= 1 + recipe.byte() % 255;
                damaged
            }
            4 => {
                let mut beginning = sealed(subject, number);
                beginning.truncate(recipe.number() % beginning.len());
                beginning
            }
            _ => {
                let start = if number.is_multiple_of(2) { LATER } else { b"" };
                [start, recipe.take(number.into())].concat()
            }
        };
        fs::write(scratch.0.join(name), content).unwrap();
    }
}

/// A good file of a subject; its content tells its generation.
fn sealed(subject: &Subject, generation: u8) -> Vec<u8> {
    let json = match subject {
        Subject::Credentials(..) => {
            let secret = |text: &str| Secret::new(text.to_owned());
            let credentials = Credentials {
                client_id: secret("id"),
                client_secret: secret("secret"),
                issued_at: generation.into(),
                scopes: Vec::new(),
                redirect_uris: Vec::new(),
            };
            let slot = CredentialSet { current: Some(credentials), ..CredentialSet::default() };
            let filed = CredentialsByOrigin::from([(Origin("https://a".into()), slot)]);
            documents::to_json(&documents::CredentialsRef { origins: &filed })
        }
        Subject::Identity => documents::to_json(&documents::Identity { id: "00".repeat(32) }),
        _ => documents::to_json(&AttemptLog::default()),
    };
    envelope::seal(&root(), subject, generation.into(), &json.unwrap()).unwrap()
}

fn generation(filed: &CredentialsByOrigin) -> Option<u64> {
    filed.values().next()?.current.as_ref().map(|credentials| credentials.issued_at)
}

fn contents(scratch: &Scratch) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(&scratch.0).unwrap().map(Result::unwrap);
    let content = |entry: fs::DirEntry| {
        (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
    };
    entries.map(content).filter(|(name, _)| !name.starts_with(".tmp-")).collect()
}
