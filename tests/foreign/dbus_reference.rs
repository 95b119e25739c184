// SPDX-License-Identifier: MIT OR Apache-2.0
//! `docs/dbus.md`, "From a shell", with the programs that it names.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use crate::bus_rig::{Rig, ready};

#[test]
fn every_line_for_the_shell_works_as_it_is_written() {
    let reference = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/dbus.md");
    let reference = fs::read_to_string(reference).unwrap();
    let shell = reference.split_once("\n## From a shell\n").unwrap().1;
    let shell = shell.split("\n## ").next().unwrap();
    let block = shell.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    let rig = Rig::with(ready());
    let mut tried = BTreeSet::new();
    for line in block.lines() {
        let program = line.split(' ').next().unwrap();
        let output = Command::new("sh")
            .args(["-c", line])
            .env("DBUS_SYSTEM_BUS_ADDRESS", &rig.bus.address)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_ne!(
            output.status.code(),
            Some(127),
            "{program} is missing: Debian has it in {}",
            package(program)
        );
        assert!(output.status.success(), "{line}: {said}");
        let wanted = match line {
            _ if line.contains("GetHeaders") => "Bearer the-token",
            _ if line.contains("Token") => "the-token",
            _ if line.contains("GetDeviceInfo") => "array",
            _ if line.contains("tree") => "/tv/tokend/application/cinema",
            _ if line.contains("introspect") => "TokenNumber",
            _ => "ready",
        };
        assert!(said.contains(wanted), "no {wanted:?} from {line}: {said}");
        tried.insert(program.to_owned());
    }
    assert_eq!(tried.into_iter().collect::<Vec<_>>(), ["busctl", "dbus-send", "gdbus"]);
}

fn package(program: &str) -> &'static str {
    match program {
        "busctl" => "systemd",
        "gdbus" => "libglib2.0-bin",
        _ => "dbus-bin",
    }
}
