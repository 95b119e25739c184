// SPDX-License-Identifier: MIT OR Apache-2.0
//! A faulty configuration is refused with a message that names file, line, key, what was found and
//! what is legal. A table of faulty files, each with all that is said about it.

mod cases;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use cases::{APPLICATION, SETTINGS, WHOLE};
use tokend::config::{self, Source};

const GOOD: &str = "[storage]\nseal = \"generated\"\n";
const URL: &str = "legal: https://HOST or https://HOST:PORT; \
                   http only to 127.0.0.0/8, [::1] or localhost";

#[test]
fn every_fault_of_the_settings_is_named_with_line_key_and_what_is_legal() {
    let after_good = SETTINGS.iter().map(|(text, wanted)| (format!("{GOOD}{text}\n"), *wanted));
    let whole = WHOLE.iter().map(|(text, wanted)| ((*text).to_owned(), *wanted));
    for (text, wanted) in after_good.chain(whole) {
        let dir = Dir::new();
        dir.write("tokend.toml", &text);
        let said = dir.refusal();
        let file = dir.path("tokend.toml");
        let wanted = wanted.replace("URL", URL).replacen('T', &file, 1);
        assert_eq!(said, wanted, "\n{text}");
        assert!(said.contains("; legal: ") && !said.contains("sesame"), "{said}");
    }
}

#[test]
fn every_fault_of_an_application_is_named_and_harms_no_neighbour() {
    for (text, wanted) in APPLICATION {
        let dir = Dir::new();
        dir.write("tokend.toml", GOOD);
        dir.write("applications.d/a.toml", text);
        dir.write("applications.d/b.toml", "software_statement_file = \"b.jwt\"");
        let config = config::load(&dir.source()).expect("the settings are good");
        let said: Vec<_> = config.faults.iter().map(ToString::to_string).collect();
        let wanted = wanted.replacen('A', &dir.path("applications.d/a.toml"), 1);
        assert_eq!(said, [wanted], "\n{text}");
        assert!(!said.concat().contains("sesame"), "{said:?}");
        let names = |ids: Vec<&tokend::common::model::AppId>| -> Vec<String> {
            ids.into_iter().map(ToString::to_string).collect()
        };
        assert_eq!(names(config.applications.keys().collect()), ["b"]);
        assert_eq!(names(config.faulty.iter().collect()), ["a"]);
    }
}

#[test]
fn one_look_finds_all_faults_of_all_files() {
    let dir = Dir::new();
    dir.write(
        "tokend.toml",
        "[log]\nlevel = 1\ntarget = \"x\"\n[storage]\nseal = \"y\"\n[server]\nurl = \"z\"\nw = 1\n",
    );
    dir.write("applications.d/a.toml", "redirect_uri = \"\"\nallow_users = [true, \"\", 1]");
    let said = dir.refusal();
    let places: Vec<_> = said
        .lines()
        .map(|line| line.split(": ").take(2).collect::<Vec<_>>())
        .map(|parts| [parts[0].rsplit('/').next().unwrap(), parts[1]])
        .collect();
    assert_eq!(
        places,
        [
            ["tokend.toml:2", "log.level"],
            ["tokend.toml:3", "log.target"],
            ["tokend.toml:5", "storage.seal"],
            ["tokend.toml:7", "server.url"],
            ["tokend.toml:8", "server.w"],
            ["a.toml", "software_statement_file"],
            ["a.toml:1", "redirect_uri"],
            ["a.toml:2", "allow_users[0]"],
            ["a.toml:2", "allow_users[1]"],
        ]
    );
}

#[test]
fn a_broken_line_is_reported_once_and_the_next_one_too() {
    let dir = Dir::new();
    dir.write("tokend.toml", "[storage]\nseal = generated generated\n[log]\nlevel = = \n");
    let lines: Vec<String> = dir.refusal().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with(&format!("{}:2: seal: no TOML: ", dir.path("tokend.toml"))));
    assert!(lines[1].starts_with(&format!("{}:4: level: no TOML: ", dir.path("tokend.toml"))));
}

#[test]
fn a_file_that_is_something_else_altogether_is_not_reported_line_by_line() {
    let dir = Dir::new();
    dir.write("tokend.toml", &"this is prose\n".repeat(5000));
    assert_eq!(dir.refusal().lines().count(), 10);
}

#[test]
fn without_settings_it_says_where_they_were_looked_for_and_names_the_seals() {
    let dir = Dir::new();
    let rest = "found no such file; legal: a file that has at least, under [storage], \
                seal = \"key-file\", \"pkcs11\" or \"generated\"";
    assert_eq!(dir.refusal(), format!("{}: {rest}", dir.path("tokend.toml")));
    let missing = Source { directory: Some(dir.0.path().join("missing")), credentials: None };
    let said = config::load(&missing).unwrap_err().to_string();
    assert_eq!(said, format!("{}: {rest}", dir.path("missing/tokend.toml")));
}

