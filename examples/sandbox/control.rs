// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a scene is asked for: by a line on standard input, or from another terminal through a
//! socket in the sandbox's temporary directory.

use std::env;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;

use tempfile::TempDir;

use super::events::{Event, Events, show};
use super::support::{BOUND, Failure};
use super::view;

/// What the directory's name begins with, so that another terminal finds it.
const PREFIX: &str = "tokend-sandbox-";
const SOCKET: &str = "control";

/// Listens until it is dropped, and then removes its directory.
pub(crate) struct Control {
    _dir: TempDir,
}

impl Control {
    /// Hands on what is asked for, as [`Event::Scene`].
    pub(crate) fn start(events: &Events) -> Result<Self, Failure> {
        let failure = |error| Failure::new("cannot make the control socket", error);
        let dir = tempfile::Builder::new().prefix(PREFIX).tempdir().map_err(failure)?;
        let listener = UnixListener::bind(dir.path().join(SOCKET)).map_err(failure)?;
        let send = events.sender();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let send = send.clone();
                // A thread each: whoever connects and says nothing holds up nobody.
                thread::spawn(move || {
                    let mut name = String::new();
                    let _ = BufReader::new(&stream).read_line(&mut name);
                    let answer = Box::new(move |text: &str| {
                        let _ = writeln!(&stream, "{text}");
                    });
                    send(Event::Scene { name: name.trim().to_owned(), answer })
                });
            }
        });
        let send = events.sender();
        thread::spawn(move || {
            // Its end is the end of nothing.
            for line in io::stdin().lines().map_while(Result::ok) {
                view::typed();
                let name = line.trim().to_owned();
                if !name.is_empty() && !send(Event::Scene { name, answer: Box::new(typed) }) {
                    return;
                }
            }
        });
        Ok(Self { _dir: dir })
    }
}

/// Answers who has typed a scene's name: one that is played is shown in any case.
fn typed(answer: &str) {
    if let Some(error) = answer.strip_prefix("error: ") {
        show(error);
    }
}

/// Asks the sandbox that runs for a scene, and prints its answer.
pub(crate) fn ask(name: &str) -> ExitCode {
    let mut running = running();
    let (Some(stream), true) = (running.pop(), running.is_empty()) else {
        let count = if running.is_empty() { "no sandbox runs" } else { "several sandboxes run" };
        eprintln!("sandbox: {count} under {}", env::temp_dir().display());
        return ExitCode::from(69); // EX_UNAVAILABLE
    };
    match exchange(stream, name) {
        Ok(answer) if answer.is_empty() => {
            eprintln!("sandbox: it has ended");
            ExitCode::from(69)
        }
        Ok(answer) => match answer.strip_prefix("error: ") {
            Some(error) => {
                eprintln!("sandbox: {}", error.trim_end());
                ExitCode::from(64) // EX_USAGE
            }
            None => {
                show(answer.trim_end());
                ExitCode::SUCCESS
            }
        },
        Err(error) => {
            eprintln!("sandbox: no answer: {error}");
            ExitCode::from(69)
        }
    }
}

/// The sandboxes that answer the door. One that was killed has left its directory behind.
fn running() -> Vec<UnixStream> {
    let entries = fs::read_dir(env::temp_dir()).into_iter().flatten().flatten();
    let ours = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX));
    let sockets = ours.map(|entry| -> PathBuf { entry.path().join(SOCKET) });
    sockets.filter_map(|socket| UnixStream::connect(socket).ok()).collect()
}

fn exchange(mut stream: UnixStream, name: &str) -> io::Result<String> {
    let (sender, answer) = mpsc::channel();
    writeln!(stream, "{name}")?;
    thread::spawn(move || {
        let mut text = String::new();
        let _ = sender.send(stream.read_to_string(&mut text).map(|_| text));
    });
    answer.recv_timeout(BOUND).unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
