// SPDX-License-Identifier: MIT OR Apache-2.0
//! The daemon's side of the child: started, asked, read, ended in time, whatever it does.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};
use zeroize::Zeroizing;

use super::child::ARGUMENT;
use super::wire::{self, Answer, Request};
use crate::clock;
use crate::time::BootTime;

/// How long a child may take for everything.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// How long it may take to end once it has answered, or once it has been killed.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// This program, even where the file has been replaced since.
const PROGRAM: &str = "/proc/self/exe";

/// Why there is no answer: the end of a sentence that begins with the module.
pub(super) enum Silence {
    /// No child could be started or asked.
    NotAsked(io::Error),
    TimedOut,
    Ended(ExitStatus),
    Garbage,
}

/// Starts a child, asks it, and ends it. One that survives SIGKILL is left in `stuck`.
pub(super) fn ask(
    request: &Request,
    chatty: bool,
    stuck: &mut Option<Child>,
) -> Result<Answer, Silence> {
    let mut child = Command::new(PROGRAM)
        .arg0("tokend")
        .arg(ARGUMENT)
        // What the module forks is killed with it.
        .process_group(0)
        .env_remove("NOTIFY_SOCKET")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(if chatty { Stdio::inherit() } else { Stdio::null() })
        .spawn()
        .map_err(Silence::NotAsked)?;
    let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(Silence::NotAsked(io::Error::other("no pipes")));
    };
    let asked = stdin.write_all(&request.encode());
    drop(stdin);
    let mut line = Line::new(stdout);
    line.listen();
    // It is not reaped yet, so the group's number is still its own.
    let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
    let status = line.see_off(child, stuck);

    if let Some(answer) = Answer::decode(&line.heard) {
        return Ok(answer);
    }
    Err(match (asked, status) {
        _ if line.timed_out => Silence::TimedOut,
        (_, Some(status)) if line.heard.is_empty() => Silence::Ended(status),
        (Err(error), None) => Silence::NotAsked(error),
        _ => Silence::Garbage,
    })
}

/// The pipe on which the child answers.
struct Line {
    stdout: ChildStdout,
    heard: Zeroizing<Vec<u8>>,
    open: bool,
    timed_out: bool,
}

impl Line {
    fn new(stdout: ChildStdout) -> Self {
        // Never grows: a buffer that does leaves copies behind.
        let heard = Zeroizing::new(Vec::with_capacity(wire::MAX_LEN));
        Self { stdout, heard, open: true, timed_out: false }
    }

    /// Reads until the child is at its end, or its time is.
    fn listen(&mut self) {
        let mut deadline = clock::boot().after(PATIENCE);
        let mut complete = false;
        while self.open {
            if !self.wait(deadline) {
                self.timed_out = !complete;
                return;
            }
            self.read();
            if !complete && Answer::decode(&self.heard).is_some() {
                complete = true;
                deadline = deadline.min(clock::boot().after(LAST_WORDS));
            }
        }
    }

    /// How a child that has been killed ended.
    fn see_off(&mut self, mut child: Child, stuck: &mut Option<Child>) -> Option<ExitStatus> {
        let deadline = clock::boot().after(LAST_WORDS);
        while self.open && self.wait(deadline) {
            self.read();
        }
        // With the pipe closed it is about to end; else somebody that it forked holds the pipe, or
        // it sleeps in the kernel.
        let status = if self.open { child.try_wait() } else { child.wait().map(Some) };
        let status = status.ok().flatten();
        if status.is_none() {
            *stuck = Some(child);
        }
        status
    }

    /// Whether there is something to read before the deadline.
    fn wait(&self, deadline: BootTime) -> bool {
        loop {
            let left = deadline.since(clock::boot());
            let Ok(timeout) = Timespec::try_from(left) else { return false };
            match poll(&mut [PollFd::new(&self.stdout, PollFlags::IN)], Some(&timeout)) {
                Err(rustix::io::Errno::INTR) => {}
                ready => return ready.is_ok_and(|ready| ready > 0),
            }
        }
    }

    fn read(&mut self) {
        let mut buffer = Zeroizing::new([0; 1024]);
        match self.stdout.read(&mut *buffer) {
            Ok(count) if count > 0 && self.heard.len() + count <= wire::MAX_LEN => {
                self.heard.extend_from_slice(&buffer[..count]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Its end, or more than it may say.
            _ => self.open = false,
        }
    }
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAsked(error) => write!(f, "has no process to run in: {error}"),
            Self::TimedOut => {
                write!(f, "gave no answer within {} s and was ended", PATIENCE.as_secs())
            }
            Self::Ended(status) => match (status.signal(), status.code()) {
                (Some(signal), _) => write!(f, "crashed (signal {signal}{})", name(signal)),
                (None, code) => {
                    write!(
                        f,
                        "ended its process without an answer (exit code {})",
                        code.unwrap_or(0)
                    )
                }
            },
            Self::Garbage => f.write_str("left an answer that nobody understands"),
        }
    }
}

fn name(signal: i32) -> &'static str {
    match Signal::from_named_raw(signal) {
        Some(Signal::SEGV) => ", a memory fault",
        Some(Signal::ABORT) => ", it gave up",
        Some(Signal::SYS) => ", a system call that the unit forbids",
        Some(Signal::KILL) => ", killed from outside",
        _ => "",
    }
}
