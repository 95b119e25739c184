// SPDX-License-Identifier: MIT OR Apache-2.0
//! A server, a bus and a device, as most end-to-end tests need them.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::authority::{Authority, Endpoint};
use super::bus::Bus;
use super::player::Player;
use super::statement;
use super::tokend::{Application, Device, Tokend};

/// The application that is always there.
pub const CINEMA: &str = "cinema";

/// A server, a bus and a device with the application [`CINEMA`]. The user who runs the tests may
/// reload, whoever that is.
pub struct Scene {
    pub device: Device,
    pub bus: Bus,
    pub authority: Authority,
}

impl Scene {
    pub fn new() -> Self {
        let (authority, bus) = (Authority::https(), Bus::start().unwrap());
        let mut device = Device::of_this_build(&authority, &bus);
        device.set("", "reload_users", &format!("[{}]", uid()));
        let scene = Self { device, bus, authority };
        scene.add(CINEMA);
        scene
    }

    /// The same with a key file as seal, whose bytes are all `key` but the last.
    pub fn with_key_file(key: u8) -> Self {
        let mut scene = Self::new();
        scene.device.set("storage", "seal", "\"key-file\"");
        scene.device.set("storage", "key_file", "\"seal.key\"");
        scene.write_key(key);
        scene
    }

    /// Writes the key file.
    pub fn write_key(&self, key: u8) {
        let key = char::from(key).to_string().repeat(31);
        self.device.write_config("seal.key", &(key + "."));
    }

    /// Adds an application with a statement of its own.
    pub fn add(&self, id: &str) -> Application {
        let application = Application::new(id, &statement::issue(id));
        self.device.add(&application).unwrap();
        application
    }

    /// Replaces the statement of an application, at once, and nothing else.
    pub fn set_statement(&self, id: &str, statement: &str) {
        self.device.write_config(&format!("applications.d/{id}.jwt"), statement);
    }

    pub fn statement_file(&self, id: &str) -> PathBuf {
        self.device.config().join(format!("applications.d/{id}.jwt"))
    }

    /// Starts the daemon, and connects a player to its bus.
    pub fn start(&self) -> (Tokend, Player) {
        (self.device.start(), self.player())
    }

    pub fn player(&self) -> Player {
        Player::connect(self.bus.address()).unwrap()
    }

    /// How many registrations have come.
    pub fn registrations(&self) -> usize {
        self.authority.count(Endpoint::Register)
    }

    /// The client ids of the token requests, in their order.
    pub fn clients(&self) -> Vec<String> {
        let log = self.authority.log();
        log.of(Endpoint::Token).map(|request| request.fields["client_id"].clone()).collect()
    }

    /// Runs a client command of the command line on this bus.
    pub fn command(&self, arguments: &[&str]) -> super::tokend::Ran {
        let arguments = [arguments, &["--bus", self.bus.address()]].concat();
        self.device.run(&arguments)
    }

    /// A call as another user: [`Bus::call_as`].
    pub fn call_as(&self, uid: u32, gids: &[u32], words: &[&str]) -> (bool, String) {
        self.bus.call_as(uid, gids, words)
    }

    /// Every file of the state directory with its content.
    pub fn stored(&self) -> BTreeMap<String, Vec<u8>> {
        let entries = fs::read_dir(self.device.state()).unwrap().map(Result::unwrap);
        let file = |entry: fs::DirEntry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        };
        entries.map(file).collect()
    }

    /// The names of the files that are stored of one application, without its name.
    pub fn stored_of(&self, id: &str) -> Vec<String> {
        let prefix = format!("{id}.");
        let names = self.stored().into_keys();
        names.filter_map(|name| name.strip_prefix(&prefix).map(str::to_owned)).collect()
    }

    /// The paths of both copies of an application's only credentials.
    pub fn copies(&self, id: &str) -> [PathBuf; 2] {
        let names = self.stored_of(id);
        ["a", "b"].map(|copy| {
            let suffix = format!(".{copy}");
            let mut names = names.iter().filter(|name| name.ends_with(&suffix));
            let name =
                names.next().unwrap_or_else(|| panic!("no copy {copy}: {:?}", self.stored_of(id)));
            assert_eq!(names.next(), None);
            self.device.state().join(format!("{id}.{name}"))
        })
    }
}

/// The user who runs the tests.
pub fn uid() -> u32 {
    rustix::process::geteuid().as_raw()
}
