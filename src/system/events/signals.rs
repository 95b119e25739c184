// SPDX-License-Identifier: MIT OR Apache-2.0
//! SIGTERM, SIGINT and SIGHUP, read from a signalfd.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::Wakeup;
use super::source::Source;

/// Blocks SIGTERM, SIGINT and SIGHUP for this thread and those that it spawns from here on, so
/// that they come to the [`EventLoop`](super::EventLoop) and to nobody else. `main` calls it first,
/// before there is a second thread. Children that `std::process::Command` starts have them
/// unblocked.
///
/// # Errors
/// Never, as far as pthread_sigmask(3) is documented.
pub fn block_signals() -> io::Result<()> {
    Ok(awaited().thread_block()?)
}

fn awaited() -> SigSet {
    SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP])
}

#[derive(Debug)]
pub(super) struct Signals(SignalFd);

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        Ok(Self(SignalFd::with_flags(&awaited(), flags)?))
    }
}

impl Source for Signals {
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.0.as_fd())
    }

    fn take(&mut self, woken: &mut Vec<Wakeup>) -> io::Result<()> {
        while let Some(signal) = self.0.read_signal()? {
            let what = match Signal::try_from(signal.ssi_signo.cast_signed()) {
                Ok(Signal::SIGHUP) => Wakeup::Reload,
                _ => Wakeup::Terminate,
            };
            if !woken.contains(&what) {
                woken.push(what);
            }
        }
        Ok(())
    }
}
