// SPDX-License-Identifier: MIT OR Apache-2.0
use super::*;

fn root(byte: u8) -> RootKey {
    RootKey::new(Zeroizing::new(vec![byte; 32])).unwrap()
}

fn app(name: &str) -> AppId {
    name.parse().unwrap()
}

fn digest(byte: u8) -> StatementDigest {
    StatementDigest([byte; 32])
}

/// Pairs that differ in one thing each are among them.
fn subjects() -> Vec<Subject> {
    let mut all = vec![Subject::Identity, Subject::KeyCheck];
    for id in ["cinema", "cinemb", "cine", &"x".repeat(64)] {
        all.push(Subject::Credentials(app(id), digest(1)));
        all.push(Subject::Credentials(app(id), digest(2)));
        all.push(Subject::Credentials(app(id), digest(0)));
        all.push(Subject::Token(app(id)));
        all.push(Subject::Record(app(id)));
    }
    all
}

fn refusal(subject: &Subject, bytes: &[u8]) -> Option<NotOpened> {
    open(&root(7), subject, bytes).err()
}

#[test]
fn what_is_sealed_opens_with_its_generation() {
    for subject in subjects() {
        for plaintext in [&b""[..], b"{}", &[0; 70_000]] {
            let sealed = seal(&root(7), &subject, 42, plaintext).unwrap();
            let opened = open(&root(7), &subject, &sealed).unwrap();
            assert_eq!((opened.generation, &opened.plaintext[..]), (42, plaintext));
        }
    }
}

#[test]
fn no_file_can_stand_in_for_another() {
    let all = subjects();
    for sealed_as in &all {
        let sealed = seal(&root(7), sealed_as, 1, b"{}").unwrap();
        for opened_as in &all {
            let wanted = (sealed_as != opened_as).then_some(NotOpened::NotAuthentic);
            assert_eq!(refusal(opened_as, &sealed), wanted, "{sealed_as:?} as {opened_as:?}");
        }
    }
}

#[test]
fn no_header_fits_another_content() {
    let subject = Subject::Credentials(app("cinema"), digest(1));
    let older = seal(&root(7), &subject, 1, b"older").unwrap();
    let newer = seal(&root(7), &subject, 2, b"newer").unwrap();
    let header = FIXED + "cinema".len();
    let spliced = [&newer[..header], &older[header..]].concat();
    assert_eq!(refusal(&subject, &spliced), Some(NotOpened::NotAuthentic));
    let mut raised = older.clone();
    raised[GENERATION..GENERATION + 8].copy_from_slice(&newer[GENERATION..GENERATION + 8]);
    assert_eq!(refusal(&subject, &raised), Some(NotOpened::NotAuthentic));
}

