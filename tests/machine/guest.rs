// SPDX-License-Identifier: MIT OR Apache-2.0
//! The machine that the tests run in: its clocks, its standby, and what runs on it.

use std::fs::{self, File};
use std::io::Write as _;
use std::process::Command;
use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime, clock_settime};

use super::kernel_clock;
use super::support::authority::{Authority, Endpoint, Log};
use super::support::bus::Bus;
use super::support::household::Household;
use super::support::player::Player;
use super::support::statement;
use super::support::tokend::{Application, Device, Program, Tokend};

pub const CINEMA: &str = "cinema";
pub const MINUTE: u64 = 60;
pub const HOUR: u64 = 3600;
/// What two readings of clocks, in whole seconds, may differ by, with the work in between.
pub const NEARLY: u64 = 5;

/// The machine's clocks. Dropped: the date is what it would be had nobody set it.
pub struct Machine {
    wall: i64,
    boot: i64,
}

impl Machine {
    /// Nobody vouches for its clock, as after a boot.
    pub fn enter() -> Self {
        let marker = fs::read_to_string("/proc/cmdline").unwrap_or_default();
        assert!(
            marker.contains("tokend.machine"),
            "this sets the machine's clock: start it with tests/machine/run"
        );
        // A 32-bit kernel takes no date after 2038 from its battery clock: then somebody else sets it.
        let given = marker.split_whitespace().find_map(|word| word.strip_prefix("tokend.date="));
        if let Some(given) = given.filter(|_| date() < 365 * 24 * HOUR) {
            set(given.parse().unwrap());
        }
        kernel_clock::doubt();
        Self { wall: seconds(ClockId::Realtime), boot: boot() }
    }

    /// Sets the clock, as `date -s` does, and lets everybody take notice. UNIX seconds.
    pub fn set_date(&self, date: i64) {
        set(date);
        pass(1);
    }

    /// The earliest date that the kernel takes: it has not been running for longer than since 1970.
    pub fn set_date_to_1970(&self) {
        self.set_date(boot() + HOUR as i64);
    }

    /// Sets the clock forward or back.
    pub fn move_date(&self, by: i64) {
        self.set_date(seconds(ClockId::Realtime) + by);
    }

    /// Real standby (ACPI S3): the machine is off but for its memory and its clock, until whoever
    /// runs it wakes it.
    ///
    /// The battery clock is set first, as a device does that has set its own: by how much it has moved
    /// the kernel reckons how long it slept, and here it does not jump with the simulated time.
    pub fn standby(&self, time: u64) {
        let set = Command::new("hwclock").args(["-w", "-u"]).status();
        assert!(set.unwrap().success(), "the battery clock is set");
        let (boot_before, awake_before) = (boot(), seconds(ClockId::Monotonic));
        let mut host = File::options().write(true).open("/dev/ttyS1").unwrap();
        writeln!(host, "{time}").unwrap();
        host.flush().unwrap();
        fs::write("/sys/power/mem_sleep", "deep").unwrap();
        fs::write("/sys/power/state", "mem").unwrap();
        let slept = (boot() - boot_before) - (seconds(ClockId::Monotonic) - awake_before);
        assert!(slept.abs_diff(time as i64) <= NEARLY, "slept {slept} s instead of {time}");
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        kernel_clock::doubt();
        // The kernel refuses a date before the time that it has been running.
        set((self.wall + boot() - self.boot).max(boot() + 2));
    }
}

fn set(date: i64) {
    clock_settime(ClockId::Realtime, Timespec { tv_sec: date, tv_nsec: 0 }).unwrap();
}

/// The date: UNIX seconds.
pub fn date() -> u64 {
    seconds(ClockId::Realtime).try_into().unwrap()
}

/// Seconds since boot, standby included.
pub fn boot() -> i64 {
    seconds(ClockId::Boottime)
}

fn seconds(clock: ClockId) -> i64 {
    clock_gettime(clock).tv_sec
}

/// Lets time pass while nothing else happens. The machine's time is simulated: when all in it are
/// idle, it jumps to the next timer.
#[allow(clippy::disallowed_methods, reason = "nothing is waited for: the time itself is the point")]
pub fn pass(time: u64) {
    std::thread::sleep(Duration::from_secs(time));
}

