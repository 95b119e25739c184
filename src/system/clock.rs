// SPDX-License-Identifier: MIT OR Apache-2.0
//! The clocks: the only place that reads one. Everything else is handed a
//! [`Now`](crate::common::time::Now).

mod kernel;

use std::io;
use std::path::PathBuf;
use std::sync::Once;

use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::common::time::{BootId, BootTime, Now, WallTime};

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// 2026-11-01T00:00:00Z, not later than the date of this release. A wall clock before it has not
/// been set yet: no certificate would be valid by it.
pub const RELEASED: WallTime = WallTime(1_793_491_200_000);

/// Who vouches for the wall clock: the files of `[clock] synchronized_file`, any of which the
/// platform makes once the time is right; without one, the kernel, whose clock is then not
/// `STA_UNSYNC`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeSync(pub Vec<PathBuf>);

/// What all clocks say at this moment.
#[must_use]
pub fn now(time_sync: &TimeSync) -> Now {
    Now { boot: boot(), wall: wall(), confirmed: time_sync.confirms() }
}

/// Real elapsed time since boot, standby included (`CLOCK_BOOTTIME`).
#[must_use]
pub fn boot() -> BootTime {
    BootTime((nanoseconds(ClockId::Boottime) / 1_000_000) as u64)
}

/// The date that the device believes in (`CLOCK_REALTIME`), right or wrong. Good beyond 2038 on
/// 32-bit devices too.
#[must_use]
pub fn wall() -> WallTime {
    WallTime(nanoseconds(ClockId::Realtime).div_euclid(1_000_000) as i64)
}

/// Microseconds of `CLOCK_MONOTONIC`, the clock by which systemd orders a reload.
#[must_use]
pub fn monotonic_usec() -> i128 {
    nanoseconds(ClockId::Monotonic) / 1000
}

/// In 128 bits: the kernel's 64 bits of seconds hold no more, whatever the width of a `long`.
fn nanoseconds(clock: ClockId) -> i128 {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(clock);
    i128::from(tv_sec) * 1_000_000_000 + i128::from(tv_nsec)
}

/// Whether somebody has set the wall clock at all: it is not before [`RELEASED`].
#[must_use]
pub fn is_set(wall: WallTime) -> bool {
    wall >= RELEASED
}

/// The kernel's random name for this boot.
///
/// # Errors
/// `/proc` is not readable, or what it says is no UUID.
pub fn boot_id() -> io::Result<BootId> {
    parse_boot_id(&std::fs::read_to_string(BOOT_ID)?).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, format!("{BOOT_ID} holds no UUID"))
    })
}

fn parse_boot_id(text: &str) -> Option<BootId> {
    let id = text.trim_ascii();
    let legal = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    };
    (id.len() == 36 && id.bytes().enumerate().all(legal)).then(|| BootId(id.to_owned()))
}

impl TimeSync {
    /// Whether the wall clock is confirmed at this moment. What cannot be found out is a no.
    #[must_use]
    pub fn confirms(&self) -> bool {
        if !self.0.is_empty() {
            return self.0.iter().any(|file| file.exists());
        }
        kernel::synchronized().unwrap_or_else(|error| {
            // A system call filter denies it; said once, for this is asked at every event.
            static SAID: Once = Once::new();
            SAID.call_once(|| {
                log::warn!("the kernel does not tell whether its clock is right: {error}");
            });
            false
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_do_not_run_backwards() {
        let (first, second) = (boot(), boot());
        assert!(first <= second);
        assert!(first > BootTime(0));
        assert!(monotonic_usec() <= monotonic_usec());
    }

    #[test]
    fn boot_time_counts_at_least_what_the_monotonic_clock_counts() {
        let monotonic = monotonic_usec() / 1000;
        assert!(i128::from(boot().0) >= monotonic);
    }

    #[test]
    fn any_of_the_files_confirms_the_clock_and_none_does_not() {
        let confirms = |files: &[&str]| TimeSync(files.iter().map(Into::into).collect()).confirms();
        assert!(confirms(&["/nonexistent", "/proc/self"]));
        assert!(confirms(&["/proc/self", "/nonexistent"]));
        assert!(!confirms(&["/nonexistent", "/nonexistent/too"]));
    }

    #[test]
    fn the_release_date_is_the_one_in_the_comment() {
        let date = humantime::parse_rfc3339("2026-11-01T00:00:00Z").unwrap();
        let since = date.duration_since(std::time::UNIX_EPOCH).unwrap();
        assert_eq!(RELEASED.0, i64::try_from(since.as_millis()).unwrap());
    }

    #[test]
    fn a_clock_before_the_release_is_not_set() {
        assert!(!is_set(WallTime(0)));
        assert!(!is_set(WallTime(-1)));
        assert!(!is_set(WallTime(RELEASED.0 - 1)));
        assert!(is_set(RELEASED));
    }

    #[test]
    fn the_boot_id_stays_the_same_within_a_boot() {
        assert_eq!(boot_id().unwrap(), boot_id().unwrap());
    }

    #[test]
    fn a_boot_id_is_a_uuid_without_white_space() {
        let id = "511b33d1-d1a4-4a33-a976-93065c6aa5db";
        assert_eq!(parse_boot_id(&format!("{id}\n")), Some(BootId(id.to_owned())));
        let short = &id[1..];
        let dashes = id.replace('-', "0");
        for bad in ["", "\n", short, dashes.as_str(), "511B33D1-d1a4-4a33-a976-93065c6aa5db"] {
            assert_eq!(parse_boot_id(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_configured_file_confirms_the_clock_while_it_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("synchronized");
        let by = TimeSync(vec![file.clone()]);
        assert!(!now(&by).confirmed);
        std::fs::write(&file, "").unwrap();
        assert!(now(&by).confirmed);
        std::fs::remove_file(&file).unwrap();
        assert!(!now(&by).confirmed);
    }

    #[test]
    fn without_a_file_the_kernel_is_asked() {
        assert_eq!(TimeSync(Vec::new()).confirms(), kernel::synchronized().unwrap());
    }
}
