// SPDX-License-Identifier: MIT OR Apache-2.0
//! The child: this program once more, with a vendor's module in it. It takes one request from
//! standard input, gives one answer on standard output, and ends.

use std::io::{self, Read, Write};
use std::process::ExitCode;

use rustix::fs::{Mode, OFlags};
use rustix::process::{
    Resource, Rlimit, Signal, getppid, set_parent_process_death_signal, setrlimit,
};
use zeroize::Zeroizing;

use super::token;
use super::wire::{self, Answer, Request};
use crate::common::exit;
use crate::system::process;

/// The argument that makes this program the child. Not for people.
pub(crate) const ARGUMENT: &str = "pkcs11-child";

/// Seconds of computing: more than any token takes of our processor.
const CPU: u64 = 20;

/// Answers one request.
pub(crate) fn run() -> ExitCode {
    match answer() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tokend: {ARGUMENT} is what tokend runs itself: {error}");
            ExitCode::from(exit::USAGE)
        }
    }
}

fn answer() -> io::Result<()> {
    // First of all: whatever becomes of the daemon, no module stays behind.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    process::harden()?;
    let limit = Rlimit { current: Some(CPU), maximum: Some(CPU) };
    setrlimit(Resource::Cpu, limit)?;

    let mut message = Zeroizing::new(Vec::with_capacity(wire::MAX_LEN));
    io::stdin().lock().take(wire::MAX_LEN as u64).read_to_end(&mut message)?;
    let request = Request::decode(&message).ok_or_else(|| io::Error::other("no request"))?;
    drop(message);
    // The daemon may have been gone before it could take this process with it.
    let parent = getppid().map(|parent| parent.as_raw_nonzero().get().cast_unsigned());
    if parent != Some(request.parent) {
        return Err(io::Error::other("a request of somebody else"));
    }

    if let Some(user) = request.user {
        process::become_user(user, user)?;
        // Both end where a process becomes another user's.
        set_parent_process_death_signal(Some(Signal::KILL))?;
        process::harden()?;
    }

    // What the module prints goes nowhere, and never between the bytes of the answer.
    let mut line = std::fs::File::from(rustix::io::fcntl_dupfd_cloexec(io::stdout(), 3)?);
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    token::answer(&request, |answer: &Answer| line.write_all(&answer.encode()))
}
