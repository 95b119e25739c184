// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the values of the configuration may be. Each rule says what was found and what is legal.

use super::names::{self, Kind};
use super::table::{Document, Entry, RawName, described, excerpt};
use crate::common::access::{self, Name};

/// The longest header value and identifier, in bytes.
const LONGEST: usize = 256;

/// Applies a rule to an entry: its value if it is legal; else a fault is noted.
pub(super) fn accept<T, U>(
    document: &Document<'_>,
    entry: Option<Entry<T>>,
    rule: impl FnOnce(T) -> Result<U, String>,
) -> Option<U> {
    let Entry { value, place } = entry?;
    rule(value).map_err(|message| document.fault(&place, message)).ok()
}

/// A number of seconds from 1 to `most`.
pub(super) fn seconds(value: i64, most: u64) -> Result<std::time::Duration, String> {
    match u64::try_from(value) {
        Ok(seconds @ 1..) if seconds <= most => Ok(std::time::Duration::from_secs(seconds)),
        _ => Err(format!("found {value}; legal: 1 to {most}")),
    }
}

/// One of a few words; the names of the legal ones are listed in the error.
pub(super) fn choice<T: Copy>(value: &str, choices: &[(&str, T)]) -> Result<T, String> {
    choices.iter().find(|(word, _)| *word == value).map(|(_, choice)| *choice).ok_or_else(|| {
        let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
        format!("found \"{}\"; legal: {}", excerpt(value), words.join(", "))
    })
}

/// A value for the `User-Agent` header (RFC 9110, section 5.5): visible ASCII and spaces.
pub(super) fn user_agent(value: String) -> Result<String, String> {
    // As long as the field `userAgent` of the device data.
    const LONGEST: usize = 1024;
    let legal = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    let trimmed = !value.starts_with(' ') && !value.ends_with(' ');
    if (1..=LONGEST).contains(&value.len()) && value.bytes().all(legal) && trimmed {
        return Ok(value);
    }
    Err(format!(
        "found {}; legal: 1 to {LONGEST} characters of printable ASCII, no space at either end",
        described(&value)
    ))
}

/// An absolute URI (RFC 3986, section 4.3), judged by its scheme and its characters only.
pub(super) fn uri(value: String) -> Result<String, String> {
    const MOST: usize = 2048;
    let (scheme, rest) = value.split_once(':').unwrap_or_default();
    let legal_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    let visible = value.bytes().all(|byte| byte.is_ascii_graphic());
    if value.len() <= MOST && legal_scheme && !rest.is_empty() && visible {
        return Ok(value);
    }
    Err(format!(
        "found {}; legal: an absolute URI (SCHEME:…) of at most {MOST} visible ASCII characters",
        described(&value)
    ))
}

/// A name that a server or a token has given: printable, of some length.
pub(super) fn printable(value: String) -> Result<String, String> {
    let legal = !value.trim().is_empty() && !value.chars().any(char::is_control);
    if legal && value.chars().count() <= LONGEST {
        return Ok(value);
    }
    Err(format!("found {}; legal: 1 to {LONGEST} printable characters", described(&value)))
}

/// A hardware identity. Nothing of it is shown.
pub(super) fn identity(value: String) -> Result<crate::common::secret::Secret, String> {
    let value = crate::common::secret::Secret::new(value);
    let text = value.expose();
    let legal = !text.trim().is_empty() && !text.chars().any(char::is_control);
    if legal && text.chars().count() <= LONGEST {
        return Ok(value);
    }
    Err(format!("found no legal identity; legal: 1 to {LONGEST} printable characters"))
}

/// The entries of `allow_users`, `allow_groups` or `reload_users`, with their numbers. A name that
/// the device does not know is a warning only: it may come with a later package.
pub(super) fn names(
    document: &Document<'_>,
    entries: Option<Vec<Entry<RawName>>>,
    kind: Kind,
    warnings: &mut Vec<String>,
) -> Option<Vec<Name>> {
    let mut names = Vec::new();
    for entry in entries? {
        let place = entry.place.clone();
        let Some(name) = accept(document, Some(entry), |name| names::resolve(name, kind)) else {
            continue;
        };
        if name.id.is_none() {
            let found = format!("no {kind} \"{}\" on this device", name.text);
            warnings.push(document.remark(&place, &format!("{found}: matches nobody")));
        }
        names.push(name);
    }
    Some(names)
}

/// The entries of `allow_labels`.
pub(super) fn labels(
    document: &Document<'_>,
    entries: Option<Vec<Entry<String>>>,
    warnings: &mut Vec<String>,
) -> Option<Vec<String>> {
    let mut labels = Vec::new();
    for entry in entries? {
        let place = entry.place.clone();
        let Some(label) = accept(document, Some(entry), label) else { continue };
        if let Some(remark) = access::label_remark(&label) {
            warnings.push(document.remark(&place, &format!("\"{label}\" {remark}")));
        }
        labels.push(label);
    }
    Some(labels)
}

fn label(value: String) -> Result<String, String> {
    // The kernel's bound for a label is a page.
    const MOST: usize = 4095;
    if (1..=MOST).contains(&value.len()) && !value.chars().any(char::is_control) {
        return Ok(value);
    }
    Err(format!("found {}; legal: 1 to {MOST} printable characters", described(&value)))
}
