// SPDX-License-Identifier: MIT OR Apache-2.0
//! One configuration file as tables of typed entries, each with its place. Whatever is wrong is
//! noted, and reading goes on, so that one look at a file finds all its faults.

use std::cell::RefCell;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Fault, FaultKind};

const MOST_SYNTAX_FAULTS: usize = 10;

/// One file while it is read.
pub(super) struct Document<'a> {
    pub(super) file: &'a Path,
    text: &'a str,
    faults: RefCell<Vec<Fault>>,
}

/// A value with its place.
#[derive(Clone, Debug)]
pub(super) struct Entry<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// Where a value stands.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) line: Option<usize>,
    pub(super) key: String,
}

/// A user or group: by name or by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RawName {
    Text(String),
    Number(i64),
}

/// A value of a table whose keys differ in type.
pub(super) type Item<'a> = Entry<&'a DeValue<'a>>;

impl<'a> Document<'a> {
    pub(super) fn new(file: &'a Path, text: &'a str) -> Self {
        Self { file, text, faults: RefCell::default() }
    }

    /// The document, if it is TOML.
    pub(super) fn parse(&self) -> Option<DeTable<'a>> {
        let (root_table, errors) = DeTable::parse_recoverable(self.text);
        if errors.is_empty() {
            return Some(root_table.into_inner());
        }
        for error in errors {
            let line = error.span().map(|span| self.line(span.start));
            // A file that is something else altogether needs no fault for each line.
            if self.faults.borrow().len() == MOST_SYNTAX_FAULTS {
                break;
            }
            // One slip makes the parser stumble several times.
            if self.faults.borrow().last().is_some_and(|last| last.line == line) {
                continue;
            }
            let key = line.and_then(|line| self.key_on(line));
            self.push(FaultKind::Syntax, line, key, self.syntax(&error, line));
        }
        None
    }

    /// Notes that the value at this place is wrong.
    pub(super) fn fault(&self, place: &Place, message: impl Into<String>) {
        self.note(FaultKind::Value, place, message);
    }

    /// Notes that a key is left out which has no default.
    pub(super) fn missing(&self, place: &Place, legal: &str) {
        self.note(FaultKind::Missing, place, format!("left out; legal: {legal}"));
    }

    pub(super) fn note(&self, kind: FaultKind, place: &Place, message: impl Into<String>) {
        self.push(kind, place.line, Some(place.key.clone()), message.into());
    }

    /// Whether something is wrong with the value of this key.
    pub(super) fn is_faulty(&self, key: &str) -> bool {
        self.faults.borrow().iter().any(|fault| fault.key.as_deref() == Some(key))
    }

    /// A remark on the value at this place, which is legal all the same.
    pub(super) fn remark(&self, place: &Place, message: &str) -> String {
        let (file, key, message) = (self.file.to_owned(), place.key.clone(), message.to_owned());
        let kind = FaultKind::Value;
        Fault { file, line: place.line, key: Some(key), kind, message }.to_string()
    }

    /// All that was noted, by line.
    pub(super) fn into_faults(self) -> Vec<Fault> {
        let mut faults = self.faults.into_inner();
        faults.sort_by_key(|fault| fault.line);
        faults
    }

    /// What the parser says. Not its Display, which quotes the line: that may hold a secret.
    fn syntax(&self, error: &toml::de::Error, line: Option<usize>) -> String {
        if line.and_then(|line| self.assignment(line)).is_some_and(|(_, value)| is_bare(value)) {
            return "no TOML: found a word without quotes; legal: \"TEXT\", 123, true, false"
                .into();
        }
        match error.message().split_once(", expected ") {
            Some((found, legal)) => format!("no TOML: {found}; legal: {legal}"),
            None => format!("no TOML: {}; legal: one KEY = VALUE a line", error.message()),
        }
    }

    /// The key of a line that can be read no further, if it looks like one.
    fn key_on(&self, line: usize) -> Option<String> {
        let (key, _) = self.assignment(line)?;
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        ((1..=32).contains(&key.len()) && key.bytes().all(legal)).then(|| key.to_owned())
    }

    fn assignment(&self, line: usize) -> Option<(&'a str, &'a str)> {
        let (key, value) = self.text.lines().nth(line.checked_sub(1)?)?.split_once('=')?;
        Some((key.trim(), value.trim()))
    }

    fn push(&self, kind: FaultKind, line: Option<usize>, key: Option<String>, message: String) {
        let file = self.file.to_owned();
        self.faults.borrow_mut().push(Fault { file, line, key, kind, message });
    }

    fn line(&self, offset: usize) -> usize {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        1 + before.iter().filter(|byte| **byte == b'\n').count()
    }
}

/// A table of a file, all of whose keys are known.
pub(super) struct Table<'a> {
    document: &'a Document<'a>,
    prefix: String,
    line: Option<usize>,
    entries: Option<&'a DeTable<'a>>,
}

impl<'a> Table<'a> {
    /// The outermost table.
    pub(super) fn root(
        document: &'a Document<'a>,
        entries: &'a DeTable<'a>,
        legal: &[&str],
    ) -> Self {
        let table = Self { document, prefix: String::new(), line: None, entries: Some(entries) };
        table.refuse_unknown(legal);
        table
    }

    /// The table `[name]` in this one; an empty one where it is left out.
    pub(super) fn table(&self, name: &str, legal: &[&str]) -> Self {
        let item = self.item(name);
        let entries = item.as_ref().and_then(|item| match item.value {
            DeValue::Table(entries) => Some(entries),
            other => {
                self.wrong_type(&item.place, other, "a table");
                None
            }
        });
        let line = item.and_then(|item| item.place.line);
        let prefix = format!("{}{name}.", self.prefix);
        let table = Self { document: self.document, prefix, line, entries };
        table.refuse_unknown(legal);
        table
    }

