// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is said to the service manager (sd_notify(3)): nothing, where there is none.
//!
//! The words, and the reading of the watchdog's variables, are those of the `sd-notify` crate. The
//! socket is our own, as the crate's does not know the abstract namespace; so is the time in a
//! reload, as the crate's overflows after 36 minutes where a `long` has 32 bits.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Once;
use std::time::Duration;

use sd_notify::NotifyState;

use crate::system::clock;

/// The longest that a service manager with a full socket is waited for: a lost READY would cost
/// the start.
const PATIENCE: Duration = Duration::from_millis(500);

/// The way to the service manager, from the environment at the start. A message that cannot be
/// sent is let go; the first one is logged.
#[derive(Debug)]
pub struct Notifier {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
    failed: Once,
}

impl Notifier {
    /// Reads `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`. They stay in the environment (no
    /// safe call removes them): whoever starts a child takes them out of the child's.
    #[must_use]
    pub fn from_env() -> Self {
        let failed = Once::new();
        let socket = std::env::var_os("NOTIFY_SOCKET").and_then(|name| match open(&name) {
            Ok(socket) => Some(socket),
            Err(error) => {
                failed.call_once(|| log::debug!("the service manager is not told: {error}"));
                None
            }
        });
        let watchdog = sd_notify::watchdog_enabled().filter(|period| !period.is_zero());
        Self { socket, watchdog, failed }
    }

    /// The start is over (`READY=1`); so is a reload.
    pub fn ready(&self) {
        self.send(&[NotifyState::Ready]);
    }

    /// One line for people (`STATUS=`). Control characters become spaces: a line break would
    /// begin a message of its own.
    pub fn status(&self, text: &str) {
        self.send(&[NotifyState::Status(&text.replace(char::is_control, " "))]);
    }

    /// A sign of life (`WATCHDOG=1`).
    pub fn watchdog(&self) {
        self.send(&[NotifyState::Watchdog]);
    }

    /// The configuration is being read again (`RELOADING=1`, with the `MONOTONIC_USEC` that
    /// `Type=notify-reload` needs). [`Notifier::ready`] must follow.
    pub fn reloading(&self) {
        self.send(&[NotifyState::Reloading, NotifyState::MonotonicUsec(clock::monotonic_usec())]);
    }

    /// The end has begun (`STOPPING=1`).
    pub fn stopping(&self) {
        self.send(&[NotifyState::Stopping]);
    }

    /// How often [`Notifier::watchdog`] must be called: half of the `WatchdogSec=` of the unit.
    /// None where this process is not watched.
    #[must_use]
    pub fn watchdog_interval(&self) -> Option<Duration> {
        self.watchdog.map(|period| period / 2)
    }

    fn send(&self, states: &[NotifyState<'_>]) {
        let Some((socket, address)) = &self.socket else { return };
        let message: String = states.iter().map(|state| format!("{state}\n")).collect();
        if let Err(error) = socket.send_to_addr(message.as_bytes(), address) {
            self.failed.call_once(|| log::debug!("the service manager was not told: {error}"));
        }
    }
}

/// Opens the socket for an absolute path or `@` and an abstract name.
fn open(name: &OsStr) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name.as_bytes() {
        [b'@', rest @ ..] if !rest.is_empty() => SocketAddr::from_abstract_name(rest)?,
        [b'/', ..] => SocketAddr::from_pathname(name)?,
        _ => {
            let wrong = "NOTIFY_SOCKET is neither an absolute path nor an abstract name";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, wrong));
        }
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok((socket, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notifier(name: &OsStr) -> Notifier {
        Notifier { socket: Some(open(name).unwrap()), watchdog: None, failed: Once::new() }
    }

    fn next(manager: &UnixDatagram) -> String {
        let mut buffer = [0; 512];
        let length = manager.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn each_message_is_one_datagram_in_the_words_of_sd_notify() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let notifier = notifier(path.as_os_str());
        notifier.ready();
        assert_eq!(next(&manager), "READY=1\n");
        notifier.status("2 applications ready");
        assert_eq!(next(&manager), "STATUS=2 applications ready\n");
        notifier.watchdog();
        assert_eq!(next(&manager), "WATCHDOG=1\n");
        notifier.stopping();
        assert_eq!(next(&manager), "STOPPING=1\n");
    }

    #[test]
    fn a_reload_carries_the_monotonic_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let before = clock::monotonic_usec();
        notifier(path.as_os_str()).reloading();
        let after = clock::monotonic_usec();
        let message = next(&manager);
        let usec = message.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect(&message);
        assert!((before..=after).contains(&usec.trim_end().parse().unwrap()), "{message}");
    }

    #[test]
    fn an_abstract_socket_is_reached() {
        let name = format!("tokend-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        notifier(OsStr::new(&format!("@{name}"))).ready();
        assert_eq!(next(&manager), "READY=1\n");
    }

    #[test]
    fn a_status_cannot_smuggle_in_another_message() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        notifier(path.as_os_str()).status("no\nSTOPPING=1");
        assert_eq!(next(&manager), "STATUS=no STOPPING=1\n");
    }

    #[test]
    fn a_manager_that_is_gone_or_was_never_there_is_no_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        notifier(path.as_os_str()).ready();
        Notifier { socket: None, watchdog: None, failed: Once::new() }.ready();
    }

    #[test]
    fn a_socket_is_an_absolute_path_or_an_abstract_name() {
        for bad in ["", "@", "notify", "vsock:2:1"] {
            assert_eq!(open(OsStr::new(bad)).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
    }
}
