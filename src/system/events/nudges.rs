// SPDX-License-Identifier: MIT OR Apache-2.0
//! Other threads wake the daemon: an eventfd.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{retry_on_intr, write};

use super::Woken;
use super::source::Source;
use super::timers::take_count;

/// Wakes the daemon from any thread.
#[derive(Clone, Debug)]
pub struct Nudger(Arc<OwnedFd>);

impl Nudger {
    /// Wakes the daemon, now or as soon as it waits. Many nudges are one. What the daemon is to
    /// find must be there before.
    pub fn nudge(&self) {
        // Fails only with 2^64 - 2 nudges pending: then the daemon wakes up anyway.
        let _ = retry_on_intr(|| write(&self.0, &1_u64.to_ne_bytes()));
    }
}

#[derive(Debug)]
pub(super) struct Nudges(Arc<OwnedFd>);

impl Nudges {
    pub(super) fn new() -> io::Result<Self> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self(Arc::new(fd)))
    }

    pub(super) fn nudger(&self) -> Nudger {
        Nudger(Arc::clone(&self.0))
    }
}

impl Source for Nudges {
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.0.as_fd())
    }

    fn take(&mut self, woken: &mut Vec<Woken>) -> io::Result<()> {
        if take_count(self.0.as_fd())?.is_some() {
            woken.push(Woken::Nudged);
        }
        Ok(())
    }
}