/// A household on this machine, with the one application [`CINEMA`].
pub fn household() -> Household {
    let (authority, bus) = (Authority::https(), start_bus());
    let program = Program::from("/usr/bin/tokend".into());
    let device = Device::new(&authority, &bus, program).unwrap();
    device.add(&Application::new(CINEMA, &statement::issue(CINEMA))).unwrap();
    Household { authority, bus, device }
}

/// A bus. Debian 12's dbus-daemon for 32-bit ARM cannot read a file of a date after 2038, its own
/// configuration either: it is started in another year, and runs on in this one.
pub fn start_bus() -> Bus {
    let (date, boot_then) = (seconds(ClockId::Realtime), boot());
    let confirmed = kernel_clock::is_confirmed();
    let too_late = cfg!(target_pointer_width = "32") && date > i64::from(i32::MAX) - HOUR as i64;
    if too_late {
        set(i64::from(i32::MAX) - 10 * HOUR as i64);
    }
    let bus = Bus::start().unwrap();
    if too_late {
        set(date + boot() - boot_then);
        // A clock that was set is doubtful again.
        if confirmed {
            kernel_clock::confirm();
        }
    }
    bus
}

/// A running daemon that has a token.
pub struct Served {
    pub home: Household,
    pub tokend: Tokend,
    pub player: Player,
    pub token: String,
    /// When it ends, by [`boot`].
    pub end: i64,
}

/// Registered, with a fresh token that lives `lifetime` seconds.
pub fn served(lifetime: u64) -> Served {
    let home = household();
    home.authority.set_expires_in(lifetime);
    let tokend = home.device.start();
    let player = home.player();
    let (token, expires_in) = player.get_token(CINEMA, 0).unwrap();
    assert!(lifetime - u64::from(expires_in) <= NEARLY, "{expires_in}");
    Served { end: boot() + lifetime as i64, home, tokend, player, token }
}

impl Served {
    /// The same token is served, with as many seconds as it really has left, and the date of its
    /// end is right by the clock as it is now; nobody has been asked for anything.
    pub fn assert_the_same(&self) {
        let (token, expires_in) = self.player.get_token(CINEMA, 0).unwrap();
        assert_eq!(token, self.token);
        let left = (self.end - boot()).unsigned_abs();
        assert!(left.abs_diff(expires_in.into()) <= NEARLY, "{expires_in} s instead of {left}");
        let properties = self.player.properties(CINEMA);
        assert_eq!(properties.state, "ready");
        let end = date() + left;
        assert!(end.abs_diff(properties.expires_at) <= NEARLY, "{end}: {properties:?}");
        assert_eq!(self.requests(), (1, 1));
    }

    /// Waits until the second token is there, and returns it.
    pub fn wait_for_the_next(&self) -> String {
        let answered = |log: &Log| log.answered(Endpoint::Token, 201) == 2;
        self.home.authority.wait_until("the next token", answered);
        // The answer is on its way: time passes when it has arrived.
        pass(1);
        let (token, _) = self.player.get_token(CINEMA, 0).unwrap();
        assert_ne!(token, self.token);
        assert_eq!(self.requests(), (1, 2));
        token
    }

    /// Registrations and token requests so far.
    pub fn requests(&self) -> (usize, usize) {
        let log = self.home.authority.log();
        assert_eq!(log.connections as usize, log.requests.len());
        (log.count(Endpoint::Register), log.count(Endpoint::Token))
    }
}

/// How often any thread of the daemon has gone to sleep: as often as something has woken it.
pub fn wake_ups(tokend: &Tokend) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{}/task", tokend.id())).unwrap();
    let of_one = |status: String| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.unwrap().trim().parse().unwrap()
    };
    tasks.map(|task| of_one(fs::read_to_string(task.unwrap().path().join("status")).unwrap())).sum()
}

/// Panics where anything wakes the daemon within `time`.
pub fn assert_undisturbed(tokend: &Tokend, time: u64) {
    // What is still under way may end first: the bus thread's own end of a call comes 20.5 s after it.
    pass(30);
    let before = wake_ups(tokend);
    pass(time);
    assert_eq!(wake_ups(tokend), before, "woken in {time} s in which nothing happens");
}
