//! The fields of `X-Device-Info`, their types and their legal values (contract, section 3).

use std::net::IpAddr;

use serde::{Serialize, Serializer};

/// The longest text of a field, in characters.
pub(super) const LONGEST: usize = 256;

/// A field of the device data, in the order in which the header lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "Field::key is what each of them means")]
pub enum Field {
    PrimaryHardwareType,
    Model,
    Version,
    Manufacturer,
    Vendor,
    OsName,
    OsFamily,
    OsVendor,
    OsVersion,
    BrowserName,
    BrowserVendor,
    BrowserVersion,
    UserAgent,
    DisplayWidth,
    DisplayHeight,
    DisplayPpi,
    DiagonalScreenSize,
    ConnectionIp,
    ConnectionPort,
    ConnectionType,
    ConnectionSecure,
    ApplicationId,
}

/// The type of a field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string of at most 256 characters; one of [`Field::legal`] where that names any.
    Text,
    /// A whole number of pixels, or of pixels an inch.
    Number,
    /// A number of inches, with one decimal.
    Decimal,
    /// True or false.
    Flag,
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A string.
    Text(String),
    /// Pixels, or pixels an inch.
    Number(u32),
    /// Inches.
    Decimal(f64),
    /// True or false.
    Flag(bool),
}

impl Field {
    /// Every field, in the order in which the header lists them.
    pub const ALL: [Self; 22] = [
        Self::PrimaryHardwareType,
        Self::Model,
        Self::Version,
        Self::Manufacturer,
        Self::Vendor,
        Self::OsName,
        Self::OsFamily,
        Self::OsVendor,
        Self::OsVersion,
        Self::BrowserName,
        Self::BrowserVendor,
        Self::BrowserVersion,
        Self::UserAgent,
        Self::DisplayWidth,
        Self::DisplayHeight,
        Self::DisplayPpi,
        Self::DiagonalScreenSize,
        Self::ConnectionIp,
        Self::ConnectionPort,
        Self::ConnectionType,
        Self::ConnectionSecure,
        Self::ApplicationId,
    ];

    /// Its key in the JSON object, on the bus and in the `[device]` table.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::PrimaryHardwareType => "primaryHardwareType",
            Self::Model => "model",
            Self::Version => "version",
            Self::Manufacturer => "manufacturer",
            Self::Vendor => "vendor",
            Self::OsName => "osName",
            Self::OsFamily => "osFamily",
            Self::OsVendor => "osVendor",
            Self::OsVersion => "osVersion",
            Self::BrowserName => "browserName",
            Self::BrowserVendor => "browserVendor",
            Self::BrowserVersion => "browserVersion",
            Self::UserAgent => "userAgent",
            Self::DisplayWidth => "displayWidth",
            Self::DisplayHeight => "displayHeight",
            Self::DisplayPpi => "displayPpi",
            Self::DiagonalScreenSize => "diagonalScreenSize",
            Self::ConnectionIp => "connectionIp",
            Self::ConnectionPort => "connectionPort",
            Self::ConnectionType => "connectionType",
            Self::ConnectionSecure => "connectionSecure",
            Self::ApplicationId => "applicationId",
        }
    }

    /// The field of that key.
    #[must_use]
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.key() == key)
    }

    /// The type of its value.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::DisplayWidth | Self::DisplayHeight | Self::DisplayPpi => Kind::Number,
            Self::DiagonalScreenSize => Kind::Decimal,
            Self::ConnectionSecure => Kind::Flag,
            _ => Kind::Text,
        }
    }

    /// The published list that its value must be from, where there is one.
    #[must_use]
    pub const fn legal(self) -> Option<&'static [&'static str]> {
        match self {
            Self::PrimaryHardwareType => Some(HARDWARE_TYPES),
            Self::OsName => Some(OS_NAMES),
            Self::OsFamily => Some(OS_FAMILIES),
            Self::OsVendor => Some(OS_VENDORS),
            Self::BrowserName => Some(BROWSER_NAMES),
            Self::BrowserVendor => Some(BROWSER_VENDORS),
            _ => None,
        }
    }

    /// Whether the header must have it.
    #[must_use]
    pub const fn required(self) -> bool {
        self.fallback().is_some()
    }

    /// What a required field says where no source gives its value.
    pub(super) const fn fallback(self) -> Option<&'static str> {
        match self {
            Self::Model | Self::Version | Self::OsVersion => Some("Unknown"),
            Self::OsName => Some("Linux"),
            Self::ConnectionType => Some("notConnected"),
            _ => None,
        }
    }
}

/// Whether `value` is legal for `field`.
///
/// # Errors
/// A sentence that names the legal values, to follow the name of the field: "must be …".
pub fn check(field: Field, value: &Value) -> Result<(), String> {
    match (field.kind(), value) {
        (Kind::Text, Value::Text(text)) => check_text(field, text),
        (Kind::Number, Value::Number(1..)) | (Kind::Flag, Value::Flag(_)) => Ok(()),
        (Kind::Decimal, Value::Decimal(inches)) if (0.1..=1000.0).contains(inches) => Ok(()),
        (Kind::Text, _) => match field.legal() {
            Some(legal) => Err(format!("must be one of the strings {}", listed(legal))),
            None => Err("must be a string".to_owned()),
        },
        (Kind::Number, _) => Err(format!("must be a whole number from 1 to {}", u32::MAX)),
        (Kind::Decimal, _) => Err("must be a number of inches from 0.1 to 1000".to_owned()),
        (Kind::Flag, _) => Err("must be true or false".to_owned()),
    }
}

