// SPDX-License-Identifier: MIT OR Apache-2.0
//! The handshake with a bus (D-Bus Specification, section "Authentication Protocol"): line by line,
//! and without a uid, which the bus reads off the socket. So it works in a user namespace, where our
//! own number is another, and through proxies that read one line at a time.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// A bus that says nothing for so long is no bus.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest line that a bus may answer with.
const LONGEST: usize = 4096;

/// Ends with the bus ready for messages; returns its GUID. `descriptors`: the bus may send some.
///
/// # Errors
/// The connection fails, or the bus refuses us.
pub(crate) fn log_in(stream: &mut UnixStream, descriptors: bool) -> io::Result<String> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut answer = ask(stream, "\0AUTH EXTERNAL\r\n")?;
    // It asks for more, and there is no more to say. A bus may also take the bare line.
    if answer.split(' ').next() == Some("DATA") {
        answer = ask(stream, "DATA\r\n")?;
    }
    let Some(guid) = answer.strip_prefix("OK ") else {
        let message = format!("the bus refuses the mechanism EXTERNAL: it says {answer:?}");
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    };
    if descriptors {
        // Whatever it answers: one that cannot send any does not send any.
        ask(stream, "NEGOTIATE_UNIX_FD\r\n")?;
    }
    stream.write_all(b"BEGIN\r\n")?;
    Ok(guid.trim().to_owned())
}

fn ask(stream: &mut UnixStream, line: &str) -> io::Result<String> {
    stream.write_all(line.as_bytes())?;
    // Byte by byte: what follows the line is not ours to read.
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n") {
        let mut byte = [0];
        if answer.len() == LONGEST || stream.read(&mut byte)? == 0 {
            let message = "the bus has closed the connection before we were let in";
            return Err(io::Error::new(io::ErrorKind::ConnectionRefused, message));
        }
        answer.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&answer[..answer.len() - 2]).into_owned())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::thread;

    use super::*;

    /// A bus that has these answers, one for each line, and what it was told.
    fn with_bus(answers: &'static [&'static str]) -> (io::Result<String>, Vec<String>) {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let bus = thread::spawn(move || {
            let mut theirs = BufReader::new(theirs);
            let mut told = Vec::new();
            let mut answers = answers.iter();
            loop {
                let mut line = String::new();
                if theirs.read_line(&mut line).unwrap() == 0 {
                    return told;
                }
                // Nothing is sent ahead of its answer, but for the bytes that begin a message.
                assert!(theirs.buffer().is_empty(), "{line:?} was not the last");
                told.push(line);
                match answers.next() {
                    Some(answer) => theirs.get_mut().write_all(answer.as_bytes()).unwrap(),
                    None if told.last().unwrap() == "BEGIN\r\n" => {}
                    None => return told,
                }
            }
        });
        let result = log_in(&mut ours, true);
        drop(ours);
        (result, bus.join().unwrap())
    }

    #[test]
    fn it_goes_line_by_line_and_names_no_uid() {
        let (guid, told) = with_bus(&["DATA\r\n", "OK 0123abcd\r\n", "AGREE_UNIX_FD\r\n"]);
        assert_eq!(guid.unwrap(), "0123abcd");
        let lines = ["\0AUTH EXTERNAL\r\n", "DATA\r\n", "NEGOTIATE_UNIX_FD\r\n", "BEGIN\r\n"];
        assert_eq!(told, lines);
    }

    #[test]
    fn a_bus_that_passes_no_descriptors_is_taken_as_it_is() {
        let (guid, told) = with_bus(&["OK 0123\r\n", "ERROR\r\n"]);
        assert_eq!(guid.unwrap(), "0123");
        assert_eq!(told.last().unwrap(), "BEGIN\r\n");
    }

    #[test]
    fn a_bus_that_refuses_or_leaves_is_an_error_that_says_so() {
        let (refused, _) = with_bus(&["REJECTED DBUS_COOKIE_SHA1\r\n"]);
        let message = refused.unwrap_err().to_string();
        assert!(message.contains("REJECTED DBUS_COOKIE_SHA1"), "{message}");
        let (left, _) = with_bus(&[]);
        assert!(left.unwrap_err().to_string().contains("closed"));
    }
}
