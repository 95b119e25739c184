// SPDX-License-Identifier: MIT OR Apache-2.0
//! `tokend.toml`: from the file's shape to settings in which nothing can be wrong any more.

use std::time::Duration;

use log::LevelFilter;
use toml::de::DeValue;

use super::paths::{self, Base};
use super::raw::{RawDevice, RawServer, RawSettings, RawStorage};
use super::table::{Document, Entry, Place, excerpt, integer, type_of};
use super::values::{self, accept};
use super::{FaultKind, KeyFile, Log, Pkcs11, Seal, Server, Settings, names, url};
use crate::common::map::Map;
use crate::common::model::Origin;
use crate::device::{self, Kind, Overrides, Value};
use crate::system::logging::Target;

const TIMEOUT: Duration = Duration::from_secs(15);
const REREGISTER_AFTER: Duration = Duration::from_secs(300);

const SEALS: [(&str, SealName); 3] = [
    ("key-file", SealName::KeyFile),
    ("pkcs11", SealName::Pkcs11),
    ("generated", SealName::Generated),
];
const TARGETS: [(&str, Target); 3] =
    [("auto", Target::Auto), ("syslog", Target::Syslog), ("stderr", Target::Stderr)];
const LEVELS: [(&str, LevelFilter); 6] = [
    ("error", LevelFilter::Error),
    ("warn", LevelFilter::Warn),
    ("info", LevelFilter::Info),
    ("debug", LevelFilter::Debug),
    ("trace", LevelFilter::Trace),
    ("off", LevelFilter::Off),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum SealName {
    KeyFile,
    Pkcs11,
    Generated,
}

/// The settings, with a default wherever the file's value is faulty: they are good for use only if
/// no fault has been noted. None where there is not even a seal.
pub(super) fn settings(
    document: &Document<'_>,
    raw: RawSettings<'_>,
    base: Base<'_>,
    warnings: &mut Vec<String>,
) -> Option<Settings> {
    let server = server(document, raw.server, base);
    let device = overrides(document, raw.device);
    let target = accept(document, raw.log_target, |word| values::choice(&word, &TARGETS));
    let level = accept(document, raw.log_level, |word| values::choice(&word, &LEVELS));
    let files = raw.synchronized_files.into_iter().flatten();
    let synchronized_files =
        files.filter_map(|file| accept(document, Some(file), paths::absolute)).collect();
    let reload_users = values::names(document, raw.reload_users, names::Kind::User, warnings);
    Some(Settings {
        seal: seal(document, raw.storage, base)?,
        server,
        device,
        synchronized_files,
        log: Log {
            target: target.unwrap_or(Target::Auto),
            level: level.unwrap_or(LevelFilter::Info),
        },
        reload_users: reload_users.unwrap_or_default(),
    })
}

fn server(document: &Document<'_>, raw: RawServer, base: Base<'_>) -> Server {
    let timeout = accept(document, raw.timeout_seconds, |n| values::seconds(n, 300));
    let reregister = accept(document, raw.reregister_after_seconds, |n| values::seconds(n, 86_400));
    let origin = accept(document, raw.url, |text| url::origin(&text)).unwrap_or_else(url::default);
    Server {
        same_server_as: same_server(document, raw.same_server_as, &origin),
        origin,
        ca_file: accept(document, raw.ca_file, |path| base.file(path)),
        timeout: timeout.unwrap_or(TIMEOUT),
        user_agent: accept(document, raw.user_agent, values::user_agent),
        reregister_after: reregister.unwrap_or(REREGISTER_AFTER),
    }
}

/// Each name once; `url` itself adds nothing.
fn same_server(
    document: &Document<'_>,
    entries: Option<Vec<Entry<String>>>,
    url: &Origin,
) -> Vec<Origin> {
    let mut names = Vec::new();
    for entry in entries.into_iter().flatten() {
        let name = accept(document, Some(entry), |text| url::origin(&text));
        if let Some(name) = name.filter(|name| name != url && !names.contains(name)) {
            names.push(name);
        }
    }
    names
}

fn seal(document: &Document<'_>, raw: RawStorage, base: Base<'_>) -> Option<Seal> {
    let place = raw.place.clone();
    if raw.seal.is_none() && !document.is_faulty("storage") && !document.is_faulty(&place.key) {
        let message = "left out, and there is no default; legal: key-file, pkcs11, generated";
        document.note(FaultKind::Missing, &place, message);
    }
    let name = accept(document, raw.seal.clone(), |word| values::choice(&word, &SEALS))?;
    refuse_keys_of_other_seals(document, &raw, name);
    let need = |entry: Option<Entry<String>>, key: &str, what: &str| {
        let place = Place { key: format!("storage.{key}"), ..place.clone() };
        if entry.is_none() && !document.is_faulty(&place.key) {
            document.missing(&place, what);
        }
        entry
    };
    match name {
        SealName::Generated => Some(Seal::Generated),
        SealName::KeyFile => {
            let entry = need(raw.key_file, "key_file", "the path of a file of 32 bytes or more");
            let (credential, path) = accept(document, entry, |path| {
                Ok((paths::credential_name(&path), base.key(path)?))
            })?;
            let from_credential = base.is_credential(&path);
            Some(Seal::KeyFile(KeyFile { path, from_credential, credential }))
        }
        SealName::Pkcs11 => {
            let module =
                need(raw.pkcs11_module, "pkcs11_module", "the absolute path of a PKCS #11 module");
            let token = need(raw.pkcs11_token, "pkcs11_token", "the label of a token");
            let key = need(raw.pkcs11_key, "pkcs11_key", "the label of a key");
            let module = accept(document, module, paths::absolute);
            let token = accept(document, token, values::printable);
            let key = accept(document, key, values::printable);
            let pin_file = accept(document, raw.pkcs11_pin_file, |path| base.credential(path));
            Some(Seal::Pkcs11(Pkcs11 { module: module?, token: token?, key: key?, pin_file }))
        }
    }
}

fn refuse_keys_of_other_seals(document: &Document<'_>, raw: &RawStorage, name: SealName) {
    for (entry, owner) in [
        (&raw.key_file, SealName::KeyFile),
        (&raw.pkcs11_module, SealName::Pkcs11),
        (&raw.pkcs11_token, SealName::Pkcs11),
        (&raw.pkcs11_key, SealName::Pkcs11),
        (&raw.pkcs11_pin_file, SealName::Pkcs11),
    ] {
        let word = |name| SEALS.iter().find(|seal| seal.1 == name).map_or("", |seal| seal.0);
        if let Some(entry) = entry.as_ref().filter(|_| owner != name) {
            let (found, legal) = (word(name), word(owner));
            let message =
                format!("found with seal = \"{found}\"; legal: only with seal = \"{legal}\"");
            document.fault(&entry.place, message);
        }
    }
}

fn overrides(document: &Document<'_>, raw: RawDevice<'_>) -> Overrides {
    let mut fields = Map::new();
    for (field, item) in raw.fields {
        if let Some(value) = accept(document, Some(item), |value| field_value(field, value)) {
            fields.insert(field, value);
        }
    }
    if let (Some(_), Some(file)) = (&raw.identity, &raw.identity_file) {
        document.fault(&file.place, "found beside identity; legal: one of identity, identity_file");
    }
    Overrides {
        fields,
        identity: accept(document, raw.identity, values::identity),
        identity_file: accept(document, raw.identity_file, paths::absolute),
    }
}

fn field_value(field: device::Field, found: &DeValue<'_>) -> Result<Value, String> {
    let (value, wanted) = match field.kind() {
        Kind::Text => (text(found), "a string"),
        Kind::Number => (number(found), "an integer"),
        Kind::Decimal => (decimal(found), "a number"),
        Kind::Flag => (flag(found), "true or false"),
    };
    let value = value.ok_or_else(|| format!("found {}; legal: {wanted}", type_of(found)))?;
    if matches!(&value, Value::Text(text) if text.trim().is_empty()) {
        let longest = field.longest();
        return Err(format!("found an empty string; legal: 1 to {longest} printable characters"));
    }
    match device::check(field, &value) {
        Ok(()) => Ok(value),
        Err(rule) => {
            let legal = rule.strip_prefix("must be ").unwrap_or(&rule);
            Err(format!("found {}; legal: {legal}", shown(found)))
        }
    }
}

fn text(found: &DeValue<'_>) -> Option<Value> {
    found.as_str().map(|text| Value::Text(text.to_owned()))
}

fn number(found: &DeValue<'_>) -> Option<Value> {
    // What is negative or too great for any field is as illegal as zero.
    integer(found).map(|number| Value::Number(u32::try_from(number).unwrap_or(0)))
}

fn decimal(found: &DeValue<'_>) -> Option<Value> {
    let digits = match found {
        DeValue::Float(float) => float.as_str(),
        _ => return integer(found).map(|number| Value::Decimal(number as f64)),
    };
    digits.parse().ok().map(Value::Decimal)
}

fn flag(found: &DeValue<'_>) -> Option<Value> {
    found.as_bool().map(Value::Flag)
}

fn shown(found: &DeValue<'_>) -> String {
    match found {
        DeValue::String(text) => format!("\"{}\"", excerpt(text)),
        DeValue::Integer(number) => excerpt(&number.to_string()),
        DeValue::Float(number) => excerpt(number.as_str()),
        other => type_of(other).to_owned(),
    }
}