fn check_text(field: Field, text: &str) -> Result<(), String> {
    if let Some(legal) = field.legal() {
        return if legal.contains(&text) {
            Ok(())
        } else {
            Err(format!("must be one of {}", listed(legal)))
        };
    }
    if text.trim().is_empty() {
        return Err("must not be empty".to_owned());
    }
    if text.chars().count() > LONGEST || text.chars().any(char::is_control) {
        return Err(format!("must be at most {LONGEST} characters, none a control character"));
    }
    match field {
        Field::ConnectionIp if text.parse::<IpAddr>().is_err() => {
            Err("must be an IPv4 or IPv6 address".to_owned())
        }
        Field::ConnectionPort if !is_port(text) => {
            Err("must be a string with a port number from 1 to 65535".to_owned())
        }
        _ => Ok(()),
    }
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port != 0)
}

fn listed(legal: &[&str]) -> String {
    let quoted: Vec<_> = legal.iter().map(|value| format!("\"{value}\"")).collect();
    quoted.join(", ")
}

impl Serialize for Field {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.key())
    }
}

impl Serialize for Value {
    /// As the header has it: a string, a number or a boolean.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(number) => serializer.serialize_u32(*number),
            Self::Decimal(number) => serializer.serialize_f64(*number),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(number)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Decimal(number)
    }
}

const HARDWARE_TYPES: &[&str] = &[
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
];

const OS_NAMES: &[&str] = &[
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
];

const OS_FAMILIES: &[&str] = &[
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
];

const OS_VENDORS: &[&str] = &[
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
];

const BROWSER_NAMES: &[&str] = &[
    "Android Browser",
    "Chrome",
    "Edge",
    "Firefox",
    "Internet Explorer",
    "Opera",
    "Safari",
    "SeaMonkey",
    "Symbian Browser",
];

const BROWSER_VENDORS: &[&str] = &[
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
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_found_by_its_key_and_no_other_text_is_one() {
        for field in Field::ALL {
            assert_eq!(Field::from_key(field.key()), Some(field));
        }
        assert!(Field::ALL.is_sorted(), "the header's order is the order of the enum");
        for bad in ["", "Model", "displaywidth", "identity"] {
            assert_eq!(Field::from_key(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_required_fields_are_the_five_of_the_contract() {
        let required: Vec<_> = Field::ALL.into_iter().filter(|f| f.required()).collect();
        let keys: Vec<_> = required.iter().map(|f| f.key()).collect();
        assert_eq!(keys, ["model", "version", "osName", "osVersion", "connectionType"]);
        for field in required {
            assert_eq!(check(field, &field.fallback().unwrap().into()), Ok(()));
        }
    }

    #[test]
    fn a_value_that_is_not_on_the_published_list_is_refused_with_the_list() {
        assert_eq!(check(Field::OsName, &"webOS".into()), Ok(()));
        let message = check(Field::OsName, &"webos".into()).unwrap_err();
        assert_eq!(
            message,
            "must be one of \"Android\", \"Chrome OS\", \"Linux\", \"Mac OS\", \"OS X\", \
             \"OpenBSD\", \"Roku OS\", \"Windows\", \"iOS\", \"tvOS\", \"webOS\""
        );
        let message = check(Field::PrimaryHardwareType, &Value::Flag(true)).unwrap_err();
        assert!(message.starts_with("must be one of the strings \"Camera\""), "{message}");
    }

    #[test]
    fn a_value_of_another_type_is_refused_with_the_right_type() {
        for (field, value, message) in [
            (Field::Model, Value::Number(3), "must be a string"),
            (Field::DisplayWidth, "1920".into(), "must be a whole number from 1 to 4294967295"),
            (Field::DisplayPpi, Value::Number(0), "must be a whole number from 1 to 4294967295"),
            (
                Field::DiagonalScreenSize,
                Value::Decimal(f64::NAN),
                "must be a number of inches from 0.1 to 1000",
            ),
            (
                Field::DiagonalScreenSize,
                Value::Decimal(-1.0),
                "must be a number of inches from 0.1 to 1000",
            ),
            (Field::ConnectionSecure, "true".into(), "must be true or false"),
        ] {
            assert_eq!(check(field, &value), Err(message.to_owned()), "{field:?} {value:?}");
        }
    }

    #[test]
    fn a_text_is_checked_for_what_it_must_be() {
        for (field, good) in [
            (Field::Model, "X1 Café"),
            (Field::ConnectionIp, "192.0.2.7"),
            (Field::ConnectionIp, "2001:db8::7"),
            (Field::ConnectionPort, "443"),
            (Field::ConnectionType, "5G"),
            (Field::ApplicationId, "REF30"),
        ] {
            assert_eq!(check(field, &good.into()), Ok(()), "{good}");
        }
        for (field, bad) in [
            (Field::Model, ""),
            (Field::Model, "  "),
            (Field::Model, "a\nb"),
            (Field::UserAgent, &"x".repeat(257)),
            (Field::ConnectionIp, "192.0.2"),
            (Field::ConnectionPort, "0"),
            (Field::ConnectionPort, "+1"),
            (Field::ConnectionPort, "65536"),
        ] {
            assert!(check(field, &bad.into()).is_err(), "{field:?} {bad}");
        }
    }
}
