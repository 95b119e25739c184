// SPDX-License-Identifier: MIT OR Apache-2.0
//! Of each application: its software statement, and who may have its token.

use std::io;
use std::time::{Duration, UNIX_EPOCH};

use super::configuration::name;
use super::diagnostic::{Diagnostics, Level};
use crate::common::access::{Name, Rules, label_can_match};
use crate::common::error::chain;
use crate::common::time::WallTime;
use crate::config::jwt::{self, Claims};
use crate::config::{self, Application, StatementError};
use crate::system::clock;
use crate::system::fs::trusted::{FileError, Problem};

pub(super) fn check(application: &Application, now: WallTime, findings: &mut Diagnostics) {
    let (level, message) = statement(application, now);
    let file = application.statement_file.display().to_string();
    findings.add(level, "statement", message).of(&application.id).origin(file);
    let (level, message) = callers(&application.access);
    findings.add(level, "callers", message).of(&application.id);
}

fn statement(application: &Application, now: WallTime) -> (Level, String) {
    let Application { statement_file, statement_credential, .. } = application;
    let file = statement_file.display();
    let statement = match config::read_statement(statement_file) {
        Ok(statement) => statement,
        Err(StatementError::File(FileError { problem: Problem::Io(error), .. }))
            if error.kind() == io::ErrorKind::NotFound
                && let Some(credential) = statement_credential =>
        {
            let message = format!(
                "{file} is not there; if {credential} is a credential of the unit \
                 (LoadCredential={credential}:PATH), only the unit has it: check it inside the \
                 unit's environment"
            );
            return (Level::Warning, message);
        }
        Err(error) => return (Level::Error, chain(&error)),
    };
    match jwt::claims(&statement.text) {
        Ok(claims) => judge(&claims, now, &file.to_string()),
        Err(error) => {
            (Level::Warning, format!("{file}: {error}; the authorization server is the judge"))
        }
    }
}

fn judge(claims: &Claims, now: WallTime, file: &str) -> (Level, String) {
    let named = [
        ("client_name", &claims.client_name),
        ("software_id", &claims.software_id),
        ("sub", &claims.subject),
        ("iss", &claims.issuer),
    ];
    let named = named.iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
    let named: Vec<_> = named.map(|(key, value)| format!("{key} \"{value}\"")).collect();
    let mut level = Level::Ok;
    let mut message = format!("{file}: a JWT for {}", named.join(", "));
    if named.is_empty() {
        level = Level::Warning;
        message = format!("{file}: a JWT that names nobody");
    }
    if let Some(issued) = claims.issued_at {
        message.push_str(&format!(", issued {}", date(issued)));
    }
    if let Some(end) = claims.expires_at {
        // A clock that nobody has set says nothing of the statement.
        let over = clock::is_set(now) && i128::from(end) * 1000 <= i128::from(now.0);
        let word = if over { "expired" } else { "expires" };
        message.push_str(&format!(", {word} {}", date(end)));
        if over {
            level = Level::Warning;
            message.push_str("; the authorization server is the judge");
        }
    }
    (level, message)
}

/// The date of UNIX seconds, as far as dates go.
fn date(seconds: i64) -> String {
    const YEAR_10000: u64 = 253_402_300_800;
    match u64::try_from(seconds) {
        Ok(seconds) if seconds < YEAR_10000 => {
            let date = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds));
            date.to_string().chars().take_while(|c| *c != 'T').collect()
        }
        _ => format!("{seconds} (UNIX seconds)"),
    }
}

