// SPDX-License-Identifier: MIT OR Apache-2.0
//! The way to the server, on which bytes are counted: a relay before the loopback server.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::support::Failure;
use super::support::authority::{Authority, Options};
use super::support::tls::Certificates;

/// Bytes so far, as TCP carries them: handshake and all.
#[derive(Default)]
pub(crate) struct Counted {
    to_server: AtomicU64,
    to_device: AtomicU64,
}

impl Counted {
    /// To the server, and from it.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        (self.to_server.load(Ordering::Acquire), self.to_device.load(Ordering::Acquire))
    }
}

/// A server that is reached through the relay. The relay's thread ends with the process.
pub(crate) fn counted(options: Options) -> Result<(Authority, Arc<Counted>), Failure> {
    let failure = |error| Failure::new("cannot relay to the server", error);
    let front = TcpListener::bind("127.0.0.1:0").map_err(failure)?;
    let back = TcpListener::bind("127.0.0.1:0").map_err(failure)?;
    let host = front.local_addr().map_err(failure)?.to_string();
    let server = back.local_addr().map_err(failure)?;
    let authority = Authority::start_on(back, host, &Certificates::new()?, options)?;
    let counted = Arc::new(Counted::default());
    let counts = Arc::clone(&counted);
    thread::spawn(move || {
        for device in front.incoming().flatten() {
            let Ok(server) = TcpStream::connect(server) else { return };
            let (Ok(device2), Ok(server2)) = (device.try_clone(), server.try_clone()) else {
                return;
            };
            let (up, down) = (Arc::clone(&counts), Arc::clone(&counts));
            thread::spawn(move || relay(device, server, &up.to_server));
            thread::spawn(move || relay(server2, device2, &down.to_device));
        }
    });
    Ok((authority, counted))
}

/// Until one side ends.
fn relay(mut from: TcpStream, mut to: TcpStream, count: &AtomicU64) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        let length = from.read(&mut buffer)?;
        count.fetch_add(length as u64, Ordering::Release);
        if length == 0 {
            return to.shutdown(Shutdown::Write);
        }
        to.write_all(&buffer[..length])?;
    }
}
