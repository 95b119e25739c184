// SPDX-License-Identifier: MIT OR Apache-2.0
//! RDK: `/etc/device.properties` and `/version.txt`.

use super::files::Root;
use super::{DeviceInfo, Field, key_value};

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
    offer(Field::Model, "MODEL_NUM");
    offer(Field::Model, "FRIENDLY_ID");
    offer(Field::Manufacturer, "MFG_NAME");
    let hardware = values.get("DEVICE_TYPE").and_then(|kind| hardware_type(kind));
    if let Some(hardware) = hardware {
        info.offer(Field::PrimaryHardwareType, hardware, format!("{PROPERTIES} DEVICE_TYPE"));
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
    offer(Field::Version, "imagename");
    offer(Field::OsVersion, "SDK_VERSION");
    offer(Field::OsVersion, "imagename");
    add_os(info, VERSION);
}

/// RDK is a Linux distribution.
fn add_os(info: &mut DeviceInfo, origin: &str) {
    info.offer(Field::OsName, "Linux", origin);
    info.offer(Field::OsFamily, "Linux", origin);
}

/// The published type of an RDK device type, where that is certain.
fn hardware_type(device_type: &str) -> Option<&'static str> {
    let device_type = device_type.to_ascii_lowercase();
    match device_type.as_str() {
        "tv" => Some("TV"),
        "mediaclient" | "hybrid" | "stb" | "ipstb" => Some("SetTopBox"),
        other if other.starts_with("settop") => Some("SetTopBox"),
        _ => None,
    }
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

    #[test]
    fn the_friendly_id_is_the_model_only_where_there_is_no_model_number() {
        let os = r#""osName":"Linux","osFamily":"Linux""#;
        let json = values("MODEL_NUM=X1\nFRIENDLY_ID=\"Box\"", "");
        assert_eq!(json, format!(r#"{{"model":"X1",{os}}}"#));
        let json = values("MODEL_NUM=\"\"\nFRIENDLY_ID=\"Box\"", "");
        assert_eq!(json, format!(r#"{{"model":"Box",{os}}}"#));
    }

    #[test]
    fn without_an_sdk_version_the_image_is_the_version_of_the_system() {
        let json = values("", "imagename:IMG_1\nYOCTO_VERSION=dunfell\n");
        assert_eq!(
            json,
            r#"{"version":"IMG_1","osName":"Linux","osFamily":"Linux","osVersion":"IMG_1"}"#
        );
    }

    #[test]
    fn a_device_type_is_mapped_only_where_that_is_certain() {
        for (given, mapped) in [
            ("TV", Some("TV")),
            ("mediaclient", Some("SetTopBox")),
            ("IpStb", Some("SetTopBox")),
            ("hybrid", Some("SetTopBox")),
            ("SettopBox", Some("SetTopBox")),
            ("XHC1", None),
            ("broadband", None),
        ] {
            assert_eq!(hardware_type(given), mapped, "{given}");
        }
    }
}
