// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the documents say of the program is what the program says.

use std::fs;
use std::path::{Path, PathBuf};

fn checkout(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The program's own text as one: string continuations joined, `{…}` for what varies.
fn source() -> String {
    fn read(directory: &Path, all: &mut String) {
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                read(&path, all);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                all.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    let mut all = String::new();
    read(&checkout("src"), &mut all);
    let joined = all.replace("\\\"", "\"");
    let joined: Vec<_> = joined.split("\\\n").map(|part| part.trim_start_matches(' ')).collect();
    joined.concat()
}

/// What stands between backticks in the first column of the tables below this heading.
fn quoted(document: &str, heading: &str) -> Vec<String> {
    let text = document.split_once(heading).expect("the heading is there").1;
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let first = rows.map(|row| row.split(" | ").next().unwrap());
    first.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned)).collect()
}

#[test]
fn every_message_that_the_integration_guide_explains_is_one_of_the_programs() {
    let source = source();
    let guide = fs::read_to_string(checkout("docs/integration.md")).unwrap();
    let messages = quoted(&guide, "## What `tokend check` says");
    assert!(messages.len() > 50, "{messages:?}");
    for message in messages {
        let parts = message.split('…').map(str::trim).filter(|part| !part.is_empty());
        for part in parts {
            let part = part.trim_end_matches(';').trim();
            assert!(source.contains(part), "no such message: {part:?} of {message:?}");
        }
    }
}
