// SPDX-License-Identifier: MIT OR Apache-2.0
//! The daemon's one waiting place: a single poll(2) over everything that may concern it, without
//! a time-out and without a tick of its own. Between two events the process sleeps, and so may the
//! device: no timer here wakes it from standby.

#[cfg(any(test, fuzzing))]
mod fuzzing;
mod inotify;
mod netlink;
mod rtnetlink;
mod signals;
mod source;
mod timers;
mod waker;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use log::Level;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::retry_on_intr;

#[cfg(any(test, fuzzing))]
pub use self::fuzzing::kernel_messages;
use self::inotify::Files;
use self::netlink::{Displays, Network};
use self::signals::Signals;
pub use self::signals::block_signals;
use self::source::{Optional, Source};
use self::timers::{ClockSteps, Deadline, Watchdog};
use self::waker::WakeCalls;
pub use self::waker::Waker;
use crate::common::time::BootTime;

/// Why the daemon was woken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wakeup {
    /// SIGTERM or SIGINT.
    Terminate,
    /// SIGHUP.
    Reload,
    /// A [`Waker`] was used since the last time, once or often.
    Waker,
    /// The deadline has come.
    Deadline,
    /// The service manager expects a sign of life.
    Watchdog,
    /// The wall clock was set, or the device is back from standby.
    ClockChanged,
    /// A network link, address or route has come, gone or changed; or that may be so.
    Network {
        /// The network may be back, though it looks as it did before: a link has come up, or more
        /// has happened than the kernel could tell.
        returned: bool,
    },
    /// A display has come, gone or changed.
    Hotplug,
    /// This file, one of [`EventLoop::set_files`], has come, gone or changed; or that may be so.
    File(PathBuf),
}

/// All that the daemon waits for. Signals, wake-up calls and the deadline are vital; without the
/// others (in a container, or where a system call filter denies them) it goes on, and says so.
#[derive(Debug)]
pub struct EventLoop {
    signals: Signals,
    wake_calls: WakeCalls,
    deadline: Deadline,
    watchdog: Optional<Watchdog>,
    clock: Optional<ClockSteps>,
    network: Optional<Network>,
    displays: Optional<Displays>,
    files: Optional<Files>,
}

impl EventLoop {
    /// Begins to watch. What happens from here on is reported, so this comes before the first look
    /// at clock, network and display. [`block_signals`] comes before it.
    ///
    /// # Errors
    /// The kernel has no signalfd, eventfd or timerfd for us.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            signals: Signals::new()?,
            wake_calls: WakeCalls::new()?,
            deadline: Deadline::new()?,
            watchdog: Optional::none("the watchdog"),
            clock: Optional::new("a wall clock that is set", Level::Warn, ClockSteps::new),
            network: Optional::new("changes of the network", Level::Warn, Network::new),
            // Containers have none, and need none.
            displays: Optional::new("changes of the display", Level::Info, Displays::new),
            files: Optional::new("changes of files", Level::Warn, Files::new),
        })
    }

    /// A handle that wakes this watch.
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.wake_calls.waker()
    }

    /// Reports [`Wakeup::Watchdog`] once in every `interval` from now on; with none, never. The
    /// interval is counted in `CLOCK_MONOTONIC`, as systemd counts it: standby does not make us
    /// late.
    ///
    /// # Errors
    /// The kernel has no timerfd for us.
    pub fn set_watchdog(&mut self, interval: Option<Duration>) -> io::Result<()> {
        self.watchdog.set(interval.map(Watchdog::new).transpose()?);
        Ok(())
    }

    /// Watches these files, whether or not they or their directories exist yet, and no others.
    /// What happens after this returns is reported, so it comes before the files are read.
    ///
    /// The directories are what is watched, so that a file may be replaced by a rename. Not
    /// noticed: changes to the target of a file that is a symbolic link; and of a directory further
    /// up that it is renamed, or covered by a mount.
    ///
    /// What could not be watched until now, for want of an inotify instance or a watch, is watched
    /// if there is one now. What still cannot be is warned of once.
    pub fn set_files(&mut self, files: &[PathBuf]) {
        self.clock.retry();
        self.network.retry();
        self.displays.retry();
        self.files.retry();
        if let Some(watched) = self.files.get_mut() {
            watched.set(files);
        }
    }

    /// Waits until something happens, and says what: at least one thing. A `deadline` that has
    /// passed is reported at once, and again by each call that is given it.
    ///
    /// # Errors
    /// A vital source has failed: the daemon must end.
    pub fn wait(&mut self, deadline: Option<BootTime>) -> io::Result<Vec<Wakeup>> {
        self.deadline.arm(deadline)?;
        loop {
            let mut woken = Vec::new();
            for (source, events) in self.poll()? {
                // A failed source would be ready for ever: it is left out from now on.
                if events.intersects(PollFlags::HUP | PollFlags::NVAL) {
                    source.give_up(io::Error::other(format!("poll(2) says {events:?}")))?;
                } else if let Err(error) = source.take(&mut woken) {
                    source.give_up(error)?;
                }
            }
            if !woken.is_empty() {
                return Ok(woken);
            }
        }
    }

    /// Sleeps until something is ready; what is, in the order in which it is reported.
    fn poll(&mut self) -> io::Result<Vec<(&mut dyn Source, PollFlags)>> {
        let all: [&mut dyn Source; 8] = [
            &mut self.signals,
            &mut self.watchdog,
            &mut self.clock,
            &mut self.wake_calls,
            &mut self.deadline,
            &mut self.network,
            &mut self.displays,
            &mut self.files,
        ];
        let sources: Vec<_> = all.into_iter().filter(|source| source.fd().is_some()).collect();
        let fds = sources.iter().filter_map(|source| source.fd());
        let mut fds: Vec<_> = fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        retry_on_intr(|| poll(&mut fds, None))?;
        let events: Vec<_> = fds.iter().map(PollFd::revents).collect();
        Ok(sources.into_iter().zip(events).filter(|(_, events)| !events.is_empty()).collect())
    }
}