#[test]
fn every_flipped_bit_is_damage() {
    let subject = Subject::Credentials(app("cinema"), digest(1));
    let sealed = seal(&root(7), &subject, 1, br#"{"client_id":"c","client_secret":"s"}"#).unwrap();
    for at in 0..sealed.len() * 8 {
        let mut damaged = sealed.clone();
        damaged[at / 8] ^= 1 << (at % 8);
        assert_eq!(refusal(&subject, &damaged), Some(NotOpened::NotAuthentic), "bit {at}");
    }
}

#[test]
fn every_other_length_is_damage() {
    let subject = Subject::Token(app("cinema"));
    let mut sealed = seal(&root(7), &subject, 1, b"some content").unwrap();
    for len in 0..sealed.len() {
        assert_eq!(refusal(&subject, &sealed[..len]), Some(NotOpened::NotAuthentic), "{len}");
    }
    sealed.push(0);
    assert_eq!(refusal(&subject, &sealed), Some(NotOpened::NotAuthentic));
}

#[test]
fn another_root_key_opens_nothing() {
    let sealed = seal(&root(7), &Subject::KeyCheck, 1, b"{}").unwrap();
    assert_eq!(open(&root(8), &Subject::KeyCheck, &sealed).err(), Some(NotOpened::NotAuthentic));
}

#[test]
fn an_unknown_version_is_told_from_damage_whatever_follows_it() {
    let mut sealed = seal(&root(7), &Subject::Identity, 1, b"{}").unwrap();
    for version in [0, 2, 0xffff_u16] {
        sealed[8..10].copy_from_slice(&version.to_be_bytes());
        sealed[10..12].copy_from_slice(&(!version).to_be_bytes());
        let wanted = Some(NotOpened::UnknownVersion(version));
        for bytes in [&sealed[..], &sealed[..12], &[&sealed[..], &[0; MAX_LEN]].concat()] {
            assert_eq!(refusal(&Subject::Identity, bytes), wanted);
        }
    }
}

#[test]
fn no_bytes_make_it_panic() {
    let mut random = fastrand::Rng::with_seed(4);
    let good = seal(&root(7), &Subject::Token(app("cinema")), 1, b"{}").unwrap();
    for _ in 0..20_000 {
        let mut bytes: Vec<u8> = (0..random.usize(..200)).map(|_| random.u8(..)).collect();
        let kept = random.usize(..=good.len().min(bytes.len()));
        bytes[..kept].copy_from_slice(&good[..kept]);
        for subject in [Subject::Token(app("cinema")), Subject::KeyCheck] {
            assert!(open(&root(7), &subject, &bytes).is_err());
        }
    }
}

#[test]
fn no_two_envelopes_have_anything_random_in_common() {
    let seal = || seal(&root(7), &Subject::Identity, 1, &[0; 32]).unwrap();
    let (one, two) = (seal(), seal());
    assert_eq!(one[..SALT], two[..SALT]);
    assert_ne!(one[SALT..FIXED], two[SALT..FIXED]);
    assert_ne!(one[FIXED..], two[FIXED..]);
}

#[test]
fn the_plaintext_is_not_to_be_seen() {
    let sealed = seal(&root(7), &Subject::Identity, 1, b"opensesame").unwrap();
    assert!(!sealed.windows(10).any(|window| window == b"opensesame"));
}

#[test]
fn an_envelope_has_256_kib_at_most() {
    let longest = MAX_LEN - FIXED - TAG;
    let sealed = seal(&root(7), &Subject::Identity, 1, &vec![1; longest]).unwrap();
    assert_eq!(sealed.len(), MAX_LEN);
    assert_eq!(refusal(&Subject::Identity, &sealed), None);
    let refused = seal(&root(7), &Subject::Identity, 1, &vec![1; longest + 1]);
    assert_eq!(refused, Err(NotSealed::TooLarge { len: MAX_LEN + 1 }));
}

/// Made by another implementation (Python's `cryptography`) from the table above.
#[test]
fn the_format_is_the_documented_one_for_ever() {
    let ciphertext = [
        0xf2, 0xa2, 0x8e, 0xb8, 0x2f, 0x7d, 0xc6, 0x50, 0xc3, 0xb0, 0x9d, 0x35, 0x6d, 0xa1, 0xd2,
        0x36, 0x7c, 0x4d, 0x42, 0x41, 0x43, 0x28, 0x61, 0x72, 0x17, 0x2d, 0x01, 0x37, 0x5a, 0xa7,
    ];
    let salt: [u8; 32] = std::array::from_fn(|i| i as u8);
    let mut envelope =
        b"tokend\x1a\n\x00\x01\xff\xfe\x01\x06\x01\x02\x03\x04\x05\x06\x07\x08".to_vec();
    envelope.extend_from_slice(&[1; 32]);
    envelope.extend_from_slice(&salt);
    envelope.extend_from_slice(b"cinema");
    envelope.extend_from_slice(&ciphertext);
    let subject = Subject::Credentials(app("cinema"), digest(1));
    let opened = open(&root(7), &subject, &envelope).unwrap();
    assert_eq!(opened.generation, 0x0102_0304_0506_0708);
    assert_eq!(&opened.plaintext[..], br#"{"origins":{}}"#);
}
