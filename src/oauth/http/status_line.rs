// SPDX-License-Identifier: MIT OR Apache-2.0
//! Watches the status line go by: an answer that breaks off in its header may have made a client,
//! and ureq says only that it broke off.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

/// The status of the answer, once its status line has come; 0 before.
#[derive(Clone, Debug, Default)]
pub(super) struct StatusLine(Arc<AtomicU16>);

impl StatusLine {
    /// The status, if the line has come.
    pub(super) fn status(&self) -> Option<u16> {
        Some(self.0.load(Ordering::Relaxed)).filter(|status| *status != 0)
    }

    /// Reads `HTTP/1.x NNN` and what ends it.
    fn look(&self, input: &[u8]) {
        let digits = match input {
            [b'H', b'T', b'T', b'P', b'/', b'1', b'.', _, b' ', digits @ .., _] => digits,
            _ => return,
        };
        let [a, b, c] = match digits.get(..3) {
            Some(&[a, b, c]) if [a, b, c].iter().all(u8::is_ascii_digit) => {
                [a, b, c].map(u16::from)
            }
            _ => return,
        };
        let zero = u16::from(b'0');
        self.0.store((a - zero) * 100 + (b - zero) * 10 + (c - zero), Ordering::Relaxed);
    }
}

impl<In: Transport> Connector<In> for StatusLine {
    type Out = Watched<In>;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Watched<In>>, ureq::Error> {
        Ok(chained.map(|transport| Watched { transport, line: self.clone() }))
    }
}

/// A transport whose input is looked at.
#[derive(Debug)]
pub(super) struct Watched<T> {
    transport: T,
    line: StatusLine,
}

impl<T: Transport> Transport for Watched<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.transport.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.transport.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let more = self.transport.await_input(timeout)?;
        self.line.look(self.transport.buffers().input());
        Ok(more)
    }

    fn is_open(&mut self) -> bool {
        self.transport.is_open()
    }

    fn is_tls(&self) -> bool {
        self.transport.is_tls()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_counts_once_its_three_digits_and_what_follows_have_come() {
        for (input, status) in [
            (&b"HTTP/1.1 201 Created\r\n"[..], Some(201)),
            (b"HTTP/1.0 200\r", Some(200)),
            (b"HTTP/1.1 100 Continue\r\n\r\nHTTP", Some(100)),
            (b"HTTP/1.1 201", None),
            (b"HTTP/1.1 2x1 ", None),
            (b"HTTP/2 200 ", None),
            (b"SSH-2.0-OpenSSH\r\n", None),
            (b"", None),
        ] {
            let line = StatusLine::default();
            line.look(input);
            assert_eq!(line.status(), status, "{}", String::from_utf8_lossy(input));
        }
    }
}
