// SPDX-License-Identifier: MIT OR Apache-2.0
//! A JSON object from the server, read strictly, and wiped when dropped.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use zeroize::{Zeroize, Zeroizing};

use crate::secret::Secret;

/// The members of a JSON object. Each `Err` is what is wrong with a member, in words that hold
/// nothing of its value; a member that is null counts as absent.
pub(super) struct Object {
    members: BTreeMap<String, Value>,
    /// A key stands twice: two readers may take it for two different objects.
    pub(super) ambiguous: bool,
}

impl Object {
    /// None where `text` is no JSON, or no object.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        // The parser's own error may quote the text.
        serde_json::from_slice(text).ok()
    }

    /// A string that must be there, of 1 to `most` bytes.
    pub(super) fn secret(&mut self, key: &str, most: usize) -> Result<Secret, String> {
        let mut text = self.string(key)?.ok_or_else(|| format!("{key} is missing"))?;
        match text.len() {
            0 => Err(format!("{key} is empty")),
            len if len > most => Err(format!("{key} is longer than {most} bytes")),
            _ => Ok(Secret::new(std::mem::take(&mut *text))),
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
            Some(_) => Err(format!("{key} is no array")),
        }
    }

    /// A whole number of seconds, if there is one; one beyond `u64` is taken for its largest.
    pub(super) fn seconds(&mut self, key: &str) -> Result<Option<u64>, String> {
        let beyond = |n: &serde_json::Number| n.as_f64().is_some_and(|n| n >= u64::MAX as f64);
        match self.take(key) {
            None => Ok(None),
            Some(Value::Number(n)) if beyond(&n) => Ok(Some(u64::MAX)),
            Some(Value::Number(n)) if n.is_u64() => Ok(n.as_u64()),
            Some(_) => Err(format!("{key} is no whole number of seconds")),
        }
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
            Err(format!("{key} is no string"))
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

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut object = Object { members: BTreeMap::new(), ambiguous: false };
        while let Some((key, value)) = map.next_entry()? {
            if let Some(mut first) = object.members.insert(key, value) {
                wipe(&mut first);
                object.ambiguous = true;
            }
        }
        Ok(object)
    }
}
