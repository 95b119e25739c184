// SPDX-License-Identifier: MIT OR Apache-2.0
//! What stands in the place of a value that nobody has filled in. Pure.
//!
//! The words are in `docs/device-placeholders.txt`. Rules about digits and bytes hold for serial
//! numbers alone: "0000" may be a version.

use zeroize::Zeroizing;

use super::Field;

const LIST: &str = include_str!("../../docs/device-placeholders.txt");

/// Whether the whole text is a placeholder, from whatever source it comes.
pub(super) fn is_placeholder(text: &str) -> bool {
    !text.chars().any(char::is_alphanumeric) || is_listed("any source", text)
}

/// Whether the whole text is a placeholder for this field.
pub(super) fn is_placeholder_of(field: Field, text: &str) -> bool {
    is_placeholder(text) || is_listed(field.key(), text)
}

/// Whether a serial number, a UUID or an address is one that devices share: a placeholder, the same
/// byte or digit throughout, or digits that count. NUL and white space at both ends do not matter.
pub(super) fn is_no_serial(raw: &[u8]) -> bool {
    let bytes = trimmed(raw);
    if is_uniform(bytes) || (bytes.len() >= 4 && is_count_of_bytes(bytes)) {
        return true;
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let digits = digits(text);
    is_junk(digits.as_bytes())
        || has_junk_behind_its_prefix(&digits)
        || is_placeholder(text)
        || is_listed("serial numbers", text)
}

/// Without NUL and white space at both ends.
pub(super) fn trimmed(mut raw: &[u8]) -> &[u8] {
    let blank = |byte: &u8| *byte == 0 || *byte == 0x0b || byte.is_ascii_whitespace();
    while let [first, rest @ ..] = raw
        && blank(first)
    {
        raw = rest;
    }
    while let [rest @ .., last] = raw
        && blank(last)
    {
        raw = rest;
    }
    raw
}

fn is_listed(section: &str, text: &str) -> bool {
    // It may be a serial number: no copy of it stays behind.
    let solid = solid(text);
    let head = |line: &str| {
        line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) == Some(section)
    };
    let lines = LIST.lines().skip_while(|line| !head(line)).skip(1);
    let mut entries = lines.take_while(|line| !line.starts_with('['));
    entries.any(|entry| {
        !entry.is_empty() && !entry.starts_with("# ") && is_meant_by(entry, text.trim(), &solid)
    })
}

fn is_meant_by(entry: &str, text: &str, solid_text: &str) -> bool {
    let Some((front, back)) = entry.split_once('*') else {
        // Entries are in lower case.
        return entry.bytes().filter(u8::is_ascii_alphanumeric).eq(solid_text.bytes());
    };
    if entry.contains(char::is_alphanumeric) {
        return solid_text.starts_with(solid(front).as_str())
            && solid_text.ends_with(solid(back).as_str());
    }
    text.strip_prefix(front).is_some_and(|rest| rest.ends_with(back))
}

/// Letters and digits alone, in lower case.
fn solid(text: &str) -> Zeroizing<String> {
    let mut solid = Zeroizing::new(String::with_capacity(2 * text.len()));
    let letters = text.chars().filter(|c| c.is_alphanumeric());
    solid.extend(letters.flat_map(char::to_lowercase));
    solid
}

/// The same, without the `0x` in front of hexadecimal numbers.
fn digits(text: &str) -> Zeroizing<String> {
    let mut digits = Zeroizing::new(String::with_capacity(2 * text.len()));
    for word in text.split(|c: char| !c.is_alphanumeric()) {
        let number = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X"));
        digits.push_str(&solid(number.filter(|number| !number.is_empty()).unwrap_or(word)));
    }
    digits
}

/// "0000000000", "0123456789abcdef", and the same as hexadecimal bytes: "fefefefe", "00010203".
fn is_junk(digits: &[u8]) -> bool {
    if is_uniform(digits) || (digits.len() >= 3 && is_count(digits)) {
        return true;
    }
    let Some(bytes) = hexadecimal(digits) else { return false };
    // "001122", "aabbcc".
    let doubled = digits.chunks_exact(2).all(|pair| pair[0] == pair[1]);
    let halved: Zeroizing<Vec<u8>> = Zeroizing::new(digits.iter().copied().step_by(2).collect());
    is_uniform(&bytes)
        || (bytes.len() >= 4 && is_count_of_bytes(&bytes))
        || (doubled && halved.len() >= 3 && is_count(&halved))
}

/// "SN-1234567890", "SYS-00000000": letters, and behind them digits that tell no device.
fn has_junk_behind_its_prefix(digits: &str) -> bool {
    let rest = digits.trim_start_matches(|c: char| c.is_alphabetic());
    let number = rest.len() < digits.len() && rest.bytes().all(|b| b.is_ascii_digit());
    let rest = rest.as_bytes();
    number && ((rest.len() >= 4 && is_count(rest)) || (rest.len() >= 5 && is_uniform(rest)))
}

fn is_uniform(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == bytes[0])
}

/// Each digit is the next after the one before it, or each the one before; 0 follows 9 or f, a
/// follows 9 or 0.
fn is_count(digits: &[u8]) -> bool {
    const CYCLES: [&[u8]; 3] = [b"0123456789", b"0123456789abcdef", b"1234567890abcdef"];
    CYCLES.into_iter().any(|cycle| {
        let place = |digit: &u8| cycle.iter().position(|d| d == digit);
        let step =
            |pair: &[u8]| Some((place(&pair[1])? + cycle.len() - place(&pair[0])?) % cycle.len());
        let all = |wanted| digits.windows(2).all(|pair| step(pair) == Some(wanted));
        all(1) || all(cycle.len() - 1)
    })
}

fn is_count_of_bytes(bytes: &[u8]) -> bool {
    let all = |step: u8| bytes.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == step);
    all(1) || all(u8::MAX)
}

/// The bytes that four or more hexadecimal digits write.
fn hexadecimal(digits: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if digits.len() < 4 || !digits.len().is_multiple_of(2) {
        return None;
    }
    let nibble = |digit: u8| char::from(digit).to_digit(16).and_then(|n| u8::try_from(n).ok());
    let mut bytes = Zeroizing::new(Vec::with_capacity(digits.len() / 2));
    for pair in digits.chunks_exact(2) {
        bytes.push(nibble(pair[0])? << 4 | nibble(pair[1])?);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
