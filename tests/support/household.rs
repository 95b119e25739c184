// SPDX-License-Identifier: MIT OR Apache-2.0
//! One household: an authorization server, a bus, and a device whose state can be looked at.

use std::collections::BTreeMap;
use std::fs;

use ring::digest::{SHA256, digest};

use super::authority::Authority;
use super::bus::Bus;
use super::player::Player;
use super::statement;
use super::tokend::{Application, Device};

/// The device is there, its daemon is not: [`Device::start`] starts it.
pub struct Household {
    pub authority: Authority,
    pub bus: Bus,
    pub device: Device,
}

impl Household {
    /// With these applications, each with a statement of its own.
    pub fn new(authority: Authority, applications: &[&str]) -> Self {
        let bus = Bus::start().unwrap();
        let device = Device::of_this_build(&authority, &bus);
        for id in applications {
            device.add(&Application::new(id, &statement::issue(id))).unwrap();
        }
        Self { authority, bus, device }
    }

    /// Somebody on the bus who may call for every application.
    pub fn player(&self) -> Player {
        Player::connect(self.bus.address()).unwrap()
    }

    /// The files of the state directory: the SHA-256 of each by its name.
    pub fn stored(&self) -> BTreeMap<String, Vec<u8>> {
        let entries = fs::read_dir(self.device.state()).unwrap();
        let stored = entries.map(|entry| {
            let entry = entry.unwrap();
            let content = fs::read(entry.path()).unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, digest(&SHA256, &content).as_ref().to_vec())
        });
        stored.collect()
    }

    /// How many copies of client credentials are stored, of all applications.
    pub fn stored_credentials(&self) -> usize {
        let of_application = |name: &&String| {
            let copy = name.ends_with(".a") || name.ends_with(".b");
            copy && !name.starts_with("device-identity.")
        };
        self.stored().keys().filter(of_application).count()
    }
}
