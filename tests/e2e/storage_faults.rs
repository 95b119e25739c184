// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sealed files that are authentic and in the wrong place: swapped between applications and roles,
//! or an old one put back. With the real daemon; nobody is signed out for it.
//!
//! What else belongs to storage faults: every flipped bit and every length of a sealed file in
//! `src/seal/envelope/tests.rs`, every byte of a copy and every step of the disk in
//! `src/store/tests/`, each system call of the real daemon in `tests/power_cuts/faults.rs`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::authority::{Authority, Endpoint};
use crate::support::bus::Bus;
use crate::support::player::Player;
use crate::support::statement;
use crate::support::tokend::{Application, Device, Tokend};

const NAMES: [&str; 2] = ["cinema", "sports"];

/// A server, a bus and a device with two applications.
struct Rig {
    device: Device,
    authority: Authority,
    player: Player,
    _bus: Bus,
}

impl Rig {
    fn new() -> Self {
        let (authority, bus) = (Authority::http(), Bus::start().unwrap());
        let device = Device::of_this_build(&authority, &bus);
        for name in NAMES {
            device.add(&Application::new(name, &statement::issue(name))).unwrap();
        }
        let player = Player::connect(bus.address()).unwrap();
        Self { device, authority, player, _bus: bus }
    }

    /// A run of the daemon in which both applications get a token.
    fn run(&self) -> String {
        let tokend = self.device.start();
        self.get_tokens();
        end(tokend)
    }

    fn get_tokens(&self) -> [String; 2] {
        NAMES.map(|name| self.player.get_token(name, 0).unwrap().0)
    }

    fn registrations(&self) -> usize {
        self.authority.count(Endpoint::Register)
    }

    /// The file of an application whose name ends so.
    fn file(&self, id: &str, end: &str) -> PathBuf {
        let ours = |path: &PathBuf| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.starts_with(&format!("{id}.")) && name.ends_with(end)
        };
        self.files().into_iter().find(ours).unwrap_or_else(|| panic!("no {end} of {id}"))
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.device.state()).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// The files that were put aside.
    fn aside(&self) -> usize {
        let is_aside = |path: &PathBuf| path.extension().is_some_and(|end| end == "corrupt");
        self.files().iter().filter(|path| is_aside(path)).count()
    }
}

fn end(tokend: Tokend) -> String {
    let ended = tokend.terminate();
    assert_eq!(ended.code(), 0, "{}", ended.output);
    ended.output
}

fn swap(a: &Path, b: &Path) {
    let (x, y) = (fs::read(a).unwrap(), fs::read(b).unwrap());
    fs::write(a, y).unwrap();
    fs::write(b, x).unwrap();
}

#[test]
fn one_copy_swapped_between_applications_is_repaired_in_both() {
    let rig = Rig::new();
    rig.run();
    let copies = NAMES.map(|name| rig.file(name, ".a"));
    let before = copies.clone().map(|file| fs::read(file).unwrap());
    swap(&copies[0], &copies[1]);
    let output = rig.run();
    assert_eq!(output.matches("repaired from").count(), 2, "{output}");
    assert_eq!((rig.registrations(), rig.aside()), (2, 0));
    for (copy, swapped) in copies.iter().zip(before.iter().rev()) {
        assert_ne!(&fs::read(copy).unwrap(), swapped);
    }
}

#[test]
fn credentials_swapped_between_applications_serve_neither_and_are_kept_aside() {
    let rig = Rig::new();
    rig.run();
    for end in [".a", ".b"] {
        let [one, other] = NAMES.map(|name| rig.file(name, end));
        swap(&one, &other);
    }
    for name in NAMES {
        fs::remove_file(rig.file(name, ".token")).unwrap();
    }
    let asked = rig.authority.count(Endpoint::Token);
    rig.run();
    // Both are lost: one registration each, and no request with the credentials of the other.
    assert_eq!((rig.registrations(), rig.aside()), (4, 4));
    let log = rig.authority.log();
    let requests: Vec<_> = log.of(Endpoint::Token).collect();
    for name in NAMES {
        let ours = |at: &[&crate::support::authority::Request]| {
            let of = at.iter().filter(|request| request.application.as_deref() == Some(name));
            of.map(|request| request.fields["client_id"].clone()).collect::<Vec<_>>()
        };
        let (before, after) = (ours(&requests[..asked]), ours(&requests[asked..]));
        assert!(!after.is_empty() && after.iter().all(|id| !before.contains(id)));
    }
}

#[test]
fn tokens_swapped_between_applications_are_served_to_nobody() {
    let rig = Rig::new();
    let tokend = rig.device.start();
    let before = rig.get_tokens();
    end(tokend);
    let [one, other] = NAMES.map(|name| rig.file(name, ".token"));
    swap(&one, &other);
    let tokend = rig.device.start();
    let after = rig.get_tokens();
    end(tokend);
    assert!(after.iter().all(|token| !before.contains(token)));
    assert_eq!(rig.registrations(), 2);
}

#[test]
fn a_file_in_the_place_of_another_role_is_damage_and_costs_no_registration() {
    for (from, to) in [(".token", ".record"), (".record", ".token"), (".token", ".a")] {
        let rig = Rig::new();
        rig.run();
        fs::copy(rig.file("cinema", from), rig.file("cinema", to)).unwrap();
        rig.run();
        assert_eq!(rig.registrations(), 2, "{from} as {to}");
    }
}

/// Of a whole old directory nobody can tell; of one old copy the newer generation tells.
#[test]
fn an_old_copy_put_back_loses_against_the_newer_one_whichever_it_is() {
    for which in [".a", ".b"] {
        let rig = Rig::new();
        let tokend = rig.device.start();
        rig.get_tokens();
        let copy = rig.file("cinema", which);
        let (old_copy, log) = (fs::read(&copy).unwrap(), rig.authority.log());
        let client = |log: &crate::support::authority::Log| {
            let ours =
                log.of(Endpoint::Token).filter(|it| it.application.as_deref() == Some("cinema"));
            ours.last().unwrap().fields["client_id"].clone()
        };
        let old = client(&log);
        end(tokend);
        // The server loses its clients, so that the application is registered anew.
        fs::remove_file(rig.file("cinema", ".token")).unwrap();
        let mut rig = rig;
        rig.device.set("server", "reregister_after_seconds", "1");
        rig.authority.forget_clients();
        let tokend = rig.device.start();
        rig.player.get_token("cinema", 0).unwrap();
        end(tokend);
        let new = client(&rig.authority.log());
        assert_ne!(new, old);

        fs::write(&copy, &old_copy).unwrap();
        fs::remove_file(rig.file("cinema", ".token")).unwrap();
        let tokend = rig.device.start();
        rig.player.get_token("cinema", 0).unwrap();
        let output = end(tokend);
        assert!(output.contains("older than its other copy: repaired"), "{output}");
        assert_eq!(client(&rig.authority.log()), new);
        assert_ne!(fs::read(&copy).unwrap(), old_copy);
    }
}
