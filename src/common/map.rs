// SPDX-License-Identifier: MIT OR Apache-2.0
//! A map in the order of its keys: what the standard library's `BTreeMap` is, for the few entries
//! that tokend has of anything. Each type of a `BTreeMap` costs some kilobytes of code, each of
//! these some hundred bytes. The only user of litemap.

use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut, Index};

use litemap::LiteMap;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};

/// A sorted vector of pairs. Looking up takes logarithmic time, inserting and removing linear time:
/// not for what a stranger could fill. In JSON it is an object, an empty one too.
#[derive(Clone, PartialEq, Eq)]
pub struct Map<K, V>(LiteMap<K, V>);

impl<K, V> Map<K, V> {
    /// An empty map.
    #[must_use]
    pub const fn new() -> Self {
        Self(LiteMap::new_vec())
    }

    /// The values, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, value)| value)
    }
}

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> Deref for Map<K, V> {
    type Target = LiteMap<K, V>;

    fn deref(&self) -> &LiteMap<K, V> {
        &self.0
    }
}

impl<K, V> DerefMut for Map<K, V> {
    fn deref_mut(&mut self) -> &mut LiteMap<K, V> {
        &mut self.0
    }
}

impl<K: Ord + Borrow<Q>, V, Q: Ord + ?Sized> Index<&Q> for Map<K, V> {
    type Output = V;

    fn index(&self, key: &Q) -> &V {
        self.0.get(key).expect("the key is there")
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for Map<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter()).finish()
    }
}

/// Of a key that comes twice, the last value counts.
impl<K: Ord, V> FromIterator<(K, V)> for Map<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut map = Self::new();
        // litemap's own way would bring a sort for each type.
        for (key, value) in pairs {
            map.insert(key, value);
        }
        map
    }
}

impl<K: Ord, V, const N: usize> From<[(K, V); N]> for Map<K, V> {
    fn from(pairs: [(K, V); N]) -> Self {
        pairs.into_iter().collect()
    }
}

impl<K, V> IntoIterator for Map<K, V> {
    type Item = (K, V);
    type IntoIter = std::vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_tuple_vec().into_iter()
    }
}

impl<'a, K, V> IntoIterator for &'a Map<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = <&'a LiteMap<K, V> as IntoIterator>::IntoIter;

    fn into_iter(self) -> Self::IntoIter {
        (&self.0).into_iter()
    }
}

/// Not litemap's: that one writes an empty map as an array.
impl<K: Serialize, V: Serialize> Serialize for Map<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self)
    }
}

impl<'de, K: Ord + Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for Map<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Pairs(PhantomData))
    }
}

struct Pairs<K, V>(PhantomData<(K, V)>);

impl<'de, K: Ord + Deserialize<'de>, V: Deserialize<'de>> Visitor<'de> for Pairs<K, V> {
    type Value = Map<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Map<K, V>, A::Error> {
        let mut map = Map::new();
        while let Some((key, value)) = access.next_entry()? {
            map.insert(key, value);
        }
        Ok(map)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    type Flat = Map<String, u32>;

    #[test]
    fn json_is_read_and_written_as_a_btreemap_does_it() {
        for json in [
            "{}",
            r#"{"b":1,"a":2,"c":3}"#,
            r#"{"a":1,"b":2,"a":3}"#,
            r#"{"b":1,"b":2}"#,
            "[]",
            r#"[["a",1]]"#,
            "null",
            r#"{"a":"x"}"#,
        ] {
            let expected: Option<BTreeMap<String, u32>> = serde_json::from_str(json).ok();
            let read: Option<Flat> = serde_json::from_str(json).ok();
            assert_eq!(read.is_some(), expected.is_some(), "{json}");
            let text = |map| serde_json::to_string(&map).unwrap();
            assert_eq!(
                read.map(|map| serde_json::to_string(&map).unwrap()),
                expected.map(text),
                "{json}"
            );
        }
    }

    #[test]
    fn whatever_order_pairs_come_in_they_lie_in_that_of_their_keys() {
        let map = Map::from([(3, 'c'), (1, 'x'), (2, 'b'), (1, 'a')]);
        assert!(map.iter().eq(&BTreeMap::from([(1, 'a'), (2, 'b'), (3, 'c')])));
        assert_eq!(map.into_iter().collect::<Vec<_>>(), [(1, 'a'), (2, 'b'), (3, 'c')]);
    }
}
