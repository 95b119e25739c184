// SPDX-License-Identifier: MIT OR Apache-2.0
//! `tokend status [ID]`: how tokend and its applications are.

use std::fmt::Write;
use std::time::{Duration, UNIX_EPOCH};

use crate::bus::BusAddress;
use crate::bus::client::{self, ClientError, Overview, Status};
use crate::model::AppId;
use crate::time::WallTime;

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
    if let Some(id) = id {
        overview.applications.retain(|application| application.id == id.as_str());
        if overview.applications.is_empty() {
            return Err(ClientError::UnknownApplication(id.as_str().to_owned()));
        }
    }
    if json {
        let value = serde_json::to_value(&overview).unwrap_or_default();
        return Ok(format!("{value:#}\n"));
    }
    Ok(table(&overview, id.is_some(), now))
}

fn table(overview: &Overview, details: bool, now: WallTime) -> String {
    let Overview { version, sealing, clock_set, applications } = overview;
    let clock = if *clock_set { "set" } else { "not set" };
    let mut out = format!("tokend {version}, sealing: {sealing}, clock: {clock}\n");
    if applications.is_empty() {
        out.push_str("no application is configured\n");
        return out;
    }
    let longest = applications.iter().map(|a| a.id.len()).max().unwrap_or(0);
    let width = longest.clamp("ID".len(), ID_COLUMNS);
    let _ = writeln!(out, "{}", row(width, "ID", "STATE", "TOKEN", "EXPIRES", "NEXT TRY"));
    for application in applications {
        let Status { id, state, token_number, expires_at, retry_at, .. } = application;
        let mut id = id.as_str();
        if id.len() > width {
            let _ = writeln!(out, "{id}");
            id = "";
        }
        let expires = moment(*expires_at, now, "expired");
        let next = moment(*retry_at, now, "now");
        let line = row(width, id, state, &token_number.to_string(), &expires, &next);
        let _ = writeln!(out, "{line}");
        let error = &application.last_error;
        if !error.name.is_empty() {
            let name = error.name.rsplit('.').next().unwrap_or_default();
            indented(&mut out, &format!("{name}: {}", error.message));
        }
        if details {
            self::details(&mut out, application);
        }
    }
    out
}

fn row(width: usize, id: &str, state: &str, token: &str, expires: &str, next: &str) -> String {
    let row = format!("{id:width$}  {state:13}  {token:>5}  {expires:14}  {next}");
    row.trim_end().to_owned()
}

fn details(out: &mut String, application: &Status) {
    let or_none = |list: &[String]| {
        if list.is_empty() { "none".to_owned() } else { list.join(" ") }
    };
    indented(out, &format!("scopes: {}", or_none(&application.scopes)));
    indented(out, &format!("redirect URIs: {}", or_none(&application.redirect_uris)));
    let issued = application.client_id_issued_at;
    if issued != 0
        && let Some(date) = UNIX_EPOCH.checked_add(Duration::from_secs(issued))
    {
        // Display of a date beyond the year 9999 fails.
        let mut text = String::new();
        if write!(text, "{}", humantime::format_rfc3339_seconds(date)).is_ok() {
            indented(out, &format!("registered: {text}"));
        }
    }
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

/// Adds `text`, indented, in lines that keep to the width where its words allow.
fn indented(out: &mut String, text: &str) {
    const INDENT: &str = "  ";
    let text = printable(text);
    let mut used = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > COLUMNS {
            out.push('\n');
            used = 0;
        }
        let gap = if used == 0 { INDENT } else { " " };
        out.push_str(gap);
        out.push_str(word);
        used += gap.len() + length;
    }
    out.push('\n');
}

/// Text that others have written, without what a terminal would obey.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests;
