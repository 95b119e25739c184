// SPDX-License-Identifier: MIT OR Apache-2.0
//! Points in time as types of their own. Nothing here reads a clock: [`crate::system::clock`] does.
//!
//! Lifetimes are counted in boot time, which goes on during standby and which nobody can set.
//! Wall time is kept only to compare two boots, and to show a date to a person.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment in real elapsed time since the device booted, standby included: milliseconds of
/// `CLOCK_BOOTTIME`. Comparable within one boot only.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct BootTime(pub u64);

impl BootTime {
    /// This moment, `later` on. Saturates at the end of time.
    #[must_use]
    pub const fn after(self, later: Duration) -> Self {
        Self(self.0.saturating_add(millis(later)))
    }

    /// This moment, `earlier` before. Saturates at boot.
    #[must_use]
    pub const fn before(self, earlier: Duration) -> Self {
        Self(self.0.saturating_sub(millis(earlier)))
    }

    /// The time from `earlier` to this moment; zero where `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// A date: milliseconds since the UNIX epoch, as `CLOCK_REALTIME` has it, right or wrong.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct WallTime(pub i64);

impl WallTime {
    /// This date, `later` on.
    #[must_use]
    pub const fn after(self, later: Duration) -> Self {
        Self(self.0.saturating_add_unsigned(millis(later)))
    }

    /// This date, `earlier` before.
    #[must_use]
    pub const fn before(self, earlier: Duration) -> Self {
        Self(self.0.saturating_sub_unsigned(millis(earlier)))
    }

    /// The time from `earlier` to this date; zero where `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        let span = self.0.saturating_sub(earlier.0);
        Duration::from_millis(if span < 0 { 0 } else { span.unsigned_abs() })
    }

    /// Whole seconds since the UNIX epoch; zero before it.
    #[must_use]
    pub const fn unix_seconds(self) -> u64 {
        if self.0 < 0 { 0 } else { self.0.unsigned_abs() / 1000 }
    }
}

/// One boot of the device: the kernel's random boot id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootId(pub String);

/// What the clocks say at one moment; handed to every decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Real elapsed time, which decides all within one boot.
    pub boot: BootTime,
    /// The date that the device believes in.
    pub wall: WallTime,
    /// Somebody (the kernel's clock discipline, or the platform's time gate) vouches for `wall`.
    pub confirmed: bool,
}

const fn millis(duration: Duration) -> u64 {
    let millis = duration.as_millis();
    if millis > u64::MAX as u128 { u64::MAX } else { millis as u64 }
}
