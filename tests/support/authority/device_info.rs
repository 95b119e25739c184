// SPDX-License-Identifier: MIT OR Apache-2.0
//! What section 3 of the contract says about the device headers, written down once more: the
//! daemon's own lists are not asked.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

const TEXTS: [&str; 17] = [
    "primaryHardwareType",
    "model",
    "version",
    "manufacturer",
    "vendor",
    "osName",
    "osFamily",
    "osVendor",
    "osVersion",
    "browserName",
    "browserVendor",
    "browserVersion",
    "userAgent",
    "connectionIp",
    "connectionPort",
    "connectionType",
    "applicationId",
];
const NUMBERS: [&str; 4] = ["displayWidth", "displayHeight", "displayPpi", "diagonalScreenSize"];
const REQUIRED: [&str; 5] = ["model", "version", "osName", "osVersion", "connectionType"];

/// The values that the published list allows, by key.
const LEGAL: [(&str, &[&str]); 6] = [
    (
        "primaryHardwareType",
        &[
            "Camera",
            "DataCollectionTerminal",
            "Desktop",
            "EmbeddedNetworkModule",
            "eReader",
            "GamesConsole",
            "GeolocationTracker",
            "Glasses",
            "MediaPlayer",
            "MobilePhone",
            "PaymentTerminal",
            "PluginModem",
            "SetTopBox",
            "TV",
            "Tablet",
            "WirelessHotspot",
            "Wristwatch",
            "Unknown",
        ],
    ),
    (
        "osName",
        &[
            "Android",
            "Chrome OS",
            "Linux",
            "Mac OS",
            "OS X",
            "OpenBSD",
            "Roku OS",
            "Windows",
            "iOS",
            "tvOS",
            "webOS",
        ],
    ),
    (
        "osFamily",
        &[
            "Android",
            "BSD",
            "Linux",
            "PlayStation OS",
            "Roku OS",
            "Symbian",
            "Tizen",
            "Windows",
            "iOS",
            "tvOS",
            "macOS",
            "webOS",
        ],
    ),
    (
        "osVendor",
        &[
            "Amazon",
            "Apple",
            "Google",
            "LG",
            "Microsoft",
            "Mozilla",
            "Nintendo",
            "Nokia",
            "Roku",
            "Samsung",
            "Sony",
            "Tizen Project",
        ],
    ),
    (
        "browserName",
        &[
            "Android Browser",
            "Chrome",
            "Edge",
            "Firefox",
            "Internet Explorer",
            "Opera",
            "Safari",
            "SeaMonkey",
            "Symbian Browser",
        ],
    ),
    (
        "browserVendor",
        &[
            "Amazon",
            "Apple",
            "Google",
            "Microsoft",
            "Motorola",
            "Mozilla",
            "Netscape",
            "Nintendo",
            "Nokia",
            "Samsung",
            "Sony Ericsson",
        ],
    ),
];

/// The object that an `X-Device-Info` header holds.
///
/// # Errors
/// What is wrong with it.
pub fn decode(header: Option<&str>) -> Result<Map<String, Value>, String> {
    let header = header.ok_or("X-Device-Info is missing, or there twice")?;
    let json = STANDARD
        .decode(header)
        .map_err(|error| format!("X-Device-Info is no padded standard Base64: {error}"))?;
    let info: Map<String, Value> = serde_json::from_slice(&json)
        .map_err(|error| format!("X-Device-Info holds no JSON object: {error}"))?;
    if let Some(missing) = REQUIRED.iter().find(|key| !info.contains_key(**key)) {
        return Err(format!("X-Device-Info has no {missing}"));
    }
    for (key, value) in &info {
        check(key, value)?;
    }
    Ok(info)
}

fn check(key: &str, value: &Value) -> Result<(), String> {
    let right_type = if TEXTS.contains(&key) {
        value.as_str().is_some_and(|text| !text.is_empty())
    } else if NUMBERS.contains(&key) {
        value.is_number()
    } else if key == "connectionSecure" {
        value.is_boolean()
    } else {
        return Err(format!("X-Device-Info has the unknown key {key}"));
    };
    let legal = LEGAL.iter().find(|(name, _)| *name == key).map(|(_, values)| *values);
    let right_value = legal.is_none_or(|values| values.iter().any(|legal| value == legal));
    if right_type && right_value {
        return Ok(());
    }
    Err(format!("X-Device-Info has the illegal value {value} for {key}"))
}

/// Checks an `AP-Device-Identifier` header.
///
/// # Errors
/// What is wrong with it.
pub fn check_identifier(header: Option<&str>) -> Result<(), &'static str> {
    let header = header.ok_or("AP-Device-Identifier is missing, or there twice")?;
    let encoded = header.strip_prefix("fingerprint ").ok_or("its type is not fingerprint")?;
    let id = STANDARD.decode(encoded).map_err(|_| "the fingerprint is no Base64")?;
    let hex = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    if id.len() == 64 && id.iter().all(hex) {
        return Ok(());
    }
    Err("the fingerprint is no SHA-256 in lower-case hexadecimal")
}
