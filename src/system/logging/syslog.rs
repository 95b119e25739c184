// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lines to the syslog daemon at `/dev/log`.
//!
//! The socket is the `syslog` crate's; the line is our own: `<PRI>tokend[PID]: text`, RFC 3164
//! without a date. The crate would put UTC where a syslog daemon takes local time; where there is
//! no date, the daemon puts in its own.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use log::Level;
use syslog::{Error, Facility, LogFormat, Logger, LoggerBackend, Severity};

const SOCKET: &str = "/dev/log";

/// The syslog daemon, connected to when there is something to say, and again after it has been
/// restarted.
pub(super) struct Syslog {
    socket: PathBuf,
    logger: Option<Logger<LoggerBackend, Format>>,
}

impl Syslog {
    /// Connects at the first line.
    pub(super) fn new() -> Self {
        Self { socket: SOCKET.into(), logger: None }
    }

    /// Connected now; none if nobody listens.
    pub(super) fn connected() -> Option<Self> {
        Some(Self { socket: SOCKET.into(), logger: Some(connect(Path::new(SOCKET)).ok()?) })
    }

    /// Sends one line. Lets it go where that would have to wait.
    ///
    /// # Errors
    /// Nobody listens.
    pub(super) fn write(&mut self, level: Level, text: &str) -> io::Result<()> {
        if let Some(logger) = &mut self.logger
            && send(logger, level, text).is_ok()
        {
            return Ok(());
        }
        // Not connected, or to a daemon that has gone: its successor has the same path.
        self.logger = None;
        let mut logger = connect(&self.socket)?;
        send(&mut logger, level, text)?;
        self.logger = Some(logger);
        Ok(())
    }
}

fn connect(socket: &Path) -> io::Result<Logger<LoggerBackend, Format>> {
    let format = Format { pid: std::process::id() };
    let logger = syslog::unix_custom(format, socket).map_err(io::Error::other)?;
    match &logger.backend {
        LoggerBackend::Unix(datagrams) => datagrams.set_nonblocking(true)?,
        LoggerBackend::UnixStream(stream) => stream.get_ref().set_nonblocking(true)?,
        LoggerBackend::Udp(..) | LoggerBackend::Tcp(_) => {}
    }
    Ok(logger)
}

fn send(logger: &mut Logger<LoggerBackend, Format>, level: Level, text: &str) -> io::Result<()> {
    let sent = match level {
        Level::Error => logger.err(text),
        Level::Warn => logger.warning(text),
        Level::Info => logger.info(text),
        Level::Debug | Level::Trace => logger.debug(text),
    };
    match sent {
        Err(Error::Write(error) | Error::Io(error))
            if error.kind() != io::ErrorKind::WouldBlock =>
        {
            Err(error)
        }
        _ => Ok(()),
    }
}

struct Format {
    pid: u32,
}

impl LogFormat<&str> for Format {
    fn format<W: Write>(&self, w: &mut W, severity: Severity, text: &str) -> syslog::Result<()> {
        let priority = Facility::LOG_DAEMON as u8 | severity as u8;
        write!(w, "<{priority}>tokend[{}]: {text}", self.pid).map_err(Error::Write)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    fn syslog(socket: &Path) -> Syslog {
        Syslog { socket: socket.into(), logger: None }
    }

    fn next(daemon: &UnixDatagram) -> String {
        let mut buffer = [0; 512];
        let length = daemon.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn a_line_has_facility_level_name_and_pid() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("log");
        let daemon = UnixDatagram::bind(&socket).unwrap();
        let mut syslog = syslog(&socket);
        let pid = std::process::id();
        for (level, priority) in [
            (Level::Error, 27),
            (Level::Warn, 28),
            (Level::Info, 30),
            (Level::Debug, 31),
            (Level::Trace, 31),
        ] {
            syslog.write(level, "a token was fetched").unwrap();
            assert_eq!(next(&daemon), format!("<{priority}>tokend[{pid}]: a token was fetched"));
        }
    }

    #[test]
    fn a_restarted_syslog_daemon_is_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("log");
        let mut syslog = syslog(&socket);
        assert!(syslog.write(Level::Info, "too early").is_err());
        for _ in 0..2 {
            let daemon = UnixDatagram::bind(&socket).unwrap();
            syslog.write(Level::Info, "here").unwrap();
            assert!(next(&daemon).ends_with(": here"));
            drop(daemon);
            std::fs::remove_file(&socket).unwrap();
            assert!(syslog.write(Level::Info, "gone").is_err());
        }
    }

    #[test]
    fn a_syslog_daemon_that_reads_nothing_holds_nobody_up() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("log");
        let daemon = UnixDatagram::bind(&socket).unwrap();
        let mut syslog = syslog(&socket);
        // Far more than the queue of any kernel holds.
        for _ in 0..5000 {
            syslog.write(Level::Info, &"x".repeat(1000)).unwrap();
        }
        assert!(next(&daemon).contains("xxx"));
    }
}
