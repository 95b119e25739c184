// SPDX-License-Identifier: MIT OR Apache-2.0
//! What another process of the daemon's own user gets out of it: nothing, by any of the kernel's
//! ways into a process, nor out of a core file after a crash. For comparison each try is made on a
//! process that is not hardened, too. As root the tests play another user, whom file rights and
//! ptrace(2) bind.

use std::fs::{self, File};
use std::io::{IoSliceMut, PipeWriter, Write as _};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};

use nix::sys::ptrace;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;
use rustix::process::{
    PidfdFlags, PidfdGetfdFlags, Resource, Rlimit, Signal, getrlimit, pidfd_getfd, pidfd_open,
    prlimit,
};
use tempfile::TempDir;

use crate::support::BOUND;
use crate::support::authority::Authority;
use crate::support::bus::{Bus, can_act_as_others};
use crate::support::child::{self, Child, Start};
use crate::support::lines::Lines;
use crate::support::player::Player;
use crate::support::statement;
use crate::support::tokend::{Application, Device, Program, Tokend};

/// Neither root nor who runs the tests.
const NOBODY: u32 = 65_534;
/// Tells this test, started again, whom to attack: a process id, and an address in its memory.
const VICTIM: &str = "TOKEND_TEST_VICTIM";

/// How a process of the user in question starts.
fn as_user() -> Start {
    Start { user: can_act_as_others().then_some(NOBODY), ..Start::default() }
}

/// A daemon of that user with a token, and all that it needs.
struct Victim {
    tokend: Tokend,
    _device: Device,
    _bus: Bus,
    _authority: Authority,
    dir: TempDir,
}

impl Victim {
    fn start(core_files: bool) -> Self {
        let (authority, bus) = (Authority::http(), Bus::start().unwrap());
        // Who must be able to reach the binary, and to leave a core file.
        let dir = crate::support::scratch("tokend-test-").unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let tokend = dir.path().join("tokend");
        fs::copy(Program::of_this_build().tokend, &tokend).unwrap();
        let start = Start { directory: Some(dir.path().to_owned()), core_files, ..as_user() };
        let program = Program { start, ..Program::from(tokend) };
        let device = Device::new(&authority, &bus, program).unwrap();
        device.add(&Application::new("cinema", &statement::issue("cinema"))).unwrap();
        if can_act_as_others() {
            hand_over(device.config().parent().unwrap());
        }
        // Its notifications come from a user who may not write to the socket.
        let tokend = device.spawn().unwrap();
        tokend.wait_for_line(" serves cinema");
        Player::connect(bus.address()).unwrap().get_token("cinema", 0).unwrap();
        Self { tokend, _device: device, _bus: bus, _authority: authority, dir }
    }
}

/// Gives a directory and all that is in it to [`NOBODY`].
fn hand_over(path: &Path) {
    chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| hand_over(&entry.unwrap().path()));
    }
}

/// Something of the same user that is not hardened. It lives as long as the pipe.
fn comparison(start: &Start) -> (Child, PipeWriter) {
    let (input, mut pipe) = std::io::pipe().unwrap();
    let mut command = child::command("cat");
    start.apply(&mut command);
    command.stdin(input);
    let lines = Lines::default();
    lines.collect(child::capture(&mut command).unwrap(), || {});
    let cat = Child::spawn(command).unwrap();
    pipe.write_all(b"ready\n").unwrap();
    lines.wait_for(0, BOUND, |line| line == "ready").expect("the comparison runs");
    (cat, pipe)
}

#[test]
fn another_process_of_the_same_user_can_neither_read_nor_trace_it_nor_take_its_files() {
    if let Some(victim) = std::env::var_os(VICTIM) {
        return attack(victim.to_str().unwrap());
    }
    let (victim, (other, _pipe)) = (Victim::start(false), comparison(&as_user()));
    let gained = attacked(other.id());
    // The kernel itself may keep everybody from tracing what is not a child of theirs.
    let yama = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    if matches!(yama.trim(), "" | "0") {
        assert_eq!(gained, WAYS);
    } else {
        assert!(gained.contains(&"environ".to_owned()), "{gained:?}");
    }
    assert_eq!(attacked(victim.tokend.id()), [""; 0]);
}

/// All ways in, in the order in which they are tried.
const WAYS: [&str; 8] =
    ["environ", "mem", "maps", "auxv", "process_vm_readv", "pidfd_getfd", "seize", "attach"];

