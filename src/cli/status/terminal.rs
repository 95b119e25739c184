// SPDX-License-Identifier: MIT OR Apache-2.0
//! The terminal under `status --watch`: its size, its keys, its signals, and how it is taken over
//! and given back. The escape sequences are those of ECMA-48 and of xterm, which every terminal
//! knows, or passes over.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};

use nix::sys::signal::{SigSet, Signal, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::io::{Errno, read};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr,
};

use super::screen::Size;

/// The other screen, without a cursor, and without wrapping what is too long.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";

/// Whether standard output is a terminal that can move its cursor.
pub(super) fn usable() -> bool {
    let kind = std::env::var_os("TERM").unwrap_or_default();
    io::stdout().is_terminal() && !kind.is_empty() && kind != "dumb"
}

/// Taken over with the first frame; given back when it is dropped.
pub(super) struct Terminal {
    signals: SignalFd,
    /// What is on the screen; none while it is not ours.
    shown: Option<Vec<String>>,
    size: Size,
    /// How keys were dealt with before.
    before: Option<Termios>,
}

/// What is asked of the one who shows something on the terminal.
pub(super) enum Asked {
    /// To end, well.
    End,
    /// To give the terminal back, and to do what the signal says.
    Signal(Signal),
    /// To show the same anew.
    Redraw,
}

impl Terminal {
    /// From now on its signals come to [`Terminal::signals`] alone.
    pub(super) fn new() -> io::Result<Self> {
        let set = SigSet::from_iter([
            Signal::SIGINT,
            Signal::SIGTERM,
            Signal::SIGHUP,
            Signal::SIGQUIT,
            Signal::SIGTSTP,
            Signal::SIGWINCH,
        ]);
        set.thread_block()?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let signals = SignalFd::with_flags(&set, flags)?;
        Ok(Self { signals, shown: None, size: Size::default(), before: None })
    }

    /// To be waited for: first what [`Terminal::signals`] reads, then what [`Terminal::keys`] does.
    pub(super) fn descriptors(&self) -> io::Result<Vec<OwnedFd>> {
        let mut descriptors = vec![self.signals.as_fd().try_clone_to_owned()?];
        let keys = io::stdin();
        if keys.is_terminal() {
            descriptors.push(keys.as_fd().try_clone_to_owned()?);
        }
        Ok(descriptors)
    }

    /// What the signals that have come ask for.
    pub(super) fn signals(&mut self) -> Vec<Asked> {
        let mut asked = Vec::new();
        while let Ok(Some(signal)) = self.signals.read_signal() {
            asked.extend(match Signal::try_from(signal.ssi_signo.cast_signed()) {
                Ok(Signal::SIGINT) => Some(Asked::End),
                Ok(Signal::SIGWINCH) => Some(Asked::Redraw),
                Ok(signal) => Some(Asked::Signal(signal)),
                Err(_) => None,
            });
        }
        asked
    }

    /// What the keys that were hit ask for.
    pub(super) fn keys(&self) -> Option<Asked> {
        let mut keys = [0; 64];
        match read(io::stdin(), &mut keys) {
            Ok(count) if count > 0 && !keys[..count].contains(&b'q') => None,
            Err(Errno::INTR | Errno::AGAIN) => None,
            // Or the terminal is gone.
            _ => Some(Asked::End),
        }
    }

    /// Asks the terminal for its size, now and for the frames to come.
    pub(super) fn size(&mut self) -> Size {
        let size = match tcgetwinsize(io::stdout()) {
            Ok(size) if size.ws_row > 0 && size.ws_col > 0 => {
                Size { rows: size.ws_row.into(), columns: size.ws_col.into() }
            }
            // A serial line does not know.
            _ => Size::default(),
        };
        if size != self.size {
            self.size = size;
            self.forget();
        }
        size
    }

    /// Nothing of what is on the screen counts any more.
    pub(super) fn forget(&mut self) {
        if let Some(shown) = &mut self.shown {
            *shown = vec![String::new(); shown.len()];
            let _ = write("\x1b[2J");
        }
    }

    /// Shows these lines; takes the terminal over, where it is not ours.
    pub(super) fn show(&mut self, lines: Vec<String>) -> io::Result<()> {
        let mut text = String::new();
        if self.shown.is_none() {
            self.before = quiet_keys();
            text.push_str(ENTER);
        }
        let shown = self.shown.get_or_insert_default();
        differences(&mut text, shown, &lines);
        *shown = lines;
        if text.is_empty() { Ok(()) } else { write(&text) }
    }

    /// Gives the terminal back.
    pub(super) fn leave(&mut self) {
        if self.shown.take().is_none() {
            return;
        }
        // A terminal that has no other screen keeps the frame, and goes on below it.
        let _ = write(&format!("\x1b[{};1H\n{LEAVE}", self.size.rows));
        if let Some(before) = self.before.take() {
            let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &before);
        }
    }

    /// Gives the terminal back, and does what a signal says. Returns when it said to stop, and
    /// somebody lets the process go on.
    pub(super) fn obey(&mut self, signal: Signal) {
        self.leave();
        let only = SigSet::from_iter([signal]);
        let _ = raise(signal);
        // It comes at this moment, to a process that does nothing about it.
        let _ = only.thread_unblock();
        let _ = only.thread_block();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Keys come one by one, and do not show; returns how it was before.
fn quiet_keys() -> Option<Termios> {
    let before = tcgetattr(io::stdin()).ok()?;
    let mut quiet = before.clone();
    quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON);
    quiet.special_codes[SpecialCodeIndex::VMIN] = 0;
    quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
    tcsetattr(io::stdin(), OptionalActions::Now, &quiet).ok()?;
    Some(before)
}

fn write(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// What turns a screen with the lines `before` into one with the lines `after`: little, over a
/// slow line, where little has changed.
fn differences(text: &mut String, before: &[String], after: &[String]) {
    for number in 0..before.len().max(after.len()) {
        let line = after.get(number).map_or("", String::as_str);
        if before.get(number).map_or("", String::as_str) != line {
            // Erased first: after a line as wide as the screen, its last column would go.
            let _ = write!(text, "\x1b[{};1H\x1b[K{line}", number + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.split('/').map(str::to_owned).collect()
    }

    #[test]
    fn only_lines_that_differ_are_written() {
        for (before, after, written) in [
            ("", "a/b", "\x1b[1;1H\x1b[Ka\x1b[2;1H\x1b[Kb"),
            ("a/b", "a/b", ""),
            ("a/b/c", "a/x/c", "\x1b[2;1H\x1b[Kx"),
            ("a/b/c", "a", "\x1b[2;1H\x1b[K\x1b[3;1H\x1b[K"),
        ] {
            let mut text = String::new();
            differences(&mut text, &lines(before), &lines(after));
            assert_eq!(text, written, "{before} to {after}");
        }
    }

    #[test]
    fn all_that_is_switched_on_a_terminal_is_switched_back() {
        for (on, off) in [("?1049h", "?1049l"), ("?25l", "?25h"), ("?7l", "?7h")] {
            assert!(ENTER.contains(on) && LEAVE.contains(off), "{on}");
        }
    }
}
