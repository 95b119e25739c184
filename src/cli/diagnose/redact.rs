// SPDX-License-Identifier: MIT OR Apache-2.0
//! What stands in a configuration file is replaced by the name of its key, wherever it shows up: in
//! a finding, in an error of the daemon, in the journal. Pure.

use std::fmt::Write as _;

use zeroize::Zeroizing;

use crate::common::text::is_hidden;
use crate::config::{Source, Written};

/// The server that no file has to name.
const DEFAULT_URL: &str = "https://api.auth.adobe.com";
/// Words of tokend's own, which say nothing of a file that has them.
const OWN_WORDS: [&str; 19] = [
    "root",
    "tokend",
    "key-file",
    "pkcs11",
    "generated",
    "auto",
    "syslog",
    "stderr",
    "error",
    "warn",
    "info",
    "debug",
    "trace",
    "off",
    "cellular",
    "WiFi",
    "LAN",
    "SetTopBox",
    "none",
];
/// A shorter value is no secret, and stands in too many words.
const SHORTEST: usize = 4;
/// A value of this length is found in the middle of words, and by its beginning alone, as a message
/// that is cut off would have it.
const LONG: usize = 20;

/// Knows what must not be said.
#[derive(Default)]
pub(super) struct Redactor {
    /// What is said for each, the longest first.
    values: Vec<(String, Zeroizing<String>)>,
    /// The files of the configuration that are there.
    pub(super) files: Vec<std::path::PathBuf>,
}

impl Redactor {
    pub(super) fn new(written: Written, source: &Source) -> Self {
        let mut values = Vec::new();
        for (name, value) in written.values {
            if name.ends_with("url") || name.ends_with("same_server_as") {
                values.extend(host(&value).map(|host| (format!("(the host of {name})"), host)));
            }
            let quoted = Zeroizing::new(value.escape_debug().to_string());
            if *quoted != *value {
                values.push((format!("({name})"), quoted));
            }
            values.push((format!("({name})"), value));
        }
        // What was given on the command line, or by systemd, is known to whoever reads this.
        let given = |value: &str| {
            let directories = source.directory.iter().chain(&source.credentials);
            directories.into_iter().any(|directory| directory.to_str() == Some(value))
        };
        values.retain(|(_, value)| {
            value.trim().len() >= SHORTEST && !OWN_WORDS.contains(&value.as_str()) && !given(value)
        });
        values.sort_by(|(_, a), (_, b)| b.len().cmp(&a.len()).then(a.cmp(b)));
        values.dedup_by(|(_, a), (_, b)| a == b);
        Self { values, files: written.files }
    }

    /// The text without any value.
    pub(super) fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, value) in &self.values {
            text = replaced(&text, value, name);
            // Paths begin alike, and are no secrets.
            if value.len() >= 2 * LONG
                && let Some(beginning) = value.get(..LONG)
                && !(beginning.starts_with('/') && beginning[1..].contains('/'))
            {
                text = cut_off(&text, beginning, name);
            }
        }
        without_urls(&text)
    }
}

fn host(url: &str) -> Option<Zeroizing<String>> {
    let rest = url.split_once("://")?.1;
    let host = rest.split(['/', '?', '#']).next()?.rsplit('@').next()?;
    let host =
        host.strip_prefix('[').and_then(|h| h.split(']').next()).or(host.split(':').next())?;
    Some(Zeroizing::new(host.to_ascii_lowercase()))
}

/// `value` replaced by `name`: a short one where it stands as a word of its own.
fn replaced(text: &str, value: &str, name: &str) -> String {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(value) {
        let (before, found) = rest.split_at(at);
        let after = &found[value.len()..];
        let inside = before.ends_with(is_word) || (before.is_empty() && out.ends_with(is_word));
        let inside = inside && value.starts_with(is_word);
        let inside = inside || (after.starts_with(is_word) && value.ends_with(is_word));
        out.push_str(before);
        out.push_str(if inside && value.len() < LONG { value } else { name });
        rest = after;
    }
    out + rest
}

