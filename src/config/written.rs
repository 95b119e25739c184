// SPDX-License-Identifier: MIT OR Apache-2.0
//! What stands in the configuration files, right or wrong: for those who must not repeat it.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, openat};
use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

use super::{Source, files, jwt, read_statement};
use crate::device::Field;

/// What stands in the configuration files.
#[derive(Default)]
pub struct Written {
    /// The files that are there, whoever can read them.
    pub files: Vec<PathBuf>,
    /// What is written, each with a name that may be shown for it: the values, the keys that tokend
    /// does not know, and what software statements claim.
    pub values: Vec<(String, Zeroizing<String>)>,
    /// Where a statement may lie too.
    credentials: Option<PathBuf>,
}

/// The most files that are looked at, and bytes of each.
const MOST: usize = 64;
const LIMIT: u64 = 256 * 1024;

const FILE: OFlags =
    OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC).union(OFlags::NOCTTY);

/// The keys that there are, besides those of `[device]`.
const KEYS: [&str; 28] = [
    "reload_users",
    "server",
    "url",
    "same_server_as",
    "ca_file",
    "timeout_seconds",
    "user_agent",
    "reregister_after_seconds",
    "storage",
    "seal",
    "key_file",
    "pkcs11_module",
    "pkcs11_token",
    "pkcs11_key",
    "pkcs11_pin_file",
    "device",
    "identity",
    "identity_file",
    "clock",
    "synchronized_file",
    "log",
    "target",
    "level",
    "software_statement_file",
    "redirect_uri",
    "allow_users",
    "allow_groups",
    "allow_labels",
];

/// Whether this is a key of the configuration, with or without its table.
#[must_use]
pub fn is_key(key: &str) -> bool {
    let known = |word: &str| {
        // `application_id` is that of an application, `applicationId` none of `[device]`.
        KEYS.contains(&word)
            || word == "application_id"
            || Field::ALL.iter().any(|f| f.key() == word)
    };
    key.split('.').all(known)
}

/// Reads whatever is there, as far as this process can, and trusts none of it.
#[must_use]
pub fn written(source: &Source) -> Written {
    let mut written = Written { credentials: source.credentials.clone(), ..Written::default() };
    for place in files::places(source) {
        written.add_file(&place.directory.join("tokend.toml"));
        let directory = place.directory.join("applications.d");
        let Ok(entries) = directory.read_dir() else { continue };
        let paths = entries.flatten().map(|entry| entry.path());
        let mut paths: Vec<_> =
            paths.filter(|p| p.extension().is_some_and(|e| e == "toml")).collect();
        paths.sort_unstable();
        paths.iter().for_each(|path| written.add_file(path));
    }
    written
}

