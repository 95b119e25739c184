// SPDX-License-Identifier: MIT OR Apache-2.0
//! The seal, tried out in memory, and whether its key opens what is stored. Nothing is written and
//! no key is made.

use std::io;

use super::diagnostic::{Diagnostics, Level};
use super::user::{self, User};
use crate::common::error::chain;
use crate::config::{KeyFile, Seal};
use crate::daemon::Options;
use crate::seal::envelope::{self, Subject};
use crate::seal::{self, RootKey, SealError};
use crate::store::{BLANK_KEY, Damage, Inspection, LockError, OpenError, StoreError, Verdict};

/// The state directory, where it is there and could be looked into, and the root key, if it opens
/// what is stored.
pub(super) fn check(
    options: &Options,
    seal: &Seal,
    user: User,
    findings: &mut Diagnostics,
) -> (Option<Inspection>, Option<RootKey>) {
    let opened = Inspection::open(&options.state, user.daemon);
    let key = self::seal(options, seal, user, opened.as_ref(), findings);
    let directory = options.state.display();
    let look = match opened {
        Ok(Some(look)) => look,
        Ok(None) => {
            findings.ok("state", format!("{directory} is not there; it is made on first start"));
            return (None, None);
        }
        Err(error) if is_denied(&error) => {
            findings.warning("state", format!("not looked at: {}", chain(&error)));
            return (None, None);
        }
        Err(error) => {
            findings.error("state", chain(&error));
            return (None, None);
        }
    };
    let judged = key.as_ref().map(|key| look.judge(key));
    let proven = matches!(judged, Some(Ok(Verdict::Proven(_))));
    match judged {
        _ if look.is_empty() => {
            findings.ok("state", format!("{directory}: nothing is stored yet"));
        }
        None => {
            let message =
                format!("{directory}: not looked at, for there is no root key to open it");
            findings.warning("state", message);
        }
        Some(Ok(Verdict::Wrong)) => {
            let seal = seal::source(seal, &options.state).name();
            let wrong = OpenError::WrongKey { seal, path: options.state.clone() };
            findings.error("state", wrong.to_string());
        }
        Some(Ok(Verdict::Proven(file))) => {
            let message = format!("{directory}: the root key opens what is stored ({file})");
            findings.ok("state", message);
        }
        Some(Ok(Verdict::Empty)) => {}
        Some(Err(error @ StoreError::UnknownVersion { source, .. })) if source.is_move() => {
            findings.warning("state", chain(&error));
        }
        Some(Err(error)) => {
            findings.error("state", chain(&OpenError::Store(error)));
        }
    }
    let key = key.filter(|_| proven);
    for damage in key.as_ref().map(|key| look.damage(key)).unwrap_or_default() {
        let (level, message) = told(damage);
        findings.add(level, "state", message);
    }
    (Some(look), key)
}

/// What becomes of a damaged file at the next start.
fn told(damage: Damage) -> (Level, String) {
    let lost = |name, what| format!("{name} is damaged, and no copy of it is good: {what}");
    match damage {
        Damage::Unusable(error) => (Level::Error, chain(&OpenError::Store(error))),
        Damage::Repairable(name) => {
            let message = format!("{name} is damaged: the next start repairs it from its copy");
            (Level::Warning, message)
        }
        Damage::Lost(Subject::Credentials(id, _), name) => {
            let what = format!(
                "if its statement is configured, the next start registers {id} again, which signs \
                 its viewers out"
            );
            (Level::Error, lost(name, what))
        }
        Damage::Lost(Subject::Identity, name) => {
            let what = "the next start decides on the device identifier again".to_owned();
            (Level::Error, lost(name, what))
        }
        Damage::Lost(Subject::Token(_), name) => {
            (Level::Warning, lost(name, "a new token is fetched".to_owned()))
        }
        Damage::Lost(_, name) => {
            let what = "every limit on registrations counts as reached".to_owned();
            (Level::Warning, lost(name, what))
        }
    }
}

