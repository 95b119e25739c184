// SPDX-License-Identifier: MIT OR Apache-2.0
//! Work that the system may never let end (a file on a server that is gone): each in a thread of its
//! own, and only so many at once.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// The places for one kind of work.
pub(super) struct Places {
    /// What the threads are called.
    name: &'static str,
    most: usize,
    taken: AtomicUsize,
}

/// One of them, until it is dropped.
struct Place(&'static Places);

/// Why work has brought nothing.
#[derive(Debug)]
pub(super) enum Undone {
    /// Earlier work hangs in every place.
    Full,
    /// The time was over. The work goes on, and its result is dropped.
    TimedOut,
    /// The system starts no thread.
    Thread(io::Error),
}

impl Places {
    pub(super) const fn new(name: &'static str, most: usize) -> Self {
        Self { name, most, taken: AtomicUsize::new(0) }
    }

    fn take(&'static self) -> Option<Place> {
        let more = |taken: usize| (taken < self.most).then_some(taken + 1);
        let taken = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.ok().map(|_| Place(self))
    }

    /// Does the work, and waits for its result no longer than `limit`.
    pub(super) fn work<T: Send + 'static>(
        &'static self,
        limit: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Undone> {
        let place = self.take().ok_or(Undone::Full)?;
        let (tell, told) = mpsc::channel();
        let work = move || {
            let result = work();
            // Free before anybody learns of the result, who may want it next.
            drop(place);
            // Nobody listens if the limit has passed.
            let _ = tell.send(result);
        };
        thread::Builder::new().name(self.name.into()).spawn(work).map_err(Undone::Thread)?;
        told.recv_timeout(limit).map_err(|error| match error {
            RecvTimeoutError::Timeout => Undone::TimedOut,
            RecvTimeoutError::Disconnected => Undone::Thread(io::Error::other("it has ended")),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Display for Undone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("an earlier reading of them still hangs"),
            Self::TimedOut => f.write_str("reading them takes too long"),
            Self::Thread(error) => write!(f, "no thread could be started to read them: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn work_that_hangs_is_not_waited_for_and_no_more_than_so_much_hangs() {
        static PLACES: Places = Places::new("test", 2);
        let mut gates = Vec::new();
        for _ in 0..2 {
            let (open, gate) = mpsc::channel::<()>();
            let hung = PLACES.work(Duration::from_millis(1), move || gate.recv().is_ok());
            assert!(matches!(hung, Err(Undone::TimedOut)), "{hung:?}");
            gates.push(open);
        }
        assert!(matches!(PLACES.work(LONG, || ()), Err(Undone::Full)));
        drop(gates);
        while PLACES.taken.load(Ordering::Relaxed) > 0 {
            thread::yield_now();
        }
        assert_eq!(PLACES.work(LONG, || 7).unwrap(), 7);
    }
}
