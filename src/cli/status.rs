// SPDX-License-Identifier: MIT OR Apache-2.0
//! `tokend status [ID]`: how tokend and its applications are.

use std::fmt::Write;
use std::time::{Duration, UNIX_EPOCH};

use crate::bus::BusAddress;
use crate::client::{self, ClientError, Event, Overview, Status};
use crate::common::model::AppId;
use crate::common::text::{escaped_json, printable};
use crate::common::time::WallTime;

mod advice;
mod lines;
mod model;
mod screen;
mod terminal;
/// `tokend status --watch [ID]`.
pub mod watch;

/// The width that the table keeps to.
const COLUMNS: usize = 80;
/// A longer name has a line of its own.
const ID_COLUMNS: usize = 24;

/// What goes to standard output: of all applications, or of `id` alone, which then has its scopes,
/// redirect URIs and date of registration shown too.
///
/// With `json`, one object that stays as it is (fields may be added): `version`, `sealing`,
/// `clock_set`, and `applications`, an array in the order of the names, of objects with the
/// properties of `tv.tokend.Application1`: `id`, `state`, `token_number` (0 = none), `expires_at`,
/// `retry_at` and `client_id_issued_at` (UNIX seconds, 0 = none), `last_error` (an object with
/// `name` and `message`, both empty after a success), `scopes`, `redirect_uris`.
///
/// # Errors
/// [`ClientError`]
pub fn run(
    bus: &BusAddress,
    id: Option<&AppId>,
    json: bool,
    now: WallTime,
) -> Result<String, ClientError> {
    let mut overview = client::overview(bus)?;
    keep_only(&mut overview, id)?;
    if json {
        let mut value = serde_json::to_value(&overview).unwrap_or_default();
        if overview.started_at != 0 {
            let uptime = now.unix_seconds().saturating_sub(overview.started_at);
            value["uptime_seconds"] = uptime.into();
        }
        return Ok(escaped_json(&format!("{value:#}\n")));
    }
    Ok(table(&overview, id.is_some(), now))
}

/// Drops all applications but `id`, which must be there.
fn keep_only(overview: &mut Overview, id: Option<&AppId>) -> Result<(), ClientError> {
    let Some(id) = id else { return Ok(()) };
    overview.applications.retain(|application| application.id == id.as_str());
    if overview.applications.is_empty() {
        return Err(ClientError::UnknownApplication(id.as_str().to_owned()));
    }
    Ok(())
}

pub(super) fn table(overview: &Overview, details: bool, now: WallTime) -> String {
    let mut lines = heads(overview, COLUMNS);
    for entry in entries(overview, COLUMNS, details, now) {
        lines.extend(entry.rows);
        lines.extend(entry.more);
    }
    let lines: Vec<_> = lines.iter().map(|line| printable(line) + "\n").collect();
    lines.concat()
}

/// The lines above the applications.
fn heads(overview: &Overview, columns: usize) -> Vec<String> {
    let mut lines = vec![head(overview)];
    overview.faults.iter().for_each(|f| indented(&mut lines, columns, &format!("fault: {f}")));
    lines.push(self::columns(overview));
    lines
}

fn head(Overview { version, sealing, clock_set, .. }: &Overview) -> String {
    let clock = if *clock_set { "set" } else { "not set" };
    format!("tokend {version}, sealing: {sealing}, clock: {clock}")
}

/// What stands above the entries.
fn columns(overview: &Overview) -> String {
    if overview.applications.is_empty() {
        return "no application is configured".into();
    }
    row(id_width(overview), "ID", "STATE", "TOKEN", "EXPIRES", "NEXT TRY")
}

/// One application in the table.
struct Entry {
    /// Its row; the name before it, where it is too long for its column.
    rows: Vec<String>,
    /// Its error and details.
    more: Vec<String>,
    /// It has an error.
    troubled: bool,
}

