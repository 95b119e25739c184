// SPDX-License-Identifier: MIT OR Apache-2.0
//! The unit, its drop-ins and the bus policy, as they lie on the device.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{CWD, Mode, OFlags, openat};

use super::bounded;
use super::causes::Symptom;
use super::checked::copy;
use super::step::{Level, Step};
use crate::daemon::Options;

const UNIT: &str = "tokend.service";
/// In the order in which systemd goes by them.
const UNITS: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];
const POLICIES: [&str; 4] = [
    "/etc/dbus-1/system.d",
    "/run/dbus-1/system.d",
    "/usr/local/share/dbus-1/system.d",
    "/usr/share/dbus-1/system.d",
];
const ACTIVATIONS: [&str; 3] = [
    "/etc/dbus-1/system-services",
    "/usr/local/share/dbus-1/system-services",
    "/usr/share/dbus-1/system-services",
];
const NAME: &str = "tv.tokend";
/// The most that is read of a file, in bytes, and of a directory, in files.
const LIMIT: u64 = 64 * 1024;
const MOST: usize = 256;

/// What is installed.
#[derive(Debug, Default)]
pub(super) struct Installed {
    /// What each file is, and where.
    pub(super) files: Vec<(&'static str, PathBuf)>,
    /// `User=`, else the one of the unit that comes with tokend.
    pub(super) user: String,
    /// Of `ExecStart=`, else this program.
    pub(super) program: PathBuf,
    has_unit: bool,
    policy: Policy,
}

/// What the policies together say of tokend's name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Policy {
    /// There is one that names it.
    found: bool,
    /// The unit's user may own it.
    owned: bool,
    /// Nobody else may, unless a policy says so.
    denied: bool,
    /// Anybody may.
    open: bool,
}

pub(super) fn step(options: &Options, limit: Duration) -> (Step, Installed) {
    let mut step = Step::begin("installed");
    let root = copy(options).root;
    let Some(installed) = bounded::run(limit, move || Installed::find(&root)) else {
        return (step.late(limit), Installed::default());
    };
    for (what, path) in &installed.files {
        step.line(Level::Info, format!("{what}: {}", path.display()));
    }
    if installed.has_unit {
        let (user, program) = (&installed.user, installed.program.display());
        step.line(Level::Info, format!("the unit runs {program} as {user}"));
    } else {
        step.symptoms.push(Symptom::NoUnit);
        step.line(Level::Warning, format!("no {UNIT} of systemd's is installed"));
    }
    let user = &installed.user;
    match installed.policy {
        Policy { found: false, .. } => {
            step.symptoms.push(Symptom::NoPolicy);
            step.line(Level::Warning, format!("no bus policy names {NAME}"));
        }
        Policy { open: true, .. } => {
            step.line(Level::Warning, format!("the bus policy lets anybody own {NAME}"));
        }
        Policy { owned: false, .. } => {
            step.symptoms.push(Symptom::NoPolicy);
            let message = format!("the bus policy does not let {user} own {NAME}");
            step.line(Level::Warning, message);
        }
        Policy { denied: false, .. } => {
            let message = format!(
                "the bus policy lets {user} own {NAME}, and does not deny it to others by itself"
            );
            step.line(Level::Warning, message);
        }
        Policy { .. } => {
            let message =
                format!("the bus policy lets {user} own {NAME}, and denies it to everybody else");
            step.line(Level::Ok, message);
        }
    }
    (step.end(), installed)
}

impl Installed {
    fn find(root: &Path) -> Self {
        let under = |path: &str| root.join(path.trim_start_matches('/'));
        let mut it = Self { user: "tokend".to_owned(), ..Self::default() };
        let directories: Vec<_> = UNITS.iter().map(|directory| under(directory)).collect();
        let unit = directories.iter().map(|directory| directory.join(UNIT)).find(|p| is_there(p));
        let mut service = Service::default();
        if let Some(unit) = unit {
            it.has_unit = true;
            service.add(&read(&unit));
            it.files.push(("unit", unit));
        }
        for drop_in in drop_ins(&directories) {
            service.add(&read(&drop_in));
            it.files.push(("drop-in", drop_in));
        }
        let activations = ACTIVATIONS.iter().map(|it| under(it).join("tv.tokend.service"));
        it.files.extend(activations.filter(|p| is_there(p)).take(1).map(|p| ("activation", p)));
        it.user = service.user.unwrap_or(it.user);
        it.program = match service.program {
            Some(program) => under(&program),
            None => std::env::current_exe().unwrap_or_default(),
        };
        for path in POLICIES.iter().flat_map(|directory| listed(&under(directory))) {
            let text = read(&path);
            if text.contains(NAME) {
                it.policy.add(&text, &it.user);
                it.files.push(("bus policy", path));
            }
        }
        it
    }
}

