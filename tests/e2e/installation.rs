// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cross/install.sh`: what it puts where, and that it puts all or nothing.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

const MANUAL: [&str; 2] = ["man5/tokend.toml.5", "man8/tokend.8"];
const COMPLETION: &str = "usr/share/bash-completion/completions/tokend";

fn checkout(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A program that is none, and an empty tree.
struct Image(TempDir);

impl Image {
    fn new() -> Self {
        let dir = crate::support::scratch("tokend-test-").unwrap();
        fs::write(dir.path().join("program"), "a program\n").unwrap();
        Self(dir)
    }

    fn tree(&self) -> PathBuf {
        self.0.path().join("tree")
    }

    fn install(&self, options: &[&str]) -> Output {
        Command::new(checkout("cross/install.sh"))
            .arg("--binary")
            .arg(self.0.path().join("program"))
            .args(options)
            .arg(self.tree())
            .output()
            .unwrap()
    }

    /// Installs; every file with its mode.
    fn installed(&self, options: &[&str]) -> BTreeMap<String, u32> {
        let output = self.install(options);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut files = BTreeMap::new();
        list(&self.tree(), &self.tree(), &mut files);
        files
    }
}

fn list(root: &Path, directory: &Path, files: &mut BTreeMap<String, u32>) {
    for entry in fs::read_dir(directory).into_iter().flatten().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            list(root, &path, files);
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            files.insert(name, entry.metadata().unwrap().permissions().mode() & 0o7777);
        }
    }
}

#[test]
fn manual_pages_and_completion_come_along_and_the_program_alone_can_be_run_and_not_be_read() {
    let image = Image::new();
    let files = image.installed(&[]);
    for page in MANUAL {
        let name = page.rsplit('/').next().unwrap();
        let installed = fs::read(image.tree().join("usr/share/man").join(page)).unwrap();
        assert_eq!(installed, fs::read(checkout("docs/man").join(name)).unwrap());
    }
    let completion = fs::read(image.tree().join(COMPLETION)).unwrap();
    assert_eq!(completion, fs::read(checkout("docs/completion/tokend.bash")).unwrap());
    for (name, mode) in &files {
        let wanted = if name == "usr/bin/tokend" { 0o711 } else { 0o644 };
        assert_eq!(*mode, wanted, "{name}");
    }
    assert_eq!(image.installed(&[]), files, "the same, done again");
}

#[test]
fn every_manual_page_and_every_completion_of_the_checkout_is_installed() {
    let files = Image::new().installed(&[]);
    let names = |directory: &str| fs::read_dir(checkout(directory)).unwrap().count();
    let below = |prefix: &str| files.keys().filter(|name| name.starts_with(prefix)).count();
    assert_eq!(below("usr/share/man/"), names("docs/man"));
    assert_eq!(below("usr/share/bash-completion/"), names("docs/completion"));
}

#[test]
fn a_small_installation_leaves_out_manual_pages_and_completion_and_nothing_else() {
    let mut all = Image::new().installed(&[]);
    let small = Image::new().installed(&["--small"]);
    for page in MANUAL {
        all.remove(&format!("usr/share/man/{page}")).unwrap();
    }
    all.remove(COMPLETION).unwrap();
    assert_eq!(small, all);
}

#[test]
fn manual_pages_and_completion_go_where_the_options_say() {
    let files = Image::new().installed(&["--mandir", "/opt/man", "--completiondir", "/opt/bash"]);
    for page in MANUAL {
        assert!(files.contains_key(&format!("opt/man/{page}")), "{files:?}");
    }
    assert!(files.contains_key("opt/bash/tokend"), "{files:?}");
    let prefixed = Image::new().installed(&["--prefix", "/opt/tokend"]);
    assert!(prefixed.contains_key("opt/tokend/share/man/man8/tokend.8"), "{prefixed:?}");
    assert!(prefixed.keys().all(|name| name.starts_with("opt/tokend/")), "{prefixed:?}");
}

#[test]
fn a_directory_that_is_not_absolute_is_refused_and_nothing_is_written() {
    let image = Image::new();
    for option in ["--mandir", "--completiondir"] {
        for value in ["share", ""] {
            let output = image.install(&[option, value]);
            assert_eq!(output.status.code(), Some(64), "{option} {value:?}");
            assert!(String::from_utf8_lossy(&output.stderr).contains(option));
        }
    }
    assert!(!image.tree().exists());
}

#[test]
fn without_a_program_nothing_is_written() {
    let image = Image::new();
    fs::remove_file(image.0.path().join("program")).unwrap();
    assert_eq!(image.install(&[]).status.code(), Some(1));
    assert!(!image.tree().exists());
}
