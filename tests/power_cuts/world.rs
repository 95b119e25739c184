// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is done to a device while its power fails, and the device to do it to.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use tokend::common::model::Stored;
use tokend::config::Seal;
use tokend::seal;
use tokend::store::{StateDir, Store};

use super::support::authority::{Authority, Endpoint, Fault};
use super::support::bus::Bus;
use super::support::player::{CallError, Changes, Player};
use super::support::tokend::{Application, Device, Tokend};

pub(crate) const CINEMA: &str = "cinema";
const DAY: u64 = 86_400;

/// What a daemon does from its start on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// The first start of all: key, identity, registration, token.
    Registration,
    /// A start with a token that is at its end.
    Refresh,
    /// A caller reports the token, and a new one is fetched.
    Replacement,
    /// A start with credentials that the server refuses once more than it takes.
    Reregistration,
    /// A start with one copy of everything damaged or missing.
    Repair,
    /// All is deleted, and registered anew.
    Forget,
}

impl Operation {
    pub(crate) const ALL: [Self; 6] = [
        Self::Registration,
        Self::Refresh,
        Self::Replacement,
        Self::Reregistration,
        Self::Repair,
        Self::Forget,
    ];
}

/// Every file of a state directory with its content.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// A server, a bus and a device on which one operation is done again and again.
pub(crate) struct World {
    pub device: Device,
    pub authority: Authority,
    pub operation: Operation,
    /// What the state directory holds before the operation.
    pub before: Files,
    player: Player,
    _bus: Bus,
}

impl World {
    pub(crate) fn new(operation: Operation, statement: &str) -> Self {
        let (authority, bus) = (Authority::http(), Bus::start().unwrap());
        let mut device = Device::of_this_build(&authority, &bus);
        device.add(&Application::new(CINEMA, statement)).unwrap();
        device.set("server", "reregister_after_seconds", "300");
        device.set("device", "identity", "\"PC-0815-4711\"");
        let player = Player::connect(bus.address()).unwrap();
        let before = Files::new();
        let mut it = Self { device, authority, operation, before, player, _bus: bus };
        it.prepare();
        it
    }

    /// Brings the device to where the operation begins.
    fn prepare(&mut self) {
        if self.operation == Operation::Registration {
            return;
        }
        if self.operation == Operation::Refresh {
            // The shortest that is accepted.
            self.authority.set_expires_in(10);
        }
        let changes = self.player.watch(CINEMA);
        let tokend = self.device.start();
        self.token().unwrap();
        self.before = read(&self.device.state());
        if self.operation == Operation::Refresh {
            // When the second one is there, the first one is near enough to its end.
            changes.wait_for(|change| change.get::<u64>("TokenNumber") == Some(2));
            self.authority.set_expires_in(DAY);
        }
        assert_eq!(tokend.terminate().code(), 0);

        match self.operation {
            Operation::Reregistration => self.refuse(),
            Operation::Repair => {
                for (name, content) in &mut self.before {
                    let credentials = name.starts_with(CINEMA) && name.ends_with(".a");
                    if credentials || name == "key-check" {
                        let last = content.len() - 1;
                        content[last] ^= 1;
                    }
                }
                self.before.remove("device-identity.b");
            }
            _ => {}
        }
    }

    /// Lets the server refuse the credentials nearly as often as tokend puts up with.
    fn refuse(&mut self) {
        self.before.remove(&format!("{CINEMA}.token"));
        loop {
            self.reset();
            self.authority.always(Endpoint::Token, Fault::invalid_client());
            let asked = self.authority.count(Endpoint::Token);
            let tokend = self.device.start();
            let _answers = self.player.start_get_token(1, CINEMA, 0);
            self.authority.wait_until("four refusals", |log| {
                log.answered(Endpoint::Token, 400) >= 4 && log.count(Endpoint::Token) >= asked + 5
            });
            assert_eq!(tokend.terminate().code(), 0);
            self.authority.end_faults();
            let mut refused = read(&self.device.state());
            let record = open(&self.device.state()).unwrap().stored.record;
            let attempts =
                record.attempts.values().flat_map(|by_origin| by_origin.values()).next().unwrap();
            if attempts.refusals >= 3 && attempts.refused_for >= 1000 {
                refused.retain(|name, _| name != &format!("{CINEMA}.token"));
                self.before = refused;
                self.device.set("server", "reregister_after_seconds", "1");
                return;
            }
        }
    }

