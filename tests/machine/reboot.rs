// SPDX-License-Identifier: MIT OR Apache-2.0
//! A token that was stored before a reboot. Two boots of the machine: the first one hands its state
//! directory over to the second, which is an hour later.

use std::fs;
use std::path::{Path, PathBuf};

use super::guest::*;
use super::kernel_clock;
use super::support::authority::Authority;
use super::support::bus::Bus;
use super::support::player::Player;
use super::support::tokend::{Application, Device, Program, Tokend};

/// What is here at the end of a boot is there in the next one: `/init` sees to it.
const HANDED_OVER: &str = "/handover";
/// 2030-03-17T17:46:40Z.
const SOME_DATE: i64 = 1_900_000_000;

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

fn note(name: &str) -> String {
    fs::read_to_string(Path::new(HANDED_OVER).join(name)).unwrap()
}

#[test]
fn before() {
    let machine = Machine::enter();
    for confirmed in [true, false] {
        if confirmed {
            kernel_clock::confirm();
        } else {
            kernel_clock::doubt();
        }
        let served = served(6 * HOUR);
        let name = if confirmed { "confirmed" } else { "unconfirmed" };
        let (origin, token) = (served.home.authority.origin(), &served.token);
        let applications = served.home.device.config().join("applications.d");
        let statement = fs::read_to_string(applications.join("cinema.jwt")).unwrap();
        let end = served.player.properties(CINEMA).expires_at;
        let notes = [origin, token.clone(), statement, end.to_string(), boot_id()];
        served.tokend.kill();

        // The files are packed by a busybox that cannot read one of a date after 2038.
        let today = date() as i64;
        machine.set_date(SOME_DATE);
        let dir = PathBuf::from(HANDED_OVER).join(name);
        copy(&served.home.device.state(), &dir);
        fs::write(dir.with_extension("notes"), notes.join("\n")).unwrap();
        machine.move_date(today - SOME_DATE);
    }
}

fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap().trim().to_owned()
}

/// The device of the boot before, whose server is out of reach.
struct Later {
    device: Device,
    authority: Authority,
    bus: Bus,
    token: String,
    end: u64,
}

impl Later {
    fn new(name: &str) -> Self {
        let notes = note(&format!("{name}.notes"));
        let notes: Vec<&str> = notes.lines().collect();
        let [origin, token, statement, end, id] = notes[..] else { panic!("{notes:?}") };
        assert_ne!(id, boot_id(), "this is another boot");
        let (authority, bus) = (Authority::https(), start_bus());
        let program = Program::from("/usr/bin/tokend".into());
        let mut device = Device::new(&authority, &bus, program).unwrap();
        device.set("server", "url", &format!("{origin:?}"));
        device.add(&Application::new(CINEMA, statement)).unwrap();
        copy(&Path::new(HANDED_OVER).join(name), &device.state());
        let (token, end) = (token.to_owned(), end.parse().unwrap());
        Self { device, authority, bus, token, end }
    }

    fn start(&self) -> (Tokend, Player) {
        (self.device.start(), Player::connect(self.bus.address()).unwrap())
    }

    fn assert_served(&self, player: &Player) {
        let (token, expires_in) = player.get_token(CINEMA, 0).unwrap();
        assert_eq!(token, self.token);
        let left = self.end - date();
        assert!(left < 5 * HOUR + 10 * MINUTE, "an hour has passed: {left} s are left");
        assert!(left.abs_diff(expires_in.into()) <= NEARLY, "{expires_in} s instead of {left}");
        let stated = player.properties(CINEMA).expires_at;
        assert!(stated.abs_diff(self.end) <= NEARLY, "{stated} instead of {}", self.end);
    }

    fn assert_not_served(&self, player: &Player) {
        let refused = player.get_token(CINEMA, 0).unwrap_err();
        assert_eq!(refused.name, "tv.tokend.Error.Unavailable", "{refused}");
        assert_eq!(player.properties(CINEMA).token_number, 0);
        assert_eq!(self.authority.log().connections, 0);
    }
}

#[test]
fn after_it_the_token_is_served_at_once_where_the_kernel_says_that_its_clock_is_right() {
    let _machine = Machine::enter();
    kernel_clock::confirm();
    let later = Later::new("confirmed");
    let (_tokend, player) = later.start();
    later.assert_served(&player);
}

#[test]
fn after_it_the_token_is_not_served_before_the_kernel_says_so() {
    let _machine = Machine::enter();
    let later = Later::new("confirmed");
    let (_tokend, player) = later.start();
    later.assert_not_served(&player);
    kernel_clock::confirm();
    later.assert_served(&player);
}

#[test]
fn after_it_the_token_is_not_served_before_the_file_is_there_that_says_so() {
    let _machine = Machine::enter();
    kernel_clock::confirm();
    let mut later = Later::new("confirmed");
    let file = tempfile::tempdir().unwrap();
    let file = file.path().join("synchronized");
    later.device.set("clock", "synchronized_file", &format!("{file:?}"));
    let (_tokend, player) = later.start();
    later.assert_not_served(&player);
    let changes = player.watch(CINEMA);
    fs::write(&file, "").unwrap();
    changes.wait_for(|change| change.is_state("ready"));
    later.assert_served(&player);
}

#[test]
fn after_it_the_token_waits_for_a_clock_that_starts_in_1970() {
    let machine = Machine::enter();
    let today = date();
    machine.set_date_to_1970();
    let later = Later::new("confirmed");
    let (_tokend, player) = later.start();
    assert_eq!(player.properties(CINEMA).state, "clock-unset");
    later.assert_not_served(&player);
    machine.set_date(today as i64);
    // The kernel doubts whatever clock was just set, until it is told otherwise.
    kernel_clock::confirm();
    later.assert_served(&player);
}

#[test]
fn after_it_a_token_that_has_died_is_not_served_though_the_clock_is_right() {
    let machine = Machine::enter();
    machine.move_date(6 * HOUR as i64);
    kernel_clock::confirm();
    let later = Later::new("confirmed");
    let (_tokend, player) = later.start();
    later.assert_not_served(&player);
}

#[test]
fn after_it_a_token_whose_end_was_reckoned_by_a_doubtful_clock_is_not_served() {
    let _machine = Machine::enter();
    kernel_clock::confirm();
    let later = Later::new("unconfirmed");
    let (_tokend, player) = later.start();
    later.assert_not_served(&player);
}
