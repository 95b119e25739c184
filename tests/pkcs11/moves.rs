// SPDX-License-Identifier: MIT OR Apache-2.0
//! From a key file into a token, and from one token to another.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crate::hsm::{Hsm, KEY};
use crate::support::scene::CINEMA;
use crate::support::tokend::Ran;

impl Hsm {
    /// Keeps the configuration of now as the old one.
    fn keep_configuration(&self) -> PathBuf {
        let (config, old) = (self.scene.device.config(), self.scene.device.config().join("old"));
        fs::create_dir(&old).unwrap();
        fs::set_permissions(&old, fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["tokend.toml", "pin", "seal.key"] {
            let _ = fs::copy(config.join(name), old.join(name));
        }
        old
    }

    fn reseal(&self) -> Ran {
        let device = &self.scene.device;
        let paths = [device.config().join("old"), device.config(), device.state()];
        let [old, config, state] = paths.map(|path| path.display().to_string());
        device.run(&["reseal", "--from", &old, "--config", &config, "--state", &state])
    }

    fn assert_serves(&self, token: &str) {
        let connections = self.scene.authority.log().connections;
        let (tokend, player) = self.scene.start();
        assert_eq!(player.get_token(CINEMA, 0).unwrap().0, token);
        assert_eq!(self.scene.authority.log().connections, connections);
        assert_eq!(tokend.terminate().code(), 0);
    }
}

#[test]
fn what_was_sealed_with_a_key_file_moves_into_the_token_which_makes_a_key_for_it() {
    let mut hsm = Hsm::new();
    let pkcs11: Vec<_> =
        ["module", "token", "key", "pin_file"].map(|key| format!("pkcs11_{key}")).into();
    let settings = fs::read_to_string(hsm.scene.device.config().join("tokend.toml")).unwrap();
    let value = |key: &str| {
        let line = settings.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_once(" = ").unwrap().1.to_owned()
    };
    pkcs11.iter().for_each(|key| hsm.scene.device.unset("storage", key));
    hsm.scene.device.set("storage", "seal", "\"key-file\"");
    hsm.scene.device.set("storage", "key_file", "\"seal.key\"");
    hsm.scene.write_key(b'k');
    let token = hsm.register();
    hsm.keep_configuration();
    hsm.scene.device.set("storage", "seal", "\"pkcs11\"");
    hsm.scene.device.unset("storage", "key_file");
    pkcs11.iter().for_each(|key| hsm.scene.device.set("storage", key, &value(key)));

    // A token that is not there moves nothing.
    let stored = hsm.scene.stored();
    hsm.pull_out();
    let ran = hsm.reseal();
    assert_eq!(ran.code, Some(74), "{ran:?}");
    assert_eq!(hsm.scene.stored(), stored);
    hsm.put_back();
    assert!(!hsm.objects().contains(KEY));

    let ran = hsm.reseal();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("moved from the seal key-file to the seal pkcs11"), "{ran:?}");
    assert!(hsm.objects().contains(KEY));
    fs::remove_file(hsm.scene.device.config().join("seal.key")).unwrap();
    hsm.assert_serves(&token);
}

#[test]
fn a_key_is_replaced_by_another_one_of_the_same_token() {
    let mut hsm = Hsm::new();
    let token = hsm.register();
    hsm.keep_configuration();
    hsm.scene.device.set("storage", "pkcs11_key", "\"next root\"");
    for words in ["from the seal pkcs11 to the seal pkcs11", "opens"] {
        let ran = hsm.reseal();
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.stdout.contains(words), "{ran:?}");
    }
    hsm.assert_serves(&token);
    let objects = hsm.objects();
    assert!(objects.contains("next root") && objects.contains(KEY), "{objects}");
}
