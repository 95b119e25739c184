// SPDX-License-Identifier: MIT OR Apache-2.0
//! Child processes that never outlive their parent.
//!
//! Dropping a [`Child`] kills its whole process group and reaps it. A test that is killed drops
//! nothing: then the [`guardian`] kills the groups.

use std::env;
use std::ffi::OsStr;
use std::io::{self, PipeReader};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, pidfd_open,
    waitid,
};

use super::Failure;

mod between;
mod guardian;

pub use between::{becomes, takes_terminal};

/// A command for [`Child::spawn`]. No Ctrl-C on the terminal reaches it: it leads a process group of
/// its own.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).process_group(0);
    command
}

/// How a child starts otherwise than its parent.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// As this user, for good.
    pub user: Option<u32>,
    pub directory: Option<PathBuf>,
    /// Whether a crash leaves a core file, if the program lets it.
    pub core_files: bool,
    /// No file may become larger, in bytes (RLIMIT_FSIZE).
    pub largest_file: Option<u64>,
}

impl Start {
    pub fn apply(&self, command: &mut Command) {
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        if self.core_files {
            between::leaves_core_files(command);
        }
        if let Some(bytes) = self.largest_file {
            between::writes_at_most(command, bytes);
        }
        if let Some(user) = self.user {
            becomes(command, user, &[]);
        }
    }
}

/// cargo, without what another cargo has told this process about its package: a build script that
/// looks at that would run anew, and all that depends on it be built anew.
pub fn cargo() -> Command {
    let mut command = command(env::var_os("CARGO").unwrap_or("cargo".into()));
    let of_package =
        ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
    for (name, _) in env::vars_os() {
        if of_package.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command
}

/// A running child. Dropped: killed with its process group, and reaped.
pub struct Child {
    child: std::process::Child,
    ended: Option<ExitStatus>,
}

impl Child {
    /// Starts what [`command`] began.
    ///
    /// # Errors
    /// The program is missing, or this process may not start it.
    pub fn spawn(mut command: Command) -> Result<Self, Failure> {
        let child = start(&mut command).map_err(|error| {
            let program = command.get_program().display();
            Failure::new(format_args!("cannot start {program}"), error)
        })?;
        guardian::guard(child.id());
        Ok(Self { child, ended: None })
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to the process alone.
    pub fn signal(&self, signal: Signal) {
        if self.ended.is_none() {
            // It is not reaped yet, so its id is still its own.
            let _ = kill_process(self.pid(), signal);
        }
    }

    /// SIGSTOP to the process alone, and waits until each of its threads has stopped. Dropped, it is
    /// killed nonetheless.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
        if self.ended.is_none() {
            // Or it has ended, which is left for others to reap.
            let events = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            let _ = waitid(WaitId::Pid(self.pid()), events);
        }
    }

    /// Sends a signal to its whole process group.
    pub fn signal_group(&self, signal: Signal) {
        if self.ended.is_none() {
            let _ = kill_process_group(self.pid(), signal);
        }
    }

    /// Waits for the end, at most `bound`.
    pub fn wait(&mut self, bound: Duration) -> Option<ExitStatus> {
        if self.ended.is_none() && has_ended(self.pid(), bound) {
            self.reap();
        }
        self.ended
    }

    /// What waits for the end, in another thread and as long as it takes.
    pub fn watch(&self) -> impl FnOnce() + Send + 'static {
        let handle = pidfd_open(self.pid(), PidfdFlags::empty());
        move || {
            // Without a handle there is no such process any more.
            let _ended = handle.map(|handle| wait_for(&handle, None));
        }
    }

    /// SIGKILL to the process group, and waits for the end.
    pub fn kill(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            let _ = kill_process_group(self.pid(), Signal::KILL);
            self.reap();
        }
        self.ended
    }

    fn reap(&mut self) {
        // From the reaping on, the number may be another's.
        guardian::release(self.child.id());
        self.ended = self.child.wait().ok();
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Starts a program, which may have been copied a moment ago: for as long as another thread's child
/// is between fork and exec, it holds the copy's descriptor, and the kernel will not run the copy.
fn start(command: &mut Command) -> io::Result<std::process::Child> {
    loop {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => thread::yield_now(),
            other => return other,
        }
    }
}

/// The output of a program that may have been copied a moment ago.
///
/// # Errors
/// It cannot be started.
pub fn output(command: &mut Command) -> io::Result<Output> {
    start(command.stdout(Stdio::piped()).stderr(Stdio::piped()))?.wait_with_output()
}

/// A pipe that takes both outputs of `command`.
pub fn capture(command: &mut Command) -> Result<PipeReader, Failure> {
    let failure = |error| Failure::new("cannot make a pipe", error);
    let (reader, writer) = io::pipe().map_err(failure)?;
    command.stdout(writer.try_clone().map_err(failure)?).stderr(writer);
    Ok(reader)
}

fn has_ended(pid: Pid, bound: Duration) -> bool {
    let timeout = Timespec::try_from(bound).expect("a bound of some seconds");
    pidfd_open(pid, PidfdFlags::empty()).map_or(true, |handle| wait_for(&handle, Some(&timeout)))
}

/// Whether the process behind the handle has ended within the timeout.
fn wait_for(handle: &OwnedFd, timeout: Option<&Timespec>) -> bool {
    loop {
        match poll(&mut [PollFd::new(handle, PollFlags::IN)], timeout) {
            Err(rustix::io::Errno::INTR) => {}
            other => return other.is_ok_and(|ready| ready > 0),
        }
    }
}

/// Whether all these programs can be called by their names.
pub fn are_in_path(programs: &[&str]) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let is_there = |name: &&str| env::split_paths(&path).any(|dir| dir.join(name).is_file());
    programs.iter().all(is_there)
}

/// The path of a helper program.
///
/// # Errors
/// It is not installed; the message names the package that has it.
pub fn find(program: &str, package: &str) -> Result<PathBuf, Failure> {
    let path = env::var_os("PATH").unwrap_or_default();
    let standard = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    let mut candidates = env::split_paths(&path).chain(standard).map(|dir| dir.join(program));
    candidates.find(|file| file.is_file()).ok_or_else(|| {
        Failure(format!("{program} is not installed: install the package {package}"))
    })
}
