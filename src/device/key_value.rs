// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files of one `KEY=VALUE` a line, as shells read them: `/etc/device.properties`,
//! `/version.txt`, os-release(5).

use crate::common::map::Map;

/// The values by their keys; of a key that comes twice, the last. The key ends at the first of the
/// `separators`. Empty values, and values that only a shell could expand, are left out.
pub(super) fn parse(text: &str, separators: &[char]) -> Map<String, String> {
    let mut values = Map::new();
    for line in text.trim_start_matches('\u{feff}').lines() {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line);
        if line.starts_with('#') {
            continue;
        }
        let Some((key, value)) = line.split_once(separators) else { continue };
        match unquote(value.trim()) {
            Some(value) if !value.is_empty() => values.insert(key.trim().to_owned(), value),
            _ => values.remove(key.trim()),
        };
    }
    values
}

fn unquote(value: &str) -> Option<String> {
    if let Some(rest) = value.strip_prefix('\'') {
        return Some(rest.split('\'').next().unwrap_or(rest).to_owned());
    }
    let quoted = value.strip_prefix('"');
    let mut plain = String::new();
    let mut characters = quoted.unwrap_or(value).chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' => plain.extend(characters.next()),
            '$' | '`' => return None,
            '"' if quoted.is_some() => break,
            '#' if quoted.is_none() && plain.ends_with(char::is_whitespace) => break,
            c => plain.push(c),
        }
    }
    Some(if quoted.is_some() { plain } else { plain.trim_end().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> Option<String> {
        parse(line, &['=']).remove("K")
    }

    #[test]
    fn a_value_may_be_quoted_exported_and_commented() {
        for line in [
            "K=a b",
            "K='a b'",
            "K=\"a b\"",
            "export K=a b",
            " K = a b \r",
            "K=a b # c",
            "K='a b' # c",
        ] {
            assert_eq!(one(line).as_deref(), Some("a b"), "{line}");
        }
        assert_eq!(one(r#"K="a\"b\$""#).as_deref(), Some("a\"b$"));
        assert_eq!(one("K=a#b").as_deref(), Some("a#b"));
        assert_eq!(one("\u{feff}K=x").as_deref(), Some("x"));
        assert_eq!(one("K=\"open").as_deref(), Some("open"));
    }

    #[test]
    fn what_is_empty_a_comment_or_needs_a_shell_is_no_value() {
        for line in
            ["", "K", "#K=a", "K=", "K=\"\"", "K=''", "K=$MODEL", "K=\"`cat x`\"", "K=a\nK="]
        {
            assert_eq!(one(line), None, "{line}");
        }
        assert_eq!(one("K='$5'").as_deref(), Some("$5"));
    }

    #[test]
    fn the_key_ends_at_the_first_separator_of_either_kind() {
        let values = parse("imagename:A=1\nSDK_VERSION=17:3\n", &[':', '=']);
        assert_eq!(values["imagename"], "A=1");
        assert_eq!(values["SDK_VERSION"], "17:3");
    }
}
