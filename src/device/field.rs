// SPDX-License-Identifier: MIT OR Apache-2.0
//! The fields of `X-Device-Info`, their types and their legal values (contract, section 3).

mod published;

use serde::{Serialize, Serializer};

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
    /// A string of at most [`Field::longest`] characters; one of [`Field::legal`] if that names
    /// any.
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
            Self::PrimaryHardwareType => Some(published::HARDWARE_TYPES),
            Self::OsName => Some(published::OS_NAMES),
            Self::OsFamily => Some(published::OS_FAMILIES),
            Self::OsVendor => Some(published::OS_VENDORS),
            Self::BrowserName => Some(published::BROWSER_NAMES),
            Self::BrowserVendor => Some(published::BROWSER_VENDORS),
            _ => None,
        }
    }

    /// The longest text that it takes, in characters.
    #[must_use]
    pub const fn longest(self) -> usize {
        match self {
            Self::UserAgent => 1024,
            _ => 256,
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

#[cfg(test)]
mod tests {
    use super::super::check;
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
}