#[test]
fn settings_that_others_can_write_are_refused_by_name() {
    let dir = Dir::new();
    dir.write("tokend.toml", GOOD);
    dir.write("applications.d/a.toml", "software_statement_file = \"a\"");
    let rule = "legal: not writable by group or others (such as";
    for (path, mode, better) in
        [("tokend.toml", 0o664, "0644"), ("applications.d", 0o777, "0755"), ("", 0o1777, "1755")]
    {
        let before = fs::metadata(dir.path(path)).unwrap().permissions();
        dir.chmod(path, mode);
        let named = dir.path(path);
        let wanted = format!("{named}: has mode {mode:04o}; {rule} {better})");
        assert_eq!(dir.refusal(), wanted);
        fs::set_permissions(dir.path(path), before).unwrap();
    }
    dir.chmod("applications.d/a.toml", 0o606);
    let config = config::load(&dir.source()).unwrap();
    let wanted = format!("{}: has mode 0606; {rule} 0604)", dir.path("applications.d/a.toml"));
    assert_eq!(config.faults[0].to_string(), wanted);
    assert_eq!(config.faulty.len(), 1);
}

#[test]
fn settings_of_another_user_are_refused_by_name() {
    // Only root can give a file away; the rule itself is tested for every user in its own module.
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let dir = Dir::new();
    dir.write("tokend.toml", GOOD);
    for path in ["tokend.toml", ""] {
        std::os::unix::fs::chown(dir.path(path), Some(12345), None).unwrap();
        let wanted = format!("{}: belongs to uid 12345; legal: uid 0 (root)", dir.path(path));
        assert_eq!(dir.refusal(), wanted);
        std::os::unix::fs::chown(dir.path(path), Some(0), None).unwrap();
    }
    assert!(config::load(&dir.source()).is_ok());
}

#[test]
fn what_is_no_regular_text_file_is_refused_by_name() {
    let dir = Dir::new();
    let file = dir.path("tokend.toml");
    fs::create_dir(&file).unwrap();
    assert_eq!(dir.refusal(), format!("{file}: found a directory; legal: a regular file"));
    fs::remove_dir(&file).unwrap();

    symlink("/dev/null", &file).unwrap();
    assert_eq!(dir.refusal(), format!("{file}: found a device; legal: a regular file"));
    fs::remove_file(&file).unwrap();

    symlink("/nonexistent", &file).unwrap();
    assert!(dir.refusal().starts_with(&format!("{file}: cannot be read: No such file")));
    fs::remove_file(&file).unwrap();

    dir.write("tokend.toml", &format!("{GOOD}#{}", " ".repeat(256 * 1024)));
    assert_eq!(dir.refusal(), format!("{file}: has too many bytes; legal: at most 256 KiB"));

    fs::write(&file, b"[storage]\nseal = \"\xff\"").unwrap();
    let wanted = format!("{file}:2: found what is no UTF-8; legal: TOML, which is UTF-8 text");
    assert_eq!(dir.refusal(), wanted);

    let deep = format!("a = {}", "[".repeat(100_000));
    dir.write("tokend.toml", &deep);
    assert!(dir.refusal().contains("no TOML: "), "{}", &dir.refusal()[..200]);
    dir.write("tokend.toml", &format!("{}a = 1", "a.".repeat(100_000)));
    assert!(dir.refusal().contains("no TOML: "), "{}", &dir.refusal()[..200]);
}

#[test]
fn an_application_file_of_an_illegal_name_is_refused_and_what_editors_leave_is_not_read() {
    let dir = Dir::new();
    dir.write("tokend.toml", GOOD);
    for ignored in [".a.toml", ".toml", "a.toml~", "a.toml.bak", "#a.toml#", "README", "a.jwt"] {
        dir.write(&format!("applications.d/{ignored}"), "no TOML");
    }
    let config = config::load(&dir.source()).unwrap();
    assert_eq!((config.faults.len(), config.applications.len()), (0, 0));
    for illegal in ["my-app.toml", "é.toml", &format!("{}.toml", "x".repeat(65))] {
        let path = format!("applications.d/{illegal}");
        dir.write(&path, "software_statement_file = \"a\"");
        let config = config::load(&dir.source()).unwrap();
        let said: Vec<_> = config.faults.iter().map(ToString::to_string).collect();
        let wanted = format!(
            "{}: found a file of an illegal name; legal: an application's name is 1 to 64 of the \
             characters A-Z, a-z, 0-9 and _",
            dir.path(&path)
        );
        assert_eq!(said, [wanted]);
        fs::remove_file(dir.path(&path)).unwrap();
    }
}

/// A configuration directory that nobody else can write, whatever the umask.
struct Dir(tempfile::TempDir);

impl Dir {
    fn new() -> Self {
        let dir = Self(crate::support::scratch("tokend-test-").unwrap());
        dir.chmod("", 0o755);
        fs::create_dir(dir.path("applications.d")).unwrap();
        dir.chmod("applications.d", 0o755);
        dir
    }

    fn path(&self, name: &str) -> String {
        let root = self.0.path();
        let path = if name.is_empty() { root.to_owned() } else { root.join(Path::new(name)) };
        path.to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        self.chmod(name, 0o644);
    }

    fn chmod(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn source(&self) -> Source {
        Source { directory: Some(self.0.path().to_owned()), credentials: None }
    }

    fn refusal(&self) -> String {
        config::load(&self.source()).expect_err("the settings are faulty").to_string()
    }
}
