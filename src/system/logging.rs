// SPDX-License-Identifier: MIT OR Apache-2.0
//! The log: where lines go, which of them, and in what form. One line for each message, written
//! at once; a line that cannot be written now is let go, for nothing may hold up the daemon.

mod stderr;
mod syslog;

use std::fmt::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::common::text::is_hidden;

use self::stderr::Stderr;
use self::syslog::Syslog;

/// The longest text of a line, in bytes; the rest is cut off. With what stands before it, a line
/// stays within `PIPE_BUF` (4096), up to which a write to a pipe is never split.
const TEXT_MAX: usize = 4000;

/// Where the log goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// To stderr under systemd or on a terminal, else to syslog.
    Auto,
    /// To `/dev/log`.
    Syslog,
    /// To stderr.
    Stderr,
}

/// Starts the log, or moves a started one to another target. `level` holds for our own lines;
/// libraries never get beyond warnings, as what they say below may hold secrets.
///
/// On stderr a line is `level: message`. Where stderr is the journal's (`JOURNAL_STREAM`), it is
/// `<N>message` instead (sd-daemon(3)), and the journal keeps the level.
pub fn start(target: Target, level: LevelFilter) {
    *LOGGER.sink() = Some(Sink::choose(target));
    // Fails where the log has been started before, or where a test has a logger of its own.
    let _ = log::set_logger(&LOGGER);
    set_level(level);
}

/// Changes the level of our own lines, at once and for all threads.
pub fn set_level(level: LevelFilter) {
    log::set_max_level(level);
}

/// Whether lines go to stderr: whoever is at a terminal reads them.
#[must_use]
pub fn is_on_stderr() -> bool {
    matches!(*LOGGER.sink(), Some(Sink::Stderr(_)))
}

static LOGGER: Logger = Logger(Mutex::new(None));

struct Logger(Mutex<Option<Sink>>);

enum Sink {
    Stderr(Stderr),
    Syslog(Syslog),
}

impl Logger {
    fn sink(&self) -> MutexGuard<'_, Option<Sink>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= limit(metadata.target(), log::max_level())
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let text = text(record);
        if let Some(sink) = &mut *self.sink() {
            sink.write(record.level(), &text);
        }
    }

    fn flush(&self) {}
}

impl Sink {
    fn choose(target: Target) -> Self {
        let stderr = Stderr::new();
        match target {
            Target::Stderr => Self::Stderr(stderr),
            Target::Syslog => Self::Syslog(Syslog::new()),
            Target::Auto if stderr.is_read_by_somebody() => Self::Stderr(stderr),
            Target::Auto => Syslog::connected().map_or(Self::Stderr(stderr), Self::Syslog),
        }
    }

    fn write(&mut self, level: Level, text: &str) {
        match self {
            Self::Stderr(stderr) => stderr.write(level, text),
            Self::Syslog(syslog) => {
                if syslog.write(level, text).is_err() {
                    Stderr::new().write(level, text);
                }
            }
        }
    }
}

/// The highest level that a part of this program may log at.
fn limit(target: &str, level: LevelFilter) -> LevelFilter {
    match origin(target) {
        "tokend" => level,
        _ => level.min(LevelFilter::Warn),
    }
}

/// The crate that a line comes from.
fn origin(target: &str) -> &str {
    target.split("::").next().unwrap_or(target)
}

/// What a line says, with the name of the library that says it.
fn text(record: &Record<'_>) -> String {
    match origin(record.target()) {
        "tokend" => one_line(*record.args()),
        library => one_line(format_args!("{library}: {}", record.args())),
    }
}

/// A message as one line: control characters escaped, so that no text from outside can begin a
/// line of its own or steer a terminal; cut off at [`TEXT_MAX`].
fn one_line(message: fmt::Arguments<'_>) -> String {
    let mut line = Line(String::new());
    // An error means that the line is full, or that a Display fails: what is there is the line.
    let _ = line.write_fmt(message);
    line.0
}

struct Line(String);

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for char in text.chars() {
            if self.0.len() > TEXT_MAX - 12 {
                self.0.push('…');
                return Err(fmt::Error);
            }
            if is_hidden(char) {
                self.0.extend(char.escape_default());
            } else {
                self.0.push(char);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_never_get_beyond_warnings() {
        for (target, level, limit_is) in [
            ("tokend::oauth", LevelFilter::Debug, LevelFilter::Debug),
            ("tokend", LevelFilter::Trace, LevelFilter::Trace),
            ("ureq::unit", LevelFilter::Trace, LevelFilter::Warn),
            ("rustls", LevelFilter::Info, LevelFilter::Warn),
            ("tokendish", LevelFilter::Debug, LevelFilter::Warn),
            ("zbus", LevelFilter::Error, LevelFilter::Error),
            ("zbus", LevelFilter::Off, LevelFilter::Off),
        ] {
            assert_eq!(limit(target, level), limit_is, "{target} at {level}");
        }
    }

    #[test]
    fn a_message_is_one_line_whatever_it_holds() {
        let message = "a\nerror: b\r\t\u{1b}[31mc\u{9b}2J é";
        assert_eq!(one_line(format_args!("{message}")), r"a\nerror: b\r\t\u{1b}[31mc\u{9b}2J é");
    }

    #[test]
    fn a_line_never_exceeds_its_bound() {
        for long in ["x", "é", "\u{9b}", "🙂"].map(|part| part.repeat(5000)) {
            let line = one_line(format_args!("{long}"));
            assert!((TEXT_MAX - 16..=TEXT_MAX).contains(&line.len()), "{}", line.len());
            assert!(line.ends_with('…'));
        }
        let fits = "x".repeat(TEXT_MAX - 20);
        assert_eq!(one_line(format_args!("{fits}")), fits);
    }

    #[test]
    fn a_library_is_named_and_we_are_not() {
        let record =
            |target| text(&Record::builder().target(target).args(format_args!("slow")).build());
        assert_eq!(record("rustls::conn"), "rustls: slow");
        assert_eq!(record("tokend::bus"), "slow");
    }
}
