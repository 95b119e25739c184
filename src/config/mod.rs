// SPDX-License-Identifier: MIT OR Apache-2.0
//! The configuration (contract, section 5): found, judged by who could have written it, read, and
//! checked, so that nothing in [`Settings`] and [`Application`] can be wrong any more.

mod application;
mod fault;
mod files;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
/// What a software statement says of itself.
pub mod jwt;
mod names;
mod paths;
mod raw;
mod settings;
mod statement;
mod table;
mod url;
mod values;
mod written;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use fault::{Fault, FaultKind, Faults};
pub use names::user_id;
pub use statement::{Statement, StatementError, read_statement};
pub use written::{Written, is_key, written};

use crate::common::access::{Name, Rules};
use crate::common::map::Map;
use crate::common::model::{AppId, Origin};
use crate::device::Overrides;
use crate::system::logging::Target;
use files::Text;
use paths::Base;
use raw::{RawApplication, RawSettings};
use table::Document;

/// Reads and checks the whole configuration. An application whose file is faulty is left out, with
/// its faults in [`Config::faults`]. Statements and keys are not read here.
///
/// # Errors
/// `tokend.toml` or a directory is faulty (exit code 78). All faults that one look can find.
pub fn load(source: &Source) -> Result<Config, Faults> {
    load_from(&files::places(source), source.credentials.as_deref())
}

/// Where the configuration comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// `--config DIR`, which is read alone; else `/usr/lib/tokend`, `/etc/tokend` and
    /// `/run/tokend`.
    pub directory: Option<PathBuf>,
    /// `$CREDENTIALS_DIRECTORY` (systemd.exec(5)).
    pub credentials: Option<PathBuf>,
}

/// The whole configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `tokend.toml`.
    pub settings: Settings,
    /// The applications whose files are good.
    pub applications: Map<AppId, Application>,
    /// What is wrong with the application files that were left out.
    pub faults: Vec<Fault>,
    /// Applications that are configured, by a file that is faulty.
    pub faulty: Vec<AppId>,
    /// What is legal and hardly meant.
    pub warnings: Vec<String>,
    /// The `tokend.toml` that was read.
    pub file: PathBuf,
}

/// `tokend.toml`.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `[server]`
    pub server: Server,
    /// `[storage]`
    pub seal: Seal,
    /// `[device]`
    pub device: Overrides,
    /// `[clock] synchronized_file`: while any of them is there, the wall clock is right.
    pub synchronized_files: Vec<PathBuf>,
    /// `[log]`
    pub log: Log,
    /// `reload_users`: who may call `Reload` besides root.
    pub reload_users: Vec<Name>,
}

/// `[server]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// `url`
    pub origin: Origin,
    /// `same_server_as`: other names of that server, each once, none of them `url`.
    pub same_server_as: Vec<Origin>,
    /// `ca_file`: PEM.
    pub ca_file: Option<PathBuf>,
    /// `timeout_seconds`: of a whole request.
    pub timeout: Duration,
    /// `user_agent`: a legal header value.
    pub user_agent: Option<String>,
    /// `reregister_after_seconds`
    pub reregister_after: Duration,
}

/// `[storage]`: where the root key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seal {
    /// From a file.
    KeyFile(KeyFile),
    /// From a PKCS #11 token.
    Pkcs11(Pkcs11),
    /// Made on first start, beside the data.
    Generated,
}

/// `seal = "key-file"`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFile {
    /// The file.
    pub path: PathBuf,
    /// It lies in `$CREDENTIALS_DIRECTORY`, so it cannot change while the process lives.
    pub from_credential: bool,
    /// The name of the credential that it is or could be: what was written is a mere name.
    pub credential: Option<String>,
}

/// `seal = "pkcs11"`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pkcs11 {
    /// The module, a shared object.
    pub module: PathBuf,
    /// The label of the token.
    pub token: String,
    /// The label of the key.
    pub key: String,
    /// The file that holds the PIN; none: no login.
    pub pin_file: Option<PathBuf>,
}

/// `[log]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// Where the log goes.
    pub target: Target,
    /// What goes there.
    pub level: log::LevelFilter,
}

