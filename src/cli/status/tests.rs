// SPDX-License-Identifier: MIT OR Apache-2.0
use super::*;
use crate::client::LastError;

pub(super) const NOW: WallTime = WallTime(1_700_000_000_000);

pub(super) fn cinema() -> Status {
    Status {
        id: "cinema".into(),
        state: "ready".into(),
        token_number: 12,
        expires_at: 1_700_000_000 + 5 * 3600 + 41 * 60 + 7,
        retry_at: 1_700_000_000 + 86_400 * 2 + 3 * 3600,
        last_error: LastError::default(),
        scopes: vec!["api:client:v2".into()],
        redirect_uris: vec![],
        client_id_issued_at: 1_600_000_000,
        ..Status::default()
    }
}

pub(super) fn overview(applications: Vec<Status>) -> Overview {
    Overview {
        version: "0.1.0".into(),
        sealing: "key-file".into(),
        clock_set: true,
        faults: Vec::new(),
        started_at: 1_699_990_000,
        applications,
    }
}

#[test]
fn the_table_shows_each_application_on_a_line() {
    let sports = Status {
        id: "sports".into(),
        state: "storage-error".into(),
        token_number: 0,
        expires_at: 0,
        retry_at: 1_699_999_999,
        ..cinema()
    };
    assert_eq!(
        table(&overview(vec![cinema(), sports]), false, NOW),
        "tokend 0.1.0, sealing: key-file, clock: set\n\
         ID      STATE          TOKEN  EXPIRES         NEXT TRY\n\
         cinema  ready             12  in 5 h 41 min   in 2 d 3 h\n\
         sports  storage-error      0  -               now\n"
    );
}

#[test]
fn every_line_keeps_to_80_columns() {
    let error = LastError {
        name: "tv.tokend.Error.Unavailable".into(),
        message: "connection refused by api.auth.adobe.com after 15 s ".repeat(6),
    };
    let long = Status {
        id: "x".repeat(64),
        state: "storage-error".into(),
        token_number: 123_456,
        expires_at: 1_700_000_000 + 23 * 3600 + 59 * 60,
        retry_at: 1_700_000_000 + 23 * 3600 + 59 * 60,
        last_error: error,
        ..cinema()
    };
    let table = table(&overview(vec![cinema(), long]), true, NOW);
    for line in table.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    assert!(table.contains(&"x".repeat(64)));
    assert!(table.contains("  Unavailable: connection refused by"));
}

#[test]
fn one_application_shows_its_details() {
    let table = table(&overview(vec![cinema()]), true, NOW);
    assert!(table.contains("\n  scopes: api:client:v2\n"), "{table}");
    assert!(table.contains("\n  redirect URIs: none\n"), "{table}");
    assert!(table.contains("\n  registered: 2020-09-13T12:26:40Z\n"), "{table}");
}

#[test]
fn a_date_beyond_all_measure_is_left_out() {
    let odd = Status { client_id_issued_at: u64::MAX, ..cinema() };
    assert!(!table(&overview(vec![odd]), true, NOW).contains("registered"));
    let odd = Status { client_id_issued_at: 1 << 50, ..cinema() };
    assert!(!table(&overview(vec![odd]), true, NOW).contains("registered"));
}

#[test]
fn no_application_is_said_in_words() {
    let mut overview = overview(vec![]);
    overview.clock_set = false;
    assert_eq!(
        table(&overview, false, NOW),
        "tokend 0.1.0, sealing: key-file, clock: not set\nno application is configured\n"
    );
}

#[test]
fn a_span_has_its_two_largest_units() {
    let spans = [
        (1, "1 s"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (3600, "1 h"),
        (3659, "1 h"),
        (20_467, "5 h 41 min"),
        (86_400 * 365, "365 d"),
    ];
    for (seconds, text) in spans {
        assert_eq!(span(seconds), text);
    }
}

#[test]
fn what_others_wrote_cannot_steer_the_terminal() {
    let mut lines = Vec::new();
    indented(&mut lines, 80, "a\u{1b}[31mred\nline");
    assert_eq!(lines, ["  a [31mred line"]);
    let hostile = Status { state: "re\u{9b}ady".into(), ..cinema() };
    let table = table(&overview(vec![hostile.clone()]), true, NOW);
    assert!(table.chars().all(|c| !c.is_control() || c == '\n'), "{table:?}");
    let json = serde_json::to_string(&hostile).unwrap();
    let escaped = escaped_json(&json);
    assert!(escaped.contains(r#""re\u009bady""#), "{escaped}");
    let back: serde_json::Value = serde_json::from_str(&escaped).unwrap();
    assert_eq!(back["state"], "re\u{9b}ady");
}

#[test]
fn under_each_trouble_stands_what_to_do_and_why_it_waits() {
    let failing = Status {
        state: "storage-error".into(),
        last_error: LastError { name: "tv.tokend.Error.Storage".into(), message: "no key".into() },
        ..cinema()
    };
    let waiting = Status { id: "radio".into(), state: "waiting".into(), ..cinema() };
    let table = table(&overview(vec![failing, waiting]), false, NOW);
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(lines[3], "  Storage: no key");
    assert!(lines[4].starts_with("  what to do: run tokend check as root"), "{table}");
    assert_eq!(lines.last().unwrap(), &format!("  {}", advice::NOBODY));
}

#[test]
fn the_faults_stand_above_all_applications() {
    let mut overview = overview(vec![]);
    overview.faults = vec!["/etc/tokend/applications.d/a.toml:1: unknown key".into()];
    assert_eq!(
        table(&overview, false, NOW),
        "tokend 0.1.0, sealing: key-file, clock: set\n  \
         fault: /etc/tokend/applications.d/a.toml:1: unknown key\n\
         no application is configured\n"
    );
}

#[test]
fn one_application_shows_what_was_counted_and_what_has_happened() {
    let counted = [
        ("last_success", 1_699_990_000),
        ("failures", 3),
        ("failing_since", 1_699_995_000),
        ("registrations", 2),
    ];
    let counters = counted.map(|(name, count)| (name.to_owned(), count)).into();
    let (event, message) = ("failed".into(), "no route to host".into());
    let history = vec![Event { time: 1_699_995_000, event, message }];
    let table = table(&overview(vec![Status { counters, history, ..cinema() }]), true, NOW);
    let end = "  last token from the server: 2023-11-14T19:26:40Z\n  \
               failures in a row: 3, since 2023-11-14T20:50:00Z\n  \
               registrations: 2\n  \
               2023-11-14T20:50:00Z failed: no route to host\n";
    assert!(table.ends_with(end), "{table}");
}
