// SPDX-License-Identifier: MIT OR Apache-2.0
//! Three timerfds: the next deadline, the watchdog, and a wall clock that is set.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::{Errno, read, retry_on_intr};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use super::Wakeup;
use super::source::Source;
use crate::common::time::BootTime;

/// The latest second that a kernel older than 5.1 takes on a 32-bit device.
const LATEST_IN_32_BITS: i64 = i32::MAX as i64;
const NEVER: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// The moment at which the daemon wants to be woken. By `CLOCK_BOOTTIME`: time spent in standby
/// counts, and where the moment came meanwhile, it is reported on the way back. Not by its `_ALARM`
/// sibling: tokend wakes no device.
#[derive(Debug)]
pub(super) struct Deadline {
    timer: OwnedFd,
    armed: Option<BootTime>,
}

impl Deadline {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { timer: timer(TimerfdClockId::Boottime)?, armed: None })
    }

    /// Sets or clears the moment; costs nothing where it is the same as before.
    pub(super) fn arm(&mut self, deadline: Option<BootTime>) -> io::Result<()> {
        if deadline == self.armed {
            return Ok(());
        }
        let value = Itimerspec { it_interval: NEVER, it_value: deadline.map_or(NEVER, moment) };
        timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &value)?;
        self.armed = deadline;
        Ok(())
    }
}

impl Source for Deadline {
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.timer.as_fd())
    }

    fn take(&mut self, woken: &mut Vec<Wakeup>) -> io::Result<()> {
        if take_count(self.timer.as_fd())?.is_some() {
            self.armed = None;
            woken.push(Wakeup::Deadline);
        }
        Ok(())
    }
}

/// A moment as a timer takes it. Never zero, which would mean no moment at all; and not later than
/// 68 years after boot.
fn moment(BootTime(ms): BootTime) -> Timespec {
    let tv_sec = i64::try_from(ms / 1000).unwrap_or(i64::MAX).min(LATEST_IN_32_BITS);
    let nanoseconds = (ms % 1000) * 1_000_000;
    Timespec { tv_sec, tv_nsec: if ms == 0 { 1 } else { nanoseconds as _ } }
}

/// The rhythm of signs of life. By `CLOCK_MONOTONIC`, as systemd counts it: both stand still in
/// standby.
#[derive(Debug)]
pub(super) struct Watchdog(OwnedFd);

impl Watchdog {
    pub(super) fn new(interval: Duration) -> io::Result<Self> {
        let interval = Timespec::try_from(interval).unwrap_or(NEVER);
        let timer = timer(TimerfdClockId::Monotonic)?;
        let value = Itimerspec { it_interval: interval, it_value: interval };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &value)?;
        Ok(Self(timer))
    }
}

impl Source for Watchdog {
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.0.as_fd())
    }

    fn take(&mut self, woken: &mut Vec<Wakeup>) -> io::Result<()> {
        if take_count(self.0.as_fd())?.is_some() {
            woken.push(Wakeup::Watchdog);
        }
        Ok(())
    }
}

/// Learns that the wall clock was set: a timer far in the future which the kernel cancels then
/// (`TFD_TIMER_CANCEL_ON_SET`). It does so on the way back from standby too. That the kernel
/// cancels is not tested, as no test may set the clock of its machine.
#[derive(Debug)]
pub(super) struct ClockSteps(OwnedFd);

impl ClockSteps {
    pub(super) fn new() -> io::Result<Self> {
        let steps = Self(timer(TimerfdClockId::Realtime)?);
        steps.arm()?;
        Ok(steps)
    }

    fn arm(&self) -> io::Result<()> {
        // As systemd does it: the end of time, else the last moment of 32 bits.
        match self.arm_at(i64::MAX) {
            Err(Errno::INVAL | Errno::OVERFLOW) => Ok(self.arm_at(LATEST_IN_32_BITS)?),
            armed => Ok(armed?),
        }
    }