impl Written {
    fn add_file(&mut self, path: &Path) {
        if self.files.len() == MOST || path.symlink_metadata().is_err() {
            return;
        }
        self.files.push(path.to_owned());
        let Some(bytes) = read(path) else { return };
        let text = Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned());
        match DeTable::parse(&text) {
            Ok(document) => self.add_table(path, "", document.get_ref()),
            Err(_) => self.add_words(&text),
        }
    }

    fn add_table(&mut self, file: &Path, table: &str, entries: &DeTable<'_>) {
        for (key, value) in entries {
            let key: &str = key.get_ref();
            let mut name =
                if table.is_empty() { key.to_owned() } else { format!("[{table}] {key}") };
            if !is_key(key) {
                "a key".clone_into(&mut name);
                self.add("a key", key);
            }
            self.add_value(file, &name, key, value.get_ref());
        }
    }

    fn add_value(&mut self, file: &Path, name: &str, key: &str, value: &DeValue<'_>) {
        match value {
            DeValue::String(text) => {
                self.add(name, text);
                if key == "software_statement_file" {
                    self.add_statement(&file.with_file_name(text.as_ref()));
                    if let Some(directory) = self.credentials.clone() {
                        self.add_statement(&directory.join(text.as_ref()));
                    }
                }
            }
            DeValue::Array(values) => {
                values.iter().for_each(|value| self.add_value(file, name, key, value.get_ref()));
            }
            DeValue::Table(entries) => self.add_table(file, key, entries),
            DeValue::Integer(number) => self.add(name, number.as_str()),
            DeValue::Float(number) => self.add(name, number.as_str()),
            DeValue::Datetime(date) => self.add(name, &date.to_string()),
            DeValue::Boolean(_) => {}
        }
    }

    /// Of a file that is no TOML: whatever looks like a word of it.
    fn add_words(&mut self, text: &str) {
        let words = text.split(|c: char| c.is_whitespace() || "\"'=,[]{}#".contains(c));
        let words = words.flat_map(|word| [word, word.rsplit('.').next().unwrap_or_default()]);
        words.filter(|word| !is_key(word)).for_each(|word| self.add("a word", word));
    }

    fn add_statement(&mut self, path: &Path) {
        let Ok(statement) = read_statement(path) else { return };
        self.add("the statement", statement.text.expose());
        if let Ok(claims) = jwt::claims(&statement.text) {
            let claims = [claims.client_name, claims.software_id, claims.subject, claims.issuer];
            claims.iter().flatten().for_each(|claim| self.add("a claim", claim));
        }
    }

    fn add(&mut self, name: &str, value: &str) {
        self.values.push((name.to_owned(), Zeroizing::new(value.to_owned())));
    }
}

fn read(path: &Path) -> Option<Zeroizing<Vec<u8>>> {
    let file = File::from(openat(CWD, path, FILE, Mode::empty()).ok()?);
    let metadata = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    let size = usize::try_from(metadata.len().min(LIMIT)).ok()?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(size + 64));
    file.take(LIMIT).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn written_of(files: &[(&str, &str)]) -> Vec<(String, String)> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("applications.d")).unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
        }
        let source = Source { directory: Some(dir.path().to_owned()), credentials: None };
        let pair = |(name, value): (String, Zeroizing<String>)| (name, value.to_string());
        written(&source).values.into_iter().map(pair).collect()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn every_value_has_the_name_of_its_key_and_a_key_that_there_is_not_is_a_value() {
        let found = written_of(&[
            (
                "tokend.toml",
                "hunter2 = 7\n[server]\nurl = \"https://a.test\"\n[device]\nmodel = \"X\"\n",
            ),
            (
                "applications.d/a.toml",
                "allow_users = [\"gui\", 1001]\nsoftware_statement_file = \"a.jwt\"\n",
            ),
            ("applications.d/a.jwt", "eyJhbGciOiJub25lIn0.eyJzdWIiOiIwYjRiIn0.c2ln"),
        ]);
        for wanted in [
            pair("a key", "hunter2"),
            pair("a key", "7"),
            pair("[server] url", "https://a.test"),
            pair("[device] model", "X"),
            pair("allow_users", "gui"),
            pair("allow_users", "1001"),
            pair("software_statement_file", "a.jwt"),
            pair("a claim", "0b4b"),
        ] {
            assert!(found.contains(&wanted), "no {wanted:?} in {found:?}");
        }
    }

    #[test]
    fn every_word_of_what_is_no_toml_is_a_value() {
        let found = written_of(&[("tokend.toml", "[server]\nurl = hunter2\nhunter3=\"4 5\"\n")]);
        let words: Vec<_> = found.iter().map(|(_, word)| word.as_str()).collect();
        for word in ["hunter2", "hunter3", "4", "5"] {
            assert!(words.contains(&word), "no {word} in {words:?}");
        }
        assert!(!words.contains(&"server") && !words.contains(&"url"), "{words:?}");
    }

    #[test]
    fn every_key_that_check_knows_is_known() {
        for key in
            ["server.url", "device.displayWidth", "application_id", "storage.pkcs11_pin_file"]
        {
            assert!(is_key(key), "{key}");
        }
        for key in ["hunter2", "server.hunter2", ""] {
            assert!(!is_key(key), "{key}");
        }
    }
}
