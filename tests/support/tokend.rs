// SPDX-License-Identifier: MIT OR Apache-2.0
//! A device, and the real daemon on it.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use rustix::process::Signal;

use super::child::{self, Child};
use super::lines::Lines;
use super::{BOUND, Failure};

mod device;
mod notify;

pub use device::{Application, Device};
pub use notify::ENDED;
use notify::Notifications;

/// The binary, and what runs it where this machine cannot.
#[derive(Clone, Debug)]
pub struct Program {
    /// As `qemu-arm-static -L /usr/arm-linux-gnueabihf`; empty for a binary of this machine.
    pub runner: Vec<OsString>,
    pub tokend: PathBuf,
    pub start: child::Start,
}

impl Program {
    /// The one that cargo built for the tests; only tests have it.
    pub fn of_this_build() -> Self {
        let tokend = option_env!("CARGO_BIN_EXE_tokend");
        Self::from(tokend.expect("cargo names the binary to integration tests alone").into())
    }

    /// This binary, on this machine.
    pub fn from(tokend: PathBuf) -> Self {
        Self { runner: Vec::new(), tokend, start: child::Start::default() }
    }

    /// The start of a command line, with an environment of its own: nothing of systemd's, of the
    /// desktop's or of a proxy leaks in.
    fn command(&self) -> Command {
        let mut words = self.runner.iter().map(OsString::as_os_str);
        let first = words.next().unwrap_or(self.tokend.as_os_str());
        let mut command = child::command(first);
        command.args(words);
        if !self.runner.is_empty() {
            command.arg(&self.tokend);
        }
        self.start.apply(&mut command);
        command.env_clear();
        for name in ["PATH", "RUST_BACKTRACE", "LD_LIBRARY_PATH", "QEMU_LD_PREFIX"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
    }
}

/// A running daemon. Dropped: killed. Its device stays, and can start the next one.
pub struct Tokend {
    child: Child,
    /// Of this run.
    output: Lines,
    notifications: Notifications,
}

impl Tokend {
    /// `everything` gets what it prints too.
    fn spawn(
        mut command: Command,
        everything: &Lines,
        notifications: Notifications,
    ) -> Result<Self, Failure> {
        let output = Lines::default();
        let everything = everything.clone();
        output.listen(move |line| everything.push(line.to_owned()));
        output.collect(child::capture(&mut command)?, notifications.farewell());
        let child = Child::spawn(command)?;
        Ok(Self { child, output, notifications })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has told systemd so: `READY=1`, `STOPPING=1`, `WATCHDOG=1` …
    ///
    /// # Errors
    /// It ended, or [`BOUND`] has passed; with all that it printed.
    pub fn wait_notified(&mut self, state: &str) -> Result<(), Failure> {
        let lines = &self.notifications.lines;
        let wanted = |line: &str| line.contains(state) || line == ENDED;
        match lines.wait_for(0, BOUND, wanted) {
            Some(line) if line != ENDED => return Ok(()),
            Some(_) => {
                self.output.wait_for_end(BOUND);
            }
            None => {}
        }
        let happened = match self.child.wait(Duration::from_secs(1)) {
            Some(status) => format!("has ended ({status})"),
            None => "still runs".to_owned(),
        };
        let output = self.output();
        Err(Failure(format!("tokend has not said {state} and {happened}; it printed:\n{output}")))
    }

    /// All that it told systemd, one line for each state; the last one is [`ENDED`].
    pub fn notified(&self) -> Lines {
        self.notifications.lines.clone()
    }

    /// What this run has printed so far.
    pub fn output(&self) -> String {
        self.output.text(0)
    }

    /// Waits until a line of this run contains `wanted`, and returns the line. Panics after
    /// [`BOUND`], with all that it printed.
    pub fn wait_for_line(&self, wanted: &str) -> String {
        match self.output.wait_for(0, BOUND, |line| line.contains(wanted)) {
            Some(line) => line,
            None => panic!("no line with {wanted:?} has come; it printed:\n{}", self.output()),
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        self.child.signal(signal);
    }

    /// Keeps it from doing anything until it gets SIGCONT.
    pub fn stop(&self) {
        self.child.stop();
    }

    /// SIGKILL: as a crash or a power cut ends it.
    pub fn kill(mut self) {
        self.child.kill();
    }

    /// SIGTERM, and waits for the end.
    pub fn terminate(self) -> Ended {
        self.signal(Signal::TERM);
        self.wait_exit()
    }

    /// Waits for the end. Panics after [`BOUND`].
    pub fn wait_exit(mut self) -> Ended {
        let Some(status) = self.child.wait(BOUND) else {
            panic!("tokend does not end; it printed:\n{}", self.output());
        };
        self.wait_for_last_words();
        Ended { status, output: self.output() }
    }

    /// How it ended; `None` where it still runs after `bound`. All that it printed and told
    /// systemd is there then.
    pub fn wait(&mut self, bound: Duration) -> Option<ExitStatus> {
        let status = self.child.wait(bound)?;
        self.wait_for_last_words();
        Some(status)
    }

    /// Of one that has ended. Its socket may be closed only afterwards: [`ENDED`] comes by it.
    fn wait_for_last_words(&self) {
        self.output.wait_for_end(BOUND);
        self.notifications.lines.wait_for(0, BOUND, |line| line == ENDED);
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.wait(Duration::ZERO).is_some()
    }
}

impl Drop for Tokend {
    fn drop(&mut self) {
        self.child.kill();
        if std::thread::panicking() {
            self.output.wait_for_end(BOUND);
            eprintln!("tokend printed:\n{}", self.output());
        }
    }
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    /// All that it printed.
    pub output: String,
}

impl Ended {
    /// The exit code; 128 and the signal's number where a signal ended it.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap_or(0))
    }
}

/// What a command of the command line gave.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// A path as an argument's text.
fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are UTF-8")
}
