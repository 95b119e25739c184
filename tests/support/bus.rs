// SPDX-License-Identifier: MIT OR Apache-2.0
//! A private message bus: a `dbus-daemon` with a configuration of its own, in a directory of its
//! own. Everyone may connect, whatever their uid, so that access control is tokend's alone.
//!
//! The program is the one that the path leads to. `TOKEND_BUS=dbus-broker` has the tests start that
//! instead: `tests/buses/run` tries both, of several releases.

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::mpsc;
use std::thread;

use tempfile::TempDir;

use super::child::{self, Child};
use super::raw::Raw;
use super::{BOUND, Failure, scratch};

mod broker;

/// The variable that names the kind of bus.
const KIND: &str = "TOKEND_BUS";
const CONFIG_FILE: &str = "bus.conf";
const SOCKET: &str = "bus";
const CONFIG: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=@SOCKET@</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*" eavesdrop="false"/>
    <allow receive_sender="*"/>
  </policy>
  <!-- No limit of the bus stands before tokend's own. -->
  <limit name="max_connections_per_user">10000</limit>
  <limit name="max_completed_connections">10000</limit>
  <limit name="max_replies_per_connection">50000</limit>
  <limit name="max_match_rules_per_connection">50000</limit>
</busconfig>
"#;

/// A running bus. Dropped: ended, and its directory removed.
pub struct Bus {
    // In this order: the process ends before its directory goes.
    daemon: Child,
    address: String,
    _dir: TempDir,
}

impl Bus {
    /// Starts a bus and waits until it answers.
    ///
    /// # Errors
    /// Its program is missing (the message names its package) or does not start.
    pub fn start() -> Result<Self, Failure> {
        Self::start_with("")
    }

    /// The same with more elements in the configuration, as `<limit name="…">…</limit>`. What comes
    /// later counts.
    ///
    /// # Errors
    /// As [`Bus::start`].
    pub fn start_with(elements: &str) -> Result<Self, Failure> {
        if is_broker() { Self::start_broker(elements) } else { Self::start_daemon(elements) }
    }

    /// One of each kind; only the one that was asked for if one was. `dbus-broker` is left out, and
    /// that is said, if it is not there or we are not root.
    ///
    /// # Errors
    /// As [`Bus::start`].
    pub fn start_each() -> Result<Vec<Self>, Failure> {
        let mut buses = vec![Self::start()?];
        let needed = ["dbus-broker-launch", "systemd-socket-activate", "unshare", "mount"];
        if env::var_os(KIND).is_some() {
            // Somebody else tries the other kind.
        } else if can_act_as_others() && child::are_in_path(&needed) {
            buses.push(Self::start_broker("")?);
        } else {
            eprintln!("not tried on dbus-broker: that takes root and the package dbus-broker");
        }
        Ok(buses)
    }

    fn start_daemon(elements: &str) -> Result<Self, Failure> {
        let program = child::find("dbus-daemon", "dbus-daemon")?;
        let dir = directory(elements)?;
        let mut command = child::command(program);
        command
            .arg("--config-file")
            .arg(dir.path().join(CONFIG_FILE))
            .args(["--nofork", "--nopidfile"]);
        command.arg("--print-address");
        // One pipe: the address is the first line; without one, what came is the reason.
        let output = child::capture(&mut command)?;
        let daemon = Child::spawn(command)?;
        let (sender, first_line) = mpsc::channel();
        thread::spawn(move || {
            let mut output = BufReader::new(output).lines();
            let _ = sender.send(output.next());
            // Read on, so that the daemon never blocks on a full pipe.
            output.for_each(drop);
        });
        match first_line.recv_timeout(BOUND) {
            Ok(Some(Ok(address))) if address.starts_with("unix:") => {
                Ok(Self { daemon, address, _dir: dir })
            }
            Ok(line) => {
                let line = line.and_then(Result::ok).unwrap_or_default();
                Err(Failure::new("dbus-daemon does not start", line))
            }
            Err(_) => Err(Failure("dbus-daemon gives no address".into())),
        }
    }

    /// The process id of the bus; of a dbus-broker, that of its launcher.
    pub fn id(&self) -> u32 {
        self.daemon.id()
    }

    /// Its D-Bus address, for `--bus`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether it tells the groups of a connection; dbus-daemon before 1.14 does not.
    pub fn tells_groups(&self) -> bool {
        let mut raw = Raw::connect(&self.address).expect("everyone may connect");
        let (bus, own) = ("org.freedesktop.DBus", raw.name.clone());
        let words = [bus, "/org/freedesktop/DBus", bus, "GetConnectionCredentials", "s", &own];
        let (good, said) = raw.call(&words);
        assert!(good, "{said}");
        said.contains("UnixGroupIDs")
    }

    /// Ends the bus at once, as a crash would.
    pub fn kill(&mut self) {
        self.daemon.kill();
    }

    /// Makes the call of these words ([`Raw::call`]) as the user `uid`, who is in no group but
    /// `gids`; only root may do so.
    pub fn call_as(&self, uid: u32, gids: &[u32], words: &[&str]) -> (bool, String) {
        Raw::connect_as(&self.address, uid, gids).expect("everyone may connect").call(words)
    }

    /// The same as the user who runs the tests.
    pub fn call(&self, words: &[&str]) -> (bool, String) {
        Raw::connect(&self.address).expect("everyone may connect").call(words)
    }
}

/// A directory with the configuration of a bus whose socket lies there too.
fn directory(elements: &str) -> Result<TempDir, Failure> {
    let failure = |error| Failure::new("cannot prepare the private bus", error);
    let dir = scratch("tokend-bus-").map_err(failure)?;
    // Another user must reach the socket.
    let everyone = fs::Permissions::from_mode(0o755);
    fs::set_permissions(dir.path(), everyone).map_err(failure)?;
    let text = CONFIG.replace("@SOCKET@", &dir.path().join(SOCKET).to_string_lossy());
    let text = text.replace("</busconfig>", &format!("{elements}</busconfig>"));
    fs::write(dir.path().join(CONFIG_FILE), text).map_err(failure)?;
    Ok(dir)
}

/// Whether the tests start a `dbus-broker`.
pub fn is_broker() -> bool {
    match env::var_os(KIND) {
        None => false,
        Some(kind) if kind == "dbus-daemon" => false,
        Some(kind) if kind == "dbus-broker" => true,
        Some(kind) => panic!("{KIND}={}: dbus-daemon or dbus-broker is expected", kind.display()),
    }
}

/// Whether the tests may act as another user: they run as root.
pub fn can_act_as_others() -> bool {
    rustix::process::geteuid().is_root()
}
