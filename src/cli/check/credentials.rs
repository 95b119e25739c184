// SPDX-License-Identifier: MIT OR Apache-2.0
//! The client credentials that are stored: of which statement and origin, used or left behind. And
//! what a start with this configuration would cost viewers.

use super::diagnostic::{Diagnostics, Level};
use crate::common::error::chain;
use crate::common::model::{AppId, CredentialsByOrigin, Origin, StatementDigest};
use crate::config::{self, Config, Server};
use crate::seal::RootKey;
use crate::store::Inspection;

pub(super) fn check(look: &Inspection, key: &RootKey, config: &Config, findings: &mut Diagnostics) {
    let stored = match look.credentials(key) {
        Ok(stored) => stored,
        Err(error) => {
            findings.warning("credentials", format!("not looked at: {}", chain(&error)));
            return;
        }
    };
    let mut rest: &[(AppId, StatementDigest, CredentialsByOrigin)] = &stored;
    while let Some((id, ..)) = rest.first() {
        let end = rest.iter().position(|(other, ..)| other != id).unwrap_or(rest.len());
        let (of_one, others) = rest.split_at(end);
        rest = others;
        let wanted = match config.applications.get(id) {
            Some(application) => match config::read_statement(&application.statement_file) {
                Ok(statement) => Wanted::Statement(statement.digest),
                Err(_) => Wanted::Unknown,
            },
            None if config.faulty.contains(id) => Wanted::Unknown,
            None => Wanted::Nothing,
        };
        for (level, message) in judge(of_one, wanted, &config.settings.server) {
            findings.add(level, "credentials", message).of(id);
        }
    }
}

/// What the configuration wants of an application.
#[derive(Clone, Copy)]
enum Wanted {
    Statement(StatementDigest),
    /// Its statement or its file cannot be read: what is in use stays in use.
    Unknown,
    /// It is not configured.
    Nothing,
}

fn judge(
    stored: &[(AppId, StatementDigest, CredentialsByOrigin)],
    wanted: Wanted,
    server: &Server,
) -> Vec<(Level, String)> {
    let ours = |origin: &Origin| *origin == server.origin || server.same_server_as.contains(origin);
    let mut used = false;
    let mut findings = Vec::new();
    for (_, digest, filed) in stored {
        let live =
            filed.iter().filter(|(_, slot)| slot.current.is_some() || slot.pending.is_some());
        for (origin, _) in live {
            let what = format!("of the statement {} at {origin}", digest.short());
            let fate = match wanted {
                Wanted::Nothing => "kept: the application is not configured",
                Wanted::Unknown => "kept: the statement cannot be read",
                Wanted::Statement(statement) if statement == *digest && ours(origin) => {
                    used = true;
                    "used"
                }
                Wanted::Statement(statement) if statement == *digest => {
                    "left behind: neither [server] url nor same_server_as names this origin"
                }
                Wanted::Statement(_) => "left behind: another statement is configured",
            };
            findings.push((Level::Ok, format!("{what}: {fate}")));
        }
    }
    if let (Wanted::Statement(statement), false, false) = (wanted, used, findings.is_empty()) {
        let message = format!(
            "none of the configured statement {} at {}: tokend will register, which signs this \
             application's viewers out of every TV provider; to keep them signed in, bring back a \
             statement or url that is listed here as left behind, or name the origin in [server] \
             same_server_as if it is the same server",
            statement.short(),
            server.origin
        );
        findings.push((Level::Warning, message));
    }
    findings
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::common::model::{CredentialSet, Credentials};
    use crate::common::secret::Secret;

    const OLD: StatementDigest = StatementDigest([1; 32]);
    const NEW: StatementDigest = StatementDigest([2; 32]);

    fn stored(
        digest: StatementDigest,
        origin: &str,
    ) -> (AppId, StatementDigest, CredentialsByOrigin) {
        let credentials = Credentials {
            client_id: Secret::new("id".into()),
            client_secret: Secret::new("secret".into()),
            issued_at: 0,
            scopes: vec![],
            redirect_uris: vec![],
        };
        let slot = CredentialSet { current: Some(credentials), ..CredentialSet::default() };
        (
            "cinema".parse().unwrap(),
            digest,
            CredentialsByOrigin::from([(Origin(origin.into()), slot)]),
        )
    }

    fn server(others: &[&str]) -> Server {
        Server {
            origin: Origin("https://api".into()),
            same_server_as: others.iter().map(|name| Origin((*name).into())).collect(),
            ca_file: None,
            timeout: Duration::ZERO,
            user_agent: None,
            reregister_after: Duration::ZERO,
        }
    }

    fn levels(
        stored: &[(AppId, StatementDigest, CredentialsByOrigin)],
        wanted: Wanted,
        server: &Server,
    ) -> String {
        let findings = judge(stored, wanted, server);
        let line = |(level, message): &(Level, String)| {
            let level = if *level == Level::Warning { "warning" } else { "ok" };
            format!("{level} {}", message.split(": ").nth(1).unwrap_or_default())
        };
        findings.iter().map(line).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn credentials_of_the_configured_statement_and_origin_are_used_and_nothing_is_warned_of() {
        let all = [stored(OLD, "https://api"), stored(NEW, "https://api")];
        let told = levels(&all, Wanted::Statement(NEW), &server(&[]));
        assert_eq!(told, "ok left behind; ok used");
    }

    #[test]
    fn a_new_statement_and_another_origin_are_warned_of_since_they_sign_viewers_out() {
        let warning = "tokend will register, which signs this application's viewers out";
        let told = levels(&[stored(OLD, "https://api")], Wanted::Statement(NEW), &server(&[]));
        assert!(told.starts_with("ok left behind; warning"), "{told}");
        assert!(told.contains(warning), "{told}");
        let moved = [stored(OLD, "https://sp")];
        let told = levels(&moved, Wanted::Statement(OLD), &server(&[]));
        assert!(told.starts_with("ok left behind; warning"), "{told}");
        let told = levels(&moved, Wanted::Statement(OLD), &server(&["https://sp"]));
        assert_eq!(told, "ok used");
    }

    #[test]
    fn what_is_not_configured_or_cannot_be_read_keeps_its_credentials() {
        for wanted in [Wanted::Unknown, Wanted::Nothing] {
            assert_eq!(levels(&[stored(OLD, "https://x")], wanted, &server(&[])), "ok kept");
        }
    }

    #[test]
    fn nothing_stored_is_nothing_to_warn_of() {
        assert_eq!(levels(&[], Wanted::Statement(NEW), &server(&[])), "");
        let (id, digest, _) = stored(OLD, "https://api");
        let empty = [(
            id,
            digest,
            CredentialsByOrigin::from([(Origin("https://api".into()), CredentialSet::default())]),
        )];
        assert_eq!(levels(&empty, Wanted::Statement(NEW), &server(&[])), "");
    }
}