    /// The state directory as before the operation, and a server that does its duty until the
    /// operation wants it otherwise.
    pub(crate) fn reset(&self) {
        self.authority.end_faults();
        fs::remove_dir_all(self.device.state()).unwrap();
        write(&self.device.state(), &self.before);
        if self.operation == Operation::Reregistration {
            self.authority.next(Endpoint::Token, [Fault::invalid_client()]);
        }
    }

    /// Starts the daemon as it is; `None` where it does not come to its ready.
    pub(crate) fn start(&self) -> Option<Tokend> {
        let mut tokend = self.device.spawn().unwrap();
        tokend.wait_notified("READY=1").is_ok().then_some(tokend)
    }

    /// Does the operation with a daemon that is ready; the token that it ends with.
    pub(crate) fn operate(&self) -> Result<String, CallError> {
        if self.operation == Operation::Forget {
            self.player.forget(CINEMA)?;
        }
        let token = self.token()?;
        if self.operation == Operation::Replacement {
            return self.player.replace_token(CINEMA, &token, "").map(|(token, _)| token);
        }
        Ok(token)
    }

    pub(crate) fn token(&self) -> Result<String, CallError> {
        self.player.get_token(CINEMA, 0).map(|(token, _)| token)
    }

    pub(crate) fn watch(&self) -> Changes {
        self.player.watch(CINEMA)
    }

    pub(crate) fn last_error(&self) -> String {
        self.player.properties(CINEMA).last_error.0
    }

    /// Waits until the last error is gone. Panics where it stays.
    pub(crate) fn wait_until_well(&self) {
        let changes = self.watch();
        if !self.last_error().is_empty() {
            let gone = (String::new(), String::new());
            changes.wait_for(|change| change.get("LastError").as_ref() == Some(&gone));
        }
    }

    pub(crate) fn registrations(&self) -> usize {
        self.authority.count(Endpoint::Register)
    }
}

/// Everything that a state directory holds of the application and of the device.
#[derive(Debug, PartialEq)]
pub(crate) struct Content {
    pub stored: Stored,
    pub identity: Option<String>,
    /// What the store had to say, at the level warning and above.
    pub complaints: Vec<String>,
}

/// Opens a state directory with the real store.
pub(crate) fn open(state: &Path) -> Result<Content, String> {
    let dir = Arc::new(StateDir::lock(state).map_err(|error| format!("{error:?}"))?);
    let mut source = seal::source(&Seal::Generated, dir.path());
    let mut store = Store::open(dir, source.as_mut()).map_err(|error| format!("{error:?}"))?;
    let mut notes = store.take_notes();
    let (identity, more) = store.identity().map_err(|error| format!("{error:?}"))?;
    notes.extend(more);
    let cinema = CINEMA.parse().unwrap();
    let (stored, more) = store.load(&cinema).map_err(|error| format!("{error:?}"))?;
    notes.extend(more);
    let complaints = notes.into_iter().filter(|note| note.level <= log::Level::Warn);
    Ok(Content { stored, identity, complaints: complaints.map(|note| note.text).collect() })
}

impl Content {
    /// The client ids in use, and all others that are kept.
    pub(crate) fn clients(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let (mut current, mut all) = (BTreeSet::new(), BTreeSet::new());
        for slot in self.stored.filed.values().flat_map(|by_origin| by_origin.values()) {
            current.extend(slot.current.iter().map(|it| it.client_id.expose().to_owned()));
            let kept = slot.current.iter().chain(&slot.pending).chain(&slot.replaced);
            all.extend(kept.map(|it| it.client_id.expose().to_owned()));
        }
        (current, all)
    }
}

pub(crate) fn read(state: &Path) -> Files {
    let entries = fs::read_dir(state).unwrap().map(Result::unwrap);
    let file = |entry: fs::DirEntry| {
        (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
    };
    entries.map(file).collect()
}

pub(crate) fn write(state: &Path, files: &Files) {
    use std::io::Write as _;
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().mode(0o700).create(state).unwrap();
    for (name, content) in files {
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        options.open(state.join(name)).unwrap().write_all(content).unwrap();
    }
}
