// SPDX-License-Identifier: MIT OR Apache-2.0
//! The server's own clock, which a test may stop and move.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Time since the server started, and the date, both moved by the same offset.
pub struct Clock {
    started: Instant,
    started_at: Duration,
    hands: Mutex<Hands>,
}

#[derive(Default)]
struct Hands {
    moved: Duration,
    stopped_at: Option<Duration>,
}

#[allow(
    clippy::disallowed_methods,
    reason = "the server is a world of its own, with its own clock"
)]
impl Clock {
    pub fn start() -> Self {
        let started_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: Instant::now(), started_at, hands: Mutex::default() }
    }

    /// Time since the start.
    pub fn now(&self) -> Duration {
        let hands = self.hands();
        hands.stopped_at.unwrap_or_else(|| self.started.elapsed()) + hands.moved
    }

    /// Time since the UNIX epoch.
    pub fn date(&self) -> Duration {
        self.started_at + self.now()
    }

    /// From now on only [`Clock::advance`] moves it.
    pub fn stop(&self) {
        self.hands().stopped_at.get_or_insert_with(|| self.started.elapsed());
    }

    pub fn advance(&self, by: Duration) {
        self.hands().moved += by;
    }

    fn hands(&self) -> std::sync::MutexGuard<'_, Hands> {
        self.hands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