/// The drop-ins of the unit, in the order in which they count: that of their names, of which each
/// counts once.
fn drop_ins(directories: &[PathBuf]) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    for path in directories.iter().flat_map(|it| listed(&it.join("tokend.service.d"))) {
        if !found.iter().any(|other| other.file_name() == path.file_name()) {
            found.push(path);
        }
    }
    found.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
    found
}

/// The files `*.conf` of a directory, sorted.
fn listed(directory: &Path) -> Vec<PathBuf> {
    let entries = directory.read_dir().into_iter().flatten().flatten().take(MOST);
    let mut paths: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "conf"))
        .collect();
    paths.sort_unstable();
    paths
}

fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Its text; empty if it cannot be read.
fn read(path: &Path) -> String {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let mut text = Vec::new();
    if let Ok(file) = openat(CWD, path, flags, Mode::empty()).map(File::from)
        && file.metadata().is_ok_and(|metadata| metadata.is_file())
    {
        // Half a file says half.
        let _ = file.take(LIMIT).read_to_end(&mut text);
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// What a unit and its drop-ins come to.
#[derive(Debug, Default)]
struct Service {
    user: Option<String>,
    program: Option<String>,
}

impl Service {
    fn add(&mut self, text: &str) {
        let mut section = "";
        for line in text.lines().map(str::trim) {
            match (line.split_once('='), section) {
                (Some((key, value)), "[Service]") => match (key.trim(), value.trim()) {
                    ("User", user) => self.user = some(user),
                    ("ExecStart", command) => {
                        let command = command.trim_start_matches(['-', '@', ':', '+', '!']);
                        self.program = some(command.split_whitespace().next().unwrap_or_default());
                    }
                    _ => {}
                },
                _ if line.starts_with('[') => section = line,
                _ => {}
            }
        }
    }
}

/// An empty value takes back what was set before.
fn some(value: &str) -> Option<String> {
    (!value.is_empty()).then(|| value.to_owned())
}

impl Policy {
    /// Adds what a file says, as far as it names tokend's name itself.
    fn add(&mut self, text: &str, user: &str) {
        self.found = true;
        let (mut of_user, mut of_all) = (false, false);
        for tag in tags(text) {
            let attribute = |name: &str| {
                let rest = tag.split_once(&format!("{name}="))?.1;
                let quote = rest.chars().next().filter(|c| "\"'".contains(*c))?;
                rest[1..].split(quote).next()
            };
            let own = attribute("own").or(attribute("own_prefix"));
            match tag.split(|c: char| c.is_whitespace() || c == '/').next() {
                Some("policy") => {
                    of_user = attribute("user") == Some(user);
                    of_all = attribute("context").is_some();
                }
                Some("allow") if own == Some(NAME) => {
                    self.owned |= of_user || of_all;
                    self.open |= of_all;
                }
                Some("deny") if own == Some(NAME) => self.denied |= of_all,
                _ => {}
            }
        }
    }
}

/// The tags of an XML text, without their brackets; not those in comments.
fn tags(text: &str) -> Vec<&str> {
    let mut tags = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let end = if rest.starts_with("!--") { "-->" } else { ">" };
        let Some(length) = rest.find(end) else { break };
        if end == ">" {
            tags.push(&rest[..length]);
        }
        rest = &rest[length + end.len()..];
    }
    tags
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(text: &str) -> Policy {
        let mut policy = Policy::default();
        policy.add(text, "tokend");
        policy
    }

    #[test]
    fn the_policy_that_comes_with_tokend_gives_the_name_to_its_user_alone() {
        let text = include_str!("../../../systemd/tv.tokend.conf");
        let wanted = Policy { found: true, owned: true, denied: true, open: false };
        assert_eq!(policy(text), wanted);
        let mut of_another = Policy::default();
        of_another.add(text, "somebody");
        assert!(!of_another.owned && of_another.denied);
    }

    #[test]
    fn a_policy_that_gives_the_name_to_anybody_or_does_not_deny_it_is_seen() {
        let open = r#"<policy context="default"><allow own="tv.tokend"/></policy>"#;
        assert!(policy(open).open);
        let commented = r#"<policy user="tokend"><allow own="tv.tokend"/></policy>
            <policy context="default"><!-- <deny own="tv.tokend"/> --></policy>"#;
        let wanted = Policy { found: true, owned: true, denied: false, open: false };
        assert_eq!(policy(commented), wanted);
        for cut in 0..open.len() {
            policy(&open[..cut]);
        }
    }

    #[test]
    fn the_last_word_of_unit_and_drop_ins_counts() {
        let mut service = Service::default();
        service.add(include_str!("../../../systemd/tokend.service"));
        assert_eq!(service.user.as_deref(), Some("tokend"));
        assert_eq!(service.program.as_deref(), Some("/usr/bin/tokend"));
        service
            .add("[Unit]\nUser=x\n[Service]\nUser=media\nExecStart=\nExecStart=-/opt/tokend run\n");
        assert_eq!(service.user.as_deref(), Some("media"));
        assert_eq!(service.program.as_deref(), Some("/opt/tokend"));
    }
}