/// Each word that begins so, replaced up to its end.
fn cut_off(text: &str, beginning: &str, name: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(beginning) {
        out.push_str(&rest[..at]);
        out.push_str(name);
        let word = &rest[at..];
        let end = |c: char| c.is_whitespace() || "\"'<>),;".contains(c);
        rest = &word[word.find(end).unwrap_or(word.len())..];
    }
    out + rest
}

/// Whatever is a URL of a server, but that of Adobe Pass: the running daemon may have it from a file
/// that this process cannot read, or from one that is no longer there.
fn without_urls(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let of_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        let start = rest[..at].trim_end_matches(of_scheme).len();
        let url = &rest[start..];
        let end = |c: char| c.is_whitespace() || "\"'<>),;".contains(c);
        let end = url.find(end).unwrap_or(url.len());
        let is_default = url[..end].trim_end_matches([':', '/', '.']) == DEFAULT_URL;
        out.push_str(&rest[..start]);
        out.push_str(if is_default { &url[..end] } else { "(a URL)" });
        rest = &url[end..];
    }
    out + rest
}

/// One line that no terminal obeys and that reads as it is: without control characters, without
/// those that turn the direction of text, and without invisible ones.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => out.push(' '),
            c if is_hidden(c) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor(values: &[(&str, &str)]) -> Redactor {
        let value = |(name, value): &(&str, &str)| {
            ((*name).to_owned(), Zeroizing::new((*value).to_owned()))
        };
        let mut written = Written::default();
        written.values = values.iter().map(value).collect();
        Redactor::new(written, &Source::default())
    }

    #[test]
    fn a_value_is_replaced_by_the_name_of_its_key_wherever_it_stands() {
        let it = redactor(&[
            ("[server] url", "https://sp.example.com:8443"),
            ("allow_users", "cinema"),
            ("[storage] key_file", "/oem/seal.key"),
            ("redirect_uri", "a \"quoted\" one"),
        ]);
        for (text, wanted) in [
            ("no TLS to https://sp.example.com:8443: x", "no TLS to ([server] url): x"),
            ("for sp.example.com, not", "for (the host of [server] url), not"),
            ("of the users cinema or 7", "of the users (allow_users) or 7"),
            ("a cinemagoer", "a cinemagoer"),
            ("key-file /oem/seal.key: gone", "key-file ([storage] key_file): gone"),
            (r#"found "a \"quoted\" one""#, r#"found "(redirect_uri)""#),
        ] {
            assert_eq!(it.redact(text), wanted);
        }
    }

    #[test]
    fn a_long_value_is_found_in_the_middle_of_words_and_cut_off() {
        let secret = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIwYjRiIn0.c2lnbmF0dXJl";
        let it = redactor(&[("a word", secret)]);
        assert_eq!(it.redact(&format!("x{secret}y")), "x(a word)y");
        let cut = &secret[..30];
        assert_eq!(it.redact(&format!("found \"{cut}…\"")), "found \"(a word)\"");
    }

    #[test]
    fn a_url_that_is_in_no_file_is_not_said_either_but_for_adobes_own() {
        let it = Redactor::default();
        assert_eq!(
            it.redact("to https://old.example:1 or http://[::1]:9/x."),
            "to (a URL) or (a URL)"
        );
        let known = "cannot connect to https://api.auth.adobe.com: refused";
        assert_eq!(it.redact(known), known);
    }

    #[test]
    fn words_of_tokends_own_stay() {
        let it = redactor(&[("[storage] seal", "generated"), ("reload_users", "root"), ("x", "7")]);
        assert_eq!(it.redact("generated: root, 7"), "generated: root, 7");
    }

    #[test]
    fn no_terminal_obeys_and_nothing_is_hidden() {
        assert_eq!(
            escaped("a\u{1b}[2J\u{202e}b\u{200b}\u{9b}\tc\n"),
            "a\\u{1b}[2J\\u{202e}b\\u{200b}\\u{9b} c\\u{a}"
        );
    }
}
