// SPDX-License-Identifier: MIT OR Apache-2.0
//! The daemon's side of the child: started, asked, read, ended in time, whatever it does; and with it
//! all that it has started.

use std::fmt;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, getpid, kill_process, kill_process_group,
    set_child_subreaper, waitid, waitpid,
};
use zeroize::Zeroizing;

use super::child::ARGUMENT;
use super::wire::{self, Answer, Request};
use crate::common::time::BootTime;
use crate::system::clock;

/// How long a child may take for everything.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// How long it may take to end once it has answered, or once it has been killed.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How often a look is taken whether it has ended: who holds its pipe open may be another process.
const LOOK: Duration = Duration::from_millis(100);
/// Between two looks for those that are to be killed.
const BREATH: Duration = Duration::from_millis(5);

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
    with_stderr: bool,
    stuck: &mut Option<Child>,
) -> Result<Answer, Silence> {
    // Whatever the module starts is ours once its parent has ended, in whatever session it is.
    set_child_subreaper(Some(getpid())).map_err(|error| Silence::NotAsked(error.into()))?;
    let mut child = Command::new(PROGRAM)
        .arg0("tokend")
        .arg(ARGUMENT)
        // What the module forks is killed with it.
        .process_group(0)
        .env_remove("NOTIFY_SOCKET")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(if with_stderr { Stdio::inherit() } else { Stdio::null() })
        .spawn()
        .map_err(Silence::NotAsked)?;
    let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(Silence::NotAsked(io::Error::other("no pipes")));
    };
    let asked = stdin.write_all(&request.encode());
    drop(stdin);
    let pid = Pid::from_child(&child);
    let mut line = Line::new(stdout);
    line.listen(pid);
    // It is not reaped yet, so the group's number is still its own.
    let _ = kill_process_group(pid, Signal::KILL);
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
    fn listen(&mut self, child: Pid) {
        let mut deadline = clock::boot().after(PATIENCE);
        let mut complete = false;
        while self.open {
            let now = clock::boot();
            if !self.wait(deadline.min(now.after(LOOK))) {
                if has_ended(child) {
                    return;
                }
                if now >= deadline {
                    self.timed_out = !complete;
                    return;
                }
                continue;
            }
            self.read();
            if !complete && Answer::decode(&self.heard).is_some() {
                complete = true;
                deadline = deadline.min(clock::boot().after(LAST_WORDS));
            }
        }
    }

    /// How a child that has been killed ended. With it ends all that it has started.
    fn see_off(&mut self, mut child: Child, stuck: &mut Option<Child>) -> Option<ExitStatus> {
        let deadline = clock::boot().after(LAST_WORDS);
        let pid = Pid::from_child(&child);
        let mut status = None;
        loop {
            if status.is_none() {
                status = child.try_wait().ok().flatten();
            }
            // None is left behind its back only once it has ended.
            let ended = status.is_some();
            if end_orphans(pid) == 0 && ended || clock::boot() >= deadline {
                break;
            }
            thread::park_timeout(BREATH);
        }
        while self.open && self.wait(clock::boot()) {
            self.read();
        }
        if status.is_none() {
            // It sleeps in the kernel.
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

/// Whether a child has ended; it is not reaped.
fn has_ended(child: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    !matches!(waitid(WaitId::Pid(child), options), Ok(None))
}

/// Kills and reaps the children of this process but for `child`: this program starts no others, so
/// they are what a module has left behind. Returns how many there were.
fn end_orphans(child: Pid) -> usize {
    let orphans: Vec<_> = children().filter(|pid| *pid != child).collect();
    for orphan in &orphans {
        let _ = kill_process(*orphan, Signal::KILL);
        let _ = waitpid(Some(*orphan), WaitOptions::NOHANG);
    }
    orphans.len()
}

/// The children of this process. Not every kernel has /proc/PID/task/TID/children.
fn children() -> impl Iterator<Item = Pid> {
    let own = std::process::id();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.filter_map(move |entry| {
        let pid = Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        (parent(&stat) == Some(own)).then_some(pid)
    })
}

/// The parent, of a line of /proc/PID/stat (proc_pid_stat(5)): behind the name, which may hold
/// anything, and the state.
fn parent(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()
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

#[cfg(test)]
mod tests {
    use super::parent;

    #[test]
    fn the_parent_stands_behind_a_name_that_may_hold_anything() {
        assert_eq!(parent("12 (tokend) S 7 12 12 0 -1"), Some(7));
        assert_eq!(parent("12 (a) b) R 1 ) Z 8 12"), Some(8));
        assert_eq!(parent("12 (tokend"), None);
        assert_eq!(parent(""), None);
    }
}
