// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory that is not needed goes back to the kernel.
//!
//! A request takes several hundred kilobytes for some hundred milliseconds: root certificates, TLS,
//! buffers. glibc would keep what is freed, in a heap for each thread, until the next request a day
//! later; this device has other uses for it. No safe crate wraps the two calls, so `unsafe` is set
//! apart here. Other C libraries give memory back by themselves.
#![allow(unsafe_code, reason = "mallopt(3) and malloc_trim(3) have no safe wrapper")]

/// One heap for all threads, instead of one each. To be called before the first thread is started.
pub fn share_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: sets a number inside the allocator; no other thread is there to allocate meanwhile.
    // Where it is refused, the threads have a heap each.
    let _ = unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
}

/// Gives back every page that nothing lies in. Takes well below a millisecond.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes the allocator's own locks, and touches only what is free.
    let _ = unsafe { libc::malloc_trim(0) };
}
