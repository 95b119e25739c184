// SPDX-License-Identifier: MIT OR Apache-2.0
//! Child processes that never outlive their parent.
//!
//! Three things see to it. Dropping a [`Child`] kills its whole process group and reaps it. A test
//! that is killed drops nothing, so each child is started through `setpriv --pdeathsig KILL`: the
//! kernel then kills it with its parent. (Setting this between fork and exec in our own code would
//! take `unsafe`; `setpriv` sets it and becomes the program, so that the process id is the
//! program's.) And because the kernel takes the *thread* that forked for the parent, all children
//! are started by one thread that lives as long as this process.

use std::env;
use std::ffi::OsStr;
use std::io::{self, PipeReader};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, pidfd_open,
    waitid,
};

use super::Failure;

type Job = Box<dyn FnOnce() + Send>;

/// The one thread that forks.
static NURSERY: LazyLock<Mutex<mpsc::Sender<Job>>> = LazyLock::new(|| {
    let (jobs, queue) = mpsc::channel::<Job>();
    thread::spawn(move || queue.into_iter().for_each(|job| job()));
    Mutex::new(jobs)
});

/// A command that dies with this process, and that no Ctrl-C on the terminal reaches: it leads a
/// process group of its own.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program).process_group(0);
    command.stdin(Stdio::null());
    command
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
    /// `setpriv` is missing; the message names its package. (A missing program itself shows in the
    /// child's exit status: 127.)
    pub fn spawn(mut command: Command) -> Result<Self, Failure> {
        let (answer, started) = mpsc::channel();
        let job = Box::new(move || {
            let _ = answer.send(command.spawn());
        });
        let sent = NURSERY.lock().unwrap_or_else(PoisonError::into_inner).send(job);
        sent.expect("the thread that forks lives as long as the process");
        match started.recv().expect("the thread that forks answers") {
            Ok(child) => Ok(Self { child, ended: None }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(Failure("cannot run setpriv: install the package util-linux".into()))
            }
            Err(error) => Err(Failure::new("cannot start a process", error)),
        }
    }

    /// The process id: the program's own, since `setpriv` has become the program.
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
            self.ended = self.child.wait().ok();
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
            self.ended = self.child.wait().ok();
        }
        self.ended
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
