// SPDX-License-Identifier: MIT OR Apache-2.0
//! The messages that the guides explain, each with a remedy.

use std::fs;
use std::path::Path;

/// The quoted texts of the first column of each table; what varies in them is `…`.
pub(super) struct Remedies {
    messages: Vec<Vec<String>>,
}

impl Remedies {
    pub(super) fn of_the_guides() -> Self {
        let mut messages = Vec::new();
        for (guide, heading) in [
            ("docs/integration.md", "## What `tokend check` says"),
            ("docs/support.md", "## What the journal says"),
        ] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(guide);
            let text = fs::read_to_string(path).unwrap();
            let text = text.split_once(heading).expect("the heading is there").1;
            for row in
                text.lines().filter(|line| line.starts_with("| `") || line.starts_with("| …"))
            {
                let mut cells = row.trim_matches('|').split(" | ");
                let message = cells.next().unwrap();
                let remedy = cells.next().unwrap_or_default();
                assert!(!remedy.trim().is_empty(), "{guide}: no remedy: {row}");
                messages.extend(message.split('`').skip(1).step_by(2).map(parts));
            }
        }
        assert!(messages.len() > 50, "{messages:?}");
        Self { messages }
    }

    /// Whether a message has all parts of an explained one, in their order.
    pub(super) fn has_one_for(&self, line: &str) -> bool {
        self.messages.iter().any(|parts| {
            let mut rest = line;
            parts.iter().all(|part| match rest.split_once(part.as_str()) {
                Some((_, after)) => {
                    rest = after;
                    true
                }
                None => false,
            })
        })
    }
}

fn parts(message: &str) -> Vec<String> {
    // The application of the journal's examples stands for any.
    let message = message.strip_prefix("cinema: ").unwrap_or(message);
    let parts = message.split('…').map(|part| part.trim().trim_end_matches(';').trim());
    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}
