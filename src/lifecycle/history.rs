// SPDX-License-Identifier: MIT OR Apache-2.0
//! What has happened to an application last, for whoever asks why it does not work.

use std::sync::Arc;

use crate::common::text::cut;
use crate::common::time::BootTime;
use crate::lifecycle::view::Happened;

/// As many events are kept (contract, section 2).
const MOST: usize = 10;
/// Bytes of a message.
const LONGEST: usize = 256;

/// The last events, the oldest first.
#[derive(Debug, Default)]
pub(super) struct History {
    events: Arc<Vec<Happened>>,
    /// What stands between the application and a token, as it was noted last.
    trouble: String,
}

impl History {
    pub(super) fn events(&self) -> Arc<Vec<Happened>> {
        Arc::clone(&self.events)
    }

    pub(super) fn note(&mut self, at: BootTime, event: &'static str, message: &str) {
        let events = Arc::make_mut(&mut self.events);
        if events.len() == MOST {
            events.remove(0);
        }
        events.push(Happened { at, event, message: cut(message, LONGEST).to_owned() });
    }

    /// Whether this is another trouble than the last one. Empty: none.
    pub(super) fn is_news(&self, trouble: &str) -> bool {
        self.trouble != trouble
    }

    /// A trouble that is news, or the end of one.
    pub(super) fn trouble(&mut self, at: BootTime, trouble: String) {
        if !trouble.is_empty() {
            self.note(at, "failed", &trouble);
        }
        self.trouble = trouble;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(history: &History) -> Vec<(u64, &'static str, String)> {
        let events = history.events();
        events.iter().map(|one| (one.at.0, one.event, one.message.clone())).collect()
    }

    #[test]
    fn the_last_ten_are_kept_in_their_order() {
        let mut history = History::default();
        (0..25).for_each(|n| history.note(BootTime(n), "token", &format!("token number {n}")));
        let numbers: Vec<_> = events(&history).into_iter().map(|(at, ..)| at).collect();
        assert_eq!(numbers, (15..25).collect::<Vec<_>>());
    }

    #[test]
    fn a_trouble_that_goes_on_is_one_event_and_another_is_one_more() {
        let mut history = History::default();
        for (at, trouble) in [(1, "a"), (2, "a"), (3, "b"), (4, ""), (5, "b")] {
            if history.is_news(trouble) {
                history.trouble(BootTime(at), trouble.to_owned());
            }
        }
        let failed = |at, text: &str| (at, "failed", text.to_owned());
        assert_eq!(events(&history), [failed(1, "a"), failed(3, "b"), failed(5, "b")]);
    }

    #[test]
    fn a_long_message_is_cut_between_two_characters() {
        let mut history = History::default();
        history.note(BootTime(0), "failed", &"é".repeat(LONGEST));
        let message = events(&history).remove(0).2;
        assert_eq!(message, "é".repeat(LONGEST / 2));
        history.note(BootTime(0), "failed", &format!("x{}", "é".repeat(LONGEST)));
        assert_eq!(events(&history).remove(1).2.len(), LONGEST - 1);
    }
}
