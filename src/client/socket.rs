// SPDX-License-Identifier: MIT OR Apache-2.0
//! A socket to a bus that has let us in already, for zbus: its own handshake names a uid, which in a
//! user namespace is the wrong one, and sends lines ahead, which not every proxy reads.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use async_trait::async_trait;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};
use zbus::connection::Builder;
use zbus::connection::socket::{ReadHalf, Socket, Split, WriteHalf};
use zruntime::{AsyncIo, Shared, SharedRuntime};

use crate::bus::BusAddress;
use crate::bus::login::log_in;

/// zbus wants to know the GUID of a bus, and nobody else does.
const NO_GUID: &str = "00000000000000000000000000000000";

/// A connection that is to be built.
pub(super) fn builder(bus: &BusAddress, runtime: &SharedRuntime) -> io::Result<Builder<'static>> {
    let (stream, guid) = bus.connect(|mut stream| {
        let guid = log_in(&mut stream, false)?;
        Ok((stream, guid))
    })?;
    let legal = guid.len() == NO_GUID.len() && guid.bytes().all(|byte| byte.is_ascii_hexdigit());
    let guid = if legal { guid } else { NO_GUID.to_owned() };
    let socket = LoggedIn(Arc::new(AsyncIo::new(runtime, stream)?));
    Ok(Builder::authenticated_socket(socket, guid))
}

#[derive(Clone, Debug)]
struct LoggedIn(Arc<AsyncIo<UnixStream, Shared>>);

impl Socket for LoggedIn {
    type ReadHalf = Self;
    type WriteHalf = Self;

    fn split(self) -> Split<Self, Self> {
        Split::new(self.clone(), self)
    }
}

#[async_trait]
impl ReadHalf for LoggedIn {
    async fn recvmsg(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        let received =
            self.0.read_with(|stream| Ok(recv(stream, &mut *buffer, RecvFlags::empty())?.0));
        Ok((received.await?, Vec::new()))
    }
}

#[async_trait]
impl WriteHalf for LoggedIn {
    async fn sendmsg(&mut self, buffer: &[u8], _: &[BorrowedFd<'_>]) -> io::Result<usize> {
        self.0.write_with(|stream| Ok(send(stream, buffer, SendFlags::NOSIGNAL)?)).await
    }

    async fn close(&mut self) -> io::Result<()> {
        Ok(shutdown(self.0.get_ref(), Shutdown::Both)?)
    }
}
