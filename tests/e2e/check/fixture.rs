// SPDX-License-Identifier: MIT OR Apache-2.0
//! A configuration, a state directory, and the binary run on them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokend::config::{self, Source};
use tokend::store::{StateDir, Store};

use crate::support::child;

pub(crate) const STORED_ID: &str =
    "4e1243bd22c66e76c2ba9eddc1f91394e57f9f83f4e1243bd22c66e76c2ba9ed";
pub(crate) const NOBODY: u32 = 65_534;
pub(crate) const KEY_TEXT: &str = "a-root-key-of-at-least-32-bytes-in-letters";
/// Ends with the table `[device]`.
pub(crate) const SETTINGS: &str =
    "[storage]\nseal = \"key-file\"\nkey_file = \"seal.key\"\n[device]\n";
/// What a statement has and no claim shows.
pub(crate) const STATEMENT_PARTS: [&str; 2] = ["c2lnbmF0dXJl", "eyJ"];

/// Device tree, model, its origin, the identity's origin.
pub(crate) const TREES: &[(&str, &str, &str, &str)] = &[
    (
        "rdk",
        "Streaming Box 4K",
        "/etc/device.properties FRIENDLY_ID",
        "/sys/firmware/devicetree/base/serial-number, /sys/class/net/eth0/address and \
         /sys/class/net/wlan0/address",
    ),
    (
        "webos",
        "OLED55CXPUA",
        "/var/run/nyx/device_info.json product_id",
        "/var/run/nyx/device_info.json serial_number, /sys/class/net/eth0/address and \
         /sys/class/net/wlan0/address",
    ),
    (
        "raspberry-pi",
        "Raspberry Pi 4 Model B Rev 1.4",
        "/sys/firmware/devicetree/base/model",
        "/sys/firmware/devicetree/base/serial-number, /sys/class/net/eth0/address and \
         /sys/class/net/wlan0/address",
    ),
    (
        "pc",
        "NUC11PAHi5",
        "/sys/class/dmi/id/product_name",
        "/sys/class/dmi/id/product_uuid, /sys/class/net/enp3s0/address and \
         /sys/class/net/wlp2s0/address",
    ),
    ("mini-pc", "Unknown", "unknown", "/sys/class/net/enp1s0/address"),
    ("container", "Unknown", "unknown", "random"),
];

pub(crate) fn trees() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trees")
}

/// What identifies the device of a tree: serial numbers, UUIDs, machine ids.
pub(crate) fn secrets_of(tree: &str) -> Vec<String> {
    let file = |path: &str| fs::read_to_string(trees().join(tree).join(path)).ok();
    let mut secrets: Vec<_> = [
        "etc/machine-id",
        "sys/class/dmi/id/product_uuid",
        "sys/firmware/devicetree/base/serial-number",
    ]
    .into_iter()
    .filter_map(file)
    .map(|text| text.trim_matches(['\0', '\n']).to_owned())
    .collect();
    let nyx = file("run/nyx/device_info.json").map(|text| serde_json::from_str::<Value>(&text));
    if let Some(Ok(nyx)) = nyx {
        secrets.push(nyx["serial_number"].as_str().unwrap().to_owned());
    }
    secrets
}

/// A statement with these claims, whose signature nobody checks.
pub(crate) fn statement(claims: Value) -> String {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#);
    let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
    format!("{header}.{claims}.{}\n", STATEMENT_PARTS[0])
}

pub(crate) struct Fixture(TempDir);

impl Fixture {
    /// The root key is not there.
    pub(crate) fn new() -> Self {
        let it = Self(crate::support::scratch("tokend-test-").unwrap());
        it.chmod("", 0o755);
        for directory in ["config", "config/applications.d", "nothing"] {
            fs::create_dir(it.path(directory)).unwrap();
            it.chmod(directory, 0o755);
        }
        it.settings(SETTINGS);
        it.write(
            "config/applications.d/cinema.toml",
            "software_statement_file = \"cinema.jwt\"\nallow_users = [\"root\", 1001]\n",
        );
        let claims = json!({ "sub": "0b4b", "client_name": "Cinema", "iat": 1_493_379_600 });
        it.write("config/applications.d/cinema.jwt", &statement(claims));
        it
    }