/// The root key, where there is one to be had.
fn seal(
    options: &Options,
    seal: &Seal,
    user: User,
    state: Result<&Option<Inspection>, &LockError>,
    findings: &mut Diagnostics,
) -> Option<RootKey> {
    let from = match seal {
        Seal::KeyFile(file) => {
            if let Some(message) = only_in_the_unit(options, file, user, findings.strict) {
                findings.warning("seal", message);
                return None;
            }
            let kind = if file.from_credential { ", a credential of this unit" } else { "" };
            format!("key-file {}{kind}", file.path.display())
        }
        Seal::Pkcs11(pkcs11) => {
            format!(
                "pkcs11 {}, key {:?} in {:?}",
                pkcs11.module.display(),
                pkcs11.key,
                pkcs11.token
            )
        }
        Seal::Generated => {
            findings.warning(
                "seal",
                "generated: the root key lies beside the data it seals, which protects against \
                 nothing but casual reading; for development",
            );
            match state {
                Err(error) => {
                    let level = if is_denied(error) { "not looked at" } else { "no key" };
                    findings.warning("seal", format!("generated: {level}: {}", chain(error)));
                    return None;
                }
                Ok(look) if look.as_ref().is_none_or(Inspection::is_empty) && !is_made(options) => {
                    findings.ok("seal", "generated: the root key is made on first start");
                    return None;
                }
                Ok(_) => format!("generated, in {}", options.state.display()),
            }
        }
    };
    let mut source = seal::source_with_stderr(seal, &options.state, user.other());
    // "Not empty", so that no source makes a key.
    let key = match source.root_key(false) {
        Ok(key) => key,
        Err(SealError::NoKey { .. })
            if state.is_ok_and(|it| it.as_ref().is_none_or(Inspection::is_empty)) =>
        {
            let message = format!(
                "{from}: the token has no such key yet; it makes one on first start, if it can"
            );
            findings.ok("seal", message);
            return None;
        }
        Err(source_error) => {
            let error = OpenError::Seal { seal: source.name(), source: source_error };
            match (seal, user.other()) {
                // The unit may have groups and devices that its user alone has not.
                (Seal::Pkcs11(_), Some(uid)) => findings.warning(
                    "seal",
                    format!(
                        "{}; tried as uid {uid} without what the unit allows besides; to try it \
                         there, with the drop-ins of the unit: {}",
                        chain(&error),
                        user::line(options, user, None, findings.strict)
                    ),
                ),
                _ => findings.error("seal", chain(&error)),
            };
            return None;
        }
    };
    match round_trip(&key) {
        Ok(()) => findings.ok("seal", format!("{from}: what it seals, it opens")),
        Err(error) => findings.error("seal", format!("{from}: {error}")),
    };
    if let Some(warning) = source.warning() {
        findings.warning("seal", warning);
    }
    if key.is_blank() {
        match state.is_ok_and(|it| it.as_ref().is_none_or(Inspection::is_empty)) {
            true => findings.error("seal", SealError::OneByte.to_string()),
            false => findings.error("seal", BLANK_KEY),
        };
    }
    Some(key)
}

/// Whether the key of the seal `generated` is there, good or bad.
fn is_made(options: &Options) -> bool {
    seal::generated_key(&options.state).symlink_metadata().is_ok()
}

/// What to do where the key is a credential that only the unit has.
fn only_in_the_unit(options: &Options, file: &KeyFile, user: User, strict: bool) -> Option<String> {
    let name = file.credential.as_deref()?;
    let outside = options.config.credentials.is_none();
    let missing = file.path.symlink_metadata().err()?.kind() == io::ErrorKind::NotFound;
    (outside && missing).then(|| {
        format!(
            "key-file: {} is not there, so {name} is probably a credential of the unit, which only \
             the unit has; to check it there, with the LoadCredentialEncrypted= or LoadCredential= \
             of the unit's drop-in if that is another: {}",
            file.path.display(),
            user::line(options, user, Some(name), strict)
        )
    })
}

fn round_trip(key: &RootKey) -> Result<(), String> {
    const TEXT: &[u8] = b"round trip";
    let sealed = envelope::seal(key, &Subject::KeyCheck, 1, TEXT);
    let sealed = sealed.map_err(|error| format!("nothing is sealed with it: {error}"))?;
    let opened = envelope::open(key, &Subject::KeyCheck, &sealed);
    let opened = opened.map_err(|error| format!("what it seals, it does not open: {error}"))?;
    if opened.plaintext.as_slice() != TEXT {
        return Err("what it opens is not what it sealed".to_owned());
    }
    Ok(())
}

fn is_denied(error: &LockError) -> bool {
    let LockError::Io { source, .. } = error else { return false };
    source.kind() == io::ErrorKind::PermissionDenied
}
