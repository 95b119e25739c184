// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a child does between fork and exec: it becomes another user, gets other limits, or takes a
//! terminal.
//!
//! This file is set apart for its `unsafe`. The standard library can only do such things by
//! `CommandExt::pre_exec`, which is unsafe to call, and every crate that does them calls it. The
//! other way, a helper program such as setpriv(1), is a package that the tests would then need.

#![allow(unsafe_code, reason = "said above")]

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nix::sys::signal;
use rustix::fs::{Gid, Uid};
use rustix::process::{Resource, Rlimit, ioctl_tiocsctty, setrlimit, setsid};
use rustix::thread::{set_no_new_privs, set_thread_gid, set_thread_groups, set_thread_uid};

/// It runs as this user. The first group is its primary one, the user's number if there is none.
/// It gains no rights by what it runs. Only root may do so.
pub fn becomes(command: &mut Command, uid: u32, gids: &[u32]) {
    let groups: Vec<_> = gids.iter().skip(1).map(|&gid| Gid::from_raw(gid)).collect();
    let gid = Gid::from_raw(gids.first().copied().unwrap_or(uid));
    let uid = Uid::from_raw(uid);
    before_exec(command, move || {
        set_thread_groups(&groups)?;
        set_thread_gid(gid)?;
        set_thread_uid(uid)?;
        Ok(set_no_new_privs(true)?)
    });
}

/// A crash of it leaves a core file, whatever this process was started with. Its hard limit is
/// raised: only root can do that, unless it is unlimited already.
pub fn leaves_core_files(command: &mut Command) {
    before_exec(command, || {
        // A shell ignores this for what it puts aside.
        // SAFETY: no handler is installed.
        unsafe { signal::signal(signal::Signal::SIGQUIT, signal::SigHandler::SigDfl) }?;
        Ok(setrlimit(Resource::Core, Rlimit { current: None, maximum: None })?)
    });
}

/// No file that it writes may become larger than so many bytes.
pub fn writes_at_most(command: &mut Command, bytes: u64) {
    let limit = Rlimit { current: Some(bytes), maximum: Some(bytes) };
    before_exec(command, move || Ok(setrlimit(Resource::Fsize, limit)?));
}

/// It leads a session whose terminal is its standard input.
pub fn takes_terminal(command: &mut Command) {
    before_exec(command, || {
        setsid()?;
        Ok(ioctl_tiocsctty(rustix::stdio::stdin())?)
    });
}

fn before_exec(
    command: &mut Command,
    step: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
) {
    // SAFETY: each step above makes system calls alone. It allocates nothing and takes no lock, so
    // it may run in the child of a process with threads.
    unsafe { command.pre_exec(step) };
}
