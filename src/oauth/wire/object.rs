// SPDX-License-Identifier: MIT OR Apache-2.0
//! A JSON object from the server, read strictly, and wiped when dropped.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use zeroize::{Zeroize, Zeroizing};

use crate::common::secret::Secret;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Some members of a JSON object. Each `Err` is what is wrong with a member, in words that hold
/// nothing of its value; a member that is null counts as absent.
pub(super) struct Object {
    members: BTreeMap<String, Value>,
    /// One of these members stands twice: two readers may take it for two different objects.
    pub(super) ambiguous: bool,
}

impl Object {
    /// Reads the members `keys`, and passes over the others, whatever their values. None where
    /// `text` is not a JSON object.
    pub(super) fn parse(text: &[u8], keys: &[&str]) -> Option<Self> {
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        let mut parser = serde_json::Deserializer::from_slice(text);
        // The parser's own error may quote the text.
        let object = Members(keys).deserialize(&mut parser).ok()?;
        parser.end().ok()?;
        Some(object)
    }

    /// A string that must be there, and is not empty.
    pub(super) fn secret(&mut self, key: &str) -> Result<Secret, String> {
        match self.take(key) {
            None => Err(format!("{key} is missing")),
            Some(Value::String(text)) if text.is_empty() => Err(format!("{key} is empty")),
            Some(Value::String(text)) => Ok(Secret::new(text)),
            Some(mut other) => {
                wipe(&mut other);
                Err(format!("{key} is not a string"))
            }
        }
    }

    /// A string as it came, if there is one: for what `untrusted::shown` makes of it alone.
    pub(super) fn raw(&mut self, key: &str) -> Option<Zeroizing<String>> {
        match self.take(key) {
            Some(Value::String(text)) => Some(Zeroizing::new(text)),
            _ => None,
        }
    }

    /// A string without control characters, if there is one.
    pub(super) fn string(&mut self, key: &str) -> Result<Option<Zeroizing<String>>, String> {
        self.take(key).map(|value| plain(value, key)).transpose()
    }

    /// An array of such strings, if there is one.
    pub(super) fn strings(&mut self, key: &str) -> Result<Option<Vec<String>>, String> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Array(values)) => {
                let text = |value| plain(value, key).map(|mut text| std::mem::take(&mut *text));
                values.into_iter().map(text).collect::<Result<_, _>>().map(Some)
            }
            Some(_) => Err(format!("{key} is not an array")),
        }
    }

    /// A whole number, if there is one.
    pub(super) fn number(&mut self, key: &str) -> Result<Option<u64>, String> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Number(n)) if n.is_u64() => Ok(n.as_u64()),
            Some(_) => Err(format!("{key} is not a whole number")),
        }
    }

    /// A number of seconds, if there is one: an integer, a number without a fraction, or a string
    /// of digits. One beyond `u64` is taken for its largest.
    pub(super) fn seconds(&mut self, key: &str) -> Result<Option<u64>, String> {
        let whole = |n: f64| n >= 0.0 && n.fract() == 0.0;
        match self.take(key) {
            None => return Ok(None),
            Some(Value::Number(n)) => {
                let float = n.as_f64().filter(|n| whole(*n)).map(|n| n as u64);
                n.as_u64().or(float).map(Some)
            }
            Some(Value::String(text)) => {
                let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
                digits.then(|| Some(text.parse().unwrap_or(u64::MAX)))
            }
            Some(_) => None,
        }
        .ok_or_else(|| format!("{key} is not a number of seconds"))
    }

    /// The value as it came.
    #[cfg(any(test, fuzzing))]
    pub(super) fn value(&mut self, key: &str) -> Value {
        self.members.get_mut(key).map(Value::take).unwrap_or_default()
    }

    fn take(&mut self, key: &str) -> Option<Value> {
        self.members.get_mut(key).map(Value::take).filter(|value| !value.is_null())
    }
}

fn plain(value: Value, key: &str) -> Result<Zeroizing<String>, String> {
    match value {
        Value::String(text) => {
            let text = Zeroizing::new(text);
            if text.chars().any(char::is_control) {
                return Err(format!("{key} has a control character"));
            }
            Ok(text)
        }
        mut other => {
            wipe(&mut other);
            Err(format!("{key} is not a string"))
        }
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        self.members.values_mut().for_each(wipe);
    }
}

/// As deep as the parser goes: 128 levels.
fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(values) => values.iter_mut().for_each(wipe),
        Value::Object(members) => members.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The members to read.
struct Members<'k>(&'k [&'k str]);

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = Object;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Object, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut object = Object { members: BTreeMap::new(), ambiguous: false };
        while let Some(key) = map.next_key::<String>()? {
            if !self.0.contains(&key.as_str()) {
                map.next_value::<IgnoredAny>()?;
            } else if let Some(mut first) = object.members.insert(key, map.next_value()?) {
                wipe(&mut first);
                object.ambiguous = true;
            }
        }
        Ok(object)
    }
}