    pub(crate) fn with_key() -> Self {
        let it = Self::new();
        it.write("config/seal.key", KEY_TEXT);
        it.chmod("config/seal.key", 0o640);
        it
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.0.path().to_owned() } else { self.0.path().join(name) }
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self.chmod(name, 0o644);
    }

    pub(crate) fn chmod(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(crate) fn settings(&self, text: &str) {
        self.write("config/tokend.toml", text);
    }

    /// A state directory as the daemon leaves it behind.
    pub(crate) fn fill_state(&self) {
        let source = Source { directory: Some(self.path("config")), credentials: None };
        let settings = config::load(&source).unwrap().settings;
        let dir = Arc::new(StateDir::lock(&self.path("state")).unwrap());
        let mut source = tokend::seal::source(&settings.seal, dir.path());
        let mut store = Store::open(dir, source.as_mut()).unwrap();
        store.save_identity(STORED_ID).unwrap();
    }

    pub(crate) fn check(&self, options: &[&str]) -> Checked {
        self.check_with(&[], options)
    }

    pub(crate) fn check_with(&self, environment: &[(&str, &OsStr)], options: &[&str]) -> Checked {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tokend"));
        command.env_clear().envs(environment.iter().copied());
        Checked::run(self.complete(&mut command, &self.path("nothing")).args(options))
    }

    pub(crate) fn check_tree(&self, tree: &str, options: &[&str]) -> Checked {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tokend"));
        let command = self.complete(command.env_clear(), &trees().join(tree));
        Checked::run(command.args(options))
    }

    /// With the unit of that tree and the usual state directory.
    pub(crate) fn check_installed(&self, tree: &str) -> Checked {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tokend"));
        command.env_clear().arg("check").arg("--config").arg(self.path("config"));
        Checked::run(command.arg("--root").arg(self.path(tree)))
    }

    /// With that tree.
    pub(crate) fn check_with_root(&self, tree: &str) -> Checked {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tokend"));
        Checked::run(self.complete(command.env_clear(), &self.path(tree)))
    }

    /// As another user, which can reach nothing but this directory.
    pub(crate) fn check_as_nobody(&self) -> Checked {
        let program = self.path("tokend");
        if !program.exists() {
            fs::copy(env!("CARGO_BIN_EXE_tokend"), &program).unwrap();
            self.chmod("tokend", 0o755);
        }
        let mut command = child::command(program);
        child::becomes(&mut command, NOBODY, &[]);
        Checked::run(self.complete(&mut command, &self.path("nothing")))
    }

    fn complete<'a>(&self, command: &'a mut Command, root: &Path) -> &'a mut Command {
        command.arg("check").arg("--config").arg(self.path("config"));
        command.arg("--state").arg(self.path("state")).arg("--root").arg(root)
    }
}

/// Path to owner, mode, time of the last change and content of all that is there.
pub(crate) fn snapshot(path: &Path) -> BTreeMap<PathBuf, (u32, u32, i64, i64, Vec<u8>)> {
    let meta = path.symlink_metadata().unwrap();
    let content = if meta.is_file() { fs::read(path).unwrap() } else { Vec::new() };
    let seen = (meta.uid(), meta.mode(), meta.ctime(), meta.ctime_nsec(), content);
    let mut all = BTreeMap::from([(path.to_owned(), seen)]);
    if meta.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            all.extend(snapshot(&entry.unwrap().path()));
        }
    }
    all
}

/// What a check gave.
pub(crate) struct Checked {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Checked {
    fn run(command: &mut Command) -> Self {
        let output = child::output(command).expect("tokend can be started");
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The line of that level and subject that contains `text`.
    pub(crate) fn has(&self, level: &str, what: &str, text: &str) -> &str {
        let about = |line: &&str| {
            let words: Vec<_> =
                line.split_whitespace().take(2 + what.matches(' ').count()).collect();
            words.join(" ") == format!("{level} {what}") && line.contains(text)
        };
        let found = self.stdout.lines().find(about);
        found.unwrap_or_else(|| panic!("no line {level} {what} … {text:?} in:\n{self}"))
    }

    pub(crate) fn level(&self, level: &str) -> Vec<&str> {
        self.stdout.lines().filter(|line| line.starts_with(level)).collect()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// The finding with that key.
    pub(crate) fn find<'a>(json: &'a Value, subject: &str, key: &str) -> &'a Value {
        let mut findings = json["findings"].as_array().unwrap().iter();
        let found = findings.find(|found| found["subject"] == subject && found["key"] == key);
        found.unwrap_or_else(|| panic!("no {subject} {key} in {json:#}"))
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit code {}\n{}{}", self.code, self.stdout, self.stderr)
    }
}