/// By which of the ways a process of the same user gets into this one.
fn attacked(pid: u32) -> Vec<String> {
    let name = std::thread::current().name().unwrap().to_owned();
    // Where the stack begins: only who runs the tests may be able to see it, which is as good.
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    let stack = maps.lines().find(|line| line.ends_with("[stack]")).unwrap_or("1000-2000");
    let address = stack.split('-').next().unwrap();
    // By its descriptor, so that the other user need not be able to reach the directory.
    let mut attacker = child::command("/proc/self/fd/0");
    as_user().apply(&mut attacker);
    let output = attacker
        .args(["--exact", &name, "--nocapture"])
        .stdin(File::open(std::env::current_exe().unwrap()).unwrap())
        .current_dir("/")
        .env(VICTIM, format!("{pid} {address}"))
        .output()
        .expect("this test can be started again");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let tried = |line: &&str| line.starts_with("way in ");
    assert_eq!(text.lines().filter(tried).count(), WAYS.len(), "{output:?}");
    let gained = text.lines().filter_map(|line| line.strip_prefix("way in ")?.strip_suffix(": ok"));
    gained.map(str::to_owned).collect()
}

/// Prints for each way whether it leads into the process.
fn attack(victim: &str) {
    let (pid, address) = victim.split_once(' ').unwrap();
    let raw: i32 = pid.parse().unwrap();
    let tell = |way: &str, result: Result<(), String>| match result {
        Ok(()) => println!("\nway in {way}: ok"),
        Err(error) => println!("\nway in {way}: {error}"),
    };
    for file in &WAYS[..4] {
        let opened = File::open(format!("/proc/{pid}/{file}"));
        tell(file, opened.map(drop).map_err(|error| error.to_string()));
    }
    let pid = Pid::from_raw(raw);
    let remote = [RemoteIoVec { base: usize::from_str_radix(address, 16).unwrap(), len: 16 }];
    let read = process_vm_readv(pid, &mut [IoSliceMut::new(&mut [0; 16])], &remote);
    tell(WAYS[4], read.map(drop).map_err(|error| error.to_string()));
    let handle = pidfd_open(rustix::process::Pid::from_raw(raw).unwrap(), PidfdFlags::empty());
    let taken = pidfd_getfd(handle.unwrap(), 1, PidfdGetfdFlags::empty());
    tell(WAYS[5], taken.map(drop).map_err(|error| error.to_string()));
    let seized = ptrace::seize(pid, ptrace::Options::empty());
    tell(WAYS[6], seized.map_err(|error| error.to_string()));
    // Traced already, it can be attached to no more; whoever may do the one may do the other.
    let attached = if seized.is_ok() { Ok(()) } else { ptrace::attach(pid) };
    tell(WAYS[7], attached.map_err(|error| error.to_string()));
}

#[test]
fn a_crash_leaves_no_core_file_whatever_the_limits_say() {
    let unlimited = Rlimit { current: None, maximum: None };
    let may_raise = can_act_as_others() || getrlimit(Resource::Core).maximum.is_none();
    if !may_raise {
        eprintln!("left out: only root can raise the limit on core files");
        return;
    }
    // Where core files go to a program or to one place, a process that crashes by design does not
    // belong there.
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    if !pattern.contains(['|', '/']) && !pattern.trim().is_empty() {
        let dir = crate::support::scratch("tokend-test-").unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let directory = Some(dir.path().to_owned());
        let (mut other, _pipe) = comparison(&Start { directory, core_files: true, ..as_user() });
        other.signal(Signal::ABORT);
        let ended = other.wait(BOUND).expect("a signal ends it");
        assert!(ended.core_dumped(), "{ended:?}");
    }
    // As a panic ends it, and a key. (The handler of Rust's runtime takes a SIGSEGV from outside.)
    for signal in [Signal::ABORT, Signal::QUIT] {
        for raise in [false, true] {
            let mut victim = Victim::start(true);
            let pid = victim.tokend.id();
            let limit = || fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
            let limit_at_first = core_limit(&limit());
            // Not the limit alone keeps it: where root takes that back, there is none either.
            if raise && can_act_as_others() {
                let pid = rustix::process::Pid::from_raw(pid.cast_signed());
                match prlimit(pid, Resource::Core, unlimited) {
                    Ok(_) => assert!(core_limit(&limit()).starts_with("unlimited unlimited")),
                    Err(_) => eprintln!("left out: root lacks CAP_SYS_RESOURCE here"),
                }
            }
            victim.tokend.signal(signal);
            let ended = victim.tokend.wait(BOUND).expect("a signal ends it");
            assert_eq!(ended.signal(), Some(signal.as_raw()));
            assert!(!ended.core_dumped(), "{ended:?}");
            assert_eq!(cores(victim.dir.path()), Vec::<PathBuf>::new());
            assert!(limit_at_first.starts_with("0 0"), "{limit_at_first}");
        }
    }
}

/// Soft and hard limit, with one space between all words.
fn core_limit(limits: &str) -> String {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max core file size"));
    line.unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The core files in a directory.
fn cores(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let core = |path: &PathBuf| {
        path.is_file()
            && path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"core"))
    };
    entries.flatten().map(|entry| entry.path()).filter(core).collect()
}
