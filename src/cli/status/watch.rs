// SPDX-License-Identifier: MIT OR Apache-2.0
//! `tokend status --watch [ID]`: the same, and whatever changes, until somebody ends it.

use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::ExitCode;
use std::time::Duration;

use nix::sys::signal::Signal;
use rustix::fs::{FileType, fstat};

use crate::bus::BusAddress;
use crate::client::{self, ClientError, Notice, Watcher};
use crate::common::model::AppId;
use crate::system::clock;

use super::lines;
use super::model::{News, StatusModel};
use super::screen::frame;
use super::terminal::{Asked, Terminal, usable};

/// Shows on a terminal what there is, in one view; else writes a line for each change, or with
/// `json` an object. Ends with 0 on a terminal whose viewer has seen enough, and where the reader of
/// a pipe has left. Other signals end it as they end any program, once the terminal is given back.
#[must_use]
pub fn run(bus: &BusAddress, id: Option<AppId>, json: bool) -> ExitCode {
    let model = StatusModel::new(id);
    if usable() && !json {
        let mut view = View { model, terminal: None, end: End::default() };
        let result = client::watch(bus, &mut view);
        // Gives the terminal back, before anything is said on it.
        drop(view.terminal.take());
        return view.end.code(result);
    }
    let mut pipe = Pipe { model, json, end: End::default() };
    let result = client::watch(bus, &mut pipe);
    pipe.end.code(result)
}

/// Why a watch has ended, where it is not the bus's doing.
#[derive(Default)]
struct End {
    error: Option<ClientError>,
    output: Option<io::Error>,
}

impl End {
    fn by(&mut self, error: ClientError) -> ControlFlow<()> {
        self.error = Some(error);
        ControlFlow::Break(())
    }

    /// Goes on after a write that went well.
    fn after(&mut self, written: io::Result<()>) -> ControlFlow<()> {
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.output = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    fn code(self, result: Result<(), ClientError>) -> ExitCode {
        match (self.output, self.error.map_or(result, Err)) {
            (Some(error), _) => crate::cli::unwritten(&error, ExitCode::SUCCESS),
            (None, Ok(())) => ExitCode::SUCCESS,
            (None, Err(error)) => crate::cli::fail(&error),
        }
    }
}

/// On a terminal.
struct View {
    model: StatusModel,
    terminal: Option<Terminal>,
    end: End,
}

impl View {
    fn asked(&mut self, asked: Asked) -> ControlFlow<()> {
        let Some(terminal) = &mut self.terminal else { return ControlFlow::Continue(()) };
        match asked {
            Asked::End => return ControlFlow::Break(()),
            Asked::Signal(Signal::SIGTSTP) => terminal.obey(Signal::SIGTSTP),
            Asked::Signal(signal) => {
                terminal.obey(signal);
                return ControlFlow::Break(());
            }
            Asked::Redraw => terminal.forget(),
        }
        ControlFlow::Continue(())
    }
}

impl Watcher for View {
    fn start(&mut self) -> io::Result<Vec<OwnedFd>> {
        self.terminal.insert(Terminal::new()?).descriptors()
    }

    fn told(&mut self, notice: Notice) -> ControlFlow<()> {
        match self.model.fold(notice) {
            Ok(_) => ControlFlow::Continue(()),
            Err(error) => self.end.by(error),
        }
    }

    fn ready(&mut self, number: usize) -> ControlFlow<()> {
        let Some(terminal) = &mut self.terminal else { return ControlFlow::Continue(()) };
        let asked =
            if number == 0 { terminal.signals() } else { terminal.keys().into_iter().collect() };
        asked.into_iter().try_for_each(|asked| self.asked(asked))
    }

    /// What is counted down is shown anew with each second.
    fn rest(&mut self) -> ControlFlow<(), Option<Duration>> {
        let Some(terminal) = &mut self.terminal else { return ControlFlow::Continue(None) };
        let now = clock::wall();
        let size = terminal.size();
        let shown = terminal.show(frame(&self.model, size, now));
        self.end.after(shown)?;
        let next = 1000 - now.0.rem_euclid(1000);
        let counting =
            self.model.overview.as_ref().is_some_and(|overview| !overview.applications.is_empty());
        ControlFlow::Continue(counting.then(|| Duration::from_millis(next.unsigned_abs())))
    }
}

/// Into a pipe or a file.
struct Pipe {
    model: StatusModel,
    json: bool,
    end: End,
}

impl Watcher for Pipe {
    /// A pipe, whose reader may leave.
    fn start(&mut self) -> io::Result<Vec<OwnedFd>> {
        let stdout = io::stdout();
        let kind = FileType::from_raw_mode(fstat(&stdout)?.st_mode);
        let pipe = (kind == FileType::Fifo).then(|| stdout.as_fd().try_clone_to_owned());
        Ok(pipe.transpose()?.into_iter().collect())
    }

    fn told(&mut self, notice: Notice) -> ControlFlow<()> {
        let render: fn(&News<'_>, _) -> _ = if self.json { lines::json } else { lines::plain };
        let text = match self.model.fold(notice) {
            Ok(Some(news)) => render(&news, clock::wall()),
            Ok(None) => return ControlFlow::Continue(()),
            Err(error) => return self.end.by(error),
        };
        let mut stdout = io::stdout().lock();
        self.end.after(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
    }

    /// Nobody writes into our end: its reader has left.
    fn ready(&mut self, _: usize) -> ControlFlow<()> {
        ControlFlow::Break(())
    }

    fn rest(&mut self) -> ControlFlow<(), Option<Duration>> {
        ControlFlow::Continue(None)
    }
}
