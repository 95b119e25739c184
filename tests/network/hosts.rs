// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two hosts that are connected by nothing but what a test plugs in: the device, which is this whole
//! process, and the rest of the world, which is one of its threads.
//!
//! Each test runs in this test program, started again in a network and a mount namespace of its own.
//! The world's thread has left that network for another one. No namespace has a name: with the
//! process that the test started, however it ends, everything is gone.

use std::fs;
use std::io::Read as _;
use std::process::Command;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};

use super::support::bus;
use super::support::child::{self, Child};

const INSIDE: &str = "TOKEND_TEST_HOSTS";
/// The longest that one test may take; it only ends one that would never end.
const LONGEST: Duration = Duration::from_secs(400);

/// Runs a test on hosts of its own; who is not root is told that it is left out.
pub fn on_its_own_hosts(test: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        furnish();
        return test();
    }
    if !bus::can_act_as_others() {
        eprintln!("not tested: only root may mount and join networks");
        return;
    }
    child::find("unshare", "util-linux").unwrap();
    child::find("mount", "mount").unwrap();
    child::find("ip", "iproute2").unwrap();
    let name = thread::current().name().expect("a test has a name").to_owned();
    let mut command = child::command("unshare");
    command.args(["--net", "--mount"]).arg(std::env::current_exe().unwrap());
    command.args(["--exact", &name, "--nocapture"]).env(INSIDE, "1");
    let mut output = child::capture(&mut command).unwrap();
    let mut child = Child::spawn(command).unwrap();
    let reader = thread::spawn(move || {
        let mut text = Vec::new();
        let _ = output.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    });
    let status = child.wait(LONGEST);
    child.kill();
    let output = reader.join().unwrap();
    let well = status.is_some_and(|status| status.success()) && output.contains("1 passed");
    assert!(well, "{status:?}:\n{output}");
}

/// An /etc of its own, without a resolver yet, and a /sys that shows the network of this process.
fn furnish() {
    let kept = ["passwd", "group", "ld.so.cache"];
    let kept = kept.map(|name| (name, fs::read(format!("/etc/{name}")).unwrap_or_default()));
    run("mount", "-t tmpfs none /etc");
    for (name, content) in kept {
        fs::write(format!("/etc/{name}"), content).unwrap();
    }
    fs::write("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n").unwrap();
    fs::write("/etc/hosts", "127.0.0.1 localhost\n").unwrap();
    run("mount", "-t sysfs none /sys");
    run("ip", "link set lo up");
}

/// Replaces /etc/resolv.conf at once, as a DHCP client does.
pub fn set_resolver(text: &str) {
    fs::write("/etc/resolv.conf.new", text).unwrap();
    fs::rename("/etc/resolv.conf.new", "/etc/resolv.conf").unwrap();
}

/// Runs `ip ARGUMENTS` on the device.
pub fn ip(arguments: &str) {
    run("ip", arguments);
}

/// Runs a program to its end, on the host of the thread that calls this.
pub fn run(program: &str, arguments: &str) {
    let output = Command::new(program).args(arguments.split(' ')).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments}: {error}");
}

/// The rest of the world. What is done there, its thread does.
pub struct World {
    jobs: Sender<Box<dyn FnOnce() + Send>>,
    thread: i32,
}

impl World {
    pub fn new() -> Self {
        let (jobs, queue) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
        let (id, started) = mpsc::channel();
        thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            run("ip", "link set lo up");
            id.send(nix::unistd::gettid().as_raw()).unwrap();
            queue.into_iter().for_each(|job| job());
        });
        Self { jobs, thread: started.recv().unwrap() }
    }

    /// Does something there: what is opened or started belongs to the world.
    pub fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let (sender, result) = mpsc::channel();
        let job = move || drop(sender.send(work()));
        self.jobs.send(Box::new(job)).expect("the world goes on");
        result.recv().expect("the work in the world is done")
    }

    /// Runs `ip ARGUMENTS` there.
    pub fn ip(&self, arguments: &str) {
        let arguments = arguments.to_owned();
        self.run(move || run("ip", &arguments));
    }

    /// Runs a cable from a new interface of the device to the world, where its end is named
    /// `far-NAME`. Both ends are switched off and have no address.
    pub fn lay_cable(&self, name: &str) {
        ip(&format!("link add {name} type veth peer name far-{name} netns {}", self.thread));
    }
}