fn callers(rules: &Rules) -> (Level, String) {
    let Rules { users, groups, labels } = rules;
    if users.is_none() && groups.is_none() && labels.is_none() {
        let message = "root only: none of allow_users, allow_groups, allow_labels is given";
        return (Level::Warning, message.to_owned());
    }
    let known = |names: &[Name]| names.iter().any(|name| name.id.is_some());
    let somebody = users.as_deref().is_none_or(known)
        && groups.as_deref().is_none_or(known)
        && labels.as_ref().is_none_or(|labels| labels.iter().any(|label| label_can_match(label)));
    let names = |names: &Vec<Name>| names.iter().map(name).collect::<Vec<_>>();
    let lists = [
        ("of the users", users.as_ref().map(names)),
        ("of the groups", groups.as_ref().map(names)),
        ("with the labels", labels.clone()),
    ];
    let lists: Vec<_> = lists
        .into_iter()
        .filter_map(|(what, list)| Some(format!("{what} {}", listed(&list?))))
        .collect();
    let message = format!("root, and callers {}", lists.join(", and "));
    let mut names = users.iter().chain(groups).flatten();
    if names.any(Name::is_nobody) {
        return (Level::Warning, format!("{message}; {}", Name::NOBODY_MEANS));
    }
    if somebody {
        return (Level::Ok, message);
    }
    (Level::Warning, format!("root only, for this matches nobody: {message}"))
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "(none)".to_owned() } else { names.join(" or ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: WallTime = WallTime(1_900_000_000_000);

    fn named(text: &str, id: Option<u32>) -> Name {
        Name { text: text.into(), id }
    }

    #[test]
    fn a_statement_says_whom_it_names_and_how_long() {
        let claims = Claims {
            client_name: Some("Cinéma".into()),
            subject: Some("0b4b".into()),
            issued_at: Some(1_493_379_600),
            expires_at: Some(1_900_000_001),
            ..Claims::default()
        };
        let wanted = "f: a JWT for client_name \"Cinéma\", sub \"0b4b\", issued 2017-04-28, \
                      expires 2030-03-17";
        assert_eq!(judge(&claims, NOW, "f"), (Level::Ok, wanted.to_owned()));
    }

    #[test]
    fn an_expired_statement_is_warned_about_once_the_clock_is_set() {
        let claims = Claims {
            subject: Some("a".into()),
            expires_at: Some(1_900_000_000),
            ..Claims::default()
        };
        let (level, message) = judge(&claims, NOW, "f");
        assert_eq!(level, Level::Warning);
        assert!(message.contains("expired 2030-03-17; the authorization server"), "{message}");
        let old = Claims { expires_at: Some(5), ..claims };
        assert_eq!(judge(&old, WallTime(6_000), "f").0, Level::Ok);
    }

    #[test]
    fn a_statement_that_names_nobody_is_warned_about() {
        let (level, message) = judge(&Claims::default(), NOW, "f");
        assert_eq!((level, message.as_str()), (Level::Warning, "f: a JWT that names nobody"));
    }

    #[test]
    fn no_date_is_too_far_away() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(253_402_300_799), "9999-12-31");
        for far in [-1, 253_402_300_800, i64::MIN, i64::MAX] {
            assert_eq!(date(far), format!("{far} (UNIX seconds)"));
        }
    }

    #[test]
    fn without_a_list_only_root_may_call_and_that_is_warned_about() {
        let (level, message) = callers(&Rules::default());
        assert_eq!(level, Level::Warning);
        assert!(message.starts_with("root only"), "{message}");
    }

    #[test]
    fn every_list_is_said_with_the_numbers_that_stand_for_its_names() {
        let rules = Rules {
            users: Some(vec![named("cinema", Some(990)), named("1001", Some(1001))]),
            groups: Some(vec![named("ghosts", None), named("players", Some(7))]),
            labels: Some(vec!["User::App::cinema".into()]),
        };
        let wanted = "root, and callers of the users cinema (990) or 1001, and of the groups \
                      ghosts (unknown) or players (7), and with the labels User::App::cinema";
        assert_eq!(callers(&rules), (Level::Ok, wanted.to_owned()));
    }

    #[test]
    fn the_number_that_stands_for_everybody_without_one_is_warned_about() {
        for list in [vec![named("nobody", Some(65_534))], vec![named("65534", Some(65_534))]] {
            for rules in [
                Rules { users: Some(list.clone()), ..Rules::default() },
                Rules { groups: Some(list.clone()), ..Rules::default() },
            ] {
                let (level, message) = callers(&rules);
                assert_eq!(level, Level::Warning);
                assert!(message.contains("65534 is every user"), "{message}");
            }
        }
    }

    #[test]
    fn a_list_that_matches_nobody_is_warned_about() {
        for rules in [
            Rules { users: Some(vec![named("ghost", None)]), ..Rules::default() },
            Rules { groups: Some(vec![]), ..Rules::default() },
            Rules { labels: Some(vec!["unconfined".into()]), ..Rules::default() },
        ] {
            let (level, message) = callers(&rules);
            assert_eq!(level, Level::Warning);
            assert!(message.starts_with("root only, for this matches nobody"), "{message}");
        }
    }
}
