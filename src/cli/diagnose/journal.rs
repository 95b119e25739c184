// SPDX-License-Identifier: MIT OR Apache-2.0
//! The last lines that the unit has in systemd's journal, if there is one that this user may read.

use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use super::bounded;
use super::causes::Symptom;
use super::step::{Level, Step};

/// How many lines, of how many characters.
const LINES: usize = 40;
const LONGEST: usize = 400;
/// The most that is read, in bytes.
const LIMIT: u64 = 64 * 1024;

pub(super) fn step(limit: Duration) -> Step {
    let mut step = Step::begin("journal");
    let mut journalctl = Command::new("journalctl");
    journalctl.args(["--unit=tokend.service", "--no-pager", "--quiet", "--output=short-iso"]);
    journalctl.arg(format!("--lines={LINES}")).env("LC_ALL", "C").process_group(0);
    journalctl.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = match journalctl.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return step.skip("there is no journalctl");
        }
        Err(error) => return step.skip(format!("journalctl cannot be run: {error}")),
    };
    let output = child.stdout.take();
    let text = bounded::run(limit, move || {
        let mut text = Vec::new();
        if let Some(output) = output {
            // What came before it broke off is worth having.
            let _ = output.take(LIMIT).read_to_end(&mut text);
        }
        text
    });
    // One that hangs, or has more to say, is not waited for. It is not reaped yet, so the group's
    // number is still its own.
    let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
    let _ = child.wait();
    let Some(text) = text else {
        step.fail(Symptom::TimedOut("journal"), "journalctl gave no answer");
        return step.end();
    };
    let lines = lines(&text);
    if lines.is_empty() {
        return step.skip(
            "nothing that this user may read: try it as root, or in the group systemd-journal",
        );
    }
    lines.into_iter().for_each(|line| step.line(Level::Info, line));
    step.end()
}

/// The last lines.
fn lines(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(LINES)..];
    last.iter().map(|line| line.chars().take(LONGEST).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_count_and_none_is_too_long() {
        let text: String = (0..100).map(|n| format!("{n} {}\n\n", "x".repeat(1000))).collect();
        let lines = lines(text.as_bytes());
        assert_eq!(lines.len(), LINES);
        assert!(lines[0].starts_with("60 ") && lines[39].starts_with("99 "));
        assert!(lines.iter().all(|line| line.chars().count() == LONGEST));
    }
}
