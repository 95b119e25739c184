// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a device says of itself, made fit to be sent.

/// The text without control characters and outer white space, at most `longest` characters of it;
/// nothing if nothing is left.
pub(super) fn clean(text: &str, longest: usize) -> Option<String> {
    let kept: String = text.chars().filter(|c| !c.is_control()).collect();
    let short: String = kept.trim().chars().take(longest).collect();
    let short = short.trim_end();
    (!short.is_empty()).then(|| short.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_no_control_characters_and_is_not_too_long() {
        assert_eq!(clean(" Pi\u{7} 4\n\0", 256).as_deref(), Some("Pi 4"));
        assert_eq!(clean(&"é".repeat(300), 256), Some("é".repeat(256)));
        assert_eq!(clean("\n \0\t", 256), None);
    }
}
