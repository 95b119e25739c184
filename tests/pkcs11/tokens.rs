// SPDX-License-Identifier: MIT OR Apache-2.0
//! The token and its key: made once, found again, missing, ambiguous, locked.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::hsm::{Hsm, KEY, PIN, TOKEN, assert_storage_error, wait_until_well};
use crate::support::BOUND;
use crate::support::scene::CINEMA;

#[test]
fn the_first_start_makes_a_key_in_the_token_and_every_later_one_finds_it() {
    let hsm = Hsm::new();
    let first = hsm.register();
    let objects = hsm.objects();
    assert_eq!(objects.matches("Secret Key Object").count(), 1, "{objects}");
    for word in ["length 32", KEY, "sensitive", "never extractable"] {
        assert!(objects.contains(word), "no {word:?} in {objects}");
    }
    let names: Vec<_> = hsm.scene.stored().into_keys().collect();
    assert!(!names.iter().any(|name| name == "generated-key"), "{names:?}");

    let connections = hsm.scene.authority.log().connections;
    assert_eq!(hsm.register(), first);
    assert_eq!(hsm.scene.authority.log().connections, connections);
    assert_eq!(hsm.objects().matches("Secret Key Object").count(), 1);
    let (_tokend, player) = hsm.scene.start();
    assert_eq!(player.manager_property::<String>("Sealing"), "pkcs11");
}

#[test]
fn a_token_that_is_missing_means_storage_error_until_it_is_back() {
    let hsm = Hsm::new();
    let token = hsm.register();
    let (stored, connections) = (hsm.scene.stored(), hsm.scene.authority.log().connections);
    hsm.pull_out();
    hsm.init_token_named("another");
    let (_tokend, player) = hsm.scene.start();
    let changes = player.watch(CINEMA);
    assert_storage_error(&player, &["no token with the label \"set-top box\"", "\"another\""]);
    assert_eq!(hsm.scene.stored(), stored);

    hsm.put_back();
    wait_until_well(&player, &changes);
    assert_eq!(player.get_token(CINEMA, 0).unwrap().0, token);
    assert_eq!(hsm.scene.stored(), stored);
    assert_eq!(hsm.scene.authority.log().connections, connections);
}

#[test]
fn a_token_that_is_missing_at_the_very_first_start_leaves_the_directory_empty() {
    let hsm = Hsm::new();
    hsm.pull_out();
    let (_tokend, player) = hsm.scene.start();
    let changes = player.watch(CINEMA);
    assert_storage_error(&player, &["no token with the label"]);
    assert!(hsm.scene.stored().is_empty(), "{:?}", hsm.scene.stored().keys());
    assert_eq!(hsm.scene.authority.log().connections, 0);
    hsm.put_back();
    wait_until_well(&player, &changes);
    player.get_token(CINEMA, 0).unwrap();
    assert_eq!(hsm.scene.registrations(), 1);
}

#[test]
fn a_token_that_is_pulled_out_of_a_running_daemon_is_missed_at_the_next_start_alone() {
    let hsm = Hsm::new();
    let (tokend, player) = hsm.scene.start();
    let (first, _) = player.get_token(CINEMA, 0).unwrap();
    hsm.pull_out();
    let (second, _) = player.replace_token(CINEMA, &first, "").unwrap();
    assert_ne!(second, first);
    assert_eq!(player.properties(CINEMA).last_error.0, "", "what is fetched is stored");
    assert_eq!(tokend.terminate().code(), 0);

    let stored = hsm.scene.stored();
    let (_tokend, player) = hsm.scene.start();
    let changes = player.watch(CINEMA);
    assert_storage_error(&player, &["it has no token"]);
    assert_eq!(hsm.scene.stored(), stored);
    hsm.put_back();
    wait_until_well(&player, &changes);
    assert_eq!(player.get_token(CINEMA, 0).unwrap().0, second);
    assert_eq!(hsm.scene.registrations(), 1);
}

#[test]
fn a_key_that_is_gone_is_not_replaced_while_anything_is_sealed_with_it() {
    let hsm = Hsm::new();
    let token = hsm.register();
    let stored = hsm.scene.stored();
    hsm.pull_out();
    // A token of that label, and the key is not in it.
    hsm.init_token();
    let (_tokend, player) = hsm.scene.start();
    let changes = player.watch(CINEMA);
    assert_storage_error(&player, &["no key with the label \"tokend root\"", "bring back"]);
    assert!(!hsm.objects().contains("Secret Key Object"));
    assert_eq!(hsm.scene.stored(), stored);
    hsm.put_back();
    wait_until_well(&player, &changes);
    assert_eq!(player.get_token(CINEMA, 0).unwrap().0, token);
    assert_eq!(hsm.scene.registrations(), 1);
}