    fn arm_at(&self, tv_sec: i64) -> rustix::io::Result<()> {
        let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
        let value = Itimerspec { it_interval: NEVER, it_value: Timespec { tv_sec, tv_nsec: 0 } };
        // ECANCELED: the clock was set just now. The timer runs, and the one who arms it looks at
        // the clock afterwards.
        match timerfd_settime(&self.0, flags, &value) {
            Ok(_) | Err(Errno::CANCELED) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// What a read of the timer means, and whether it must be armed again.
    fn judge(read: io::Result<Option<u64>>) -> io::Result<(bool, bool)> {
        match read {
            Err(error) if error.raw_os_error() == Some(Errno::CANCELED.raw_os_error()) => {
                Ok((true, true))
            }
            // The last moment of 32 bits has come, and armed again it would come for ever.
            Ok(Some(_)) => Ok((true, false)),
            Ok(None) => Ok((false, false)),
            Err(error) => Err(error),
        }
    }
}

impl Source for ClockSteps {
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.0.as_fd())
    }

    fn take(&mut self, woken: &mut Vec<Wakeup>) -> io::Result<()> {
        let (changed, again) = Self::judge(take_count(self.0.as_fd()))?;
        if again {
            self.arm()?;
        }
        if changed {
            woken.push(Wakeup::ClockChanged);
        }
        Ok(())
    }
}

fn timer(clock: TimerfdClockId) -> io::Result<OwnedFd> {
    Ok(timerfd_create(clock, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?)
}

/// Reads and resets the counter of a timerfd or an eventfd; none where it is zero.
pub(super) fn take_count(fd: BorrowedFd<'_>) -> io::Result<Option<u64>> {
    let mut count = [0; 8];
    match retry_on_intr(|| read(fd, &mut count)) {
        Ok(_) => Ok(Some(u64::from_ne_bytes(count))),
        Err(Errno::AGAIN) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use rustix::time::timerfd_gettime;

    use super::*;

    #[test]
    fn the_moment_zero_is_a_moment_and_the_end_of_time_fits() {
        assert_ne!(moment(BootTime(0)), NEVER);
        assert_eq!(moment(BootTime(1_500)), Timespec { tv_sec: 1, tv_nsec: 500_000_000 });
        let end = moment(BootTime(u64::MAX));
        assert_eq!(end.tv_sec, LATEST_IN_32_BITS);
        let mut deadline = Deadline::new().unwrap();
        deadline.arm(Some(BootTime(u64::MAX))).unwrap();
        deadline.arm(Some(BootTime(0))).unwrap();
    }

    #[test]
    fn a_deadline_is_reported_once_for_each_time_it_is_armed() {
        let mut deadline = Deadline::new().unwrap();
        for _ in 0..2 {
            deadline.arm(Some(BootTime(1))).unwrap();
            let mut woken = Vec::new();
            deadline.take(&mut woken).unwrap();
            deadline.take(&mut woken).unwrap();
            assert_eq!(woken, [Wakeup::Deadline]);
        }
    }

    #[test]
    fn a_deadline_taken_back_is_not_reported() {
        let mut deadline = Deadline::new().unwrap();
        deadline.arm(Some(BootTime(1))).unwrap();
        deadline.arm(None).unwrap();
        let mut woken = Vec::new();
        deadline.take(&mut woken).unwrap();
        assert_eq!(woken, []);
    }

    #[test]
    fn the_watchdog_goes_on_by_itself() {
        let mut watchdog = Watchdog::new(Duration::from_millis(1)).unwrap();
        for _ in 0..2 {
            let mut woken = Vec::new();
            while woken.is_empty() {
                watchdog.take(&mut woken).unwrap();
            }
            assert_eq!(woken, [Wakeup::Watchdog]);
        }
    }

    #[test]
    fn a_set_clock_is_a_change_and_arms_again() {
        let canceled = io::Error::from(Errno::CANCELED);
        assert_eq!(ClockSteps::judge(Err(canceled)).unwrap(), (true, true));
        assert_eq!(ClockSteps::judge(Ok(Some(1))).unwrap(), (true, false));
        assert_eq!(ClockSteps::judge(Ok(None)).unwrap(), (false, false));
        assert!(ClockSteps::judge(Err(Errno::BADF.into())).is_err());
    }

    #[test]
    fn the_timer_behind_clock_steps_runs_and_is_far_off() {
        let mut steps = ClockSteps::new().unwrap();
        let mut woken = Vec::new();
        steps.take(&mut woken).unwrap();
        assert_eq!(woken, []);
        steps.arm().unwrap();
        let century = 100 * 366 * 86_400;
        assert!(timerfd_gettime(&steps.0).unwrap().it_value.tv_sec > century);
    }
}
