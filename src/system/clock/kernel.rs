// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether the kernel's clock is synchronized: adjtimex(2).
//!
//! One of two files with `unsafe` in them. rustix and nix do not wrap adjtimex, and the crates that do
//! are made to steer the clock: they bring a daemon's worth of code, and this program must never
//! be able to set the time. What the kernel says here stands in no file under /proc or /sys.
#![allow(unsafe_code, reason = "adjtimex(2) has no safe wrapper that only reads")]

use std::io;
use std::mem::MaybeUninit;

/// Whether the kernel's clock is synchronized: not `STA_UNSYNC`. NTP clients clear the flag; the
/// kernel sets it at boot, and again when it has heard nothing of them for hours.
///
/// # Errors
/// A system call filter forbids adjtimex(2), which glibc makes as clock_adjtime(2); systemd's
/// `ProtectClock=` does, and its set `@system-service` has neither.
pub(super) fn synchronized() -> io::Result<bool> {
    // SAFETY: `timex` is a struct of integers (and padding of integers), for which all-zero bytes
    // are a value. Zero `modes` asks to change nothing.
    let mut timex = unsafe { MaybeUninit::<libc::timex>::zeroed().assume_init() };
    // SAFETY: the pointer is to a live `timex`, exclusively ours, that outlives the call; the
    // kernel writes no further than its end and keeps no reference to it.
    let state = unsafe { libc::adjtimex(&raw mut timex) };
    if state == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(timex.status & libc::STA_UNSYNC == 0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_kernel_answers_the_same_question_twice_the_same_way() {
        assert_eq!(super::synchronized().unwrap(), super::synchronized().unwrap());
    }
}
