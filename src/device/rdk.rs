// SPDX-License-Identifier: MIT OR Apache-2.0
//! RDK: `/etc/device.properties` and `/version.txt`.

use super::{DeviceInfo, Field, key_value};
use crate::common::map::Map;
use crate::system::fs::rooted::Root;

const PROPERTIES: &str = "/etc/device.properties";
const VERSION: &str = "/version.txt";

pub(super) fn add(info: &mut DeviceInfo, root: &Root) {
    if let Some(text) = root.text(PROPERTIES) {
        add_properties(info, &text);
    }
    if let Some(text) = root.text(VERSION) {
        add_version(info, &text);
    }
}

fn add_properties(info: &mut DeviceInfo, text: &str) {
    let values = key_value::parse(text, &['=']);
    let mut offer = |field, key: &str| {
        if let Some(value) = values.get(key) {
            info.offer(field, value.as_str(), format!("{PROPERTIES} {key}"));
        }
    };
    offer(Field::Model, "FRIENDLY_ID");
    offer(Field::Model, "MODEL_NUM");
    offer(Field::Version, "MODEL_NUM");
    offer(Field::Manufacturer, "MFG_NAME");
    offer(Field::Vendor, "BRAND_NAME");
    if let Some((hardware, key)) = hardware_type(&values) {
        info.offer(Field::PrimaryHardwareType, hardware, format!("{PROPERTIES} {key}"));
    }
    add_os(info, PROPERTIES);
}

fn add_version(info: &mut DeviceInfo, text: &str) {
    let values = key_value::parse(text, &[':', '=']);
    let mut offer = |field, key: &str| {
        if let Some(value) = values.get(key) {
            info.offer(field, value.as_str(), format!("{VERSION} {key}"));
        }
    };
    offer(Field::OsVersion, "SDK_VERSION");
    offer(Field::OsVersion, "imagename");
    add_os(info, VERSION);
}

/// RDK is a Linux distribution.
fn add_os(info: &mut DeviceInfo, origin: &str) {
    info.offer(Field::OsName, "Linux", origin);
    info.offer(Field::OsFamily, "Linux", origin);
}

/// What means which published type; the first that fits decides.
const HARDWARE_TYPES: [(&str, &str, &[&str]); 4] = [
    ("TV", "RDK_PROFILE", &["tv"]),
    ("TV", "DEVICE_TYPE", &["tv", "iptv"]),
    ("SetTopBox", "RDK_PROFILE", &["stb"]),
    ("SetTopBox", "DEVICE_TYPE", &["mediaclient", "hybrid", "stb", "ipstb", "qamipstb"]),
];

/// The published type, and the key that says so.
fn hardware_type(values: &Map<String, String>) -> Option<(&'static str, &'static str)> {
    let says = |key, words: &[&str]| {
        let value = values.get(key)?.to_ascii_lowercase();
        words.contains(&value.as_str()).then_some(())
    };
    HARDWARE_TYPES
        .iter()
        .find_map(|(hardware, key, words)| says(*key, words).map(|()| (*hardware, *key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(properties: &str, version: &str) -> String {
        let mut info = DeviceInfo::default();
        add_properties(&mut info, properties);
        add_version(&mut info, version);
        info.json(None)
    }

    const OS: &str = r#""osName":"Linux","osFamily":"Linux""#;

    #[test]
    fn the_fields_are_those_of_adobes_mapping_for_roku() {
        let all = "MODEL_NUM=X1\nFRIENDLY_ID=\"Own Box\"\nBRAND_NAME=Own\nMFG_NAME=Maker\n";
        assert_eq!(
            values(all, ""),
            format!(
                r#"{{"model":"Own Box","version":"X1","manufacturer":"Maker","vendor":"Own",{OS}}}"#
            )
        );
        for no_id in ["", "FRIENDLY_ID=\n", "FRIENDLY_ID=\"Unknown\"\n"] {
            let json = values(&format!("MODEL_NUM=X1\n{no_id}"), "");
            assert_eq!(json, format!(r#"{{"model":"X1","version":"X1",{OS}}}"#));
        }
    }

    #[test]
    fn without_an_sdk_version_the_image_is_the_version_of_the_system() {
        for no_sdk in ["", "SDK_VERSION=UNKNOWN\n", "SDK_VERSION:None\n", "SDK_VERSION=\n"] {
            let json = values("", &format!("imagename:IMG_1\nYOCTO_VERSION=dunfell\n{no_sdk}"));
            assert_eq!(json, format!(r#"{{{OS},"osVersion":"IMG_1"}}"#));
        }
        let json = values("", "imagename:IMG_1\nSDK_VERSION=17.3\n");
        assert_eq!(json, format!(r#"{{{OS},"osVersion":"17.3"}}"#));
    }

    #[test]
    fn a_device_is_a_tv_or_a_box_in_any_case_of_letters_and_only_if_that_is_certain() {
        let set_top_box = ["mediaclient", "hybrid", "stb", "IpStb", "QamIpStb"];
        let known = [("RDK_PROFILE", "TV", "TV"), ("RDK_PROFILE", "STB", "SetTopBox")]
            .into_iter()
            .chain(["tv", "IpTv"].map(|word| ("DEVICE_TYPE", word, "TV")))
            .chain(set_top_box.map(|word| ("DEVICE_TYPE", word, "SetTopBox")));
        for (key, word, expected) in known {
            for word in [word.to_owned(), word.to_lowercase(), word.to_uppercase()] {
                let json = values(&format!("{key}={word}\n"), "");
                assert!(
                    json.starts_with(&format!(r#"{{"primaryHardwareType":"{expected}","#)),
                    "{key}={word}: {json}"
                );
            }
        }
        for other in ["XHC1", "broadband", "SettopBox", "tv2", "camera", "IpStb QamIpStb"] {
            let json = values(&format!("DEVICE_TYPE={other}\nRDK_PROFILE={other}\n"), "");
            assert_eq!(json, format!("{{{OS}}}"), "{other}");
        }
        let tv = values("DEVICE_TYPE=mediaclient\nRDK_PROFILE=TV\n", "");
        assert!(tv.contains(r#":"TV""#), "{tv}");
    }
}
