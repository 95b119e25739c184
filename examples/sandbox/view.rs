// SPDX-License-Identifier: MIT OR Apache-2.0
//! One view of all that happens: how the application is, and below it the lines as they come. On a
//! terminal alone; else there are the lines.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use rustix::termios::tcgetwinsize;

use super::events::show;

/// How the application is; none: tokend is not on the bus.
pub(crate) type State = Option<Shown>;

/// What tokend shows of the application.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) state: String,
    pub(crate) token_number: u64,
    pub(crate) expires_at: u64,
    pub(crate) retry_at: u64,
    pub(crate) last_error: (String, String),
}

/// What is on the screen.
struct View {
    /// What stays: how to connect, and the scene.
    top: Vec<String>,
    state: State,
    lines: VecDeque<String>,
    /// The prompt has to be written: at the start, and after each line that was typed.
    prompt: bool,
}

/// More lines than any terminal has rows.
const KEPT: usize = 500;

static VIEW: Mutex<Option<View>> = Mutex::new(None);

fn view() -> MutexGuard<'static, Option<View>> {
    VIEW.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the terminal over, where there is one.
pub(crate) fn enter(top: Vec<String>) {
    let kind = std::env::var_os("TERM").unwrap_or_default();
    if !io::stdout().is_terminal() || kind.is_empty() || kind == "dumb" {
        return top.iter().for_each(|line| show(line));
    }
    *view() = Some(View { top, state: None, lines: VecDeque::new(), prompt: true });
    let _ = write!(io::stdout(), "\x1b[?1049h\x1b[?7l");
}

/// Gives the terminal back, with what was said last.
pub(crate) fn leave() {
    if let Some(view) = view().take() {
        let _ = write!(io::stdout(), "\x1b[?7h\x1b[?1049l");
        for line in view.lines.iter().rev().take(10).rev() {
            let _ = writeln!(io::stdout(), "{line}");
        }
    }
}

/// Takes a line; false where there is no screen.
pub(crate) fn take(line: &str) -> bool {
    let mut view = view();
    let Some(view) = &mut *view else { return false };
    view.lines.extend(line.lines().filter(|line| !line.is_empty()).map(str::to_owned));
    let surplus = view.lines.len().saturating_sub(KEPT);
    view.lines.drain(..surplus);
    true
}

/// A line has been typed.
pub(crate) fn typed() {
    if let Some(view) = &mut *view() {
        view.prompt = true;
    }
}

/// The application is like this now.
pub(crate) fn state(state: State) {
    if let Some(view) = &mut *view() {
        view.state = state;
        return;
    }
    show(&format!("cinema | {}", words(&state, None)));
}

/// Draws all anew, by the date of `now` (UNIX seconds), with the scene that is played.
pub(crate) fn draw(scene: &str, now: u64) {
    let mut view = view();
    let Some(view) = &mut *view else { return };
    let size = tcgetwinsize(io::stdout()).ok().filter(|size| size.ws_row > 0 && size.ws_col > 0);
    let (rows, columns) =
        size.map_or((24, 80), |size| (usize::from(size.ws_row), usize::from(size.ws_col)));
    // What has been typed stays where it is.
    let mut text = String::from("\x1b7\x1b[H");
    let mut lines = view.top.clone();
    lines.push(format!("scene: {scene}"));
    lines.push(format!("cinema: {}", words(&view.state, Some(now))));
    lines.push("-".repeat(columns));
    let mut lines = wrapped(lines.iter(), columns);
    let room = rows.saturating_sub(lines.len() + 1);
    let log = wrapped(view.lines.iter(), columns);
    lines.extend_from_slice(&log[log.len().saturating_sub(room)..]);
    lines.resize(rows.saturating_sub(1), String::new());
    for line in &lines {
        // Erased first: after a line as wide as the screen, its last column would go.
        let _ = write!(text, "\x1b[K{line}\r\n");
    }
    text.push_str(if view.prompt { "\x1b[Kscene> " } else { "\x1b8" });
    view.prompt = false;
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Lines no longer than the terminal is wide, without what it would obey.
fn wrapped<'a>(lines: impl Iterator<Item = &'a String>, columns: usize) -> Vec<String> {
    let printable = |c: &char| if c.is_control() { ' ' } else { *c };
    let wrap = |line: &String| {
        let mut rest: Vec<char> = line.chars().collect();
        let mut parts = Vec::new();
        while rest.len() > columns.max(1) {
            // Between two words, where there is a place between two.
            let space =
                rest[..columns.max(1) + 1].iter().rposition(|c| *c == ' ').filter(|at| *at > 0);
            let (end, skipped) = space.map_or((columns.max(1), 0), |at| (at, 1));
            parts.push(rest[..end].iter().map(printable).collect());
            rest.drain(..end + skipped);
        }
        parts.push(rest.iter().map(printable).collect());
        parts
    };
    lines.flat_map(wrap).collect()
}

/// A state in words: as seen from a date, else with dates.
fn words(state: &State, now: Option<u64>) -> String {
    let Some(shown) = state else { return "tokend is not on the bus".into() };
    let mut words = shown.state.clone();
    match shown.token_number {
        0 => words.push_str(", no token"),
        number => {
            let _ = write!(words, ", token {number}");
        }
    }
    for (what, at) in [("expires", shown.expires_at), ("next request", shown.retry_at)] {
        match now {
            _ if at == 0 => {}
            Some(now) => {
                let left = Duration::from_secs(at.saturating_sub(now));
                let _ = write!(words, ", {what} in {}", humantime::format_duration(left));
            }
            None => {
                let at = UNIX_EPOCH + Duration::from_secs(at);
                let _ = write!(words, ", {what} {}", humantime::format_rfc3339_seconds(at));
            }
        }
    }
    if !shown.last_error.0.is_empty() {
        let _ = write!(words, "; {}: {}", shown.last_error.0, shown.last_error.1);
    }
    words
}
