// SPDX-License-Identifier: MIT OR Apache-2.0
//! Other threads wake the daemon: an eventfd.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{retry_on_intr, write};

use super::Wakeup;
use super::source::Source;
use super::timers::take_count;

/// Wakes the daemon from any thread.
#[derive(Clone, Debug)]
pub struct Waker(Arc<OwnedFd>);

impl Waker {
    /// Wakes the daemon, now or as soon as it waits. Many calls are one. What the daemon is to
    /// find must be there before.
    pub fn wake(&self) {
        // Fails only with 2^64 - 2 calls pending: then the daemon wakes up anyway.
        let _ = retry_on_intr(|| write(&self.0, &1_u64.to_ne_bytes()));
    }
}

#[derive(Debug)]
pub(super) struct WakeCalls(Arc<OwnedFd>);

impl WakeCalls {
    pub(super) fn new() -> io::Result<Self> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self(Arc::new(fd)))
    }

    pub(super) fn waker(&self) -> Waker {
        Waker(Arc::clone(&self.0))
    }
}

impl Source for WakeCalls {
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.0.as_fd())
    }

    fn take(&mut self, woken: &mut Vec<Wakeup>) -> io::Result<()> {
        if take_count(self.0.as_fd())?.is_some() {
            woken.push(Wakeup::Waker);
        }
        Ok(())
    }
}
