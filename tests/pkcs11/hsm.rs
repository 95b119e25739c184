// SPDX-License-Identifier: MIT OR Apache-2.0
//! A token of SoftHSM's in a directory of its own, and a device whose seal it is.

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::child;
use crate::support::player::{Changes, Player};
use crate::support::scene::{CINEMA, Scene};
use crate::support::tokend::Ran;

pub(crate) const TOKEN: &str = "set-top box";
pub(crate) const KEY: &str = "tokend root";
pub(crate) const PIN: &str = "4711-geheim";
const SO_PIN: &str = "8888-oberst";

pub(crate) struct Hsm {
    pub(crate) dir: TempDir,
    pub(crate) scene: Scene,
}

impl Hsm {
    /// With one token and its PIN, and no key.
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("tokend-hsm-").tempdir().unwrap();
        let mut scene = Scene::new();
        scene.device.set("storage", "seal", "\"pkcs11\"");
        scene.device.set("storage", "pkcs11_module", &format!("{:?}", module()));
        scene.device.set("storage", "pkcs11_token", &format!("{TOKEN:?}"));
        scene.device.set("storage", "pkcs11_key", &format!("{KEY:?}"));
        scene.device.set("storage", "pkcs11_pin_file", "\"pin\"");
        let conf = dir.path().join("softhsm2.conf");
        scene.device.set_environment("SOFTHSM2_CONF", &conf);
        let it = Self { dir, scene };
        make_dir(&it.tokens());
        let text = format!("directories.tokendir = {}\nlog.level = ERROR\n", it.tokens().display());
        fs::write(conf, text).unwrap();
        it.init_token();
        it.write_pin(&format!("{PIN}\n"));
        it
    }

    /// The same behind the module of `module.c`, which does as `misbehave` says.
    pub(crate) fn with_odd_module() -> Self {
        let mut it = Self::new();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pkcs11/module.c");
        let odd = it.dir.path().join("odd.so");
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-w", "-o"]).arg(&odd).arg(source).arg("-ldl");
        let built = cc.status().expect("cc runs: it is in the package build-essential");
        assert!(built.success());
        fs::set_permissions(&odd, fs::Permissions::from_mode(0o755)).unwrap();
        it.scene.device.set("storage", "pkcs11_module", &format!("{odd:?}"));
        it.scene.device.set_environment("REAL_MODULE", module());
        it.scene.device.set_environment("MISBEHAVIOUR", it.dir.path().join("misbehaviour"));
        it
    }

    /// From the next child on.
    pub(crate) fn misbehave(&self, words: &str) {
        // At once, for a child may be reading it.
        let (new, file) = (self.dir.path().join("new"), self.dir.path().join("misbehaviour"));
        fs::write(&new, words).unwrap();
        fs::rename(new, file).unwrap();
    }

    /// How often somebody has tried a PIN.
    pub(crate) fn logins(&self) -> usize {
        let file = self.dir.path().join("misbehaviour.logins");
        fs::read(file).map_or(0, |bytes| bytes.len())
    }

    pub(crate) fn write_pin(&self, text: &str) {
        self.scene.device.write_config("pin", text);
    }

    /// Adds a token with the label [`TOKEN`].
    pub(crate) fn init_token(&self) {
        self.init_token_named(TOKEN);
    }

    pub(crate) fn init_token_named(&self, label: &str) {
        self.util(&["--init-token", "--free", "--label", label, "--so-pin", SO_PIN, "--pin", PIN]);
    }

    /// Adds a secret key with this label, which is no HMAC key.
    pub(crate) fn import_aes_key(&self, label: &str) {
        let file = self.dir.path().join("aes.key");
        fs::write(&file, [7; 32]).unwrap();
        let file = file.to_str().unwrap();
        let token = ["--token", TOKEN, "--pin", PIN, "--label", label, "--id", "07"];
        self.util(&[&["--import", file, "--aes"][..], &token].concat());
    }

    /// Lets the token make an HMAC key of the label [`KEY`], as a fresh device would.
    pub(crate) fn make_another_key(&self) {
        let tool = child::find("pkcs11-tool", "opensc").unwrap();
        let mut command = Command::new(tool);
        command.arg("--module").arg(module()).args([
            "--token-label",
            TOKEN,
            "--login",
            "--pin",
            PIN,
        ]);
        command.args(["--keygen", "--key-type", "GENERIC:32", "--usage-sign", "--label", KEY]);
        self.tool(&mut command);
    }

    pub(crate) fn util(&self, arguments: &[&str]) -> String {
        let util = child::find("softhsm2-util", "softhsm2").unwrap();
        self.tool(Command::new(util).args(arguments))
    }

    /// What `pkcs11-tool` shows of all objects.
    pub(crate) fn objects(&self) -> String {
        let tool = child::find("pkcs11-tool", "opensc").unwrap();
        let mut command = Command::new(tool);
        command.arg("--module").arg(module()).args([
            "--token-label",
            TOKEN,
            "--login",
            "--pin",
            PIN,
        ]);
        self.tool(command.arg("--list-objects"))
    }

    fn tool(&self, command: &mut Command) -> String {
        command.env("SOFTHSM2_CONF", self.dir.path().join("softhsm2.conf"));
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(output.status.success(), "{command:?}: {text}");
        text
    }

    /// Where SoftHSM keeps its tokens.
    pub(crate) fn tokens(&self) -> PathBuf {
        self.dir.path().join("tokens")
    }

    /// Takes all tokens out, as a smart card is.
    pub(crate) fn pull_out(&self) {
        fs::rename(self.tokens(), self.dir.path().join("pulled out")).unwrap();
        make_dir(&self.tokens());
    }

    pub(crate) fn put_back(&self) {
        fs::remove_dir_all(self.tokens()).unwrap();
        fs::rename(self.dir.path().join("pulled out"), self.tokens()).unwrap();
    }

    /// Starts the daemon until the application has a token, and ends it.
    pub(crate) fn register(&self) -> String {
        let (tokend, player) = self.scene.start();
        let (token, _) = player.get_token(CINEMA, 0).unwrap();
        assert_eq!(tokend.terminate().code(), 0);
        token
    }

    pub(crate) fn check(&self) -> Ran {
        let options = self.scene.device.options();
        let options: Vec<_> = options.iter().map(String::as_str).collect();
        self.scene.device.run(&[&["check"], &options[..]].concat())
    }
}

pub(crate) fn module() -> PathBuf {
    let places = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/pkcs11/libsofthsm2.so"];
    let mut there = places.iter().map(PathBuf::from).filter(|path| path.exists());
    there.next().expect("SoftHSM is not installed: install the package softhsm2")
}

fn make_dir(path: &Path) {
    fs::DirBuilder::new().mode(0o700).create(path).unwrap();
}

/// The error of a call, whose message holds all `words`; the application is in `storage-error`.
pub(crate) fn assert_storage_error(player: &Player, words: &[&str]) {
    let error = player.get_token(CINEMA, 0).unwrap_err();
    assert_eq!(error.name, "tv.tokend.Error.Storage", "{error}");
    for word in words {
        assert!(error.message.contains(word), "no {word:?} in {error}");
    }
    assert_eq!(player.properties(CINEMA).state, "storage-error");
}

/// Waits until the application is in `storage-error` no longer.
pub(crate) fn wait_until_well(player: &Player, changes: &Changes) {
    if player.properties(CINEMA).state == "storage-error" {
        changes
            .wait_for(|change| change.0.contains_key("State") && !change.is_state("storage-error"));
    }
}