/// The entries of all applications, whose words are wrapped where they would go beyond `columns`.
fn entries(overview: &Overview, columns: usize, details: bool, now: WallTime) -> Vec<Entry> {
    let width = id_width(overview);
    let entry = |application: &Status| {
        let Status { id, state, token_number, expires_at, retry_at, .. } = application;
        let mut rows = Vec::new();
        let mut id = id.as_str();
        if id.len() > width {
            rows.push(id.to_owned());
            id = "";
        }
        let expires = moment(*expires_at, now, "expired");
        let next = moment(*retry_at, now, "now");
        rows.push(row(width, id, state, &token_number.to_string(), &expires, &next));
        let mut more = Vec::new();
        if let Some(error) = error(application) {
            indented(&mut more, columns, &error);
        }
        if advice::waits_for_somebody(application) {
            indented(&mut more, columns, advice::NOBODY);
        }
        if let Some(advice) = advice::advice(application) {
            indented(&mut more, columns, &format!("what to do: {advice}"));
        }
        if details {
            self::details(&mut more, columns, application);
        }
        Entry { rows, more, troubled: !application.last_error.name.is_empty() }
    };
    overview.applications.iter().map(entry).collect()
}

fn id_width(overview: &Overview) -> usize {
    let longest = overview.applications.iter().map(|a| a.id.len()).max().unwrap_or(0);
    longest.clamp("ID".len(), ID_COLUMNS)
}

fn row(width: usize, id: &str, state: &str, token: &str, expires: &str, next: &str) -> String {
    let row = format!("{id:width$}  {state:13}  {token:>5}  {expires:14}  {next}");
    row.trim_end().to_owned()
}

/// The last error, under its short name; none after a success.
fn error(application: &Status) -> Option<String> {
    let error = &application.last_error;
    let name = error.name.rsplit('.').next().filter(|name| !name.is_empty())?;
    Some(format!("{name}: {}", error.message))
}

fn details(lines: &mut Vec<String>, columns: usize, application: &Status) {
    let or_none = |list: &[String]| {
        if list.is_empty() { "none".to_owned() } else { list.join(" ") }
    };
    indented(lines, columns, &format!("scopes: {}", or_none(&application.scopes)));
    indented(lines, columns, &format!("redirect URIs: {}", or_none(&application.redirect_uris)));
    if let Some(date) = date(application.client_id_issued_at) {
        indented(lines, columns, &format!("registered: {date}"));
    }
    let count = |name: &str| application.counters.get(name).copied().unwrap_or(0);
    if let Some(date) = date(count("last_success")) {
        indented(lines, columns, &format!("last token from the server: {date}"));
    }
    if let Some(date) = date(count("failing_since")) {
        let text = format!("failures in a row: {}, since {date}", count("failures"));
        indented(lines, columns, &text);
    }
    if application.counters.contains_key("registrations") {
        indented(lines, columns, &format!("registrations: {}", count("registrations")));
    }
    for Event { time, event, message } in &application.history {
        let date = date(*time).unwrap_or_default();
        indented(lines, columns, &format!("{date} {event}: {message}"));
    }
}

/// A date as people read it; none where there is none.
pub(super) fn date(unix_seconds: u64) -> Option<String> {
    if unix_seconds == 0 {
        return None;
    }
    let date = UNIX_EPOCH.checked_add(Duration::from_secs(unix_seconds))?;
    // Display of a date beyond the year 9999 fails.
    let mut text = String::new();
    write!(text, "{}", humantime::format_rfc3339_seconds(date)).ok()?;
    Some(text)
}

/// A point in time as seen from `now`.
fn moment(unix_seconds: u64, now: WallTime, past: &str) -> String {
    if unix_seconds == 0 {
        return "-".into();
    }
    match unix_seconds.checked_sub(now.unix_seconds()) {
        None | Some(0) => past.into(),
        Some(seconds) => format!("in {}", span(seconds)),
    }
}

/// A duration in its two largest units.
fn span(seconds: u64) -> String {
    let units = [("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)];
    let largest = units.iter().position(|(_, size)| seconds >= *size).unwrap_or(units.len() - 1);
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (unit, size) in units.iter().skip(largest).take(2) {
        if rest / size > 0 {
            parts.push(format!("{} {unit}", rest / size));
        }
        rest %= size;
    }
    parts.join(" ")
}

/// Adds `text`, indented, in lines that keep to so many columns where its words allow.
fn indented(lines: &mut Vec<String>, columns: usize, text: &str) {
    const INDENT: &str = "  ";
    let mut line = String::new();
    let mut used = 0;
    // A control character ends a word: none of them reaches the terminal.
    for word in printable(text).split_whitespace() {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > columns {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        let gap = if used == 0 { INDENT } else { " " };
        line.push_str(gap);
        line.push_str(word);
        used += gap.len() + length;
    }
    lines.push(line);
}

#[cfg(test)]
mod tests;
