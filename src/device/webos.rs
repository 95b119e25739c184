// SPDX-License-Identifier: MIT OR Apache-2.0
//! webOS: what its hardware abstraction, nyx, writes at boot.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

use super::placeholder::is_no_serial;
use super::{DeviceInfo, Field};
use crate::common::map::Map;
use crate::system::fs::rooted::Root;

const DEVICE: &str = "/var/run/nyx/device_info.json";
const SYSTEM: &str = "/var/run/nyx/os_info.json";

/// How the `webos_name` of LG's own televisions begins.
const TELEVISION: &str = "webOS TV";

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
        if values.get("webos_name").is_some_and(|name| name.0.starts_with(TELEVISION)) {
            let origin = format!("{path} webos_name");
            info.offer(Field::PrimaryHardwareType, "TV", origin.as_str());
            info.offer(Field::OsVendor, "LG", origin);
        }
    }
}

/// The serial number, or else the "unique device id", and where it stands.
pub(super) fn serial_number(root: &Root) -> Option<(Zeroizing<String>, String)> {
    let mut values = parsed(root, DEVICE)?;
    ["serial_number", "nduid"].into_iter().find_map(|key| {
        let serial = values.remove(key)?.0;
        (!is_no_serial(serial.as_bytes())).then(|| (serial, format!("{DEVICE} {key}")))
    })
}

/// The members of a file. nyx-cmd escapes quotes and line feeds and nothing else, and writes a NUL
/// at the end: so control characters are taken out first.
fn parsed(root: &Root, path: &str) -> Option<Map<String, Text>> {
    let mut bytes = root.bytes(path).ok()?;
    bytes.retain(|byte| !byte.is_ascii_control());
    serde_json::from_slice(&bytes).ok()
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
        (info.json(None), serial_number(&root).map(|(serial, _)| serial.to_string()))
    }

    const WEBOS: &str = r#"{"osName":"webOS","osFamily":"webOS"}"#;

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
            assert_eq!(serial, None, "{value}");
        }
        let device = br#"{"product_id":7,"hardware_revision":"rev3","serial_number":"S-8X1"}"#;
        let (json, serial) = with(Some(device), None);
        assert!(json.contains(r#""version":"rev3""#), "{json}");
        assert_eq!(serial.as_deref(), Some("S-8X1"));
    }

    #[test]
    fn raw_control_characters_and_a_nul_at_the_end_lose_nothing() {
        let device =
            b"{\n\t\"device_name\": \"a\tb\x01\",\r\n \"product_id\": \"OWN\t65\x02\"\n}\n\0";
        let (json, _) = with(Some(device), None);
        assert_eq!(json, r#"{"model":"OWN65","osName":"webOS","osFamily":"webOS"}"#);
    }

    #[test]
    fn the_device_id_stands_in_for_a_serial_number_that_is_none() {
        for serial in ["", r#""serial_number":"0123456789","#, r#""serial_number":"none","#] {
            let device = format!(r#"{{{serial}"nduid":"9c1185a5c5e9fc54"}}"#);
            let (_, found) = with(Some(device.as_bytes()), None);
            assert_eq!(found.as_deref(), Some("9c1185a5c5e9fc54"), "{serial}");
        }
        let device = br#"{"serial_number":"S-8X1","nduid":"9c1185a5c5e9fc54"}"#;
        assert_eq!(with(Some(device), None).1.as_deref(), Some("S-8X1"));
    }

    #[test]
    fn only_a_webos_tv_is_a_tv_of_lg() {
        let of =
            |name: &str| with(None, Some(format!(r#"{{"webos_name":"{name}"}}"#).as_bytes())).0;
        for tv in ["webOS TV", "webOS TV 22", "webOS TV 5.0"] {
            assert_eq!(
                of(tv),
                r#"{"primaryHardwareType":"TV","osName":"webOS","osFamily":"webOS","osVendor":"LG"}"#,
                "{tv}"
            );
        }
        for other in ["webOS OSE", "LuneOS", "webOS", "webOS Signage", "The webOS TV"] {
            assert_eq!(of(other), WEBOS, "{other}");
        }
    }

    #[test]
    fn the_release_is_the_version_of_the_system() {
        let (json, _) = with(None, Some(br#"{"webos_release":"6.3.0","webos_name":"x"}"#));
        assert_eq!(json, r#"{"osName":"webOS","osFamily":"webOS","osVersion":"6.3.0"}"#);
    }
}
