// SPDX-License-Identifier: MIT OR Apache-2.0
//! The wall clock: whether it is set, and whether somebody vouches for it.

use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use super::diagnostic::Diagnostics;
use crate::common::time::WallTime;
use crate::system::clock::{self, TimeSync};

pub(super) fn check(synchronized_files: Vec<PathBuf>, now: WallTime, findings: &mut Diagnostics) {
    let date = UNIX_EPOCH + Duration::from_secs(now.unix_seconds());
    let date = humantime::format_rfc3339_seconds(date);
    if clock::is_set(now) {
        findings.ok("clock", format!("set: {date}"));
    } else {
        let message = format!("not set: it says {date}; until it is right, nothing is requested");
        findings.warning("clock", message);
    }

    let paths: Vec<_> = synchronized_files.iter().map(|file| file.display().to_string()).collect();
    let (by, why) = match paths.len() {
        0 => ("the kernel".to_owned(), "whose clock is not synchronized"),
        1 => (format!("synchronized_file {}", paths[0]), "which is not there"),
        _ => (format!("synchronized_file {}", paths.join(" or ")), "none of which is there"),
    };
    if TimeSync(synchronized_files).confirms() {
        findings.ok("clock", format!("confirmed by {by}")).origin(by);
        return;
    }
    let message = format!(
        "not confirmed by {by}, {why}; until it is, a token of an earlier boot is not served"
    );
    findings.warning("clock", message).origin(by);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_nobody_has_set_is_a_warning() {
        let said = |now| {
            let mut findings = Diagnostics::default();
            check(vec!["/nonexistent".into()], now, &mut findings);
            findings.text()
        };
        let text = said(WallTime(0));
        assert!(
            text.starts_with("warning  clock  not set: it says 1970-01-01T00:00:00Z"),
            "{text}"
        );
        let text = said(clock::RELEASED);
        assert!(text.starts_with("ok       clock  set: 2026-11-01T00:00:00Z"), "{text}");
        assert!(text.contains("not confirmed by synchronized_file /nonexistent, which"), "{text}");
    }
}
