// SPDX-License-Identifier: MIT OR Apache-2.0
//! A daemon with two applications: `cinema`, at which the storm goes, and `sports`, whose caller
//! must be served throughout.

use std::fs;

use crate::support::authority::{Authority, Endpoint, Fault, Gate};
use crate::support::bus::Bus;
use crate::support::player::Player;
use crate::support::raw::Raw;
use crate::support::statement;
use crate::support::tokend::{Application, Device, Tokend};

pub const CINEMA: &str = "cinema";
pub const SPORTS: &str = "sports";

// Dropped in this order.
pub struct Rig {
    pub tokend: Tokend,
    pub bystander: Player,
    pub device: Device,
    pub bus: Bus,
    pub authority: Authority,
    token: String,
}

impl Rig {
    /// Both applications have a token.
    pub fn start() -> Self {
        Self::on(Bus::start().unwrap())
    }

    pub fn on(bus: Bus) -> Self {
        let rig = Self::with_cinema_behind(bus, None);
        let player = Player::connect(rig.bus.address()).unwrap();
        player.get_token(CINEMA, 0).unwrap();
        player.leave();
        rig
    }

    /// `sports` has a token; every call for `cinema` waits for the gate.
    pub fn with_cinema_behind(bus: Bus, gate: Option<&Gate>) -> Self {
        let authority = Authority::http();
        let mut device = Device::of_this_build(&authority, &bus);
        // A gate stays closed as long as the hostile ones need on a busy machine.
        device.set("server", "timeout_seconds", "300");
        for id in [CINEMA, SPORTS] {
            device.add(&Application::new(id, &statement::issue(id))).unwrap();
        }
        let tokend = device.start();
        let bystander = Player::connect(bus.address()).unwrap();
        let (token, _) = bystander.get_token(SPORTS, 0).unwrap();
        if let Some(gate) = gate {
            authority.always(Endpoint::Register, Fault::hold(gate));
        }
        Self { tokend, bystander, device, bus, authority, token }
    }

    pub fn hostile(&self) -> Raw {
        Raw::connect(self.bus.address()).unwrap()
    }

    /// The other application's caller gets its token, at once or within the bound of a call.
    #[track_caller]
    pub fn others_are_served(&self) {
        let mut tries = 0;
        loop {
            match self.bystander.get_token(SPORTS, 0) {
                Ok((token, _)) => return assert_eq!(token, self.token),
                // dbus-daemon's own limit, before tokend has seen the call: what stands in the way
                // there is on its way to tokend, and passes.
                Err(full) if full.message.contains("full message queue") && tries < 100_000 => {
                    tries += 1;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// The daemon's private memory in KiB. All that callers have asked before has been answered.
    pub fn memory(&self) -> u64 {
        self.others_are_served();
        self.anonymous()
    }

    /// The same, at this moment.
    pub fn anonymous(&self) -> u64 {
        status(self.tokend.id(), "RssAnon:")
    }

    /// Panics where the daemon holds `kib` more than `before`. Prints the figures.
    #[track_caller]
    pub fn memory_has_returned(&self, before: u64, kib: u64) {
        let after = self.memory();
        println!("RssAnon: {before} KiB before, {after} KiB after");
        assert!(after <= before + kib, "{before} KiB have become {after} KiB");
    }
}

/// A line of `/proc/PID/status`, in KiB.
fn status(pid: u32, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect(name);
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
