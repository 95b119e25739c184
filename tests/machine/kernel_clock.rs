// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an NTP client tells the kernel: adjtimex(2), which no safe crate wraps.
#![allow(unsafe_code, reason = "adjtimex(2) has no safe wrapper; what it does here is the test")]

use std::mem::MaybeUninit;

/// Says of the kernel's clock that it is synchronized, and that no leap second comes.
pub fn confirm() {
    set_status(libc::STA_PLL);
}

/// Says that nobody knows whether it is right: as it is at boot.
pub fn doubt() {
    set_status(libc::STA_UNSYNC);
}

/// Has a second inserted at the end of this day (UTC).
pub fn insert_leap_second() {
    set_status(libc::STA_PLL | libc::STA_INS);
}

/// Whether somebody has said [`confirm`] since the clock was last set.
pub fn is_confirmed() -> bool {
    adjust(0, 0) & libc::STA_UNSYNC == 0
}

fn set_status(status: i32) {
    adjust(libc::ADJ_STATUS | libc::ADJ_MAXERROR | libc::ADJ_ESTERROR, status);
}

/// The status after it.
fn adjust(modes: libc::c_uint, status: i32) -> i32 {
    // SAFETY: `timex` is a struct of integers (and padding of integers), for which all-zero bytes
    // are a value.
    let mut timex = unsafe { MaybeUninit::<libc::timex>::zeroed().assume_init() };
    timex.modes = modes;
    timex.status = status;
    // SAFETY: the pointer is to a live `timex`, exclusively ours, that outlives the call.
    let state = unsafe { libc::adjtimex(&raw mut timex) };
    assert_ne!(state, -1, "adjtimex: {}", std::io::Error::last_os_error());
    timex.status
}
