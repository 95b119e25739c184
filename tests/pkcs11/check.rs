// SPDX-License-Identifier: MIT OR Apache-2.0
//! `tokend check` with a token: it finds what is there, makes nothing, and says what is wrong.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};

use crate::hsm::{Hsm, KEY};

const NOBODY: u32 = 65_534;

fn line<'a>(text: &'a str, subject: &str) -> &'a str {
    let mut lines = text.lines();
    let wanted = |line: &&str| line.split_whitespace().nth(1) == Some(subject);
    lines.find(wanted).unwrap_or_else(|| panic!("nothing of {subject}: {text}"))
}

#[test]
fn check_says_of_an_empty_store_that_the_token_makes_the_key_and_makes_none() {
    let hsm = Hsm::new();
    let ran = hsm.check();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let seal = line(&ran.stdout, "seal");
    assert!(seal.starts_with("ok") && seal.contains("makes one on first start"), "{seal}");
    assert!(!hsm.objects().contains(KEY));
    assert!(hsm.scene.stored().is_empty());

    hsm.register();
    let stored = hsm.scene.stored();
    let ran = hsm.check();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(line(&ran.stdout, "seal").contains("what it seals, it opens"), "{ran:?}");
    assert!(line(&ran.stdout, "state").contains("opens what is stored (key-check)"), "{ran:?}");
    assert_eq!(hsm.scene.stored(), stored);
}

#[test]
fn check_names_what_is_wrong_with_module_token_key_and_pin() {
    let mut hsm = Hsm::new();
    hsm.register();
    let says = |hsm: &Hsm, words: &str| {
        let ran = hsm.check();
        assert_eq!(ran.code, Some(78), "{words}: {ran:?}");
        let seal = line(&ran.stdout, "seal");
        assert!(seal.starts_with("error") && seal.contains(words), "no {words:?} in {seal}");
    };
    hsm.write_pin("0000\n");
    says(&hsm, "refuses the PIN (CKR_PIN_INCORRECT)");
    fs::remove_file(hsm.scene.device.config().join("pin")).unwrap();
    says(&hsm, "the PIN cannot be had: ");
    hsm.write_pin("");
    says(&hsm, "pin is empty");
    hsm.write_pin(crate::hsm::PIN);
    hsm.scene.device.set("storage", "pkcs11_key", "\"another\"");
    says(&hsm, "has no key with the label \"another\"; one is made only while nothing is stored");
    hsm.scene.device.set("storage", "pkcs11_token", "\"another\"");
    says(&hsm, "has no token with the label \"another\"; it has \"set-top box\"");
    hsm.scene.device.set("storage", "pkcs11_module", "\"/nonexistent.so\"");
    says(&hsm, "the PKCS#11 module /nonexistent.so cannot be had: No such file");
}

#[test]
fn as_root_check_runs_the_module_as_the_user_of_the_daemon_and_with_no_more_rights() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not root: root cannot be played");
        return;
    }
    let hsm = Hsm::with_odd_module();
    hsm.misbehave("whoami");
    fs::set_permissions(hsm.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let state = hsm.scene.device.state();
    fs::create_dir_all(&state).unwrap();
    chown(&state, Some(NOBODY), Some(NOBODY)).unwrap();
    let ran = hsm.check();
    let seal = line(&ran.stdout, "seal");
    assert!(seal.starts_with("warning") && seal.contains("(exit code 21)"), "{ran:?}");
    assert!(seal.contains("tried as uid 65534") && seal.contains("systemd-run "), "{seal}");
}
