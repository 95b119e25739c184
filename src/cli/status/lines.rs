// SPDX-License-Identifier: MIT OR Apache-2.0
//! `status --watch` into a pipe: a line for each change, or with `--json` an object. Pure.

use serde_json::{Value, json};

use crate::client::Status;
use crate::common::time::WallTime;

use super::model::News;
use super::{date, error, head};
use crate::common::text::{escaped_json, printable};

/// Lines for a person, or for `grep`: when, of whom, and what. Each ends with a line feed.
pub(super) fn plain(news: &News<'_>, now: WallTime) -> String {
    let lines = match news {
        News::Here(overview) => {
            let mut lines = vec![head(overview)];
            if overview.applications.is_empty() {
                lines.push("no application".into());
            }
            lines.extend(overview.applications.iter().map(application));
            lines
        }
        News::Gone { left } => vec![gone(*left).into()],
        News::ClockSet(true) => vec!["clock: set".into()],
        News::ClockSet(false) => vec!["clock: not set".into()],
        News::Application(status) => vec![application(status)],
        News::Removed(id) => vec![format!("{id}: no longer configured")],
    };
    let when = date(now.unix_seconds()).unwrap_or_default();
    lines.iter().map(|line| printable(&format!("{when} {line}")) + "\n").collect()
}

/// That tokend is not on the bus.
pub(super) const fn gone(left: bool) -> &'static str {
    if left {
        "tokend has left the bus: waiting for it"
    } else {
        "tokend is not on the bus: waiting for it"
    }
}

fn application(status: &Status) -> String {
    let Status { id, state, token_number, expires_at, retry_at, .. } = status;
    let mut line = format!("{id}: {state}");
    match token_number {
        0 => line.push_str(", no token"),
        number => line.push_str(&format!(", token {number}")),
    }
    for (what, at) in [("expires", expires_at), ("next try", retry_at)] {
        if let Some(date) = date(*at) {
            line.push_str(&format!(", {what} {date}"));
        }
    }
    if let Some(error) = error(status) {
        line.push_str(&format!("; {error}"));
    }
    line
}

/// One object on a line. It has `time` (UNIX seconds), `event`, and besides:
///
/// - `here`: what `status --json` has;
/// - `gone`: nothing; tokend is not on the bus;
/// - `clock`: `clock_set`;
/// - `application`: what `status --json` has of an application; it has come, or has changed;
/// - `removed`: `id`.
pub(super) fn json(news: &News<'_>, now: WallTime) -> String {
    let (event, what) = match news {
        News::Here(overview) => ("here", json!(overview)),
        News::Gone { .. } => ("gone", json!({})),
        News::ClockSet(set) => ("clock", json!({ "clock_set": set })),
        News::Application(status) => ("application", json!(status)),
        News::Removed(id) => ("removed", json!({ "id": id })),
    };
    let mut line = json!({ "time": now.unix_seconds(), "event": event });
    if let (Value::Object(line), Value::Object(what)) = (&mut line, what) {
        line.extend(what);
        if matches!(news, News::Application(status) if status.counters.is_empty()) {
            // Not known any more.
            line.remove("counters");
            line.remove("history");
        }
    }
    escaped_json(&format!("{line}\n"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{NOW, cinema, overview};
    use super::*;
    use crate::client::LastError;

    fn failing() -> Status {
        let message = "no \u{1b}[2Jroute\nto\u{9b} host".into();
        let last_error = LastError { name: "tv.tokend.Error.Unavailable".into(), message };
        let (state, token_number, expires_at) = ("waiting".into(), 0, 0);
        Status { state, token_number, expires_at, last_error, ..cinema() }
    }

    #[test]
    fn each_change_is_a_line_with_its_date() {
        let cinema = cinema();
        assert_eq!(
            plain(&News::Application(&cinema), NOW),
            "2023-11-14T22:13:20Z cinema: ready, token 12, expires 2023-11-15T03:54:27Z, \
             next try 2023-11-17T01:13:20Z\n"
        );
        assert_eq!(
            plain(&News::Application(&failing()), NOW),
            "2023-11-14T22:13:20Z cinema: waiting, no token, next try 2023-11-17T01:13:20Z; \
             Unavailable: no  [2Jroute to  host\n"
        );
        let removed = plain(&News::Removed("cinema".into()), NOW);
        assert_eq!(removed, "2023-11-14T22:13:20Z cinema: no longer configured\n");
    }

    #[test]
    fn tokend_itself_has_a_line_and_each_application_one_more() {
        let text = plain(&News::Here(&overview(vec![cinema(), failing()])), NOW);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        let first = "2023-11-14T22:13:20Z tokend 0.1.0, sealing: key-file, clock: set";
        assert_eq!(lines[0], first);
        assert!(plain(&News::Here(&overview(vec![])), NOW).ends_with(" no application\n"));
        for (news, end) in [
            (News::Gone { left: true }, "tokend has left the bus: waiting for it\n"),
            (News::Gone { left: false }, "tokend is not on the bus: waiting for it\n"),
            (News::ClockSet(false), "clock: not set\n"),
        ] {
            assert!(plain(&news, NOW).ends_with(end));
        }
    }

    #[test]
    fn json_is_an_object_on_a_line_with_the_keys_of_status() {
        let (overview, failing) = (overview(vec![cinema()]), failing());
        for (news, event, key) in [
            (News::Here(&overview), "here", "applications"),
            (News::Gone { left: true }, "gone", "time"),
            (News::ClockSet(true), "clock", "clock_set"),
            (News::Application(&failing), "application", "last_error"),
            (News::Removed("cinema".into()), "removed", "id"),
        ] {
            let line = json(&news, NOW);
            assert!(!line.trim_end_matches('\n').contains(char::is_control), "{line:?}");
            let value: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(value["event"], event);
            assert_eq!(value["time"], 1_700_000_000);
            assert!(value.get(key).is_some(), "{line}");
        }
    }
}
