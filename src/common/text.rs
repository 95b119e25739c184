// SPDX-License-Identifier: MIT OR Apache-2.0
//! Text that others have written, as people may see it.

/// Whether a character steers a terminal, or hides or turns round what stands beside it: control
/// characters, line and paragraph separators, bidirectional formatting (Unicode Standard Annex #9)
/// and characters without width.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// The text with a space for each hidden character.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if is_hidden(c) { ' ' } else { c }).collect()
}

/// JSON with an escape for each hidden character, but for the line feeds of its layout. All others
/// are in its strings.
#[must_use]
pub fn escaped_json(json: &str) -> String {
    use std::fmt::Write as _;
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if is_hidden(c) && c != '\n' {
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// At most so many bytes of a text, and no half of a character.
#[must_use]
pub fn cut(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_turns_or_hides_text_is_left() {
        let hostile = "a\u{1b}[2J\u{9b}\u{202e}b\u{2066}\u{200b}\u{feff}\u{2028}\u{61c}c\nd";
        assert_eq!(printable(hostile), "a [2J  b     c d");
        let json = serde_json::json!({ "x": hostile }).to_string();
        let escaped = escaped_json(&json);
        assert!(!escaped.chars().any(is_hidden), "{escaped:?}");
        let back: serde_json::Value = serde_json::from_str(&escaped).unwrap();
        assert_eq!(back["x"], hostile);
    }

    #[test]
    fn what_people_write_stays() {
        for text in ["Café ñ 東芝 телевизор עברית 📺", "", " a-b_c "] {
            assert_eq!(printable(text), text);
        }
    }

    #[test]
    fn a_text_is_cut_between_two_characters() {
        assert_eq!(cut("aé", 1), "a");
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 3), "aé");
        assert_eq!(cut("", 9), "");
    }
}
