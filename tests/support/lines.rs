//! Lines of output that arrive from elsewhere, and waiting for one.

use std::io::{BufRead as _, BufReader, Read};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// A growing list of lines, shared between those who write it and those who wait.
#[derive(Clone, Default)]
pub struct Lines(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    more: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<String>,
    /// Sources that still may write.
    open: usize,
    /// Each line goes there too.
    listener: Option<Sender<String>>,
}

impl Lines {
    /// Collects the lines of `source` until it ends, in a thread of its own.
    pub fn collect(&self, source: impl Read + Send + 'static) {
        self.lock().open += 1;
        let lines = self.clone();
        thread::spawn(move || {
            let mut source = BufReader::new(source);
            let mut line = Vec::new();
            while source.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                lines.push(String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned());
                line.clear();
            }
            lines.lock().open -= 1;
            lines.0.more.notify_all();
        });
    }

    /// Adds one line.
    pub fn push(&self, line: String) {
        let mut state = self.lock();
        if let Some(listener) = &state.listener {
            // A listener that has gone misses nothing.
            let _ = listener.send(line.clone());
        }
        state.lines.push(line);
        self.0.more.notify_all();
    }

    /// Sends each line that comes from now on to `listener` too.
    pub fn listen(&self, listener: Sender<String>) {
        self.lock().listener = Some(listener);
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.lock().lines.len()
    }

    /// All lines so far, from number `from` on.
    pub fn text(&self, from: usize) -> String {
        let state = self.lock();
        state.lines.get(from..).unwrap_or_default().join("\n")
    }

    /// Waits until a line from number `from` on contains `wanted`, at most `bound`; returns its
    /// number and the line.
    pub fn wait_for(&self, wanted: &str, from: usize, bound: Duration) -> Option<(usize, String)> {
        let found = |state: &State| {
            let at = state.lines.iter().skip(from).position(|line| line.contains(wanted))?;
            Some((from + at, state.lines[from + at].clone()))
        };
        let (state, _) = self
            .0
            .more
            .wait_timeout_while(self.lock(), bound, |state| found(state).is_none())
            .unwrap_or_else(PoisonError::into_inner);
        found(&state)
    }

    /// Waits until every source has ended, at most `bound`: after the end of a process, all that
    /// it said is here.
    pub fn wait_for_end(&self, bound: Duration) {
        let _ended = self.0.more.wait_timeout_while(self.lock(), bound, |state| state.open > 0);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
