// SPDX-License-Identifier: MIT OR Apache-2.0
//! Everything that can happen while the sandbox waits, in one place: so that it shows the daemon's
//! lines as they come, and hears Ctrl-C whatever it waits for.

use std::io::{self, Write as _};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};

use super::support::tokend::ENDED;
use super::support::{BOUND, Failure};
use super::view::{self, State};

/// Why the sandbox ends before its time.
pub(crate) enum Stop {
    /// By SIGINT, SIGTERM or SIGHUP.
    Interrupted,
    Failed(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// What happens.
pub(crate) enum Event {
    Signal,
    Line {
        source: &'static str,
        text: String,
    },
    Notified(String),
    Done,
    /// Somebody asks for a scene, and gets one line of answer.
    Scene {
        name: String,
        answer: Answer,
    },
    /// How the application is now.
    State(State),
}

/// Where an answer goes.
pub(crate) type Answer = Box<dyn FnOnce(&str) + Send>;

/// The one place where the sandbox waits.
pub(crate) struct Events {
    sender: Sender<Event>,
    receiver: Receiver<Event>,
}

impl Events {
    /// Takes the signals over. To be called before any other thread is there. Children inherit
    /// the blocked signals, which harms none: tokend takes its signals from a descriptor, as it
    /// must, and whatever else runs is ended by SIGKILL.
    pub(crate) fn start() -> Result<Self, Failure> {
        let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
        signals.thread_block().map_err(|error| Failure::new("cannot block signals", error))?;
        let (sender, receiver) = mpsc::channel();
        let events = sender.clone();
        thread::spawn(
            move || while signals.wait().is_ok() && events.send(Event::Signal).is_ok() {},
        );
        Ok(Self { sender, receiver })
    }

    /// Takes lines that are to be shown as `source`'s.
    pub(crate) fn lines_of(&self, source: &'static str) -> impl Fn(&str) + Send + 'static {
        self.forward(move |text| Event::Line { source, text })
    }

    /// Takes the daemon's notifications.
    pub(crate) fn notifications(&self) -> impl Fn(&str) + Send + 'static {
        self.forward(Event::Notified)
    }

    /// Takes whatever happens elsewhere.
    pub(crate) fn sender(&self) -> impl Fn(Event) -> bool + Clone + Send + 'static {
        let events = self.sender.clone();
        move |event| events.send(event).is_ok()
    }

    /// The next event; none where so much time passes without any.
    pub(crate) fn next(&self, at_most: Option<Duration>) -> Option<Event> {
        match at_most {
            Some(at_most) => self.receiver.recv_timeout(at_most).ok(),
            None => self.receiver.recv().ok(),
        }
    }

    fn forward(
        &self,
        wrap: impl Fn(String) -> Event + Send + 'static,
    ) -> impl Fn(&str) + Send + 'static {
        let events = self.sender.clone();
        move |text| {
            // At the end of the sandbox nobody looks any more.
            let _ = events.send(wrap(text.to_owned()));
        }
    }

    /// Does `work` in another thread, and shows what happens meanwhile.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Stop> {
        let (answer, result) = mpsc::channel();
        let done = self.sender.clone();
        thread::spawn(move || {
            let _ = answer.send(work());
            let _ = done.send(Event::Done);
        });
        loop {
            match self.receiver.recv().expect("the sandbox has a sender itself") {
                Event::Signal => return Err(Stop::Interrupted),
                Event::Done => break,
                other => other.show(),
            }
        }
        result.recv().map_err(|_| Failure("a thread of the sandbox has failed".into()).into())
    }

    /// Waits for one notification, and shows what happens meanwhile: [`ENDED`] as long as it
    /// takes, any other at most [`BOUND`] after the last sign of life.
    pub(crate) fn wait_notified(&self, wanted: &str) -> Result<(), Stop> {
        loop {
            let event = if wanted == ENDED {
                self.receiver.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                self.receiver.recv_timeout(BOUND)
            };
            match event {
                Ok(Event::Signal) => return Err(Stop::Interrupted),
                Ok(Event::Notified(state)) if state.contains(wanted) => return Ok(()),
                Ok(Event::Notified(state)) if state == ENDED => {
                    return Err(Failure(format!("tokend has ended before {wanted}")).into());
                }
                Ok(other) => other.show(),
                Err(_) => return Err(Failure(format!("tokend does not say {wanted}")).into()),
            }
        }
    }

    /// Shows what has happened and was not shown yet.
    pub(crate) fn drain(&self) {
        self.receiver.try_iter().for_each(|event| event.show());
    }
}

impl Event {
    pub(crate) fn show(self) {
        match self {
            Self::Line { source, text } => show(&format!("{source} | {text}")),
            Self::Notified(state) if state.starts_with("STATUS=") => {
                show(&format!("tokend | ({state})"));
            }
            Self::Scene { answer, .. } => answer("error: another scene is being set"),
            Self::State(state) => view::state(state),
            Self::Notified(_) | Self::Signal | Self::Done => {}
        }
    }
}

/// A step of the sandbox.
pub(crate) fn say(step: &str) {
    show(&format!("\n==> {step}"));
}

/// One line, on the screen where there is one. A reader who has left misses nothing, and stops
/// nothing.
pub(crate) fn show(line: &str) {
    if !view::take(line) {
        let _ = writeln!(io::stdout(), "{line}");
    }
}
