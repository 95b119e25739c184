// SPDX-License-Identifier: MIT OR Apache-2.0
//! A private `dbus-broker`. Its launcher is made for systemd: it takes a socket from it, logs to
//! the journal's socket, and insists on both. `systemd-socket-activate` gives it the one, and a
//! mount namespace of its own the other, which leads to us. Only root can make that.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::thread;

use super::super::child::{self, Child};
use super::super::lines::Lines;
use super::super::raw::Raw;
use super::super::{BOUND, Failure};
use super::{Bus, CONFIG_FILE, SOCKET, directory};

const JOURNAL: &str = "journal";
/// $0 is the directory; the words after it start the launcher.
const SCRIPT: &str = r#"
mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal && : >/run/systemd/journal/socket &&
mount --bind "$0/journal" /run/systemd/journal/socket && exec "$@""#;

impl Bus {
    /// Starts a `dbus-broker` with these elements, and waits until it answers.
    pub(super) fn start_broker(elements: &str) -> Result<Self, Failure> {
        let launcher = child::find("dbus-broker-launch", "dbus-broker")?;
        let activate = child::find("systemd-socket-activate", "systemd")?;
        let dir = directory(elements)?;
        let socket = dir.path().join(SOCKET);
        let address = format!("unix:path={}", socket.display());
        let journal = UnixDatagram::bind(dir.path().join(JOURNAL))
            .map_err(|error| Failure::new("cannot stand in for the journal", error))?;
        // Nobody reads it, but it must never be full. Ends with the process.
        thread::spawn(move || while journal.recv(&mut [0; 1]).is_ok() {});

        let mut command = child::command(child::find("unshare", "util-linux")?);
        command.args(["--mount", "sh", "-c", SCRIPT]).arg(dir.path()).arg(activate);
        command.args(["-E", "DBUS_SESSION_BUS_ADDRESS", "-l"]).arg(&socket).arg(launcher);
        command.args(["--scope", "user", "--config-file"]).arg(dir.path().join(CONFIG_FILE));
        // It is a client of its own bus, in systemd's place.
        command.env("DBUS_SESSION_BUS_ADDRESS", &address);
        let output = Lines::default();
        output.collect(child::capture(&mut command)?, || ());
        let daemon = Child::spawn(command)?;
        let bus = Self { daemon, address, _dir: dir };
        let listening = output.wait_for(0, BOUND, |line| line.starts_with("Listening"));
        // The first connection is what starts it.
        match listening.map(|_| Raw::connect(bus.address())) {
            Some(Ok(_)) => {
                // systemd-socket-activate lets nobody else connect.
                let everyone = fs::Permissions::from_mode(0o666);
                fs::set_permissions(&socket, everyone)
                    .map_err(|error| Failure::new("cannot open the bus to others", error))?;
                Ok(bus)
            }
            _ => Err(Failure::new("dbus-broker does not start", output.text(0))),
        }
    }
}
