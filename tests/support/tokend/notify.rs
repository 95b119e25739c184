// SPDX-License-Identifier: MIT OR Apache-2.0
//! systemd's end of `NOTIFY_SOCKET`.

use std::net::Shutdown;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::super::Failure;
use super::super::lines::Lines;

/// The line after all that the daemon told.
pub const ENDED: &str = "(ended)";

/// A socket that listens until it is dropped.
pub(super) struct Notifications {
    socket: UnixDatagram,
    pub path: PathBuf,
    /// One for each state that was told.
    pub lines: Lines,
}

impl Notifications {
    /// Listens in `dir`.
    pub fn listen(dir: &Path) -> Result<Self, Failure> {
        let failure = |error| Failure::new("cannot listen for notifications", error);
        // A socket for each run: what an old one still says is not taken for the new one's word.
        static RUN: AtomicU64 = AtomicU64::new(0);
        let path = dir.join(format!("notify-{}", RUN.fetch_add(1, Ordering::Relaxed)));
        let socket = UnixDatagram::bind(&path).map_err(failure)?;
        let receiver = socket.try_clone().map_err(failure)?;
        let lines = Lines::default();
        let collected = lines.clone();
        thread::spawn(move || {
            let mut datagram = [0; 4096];
            // Shut down, it receives nothing at all.
            while let Ok(length @ 1..) = receiver.recv(&mut datagram) {
                let states = String::from_utf8_lossy(&datagram[..length]).into_owned();
                states.lines().for_each(|state| collected.push(state.to_owned()));
            }
        });
        Ok(Self { socket, path, lines })
    }

    /// To be done when the daemon's output has ended: says [`ENDED`] by the socket itself, so that
    /// it comes after all that the daemon said.
    pub fn farewell(&self) -> impl FnOnce() + Send + 'static {
        let path = self.path.clone();
        move || {
            // Without a listener nobody waits for it.
            let sender = UnixDatagram::unbound();
            let _ = sender.and_then(|sender| sender.send_to(ENDED.as_bytes(), path));
        }
    }
}

impl Drop for Notifications {
    fn drop(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Both);
        let _ = std::fs::remove_file(&self.path);
    }
}
