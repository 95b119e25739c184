// SPDX-License-Identifier: MIT OR Apache-2.0
//! `tokend reseal`: a device whose seal changes keeps everything that is stored.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::PathBuf;

use crate::support::bus::can_act_as_others;
use crate::support::scene::{CINEMA, Scene};
use crate::support::tokend::Ran;

const NOBODY: u32 = 65_534;

/// A device with something stored under the seal `generated`, and a configuration with a key file.
struct Move {
    scene: Scene,
    token: String,
    old: PathBuf,
}

impl Move {
    fn new() -> Self {
        let mut scene = Scene::new();
        let (tokend, player) = scene.start();
        let (token, _) = player.get_token(CINEMA, 0).unwrap();
        tokend.terminate();
        let old = scene.device.config().join("old");
        fs::create_dir(&old).unwrap();
        fs::set_permissions(&old, fs::Permissions::from_mode(0o755)).unwrap();
        fs::copy(scene.device.config().join("tokend.toml"), old.join("tokend.toml")).unwrap();
        scene.device.set("storage", "seal", "\"key-file\"");
        scene.device.set("storage", "key_file", "\"seal.key\"");
        scene.write_key(b'k');
        Self { scene, token, old }
    }

    fn reseal(&self) -> Ran {
        let device = &self.scene.device;
        let [config, state] =
            [device.config(), device.state()].map(|path| path.display().to_string());
        let old = self.old.display().to_string();
        device.run(&["reseal", "--from", &old, "--config", &config, "--state", &state])
    }

    /// The daemon serves what it has, and asks nobody.
    fn assert_nothing_lost(&self) {
        let connections = self.scene.authority.log().connections;
        let (_tokend, player) = self.scene.start();
        assert_eq!(player.get_token(CINEMA, 0).unwrap().0, self.token);
        assert_eq!(self.scene.authority.log().connections, connections);
        assert_eq!(self.scene.registrations(), 1);
    }
}

#[test]
fn a_changed_seal_is_storage_error_until_reseal_has_moved_what_is_stored() {
    let it = Move::new();
    let stored = it.scene.stored();
    let (tokend, player) = it.scene.start();
    let error = player.get_token(CINEMA, 0).unwrap_err();
    assert!(error.message.contains("tokend reseal"), "{error}");
    assert_eq!(it.scene.stored(), stored);

    let ran = it.reseal();
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(75), ""), "{ran:?}");
    assert!(ran.stderr.contains("stop it first (systemctl stop tokend)"), "{ran:?}");
    assert_eq!(it.scene.stored(), stored);
    assert_eq!(tokend.terminate().code(), 0);

    let ran = it.reseal();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for words in ["moved cinema.token\n", "from the seal generated to the seal key-file\n"] {
        assert!(ran.stdout.contains(words), "{ran:?}");
    }
    assert!(ran.stderr.contains("removed the generated root key"), "{ran:?}");
    let mut names: Vec<_> = stored.into_keys().collect();
    names.retain(|name| name != "generated-key");
    assert_eq!(it.scene.stored().into_keys().collect::<Vec<_>>(), names);
    it.assert_nothing_lost();
}

#[test]
fn reseal_again_says_that_it_is_done_and_changes_nothing() {
    let it = Move::new();
    assert_eq!(it.reseal().code, Some(0));
    let stored = it.scene.stored();
    let ran = it.reseal();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("the root key from the seal key-file opens"), "{ran:?}");
    assert_eq!(it.scene.stored(), stored);
}

#[test]
fn a_move_without_the_right_keys_moves_nothing_and_says_why() {
    let it = Move::new();
    let stored = it.scene.stored();
    let key = it.scene.device.config().join("seal.key");
    fs::remove_file(&key).unwrap();
    let ran = it.reseal();
    assert_eq!(ran.code, Some(74), "{ran:?}");
    assert!(ran.stderr.contains("cannot be sealed anew: no root key from the seal key-file"));

    it.scene.write_key(b'k');
    let generated = it.scene.device.state().join("generated-key");
    fs::write(&generated, [1; 32]).unwrap();
    let ran = it.reseal();
    assert_eq!(ran.code, Some(74), "{ran:?}");
    assert!(
        ran.stderr.contains("cannot be opened as before: the root key from the seal generated")
    );
    fs::write(&generated, &stored["generated-key"]).unwrap();

    fs::remove_file(it.old.join("tokend.toml")).unwrap();
    let ran = it.reseal();
    assert_eq!(ran.code, Some(78), "{ran:?}");
    assert_eq!(it.scene.stored(), stored);
}

#[test]
fn nothing_stored_is_nothing_to_move() {
    let it = Move::new();
    fs::remove_dir_all(it.scene.device.state()).unwrap();
    let ran = it.reseal();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("nothing is to be moved"), "{ran:?}");
    assert!(!it.scene.device.state().exists());
}

#[test]
fn what_root_moves_still_belongs_to_the_user_that_runs_tokend() {
    if !can_act_as_others() {
        eprintln!("not tested: only root can act as other users");
        return;
    }
    let it = Move::new();
    let state = it.scene.device.state();
    let config = it.scene.device.config();
    let give = |path: PathBuf| chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    fs::set_permissions(config.parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
    for dir in [&state, &config, &it.old] {
        fs::read_dir(dir).unwrap().for_each(|entry| give(entry.unwrap().path()));
        give(dir.clone());
    }
    let ran = it.reseal();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for entry in fs::read_dir(&state).unwrap() {
        let meta = entry.unwrap().metadata().unwrap();
        assert_eq!((meta.uid(), meta.mode() & 0o777), (NOBODY, 0o600));
    }
}
