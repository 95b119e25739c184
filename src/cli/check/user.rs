// SPDX-License-Identifier: MIT OR Apache-2.0
//! For whom is checked: the user that runs tokend, whose files are trusted besides root's.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::diagnostic::Diagnostics;
use super::unit;
use crate::cli::STATE_DIRECTORY;
use crate::config;
use crate::daemon::Options;
use crate::system::fs::{rooted::Reader, trusted};

/// The user of the unit that comes with tokend.
const SERVICE: &str = "tokend";

/// Who checks, and for whom.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct User {
    /// The user of this process.
    pub(super) own: u32,
    /// The user that runs tokend, as far as that can be told.
    pub(in crate::cli) daemon: u32,
}

impl User {
    /// The user that runs tokend, if that is another than the user of this process.
    pub(in crate::cli) fn other(self) -> Option<u32> {
        (self.own != self.daemon).then_some(self.daemon)
    }

    /// Who reads what the device says of itself, if that is another than the user of this process.
    pub(in crate::cli) fn reader(self) -> Option<Reader> {
        self.other().map(Reader::of)
    }
}

/// For whom root checks: a state directory that was named has an owner; else the installed unit says
/// it, else it is the user `tokend`, if there is one. Others check for themselves.
pub(in crate::cli) fn user(options: &Options) -> User {
    decide(options).0
}

/// The same, and why.
fn decide(options: &Options) -> (User, Option<String>) {
    let own = rustix::process::geteuid().as_raw();
    let of = |daemon, why| (User { own, daemon }, why);
    if own != 0 {
        return of(own, None);
    }
    if options.state != Path::new(STATE_DIRECTORY)
        && let Ok(meta) = options.state.symlink_metadata()
        && meta.is_dir()
    {
        return of(meta.uid(), Some(format!("the owner of {}", options.state.display())));
    }
    let named = unit::user(&options.root);
    match named {
        Some((name, file)) => {
            let said = format!("User={name} in {}", file.display());
            match name.parse().ok().or_else(|| config::user_id(&name)) {
                Some(daemon) => of(daemon, Some(said)),
                None => of(own, Some(format!("{said}, whom this device does not know"))),
            }
        }
        None => of(config::user_id(SERVICE).unwrap_or(own), None),
    }
}

pub(super) fn check(options: &Options, findings: &mut Diagnostics) -> User {
    let (user, why) = decide(options);
    let User { own, daemon } = user;
    let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
    if daemon != own {
        trusted::judge_for(daemon);
        let message = format!(
            "checked as root, which may read more than uid {daemon}, the user that runs \
             tokend{why}; to check as that one: {}",
            line(options, user, None, findings.strict)
        );
        findings.warning("user", message);
    } else if own == 0 && !why.is_empty() {
        findings.ok("user", format!("checked for uid {daemon}, which runs tokend{why}"));
    }
    user
}

/// The command line that runs this check in the unit's environment: as its user, with its state
/// directory, and with the credential that the root key is.
pub(super) fn line(
    options: &Options,
    user: User,
    credential: Option<&str>,
    strict: bool,
) -> String {
    // Who is not root knows no other user than itself.
    let other = user.daemon != user.own && config::user_id(SERVICE) != Some(user.daemon);
    let user = if other { user.daemon.to_string() } else { SERVICE.to_owned() };
    let program = std::env::current_exe().unwrap_or_else(|_| "tokend".into());
    line_for(&user, &program, options, credential) + if strict { " --strict" } else { "" }
}

fn line_for(user: &str, program: &Path, options: &Options, credential: Option<&str>) -> String {
    let mut words = vec!["systemd-run --quiet --pipe --wait --collect".to_owned()];
    words.push(format!("-p User={user}"));
    let usual = options.state == Path::new(STATE_DIRECTORY);
    if usual {
        // Without the mode, systemd would open an existing directory to others.
        words.push("-p StateDirectory=tokend -p StateDirectoryMode=0700".to_owned());
    }
    if let Some(name) = credential {
        let loaded = format!("LoadCredentialEncrypted={name}:/etc/credstore.encrypted/{name}");
        words.push(format!("-p {}", quoted(&loaded)));
    }
    words.push(quoted_path(program));
    words.push("check".to_owned());
    if !usual {
        words.push(format!("--state {}", quoted_path(&options.state)));
    }
    if let Some(directory) = &options.config.directory {
        words.push(format!("--config {}", quoted_path(directory)));
    }
    if options.root != Path::new("/") {
        words.push(format!("--root {}", quoted_path(&options.root)));
    }
    words.join(" ")
}

/// A path that means the same wherever the line is run.
fn quoted_path(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    quoted(&path.to_string_lossy())
}

/// A word of a shell's command line.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@".contains(c);
    if word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::BusAddress;
    use crate::config::Source;

    fn options(state: &str, config: Option<&str>, root: &str) -> Options {
        Options {
            config: Source { directory: config.map(Into::into), credentials: None },
            state: state.into(),
            root: root.into(),
            bus: BusAddress::default(),
        }
    }

    #[test]
    fn the_line_runs_the_check_as_the_unit_would() {
        let program = Path::new("/usr/bin/tokend");
        let options = options("/var/lib/tokend", None, "/");
        assert_eq!(
            line_for("tokend", program, &options, Some("seal.key")),
            "systemd-run --quiet --pipe --wait --collect -p User=tokend \
             -p StateDirectory=tokend -p StateDirectoryMode=0700 \
             -p LoadCredentialEncrypted=seal.key:/etc/credstore.encrypted/seal.key \
             /usr/bin/tokend check"
        );
    }

    #[test]
    fn the_line_takes_the_options_along() {
        let options = options("/opt/state", Some("/etc/it's"), "/copy of a device");
        assert_eq!(
            line_for("990", Path::new("/usr/bin/tokend"), &options, None),
            "systemd-run --quiet --pipe --wait --collect -p User=990 /usr/bin/tokend check \
             --state /opt/state --config '/etc/it'\\''s' --root '/copy of a device'"
        );
    }
}
