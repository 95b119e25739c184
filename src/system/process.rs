// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the process gives up before it holds a secret: its memory shows in no core file and to no
//! debugger, and what it creates is its own. And that it does not go on after a panic.

use std::{io, panic, process};

use rustix::fs::Mode;
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit, umask,
};

/// Makes root another user for good, with the groups that this one is in.
///
/// # Errors
/// This process is not root's, or has not all rights of root.
pub fn become_user(uid: u32, gid: u32) -> io::Result<()> {
    use nix::unistd::{Gid, Uid, User, initgroups, setgid, setgroups, setuid};
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    let gid = match User::from_uid(uid)? {
        Some(user) => {
            let name = std::ffi::CString::new(user.name)?;
            initgroups(&name, user.gid)?;
            user.gid
        }
        // A container's user that no file knows.
        None => {
            setgroups(&[])?;
            gid
        }
    };
    setgid(gid)?;
    setuid(uid)?;
    Ok(())
}

/// Makes a write beyond the limit of a file's size fail (EFBIG) instead of ending the process, for
/// this thread and those that it spawns: a signal that stays blocked is as good as one that is
/// ignored. `main` calls it first.
///
/// # Errors
/// Never, as far as pthread_sigmask(3) is documented.
pub fn block_file_size_signal() -> io::Result<()> {
    use nix::sys::signal::{SigSet, Signal};
    Ok(SigSet::from(Signal::SIGXFSZ).thread_block()?)
}

/// Makes this process not dumpable (other processes of the same user can neither trace it nor read
/// its memory), takes core files away for good, and creates files for this user alone (umask
/// 0077). Holds for all threads; a child keeps the limit and the umask, but is dumpable again after
/// its exec. What `/proc/self` shows of the network stays readable.
///
/// # Errors
/// A system call filter forbids one of them.
pub fn harden() -> io::Result<()> {
    // First, as it cannot fail: it stands even where the others are forbidden.
    umask(Mode::RWXG | Mode::RWXO);
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(())
}

/// From here on a panic in any thread ends the whole process, with SIGABRT, once it has said where.
/// The release profile does that by itself (`panic = "abort"`); a build that has to unwind, as
/// Yocto's has, would lose one thread and go on without it: without its bus, or without the answer
/// to a request, and nobody would start it again.
pub fn end_on_panic() {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        report(panic);
        process::abort();
    }));
}
