//! The only place that reads a clock.

use rustix::time::{ClockId, clock_gettime};

use crate::time::{BootTime, WallTime};

/// Real elapsed time since boot.
#[must_use]
pub fn boot() -> BootTime {
    let now = clock_gettime(ClockId::Boottime);
    BootTime(now.tv_sec as u64 * 1000 + now.tv_nsec as u64 / 1_000_000)
}

/// The date that the device believes in.
#[must_use]
pub fn wall() -> WallTime {
    let now = clock_gettime(ClockId::Realtime);
    WallTime(now.tv_sec * 1000 + now.tv_nsec / 1_000_000)
}
