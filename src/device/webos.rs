// SPDX-License-Identifier: MIT OR Apache-2.0
//! webOS: what its hardware abstraction, nyx, writes at boot.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

use super::files::Root;
use super::{DeviceInfo, Field};
use crate::map::Map;

const DEVICE: &str = "/var/run/nyx/device_info.json";
const SYSTEM: &str = "/var/run/nyx/os_info.json";

/// Where [`serial_number`] comes from.
pub(super) const SERIAL_NUMBER: &str = "/var/run/nyx/device_info.json serial_number";

pub(super) fn add(info: &mut DeviceInfo, root: &Root) {
    for (path, fields) in [
        (DEVICE, &[(Field::Model, "product_id"), (Field::Version, "hardware_revision")][..]),
        (SYSTEM, &[(Field::OsVersion, "webos_release")]),
    ] {
        let Some(values) = parsed(root, path) else { continue };
        for (field, key) in fields {
            let value = values.get(*key).map(|value| value.0.as_str());
            info.offer(*field, value.unwrap_or_default(), format!("{path} {key}"));
        }
        info.offer(Field::OsName, "webOS", path);
        info.offer(Field::OsFamily, "webOS", path);
        // Only LG's own platform has these files.
        info.offer(Field::OsVendor, "LG", path);
    }
}

/// The serial number, as it stands there.
pub(super) fn serial_number(root: &Root) -> Option<Zeroizing<String>> {
    parsed(root, DEVICE)?.remove("serial_number").map(|serial| serial.0)
}

fn parsed(root: &Root, path: &str) -> Option<Map<String, Text>> {
    serde_json::from_slice(&root.bytes(path).ok()?).ok()
}

/// A string; a value of any other type is as good as none.
#[derive(Default)]
struct Text(Zeroizing<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Text, E> {
        Ok(Text(Zeroizing::new(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Text, E> {
        Ok(Text::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Text, E> {
        Ok(Text::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Text, E> {
        Ok(Text::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Text, E> {
        Ok(Text::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Text, E> {
        Ok(Text::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Text, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Text::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Text::default())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn with(device: Option<&[u8]>, system: Option<&[u8]>) -> (String, Option<String>) {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir_all(tree.path().join("var/run/nyx")).unwrap();
        for (path, content) in [(DEVICE, device), (SYSTEM, system)] {
            if let Some(content) = content {
                fs::write(tree.path().join(&path[1..]), content).unwrap();
            }
        }
        let root = Root::new(tree.path());
        let mut info = DeviceInfo::default();
        add(&mut info, &root);
        (info.json(None), serial_number(&root).map(|serial| serial.to_string()))
    }

    const WEBOS: &str = r#"{"osName":"webOS","osFamily":"webOS","osVendor":"LG"}"#;

    #[test]
    fn malformed_files_are_as_good_as_none() {
        for bad in [
            &b"{"[..],
            b"",
            b"[]",
            b"\"x\"",
            b"null",
            b"\xff\xfe",
            b"{\"product_id\":\"x\"} trailing",
        ] {
            assert_eq!(with(Some(bad), Some(bad)), ("{}".to_owned(), None));
        }
        let deep = "[".repeat(60_000);
        assert_eq!(with(Some(deep.as_bytes()), None).0, "{}");
    }

    #[test]
    fn values_of_other_types_are_absent_and_harm_no_other() {
        for value in ["1", "-1", "1.5", "true", "null", "[1,[2]]", "{\"a\":{\"b\":1}}", "\"\""] {
            let device = format!(r#"{{"product_id":{value},"serial_number":{value}}}"#);
            let (json, serial) = with(Some(device.as_bytes()), None);
            assert_eq!(json, WEBOS, "{value}");
            assert_eq!(serial.as_deref(), Some(""), "{value}");
        }
        let device = br#"{"product_id":7,"hardware_revision":"rev3","serial_number":"S1"}"#;
        let (json, serial) = with(Some(device), None);
        assert!(json.contains(r#""version":"rev3""#), "{json}");
        assert_eq!(serial.as_deref(), Some("S1"));
    }

    #[test]
    fn the_release_is_the_version_of_the_system() {
        let (json, _) = with(None, Some(br#"{"webos_release":"6.3.0","webos_name":"x"}"#));
        assert_eq!(
            json,
            r#"{"osName":"webOS","osFamily":"webOS","osVendor":"LG","osVersion":"6.3.0"}"#
        );
    }
}