/// `applications.d/ID.toml`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// From the name of the file.
    pub id: AppId,
    /// The file.
    pub file: PathBuf,
    /// `software_statement_file`
    pub statement_file: PathBuf,
    /// The name of the credential that the statement is or could be: what was written is a mere
    /// name.
    pub statement_credential: Option<String>,
    /// `redirect_uri`
    pub redirect_uri: Option<String>,
    /// `application_id`
    pub application_id: Option<String>,
    /// `allow_users`, `allow_groups`, `allow_labels`
    pub access: Rules,
}

fn load_from(places: &[files::Place], credentials: Option<&Path>) -> Result<Config, Faults> {
    let found = files::search(places)?;
    let mut warnings = Vec::new();
    let settings = read_settings(&found.settings, credentials, &mut warnings);
    let mut all =
        Applications { faults: found.faults, faulty: found.unreadable, ..Default::default() };
    for (id, text) in found.applications {
        all.add(id, &text, credentials);
    }
    let settings = match settings {
        Ok(settings) => settings,
        // One look finds what is wrong everywhere.
        Err(Faults(faults)) => return Err(Faults([faults, all.faults].concat())),
    };
    warnings.append(&mut all.warnings);
    if all.good.is_empty() && all.faulty.is_empty() {
        warnings.push(no_application(places));
    }
    let Applications { good: applications, faults, faulty, .. } = all;
    Ok(Config { settings, applications, faults, faulty, warnings, file: found.settings.path })
}

fn no_application(places: &[files::Place]) -> String {
    let file = |place: &files::Place| place.directory.join("applications.d/ID.toml");
    let files: Vec<_> = places.iter().map(|place| file(place).display().to_string()).collect();
    format!("no application is configured; where one would be: {}", files.join(", "))
}

/// What `applications.d` comes to.
#[derive(Default)]
struct Applications {
    good: Map<AppId, Application>,
    faults: Vec<Fault>,
    faulty: Vec<AppId>,
    warnings: Vec<String>,
}

impl Applications {
    fn add(&mut self, id: AppId, text: &Text, credentials: Option<&Path>) {
        let mut warnings = Vec::new();
        match read_application(&id, text, credentials, &mut warnings) {
            Ok(application) => {
                self.good.insert(id, application);
                self.warnings.append(&mut warnings);
            }
            Err(Faults(mut faults)) => {
                self.faults.append(&mut faults);
                self.faulty.push(id);
            }
        }
    }
}

fn read_settings(
    text: &Text,
    credentials: Option<&Path>,
    warnings: &mut Vec<String>,
) -> Result<Settings, Faults> {
    read(text, credentials, |document, root_table, base| {
        settings::settings(document, RawSettings::read(document, root_table), base, warnings)
    })
}

fn read_application(
    id: &AppId,
    text: &Text,
    credentials: Option<&Path>,
    warnings: &mut Vec<String>,
) -> Result<Application, Faults> {
    read(text, credentials, |document, root_table, base| {
        application::application(
            document,
            id,
            RawApplication::read(document, root_table),
            base,
            warnings,
        )
    })
}

/// Reads one file: what `check` makes of it, if neither the file nor `check` has a fault to note.
fn read<T>(
    file: &Text,
    credentials: Option<&Path>,
    check: impl for<'s> FnOnce(&'s Document<'s>, &'s toml::de::DeTable<'s>, Base<'_>) -> Option<T>,
) -> Result<T, Faults> {
    let text = str::from_utf8(&file.bytes).map_err(|error| not_utf8(file, error.valid_up_to()))?;
    let document = Document::new(&file.path, text);
    let beside = file.path.parent().unwrap_or(Path::new("."));
    let checked = document
        .parse()
        .and_then(|root_table| check(&document, &root_table, Base { beside, credentials }));
    match (checked, document.into_faults()) {
        (Some(checked), faults) if faults.is_empty() => Ok(checked),
        (_, faults) => Err(Faults(faults)),
    }
}

fn not_utf8(file: &Text, offset: usize) -> Fault {
    let line = 1 + file.bytes[..offset].iter().filter(|byte| **byte == b'\n').count();
    Fault {
        line: Some(line),
        ..Fault::of_file(&file.path, "found what is no UTF-8; legal: TOML, which is UTF-8 text")
    }
}
