// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lines of output that arrive from elsewhere, and waiting for one.

use std::io::{BufRead as _, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

type Listener = Box<dyn Fn(&str) + Send>;

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
    /// Takes each line too.
    listener: Option<Listener>,
}

impl Lines {
    /// Collects the lines of `source` until it ends, in a thread of its own; then does `at_end`.
    pub fn collect(
        &self,
        source: impl Read + Send + 'static,
        at_end: impl FnOnce() + Send + 'static,
    ) {
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
            at_end();
        });
    }

    /// Adds one line.
    pub fn push(&self, line: String) {
        let mut state = self.lock();
        if let Some(listener) = &state.listener {
            listener(&line);
        }
        state.lines.push(line);
        self.0.more.notify_all();
    }

    /// Hands `listener` each line that is here, and each that comes, as it comes.
    pub fn listen(&self, listener: impl Fn(&str) + Send + 'static) {
        let mut state = self.lock();
        state.lines.iter().for_each(|line| listener(line));
        state.listener = Some(Box::new(listener));
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

    /// Waits until `wanted` holds for a line from number `from` on, at most `bound`; returns the
    /// line.
    pub fn wait_for(
        &self,
        from: usize,
        bound: Duration,
        wanted: impl Fn(&str) -> bool,
    ) -> Option<String> {
        let found =
            |state: &State| state.lines.iter().skip(from).find(|line| wanted(line)).cloned();
        let (state, _) = self
            .0
            .more
            .wait_timeout_while(self.lock(), bound, |state| found(state).is_none())
            .unwrap_or_else(PoisonError::into_inner);
        found(&state)
    }

    /// Waits until every source has ended, at most `bound`: after the end of a process, all that
    /// it said is here. Whether they have.
    pub fn wait_for_end(&self, bound: Duration) -> bool {
        let open = |state: &mut State| state.open > 0;
        let waited = self.0.more.wait_timeout_while(self.lock(), bound, open);
        waited.is_ok_and(|(_, waited)| !waited.timed_out())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
