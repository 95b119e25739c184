// SPDX-License-Identifier: MIT OR Apache-2.0
//! Our types as D-Bus has them.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use zbus::message::{Header, Message};
use zbus::names::ErrorName;
use zbus::{Signature, Type, Variant};

use super::InfoValue;
use crate::map::Map;
use crate::secret::Secret;
use crate::view::{CallError, Face, Property};

/// A secret on its way to a caller who may have it: `s`.
pub(super) struct Shown(pub(super) Secret);

impl Type for Shown {
    const SIGNATURE: &'static Signature = &Signature::Str;
}

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose())
    }
}

/// All headers of a request: `a{ss}`.
pub(super) struct Headers {
    /// Is the value of `Authorization`, behind its `Bearer`.
    pub(super) token: Secret,
    /// Has the others.
    pub(super) face: Arc<Face>,
}

impl Type for Headers {
    const SIGNATURE: &'static Signature = <HashMap<String, String>>::SIGNATURE;
}

impl Serialize for Headers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let others = self.face.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        // Freed memory is wiped by the allocator, faster than by `Secret`; each call comes here.
        let bearer = format!("Bearer {}", self.token.expose());
        serializer.collect_map(others.chain([("Authorization", bearer.as_str())]))
    }
}

/// `a{s…}`, in the order of its keys.
impl<V: Type> Type for Map<String, V> {
    const SIGNATURE: &'static Signature = <HashMap<String, V> as Type>::SIGNATURE;
}

impl<'a> From<Property<'a>> for Variant<'a> {
    fn from(property: Property<'a>) -> Self {
        match property {
            Property::Text(text) => text.into(),
            Property::Number(number) => number.into(),
            Property::Pair(first, second) => (first, second).into(),
            Property::List(texts) => texts.iter().map(String::as_str).collect::<Vec<_>>().into(),
        }
    }
}

impl<'a> From<&'a InfoValue> for Variant<'a> {
    fn from(value: &'a InfoValue) -> Self {
        match value {
            InfoValue::Text(text) => text.as_str().into(),
            InfoValue::Number(number) => (*number).into(),
            InfoValue::Decimal(decimal) => (*decimal).into(),
            InfoValue::Flag(flag) => (*flag).into(),
        }
    }
}

impl zbus::DBusError for CallError {
    fn create_reply(&self, call: &Header<'_>) -> zbus::Result<Message> {
        Message::error(call, self.name.as_str()).build(&self.message)
    }

    fn name(&self) -> ErrorName<'_> {
        ErrorName::from_static_str_unchecked(self.name.as_str())
    }

    fn description(&self) -> Option<&str> {
        Some(&self.message)
    }
}