#[test]
fn another_key_under_the_same_label_opens_nothing_and_overwrites_nothing() {
    let hsm = Hsm::new();
    hsm.register();
    let stored = hsm.scene.stored();
    hsm.pull_out();
    hsm.init_token();
    hsm.make_another_key();
    let (_tokend, player) = hsm.scene.start();
    assert_storage_error(&player, &["the root key from the seal pkcs11 is wrong"]);
    assert_eq!(hsm.scene.stored(), stored);
    assert_eq!(hsm.scene.registrations(), 1);
}

#[test]
fn two_keys_of_one_label_are_an_error() {
    let hsm = Hsm::new();
    hsm.register();
    let stored = hsm.scene.stored();
    hsm.import_aes_key(KEY);
    let (_tokend, player) = hsm.scene.start();
    assert_storage_error(&player, &["has 2 keys with the label \"tokend root\"; legal is one"]);
    assert_eq!(hsm.scene.stored(), stored);
    let ran = hsm.check();
    assert!(ran.stdout.contains("has 2 keys with the label"), "{ran:?}");
}

#[test]
fn two_tokens_of_one_label_are_an_error() {
    let hsm = Hsm::new();
    hsm.init_token();
    let (_tokend, player) = hsm.scene.start();
    assert_storage_error(&player, &["several tokens with the label \"set-top box\" (slots "]);
    assert!(hsm.scene.stored().is_empty());
    assert_eq!(hsm.scene.registrations(), 0);
}

#[test]
fn a_key_that_cannot_sign_is_an_error() {
    let hsm = Hsm::new();
    hsm.import_aes_key(KEY);
    let (_tokend, player) = hsm.scene.start();
    assert_storage_error(&player, &["does not sign with HMAC-SHA256", "CKR_"]);
    assert!(hsm.scene.stored().is_empty());
}

#[test]
fn a_wrong_pin_is_tried_once_and_again_only_when_its_file_changes() {
    let hsm = Hsm::with_odd_module();
    let token = hsm.register();
    let stored = hsm.scene.stored();
    let before = hsm.logins();
    hsm.write_pin("0000");
    let (_tokend, player) = hsm.scene.start();
    let changes = player.watch(CINEMA);
    let words = ["refuses the PIN (CKR_PIN_INCORRECT)", "not tried again before that file changes"];
    assert_storage_error(&player, &words);
    for _ in 0..5 {
        let (lines, from) = (hsm.scene.device.lines(), hsm.scene.device.lines().len());
        player.reload().unwrap();
        // A try that says why it fails.
        let said = lines.wait_for(from, BOUND, |line| line.contains("the token has refused"));
        assert!(said.is_some());
    }
    assert_eq!(hsm.logins() - before, 1, "each wrong PIN brings the token nearer to its lock");

    hsm.write_pin("1111");
    let (lines, from) = (hsm.scene.device.lines(), hsm.scene.device.lines().len());
    player.reload().unwrap();
    assert!(lines.wait_for(from, BOUND, |line| line.contains("CKR_PIN_INCORRECT")).is_some());
    assert_eq!(hsm.logins() - before, 2);
    assert_eq!(hsm.scene.stored(), stored);

    hsm.write_pin(PIN);
    // By now the wait before the next try by itself can be longer than the bound.
    player.reload().unwrap();
    wait_until_well(&player, &changes);
    assert_eq!(player.get_token(CINEMA, 0).unwrap().0, token);
    assert_eq!(hsm.logins() - before, 3);
    assert_eq!(hsm.scene.registrations(), 1);
    assert!(!hsm.scene.device.all_output().contains(PIN), "a PIN in the log");
}

#[test]
fn no_pin_is_tried_where_it_would_be_the_last_one() {
    let hsm = Hsm::with_odd_module();
    for (misbehaviour, words) in
        [("final-try", "locks at the next wrong PIN"), ("locked", "is locked")]
    {
        hsm.misbehave(misbehaviour);
        let (_tokend, player) = hsm.scene.start();
        assert_storage_error(&player, &[words]);
        assert_eq!(hsm.logins(), 0);
    }
}

#[test]
fn a_pin_file_is_judged_as_every_secret_is() {
    let hsm = Hsm::new();
    let pin = hsm.scene.device.config().join("pin");
    let (_tokend, player) = {
        fs::set_permissions(&pin, fs::Permissions::from_mode(0o620)).unwrap();
        hsm.scene.start()
    };
    let changes = player.watch(CINEMA);
    assert_storage_error(&player, &["the PIN cannot be had", "has mode 0620"]);
    fs::set_permissions(&pin, fs::Permissions::from_mode(0o644)).unwrap();
    wait_until_well(&player, &changes);
    player.get_token(CINEMA, 0).unwrap();
    let warning = "so that everybody may read it (chmod o= ";
    assert!(hsm.scene.device.all_output().contains(warning));
}

#[test]
fn without_a_pin_a_token_that_wants_one_gives_nothing() {
    let mut hsm = Hsm::new();
    hsm.scene.device.unset("storage", "pkcs11_pin_file");
    let (_tokend, player) = hsm.scene.start();
    assert_storage_error(&player, &[TOKEN, "pkcs11_pin_file"]);
    assert!(hsm.scene.stored().is_empty());
}
