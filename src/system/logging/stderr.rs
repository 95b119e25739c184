// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lines on stderr: a terminal, a file, a pipe, or the journal's socket.

use std::io::IsTerminal;
use std::os::fd::{AsFd, BorrowedFd};

use log::Level;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Stat, fstat};
use rustix::io::{self, Errno};
use rustix::net::{SendFlags, send};

/// What stands behind stderr.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stderr {
    journal: bool,
    socket: bool,
}

impl Stderr {
    /// Looks at stderr as it is now.
    pub(super) fn new() -> Self {
        let Ok(stat) = fstat(std::io::stderr()) else {
            return Self { journal: false, socket: false };
        };
        let stream = std::env::var("JOURNAL_STREAM");
        Self {
            journal: stream.is_ok_and(|stream| is_journal(&stream, &stat)),
            socket: FileType::from_raw_mode(stat.st_mode) == FileType::Socket,
        }
    }

    /// Whether a line here is seen: by the journal, or by a person.
    pub(super) fn is_read_by_somebody(self) -> bool {
        self.journal || std::io::stderr().is_terminal()
    }

    /// Writes one line, or lets it go where that would have to wait.
    pub(super) fn write(self, level: Level, text: &str) {
        let line = if self.journal {
            format!("<{}>{text}\n", priority(level))
        } else {
            format!("{}: {text}\n", word(level))
        };
        let _ = self.emit(std::io::stderr().as_fd(), line.as_bytes());
    }

    /// One system call for the whole line. stderr is shared with whoever started us, so it is not
    /// made non-blocking; the one call is.
    fn emit(self, fd: BorrowedFd<'_>, line: &[u8]) -> io::Result<usize> {
        if self.socket {
            return send(fd, line, SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
        }
        let mut fds = [PollFd::new(&fd, PollFlags::OUT)];
        poll(&mut fds, Some(&Timespec::default()))?;
        if !fds[0].revents().contains(PollFlags::OUT) {
            return Err(Errno::AGAIN);
        }
        io::write(fd, line)
    }
}

/// Whether `stream`, the value of `JOURNAL_STREAM`, names this file: systemd leaves the variable
/// to those whose stderr has been moved elsewhere too.
fn is_journal(stream: &str, stat: &Stat) -> bool {
    stream == format!("{}:{}", stat.st_dev, stat.st_ino)
}

/// The priority of syslog(3) and the journal.
fn priority(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warning",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    }
}

#[cfg(test)]
mod tests {
    use std::io::{PipeReader, Read, pipe};
    use std::os::unix::net::UnixStream;

    use super::*;

    const PLAIN: Stderr = Stderr { journal: false, socket: false };
    const SOCKET: Stderr = Stderr { journal: true, socket: true };

    #[test]
    fn a_line_that_would_have_to_wait_is_let_go_whole() {
        let (reader, writer) = pipe().unwrap();
        let line = [b"x".repeat(4095), b"\n".to_vec()].concat();
        let written = std::iter::repeat_with(|| PLAIN.emit(writer.as_fd(), &line))
            .take_while(|result| *result == Ok(line.len()))
            .count();
        drop(writer);
        assert_eq!(read_all(reader), line.repeat(written));

        let (ours, theirs) = UnixStream::pair().unwrap();
        let written = std::iter::repeat_with(|| SOCKET.emit(ours.as_fd(), &line))
            .take_while(|result| *result == Ok(line.len()))
            .count();
        drop(ours);
        let mut read = Vec::new();
        { theirs }.read_to_end(&mut read).unwrap();
        assert_eq!(read, line.repeat(written));
    }

    #[test]
    fn a_reader_that_has_gone_is_an_error_and_no_signal() {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        assert_eq!(PLAIN.emit(writer.as_fd(), b"a\n"), Err(Errno::PIPE));
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        assert_eq!(SOCKET.emit(ours.as_fd(), b"a\n"), Err(Errno::PIPE));
    }

    #[test]
    fn the_journal_is_known_by_device_and_inode() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let stat = fstat(&ours).unwrap();
        assert!(is_journal(&format!("{}:{}", stat.st_dev, stat.st_ino), &stat));
        for other in [format!("{}:{}", stat.st_dev, stat.st_ino + 1), String::new(), ":".into()] {
            assert!(!is_journal(&other, &stat), "{other}");
        }
    }

    fn read_all(mut reader: PipeReader) -> Vec<u8> {
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        read
    }
}
