// SPDX-License-Identifier: MIT OR Apache-2.0
//! Text that comes from outside, made fit for a message and a log.

use zeroize::Zeroizing;

use crate::common::secret::Secret;

/// A run of this many characters out of a secret gives it away.
const TELLING: usize = 12;
/// The shortest identifiers that servers issue are UUIDs: 36 characters, 32 without dashes.
const LONG_WORD: usize = 32;
const WITHHELD: &str = "(withheld)";

/// `text` as far as it may be shown: its printable ASCII (all that RFC 6749, section 5.2, allows),
/// at most `most` characters of it, and none of it where it quotes one of `secrets`, whole or in a
/// telling part: a server may echo what it was sent.
pub(in crate::oauth) fn shown(text: &str, most: usize, secrets: &[&Secret]) -> String {
    let printable: Zeroizing<String> = Zeroizing::new(
        text.chars()
            .map(|c| if c.is_whitespace() { ' ' } else { c })
            .filter(|c| matches!(c, ' '..='~'))
            .collect(),
    );
    let cut = printable.get(..most).unwrap_or(&printable);
    let betrays = |secret: &&Secret| quotes(text, cut, secret.expose());
    if secrets.iter().any(betrays) { WITHHELD.into() } else { cut.trim().to_owned() }
}

/// As [`shown`], for what a server says in its own words: a word that looks like a token or a
/// credential is left out too, as it may be one that was issued in an earlier answer.
pub(in crate::oauth) fn told(text: &str, most: usize, secrets: &[&Secret]) -> String {
    if secrets.iter().any(|secret| quotes(text, "", secret.expose())) {
        return WITHHELD.into();
    }
    let word = |word| if looks_secret(word) { WITHHELD } else { word };
    let words: Vec<_> = text.split(char::is_whitespace).map(word).collect();
    shown(&words.join(" "), most, secrets)
}

/// Long, and no word of a language or an error code.
fn looks_secret(word: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b == b'_';
    let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    word.len() >= LONG_WORD && !word.bytes().all(plain)
}

/// `whole` is what the server sent, `cut` what would be shown of it.
fn quotes(whole: &str, cut: &str, secret: &str) -> bool {
    if secret.is_empty() {
        return false;
    }
    let telling = |run: &[u8]| std::str::from_utf8(run).is_ok_and(|run| secret.contains(run));
    whole.contains(secret) || cut.as_bytes().windows(TELLING).any(telling)
}
