// SPDX-License-Identifier: MIT OR Apache-2.0
//! A terminal with a program on it: a real pseudo-terminal, which is the program's controlling one,
//! and an emulator that says what a person would see.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;
use std::process::{Command, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use nix::pty::openpty;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use super::BOUND;
use super::child::{self, Child};

/// Dropped: the program is killed.
pub struct Terminal {
    child: Child,
    master: File,
    /// Keeps the terminal's modes readable once the program has ended.
    slave: OwnedFd,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    state: Mutex<State>,
    more: Condvar,
}

struct State {
    emulator: vt100::Parser,
    /// All that was ever written.
    written: Vec<u8>,
}

impl Default for State {
    fn default() -> Self {
        Self { emulator: emulator(24, 80), written: Vec::new() }
    }
}

fn emulator(rows: u16, columns: u16) -> vt100::Parser {
    vt100::Parser::new(size(rows), size(columns), 0)
}

fn window(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

fn size(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).expect("a terminal has rows and columns")
}

impl Terminal {
    /// `command` on a terminal of 24 rows and 80 columns. It must not lead a process group.
    pub fn start(command: &Command) -> Self {
        let pty = openpty(None, None).expect("a pseudo-terminal");
        for end in [&pty.master, &pty.slave] {
            fcntl_setfd(end, FdFlags::CLOEXEC).expect("a descriptor takes flags");
        }
        tcsetwinsize(&pty.slave, window(24, 80)).expect("the terminal takes a size");
        let mut on_it = Command::new(command.get_program());
        child::takes_terminal(&mut on_it);
        on_it.args(command.get_args());
        on_it.env("TERM", "xterm");
        let slave = || pty.slave.try_clone().expect("a descriptor");
        on_it.stdin(slave()).stdout(slave()).stderr(slave());
        let child = Child::spawn(on_it).unwrap();
        let master = File::from(pty.master);
        let seen = Arc::new(Seen::default());
        let (mut source, shared) = (master.try_clone().expect("a descriptor"), Arc::clone(&seen));
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = source.read(&mut bytes) {
                let mut state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
                state.emulator.process(&bytes[..count]);
                state.written.extend_from_slice(&bytes[..count]);
                shared.more.notify_all();
            }
        });
        Self { child, master, slave: pty.slave, seen }
    }

    /// Hits keys; `\x03` is Ctrl-C.
    pub fn hit(&self, keys: &str) {
        (&self.master).write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// Makes the terminal another size, and tells the program.
    pub fn resize(&self, rows: u16, columns: u16) {
        self.lock().emulator.screen_mut().set_size(size(rows), size(columns));
        let set = tcsetwinsize(&self.slave, window(rows, columns));
        set.expect("the terminal takes a size");
    }

    /// Waits until what is on the screen is as wanted, and returns it. Panics after [`BOUND`].
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&vt100::Screen) -> bool) -> String {
        let missing = |state: &mut State| !wanted(state.emulator.screen());
        let (state, waited) = self
            .seen
            .more
            .wait_timeout_while(self.lock(), BOUND, missing)
            .unwrap_or_else(PoisonError::into_inner);
        let contents = state.emulator.screen().contents();
        assert!(!waited.timed_out(), "no {what} has come; the screen:\n{contents}");
        contents
    }

    /// Waits until the screen has this text. Panics after [`BOUND`].
    pub fn wait_for_text(&self, text: &str) -> String {
        self.wait_for(text, |screen| screen.contents().contains(text))
    }

    /// The process.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// How the program ended. Panics after [`BOUND`].
    pub fn wait_exit(&mut self) -> ExitStatus {
        let status = self.child.wait(BOUND);
        status.unwrap_or_else(|| panic!("it does not end; the screen:\n{}", self.contents()))
    }

    /// What is on the screen.
    pub fn contents(&self) -> String {
        self.lock().emulator.screen().contents()
    }

    /// Panics where the terminal is not as a shell expects it: the usual screen, with a cursor, and
    /// keys that show.
    pub fn assert_given_back(&self) {
        self.wait_for("usual screen", |screen| !screen.alternate_screen() && !screen.hide_cursor());
        let modes = tcgetattr(&self.slave).expect("a terminal").local_modes;
        assert!(modes.contains(LocalModes::ECHO | LocalModes::ICANON), "{modes:?}");
        let written = self.lock().written.clone();
        let wraps = String::from_utf8_lossy(&written);
        assert!(wraps.rfind("\x1b[?7h") > wraps.rfind("\x1b[?7l"), "long lines wrap again");
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.seen.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