    /// A string.
    pub(super) fn text(&self, key: &str) -> Option<Entry<String>> {
        self.typed(key, "a string", |value| match value {
            DeValue::String(text) => Some(text.clone().into_owned()),
            _ => None,
        })
    }

    /// A whole number; one that does not fit is the greatest or the smallest that does.
    pub(super) fn integer(&self, key: &str) -> Option<Entry<i64>> {
        self.typed(key, "an integer", integer)
    }

    /// An array of strings.
    pub(super) fn texts(&self, key: &str) -> Option<Vec<Entry<String>>> {
        self.array(key, "a string", |value| match value {
            DeValue::String(text) => Some(text.clone().into_owned()),
            _ => None,
        })
    }

    /// A string, or an array of strings.
    pub(super) fn text_or_texts(&self, key: &str) -> Option<Vec<Entry<String>>> {
        if matches!(self.item(key)?.value, DeValue::Array(_)) {
            return self.texts(key);
        }
        let text = self.typed(key, "a string or an array of strings", |value| match value {
            DeValue::String(text) => Some(text.clone().into_owned()),
            _ => None,
        });
        text.map(|entry| vec![entry])
    }

    /// An array of users or groups.
    pub(super) fn names(&self, key: &str) -> Option<Vec<Entry<RawName>>> {
        self.array(key, "a string or an integer", |value| match value {
            DeValue::String(text) => Some(RawName::Text(text.clone().into_owned())),
            value => integer(value).map(RawName::Number),
        })
    }

    /// A value of any type.
    pub(super) fn item(&self, key: &str) -> Option<Item<'a>> {
        let (_, value) = self.entries?.get_key_value(key)?;
        Some(Entry { value: value.get_ref(), place: self.place_of(key, value) })
    }

    /// A value of the type that `read` takes.
    pub(super) fn typed<T>(
        &self,
        key: &str,
        wanted: &str,
        read: impl Fn(&DeValue<'_>) -> Option<T>,
    ) -> Option<Entry<T>> {
        let Entry { value, place } = self.item(key)?;
        match read(value) {
            Some(value) => Some(Entry { value, place }),
            None => {
                self.wrong_type(&place, value, wanted);
                None
            }
        }
    }

    /// The place of a key that is left out: its table's.
    pub(super) fn place(&self, key: &str) -> Place {
        Place { line: self.line, key: format!("{}{key}", self.prefix) }
    }

    fn array<T>(
        &self,
        key: &str,
        wanted: &str,
        read: impl Fn(&DeValue<'_>) -> Option<T>,
    ) -> Option<Vec<Entry<T>>> {
        let Entry { value, place } = self.item(key)?;
        let DeValue::Array(items) = value else {
            self.wrong_type(&place, value, &format!("an array, each entry {wanted}"));
            return None;
        };
        let mut entries = Vec::new();
        for (i, item) in items.iter().enumerate() {
            let place = self.place_of(&format!("{key}[{i}]"), item);
            match read(item.get_ref()) {
                Some(value) => entries.push(Entry { value, place }),
                None => self.wrong_type(&place, item.get_ref(), wanted),
            }
        }
        Some(entries)
    }

    fn place_of(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Place {
        let line = Some(self.document.line(value.span().start));
        Place { line, key: format!("{}{key}", self.prefix) }
    }

    fn wrong_type(&self, place: &Place, found: &DeValue<'_>, wanted: &str) {
        let message = format!("found {}; legal: {wanted}", type_of(found));
        self.document.note(FaultKind::Type, place, message);
    }

    fn refuse_unknown(&self, legal: &[&str]) {
        for (key, _) in self.entries.into_iter().flatten() {
            let name = key.get_ref().as_ref();
            if legal.contains(&name) {
                continue;
            }
            let shown = if name.is_empty() { "\"\"".into() } else { excerpt(name) };
            let place = Place {
                line: Some(self.document.line(key.span().start)),
                key: format!("{}{shown}", self.prefix),
            };
            let message = format!("unknown key; legal: {}", legal.join(", "));
            self.document.note(FaultKind::UnknownKey, &place, message);
        }
    }
}

/// A text that is wrong somewhere, for a message.
pub(super) fn described(value: &str) -> String {
    if value.is_empty() {
        return "an empty string".into();
    }
    format!("\"{}\" ({} characters)", excerpt(value), value.chars().count())
}

/// As much of a text as a message should show, in printable characters.
pub(super) fn excerpt(text: &str) -> String {
    const MOST: usize = 60;
    let mut shown: String = text.chars().take(MOST).flat_map(char::escape_debug).collect();
    if text.chars().nth(MOST).is_some() {
        shown.push('…');
    }
    shown
}

/// An integer of any size, saturated.
pub(super) fn integer(value: &DeValue<'_>) -> Option<i64> {
    let DeValue::Integer(number) = value else { return None };
    let digits = number.as_str();
    let greatest = if digits.starts_with('-') { i64::MIN } else { i64::MAX };
    Some(i64::from_str_radix(digits, number.radix()).unwrap_or(greatest))
}

/// Whether a value is a text that lacks its quotes.
fn is_bare(value: &str) -> bool {
    let word = value.split([' ', '\t', '#', ',']).next().unwrap_or_default();
    word.starts_with(|c: char| c.is_alphabetic() || c == '/')
        && !["true", "false", "inf", "nan"].contains(&word)
}

/// A value's type, with its article.
pub(super) fn type_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}
