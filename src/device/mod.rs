// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is known of this device: the fields behind `X-Device-Info` with the origin of each, and
//! the identity behind `AP-Device-Identifier` (contract, section 3).
//!
//! One file for each source. They are asked in the contract's order, and the first that gives a
//! field decides it. A source that is missing or malformed gives nothing, and never an error.

mod check;
mod clean;
mod device_tree;
mod display;
mod dmi;
mod edid;
mod field;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod header;
#[cfg(test)]
mod hostile;
mod identity;
mod key_value;
mod network;
mod os_release;
mod overrides;
mod placeholder;
mod rdk;
mod uname;
mod webos;

use std::path::Path;

pub use check::check;
pub use edid::{Size, size as edid_size};
pub use field::{Field, Kind, Value};
pub use header::identifier_header;
pub use identity::{Basis, Identity, IdentityError, check_configured, identity, identity_for};
pub use network::network_fingerprint;
pub use overrides::Overrides;

use crate::common::map::Map;
use crate::system::fs::rooted::Root;
use clean::clean;
use placeholder::is_placeholder_of;

/// The longest header that is sure to pass every server and every caller, in bytes.
pub const LONGEST_HEADER: usize = 8 * 1024;

/// The origin of a value that is from the `[device]` table.
pub(crate) const CONFIGURED: &str = "tokend.toml";

/// The origin of a required value that no source gave.
pub const UNKNOWN: &str = "unknown";

/// A value, and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The value.
    pub value: Value,
    /// Its origin, for the integrator: `tokend.toml`, `/etc/device.properties MODEL_NUM`, …, or
    /// [`UNKNOWN`]. Paths are without the `--root` directory.
    pub origin: String,
}

impl Found {
    /// The value, if it is a text; else something that is no placeholder.
    fn text(&self) -> &str {
        if let Value::Text(text) = &self.value { text } else { "a number or a flag" }
    }
}

/// The device data: the fields that are known, and the required ones always.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeviceInfo(pub Map<Field, Found>);

/// Asks every source. `root` stands before every path: `/`, or a copy of a device's tree.
///
/// Reads a few dozen small files and waits for nothing. To be called anew whenever the network or
/// the display changes.
#[must_use]
pub fn collect(root: &Path, overrides: &Overrides) -> DeviceInfo {
    let root = &Root::new(root);
    let mut info = DeviceInfo::default();
    overrides::add(&mut info, overrides);
    rdk::add(&mut info, root);
    webos::add(&mut info, root);
    device_tree::add(&mut info, root);
    dmi::add(&mut info, root);
    os_release::add(&mut info, root);
    uname::add(&mut info, root);
    display::add(&mut info, root);
    network::add(&mut info, root);
    info.complete();
    info
}

impl DeviceInfo {
    /// One line for each value that the integrator should set or correct.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let warning = |field: Field| {
            let what = match (field, self.0.get(&field)) {
                (Field::PrimaryHardwareType, None) => {
                    "no source gives it, so the server cannot tell a TV from a phone; set it in \
                     [device]"
                        .to_owned()
                }
                (Field::ConnectionType, Some(found)) if found.origin == UNKNOWN => {
                    format!("no default route; sent as \"{}\"", found.text())
                }
                (_, Some(found)) if found.origin == UNKNOWN => format!(
                    "no source gives it; sent as \"{}\", unless [device] sets it",
                    found.text()
                ),
                (_, Some(found))
                    if found.origin == CONFIGURED && is_placeholder_of(field, found.text()) =>
                {
                    format!(
                        "[device] says \"{}\", which looks like a placeholder; it is sent as it \
                         is: set the real value, or take the key out",
                        found.text()
                    )
                }
                _ => return None,
            };
            Some(format!("{}: {what}", field.key()))
        };
        Field::ALL.into_iter().filter_map(warning).collect()
    }

    /// Takes the value of a source in, unless an earlier source gave the field. An empty text and a
    /// placeholder are no values.
    fn offer(&mut self, field: Field, value: impl Into<Value>, origin: impl Into<String>) {
        let value = value.into();
        let nothing = matches!(&value, Value::Text(text) if is_placeholder_of(field, text));
        if !nothing {
            self.set(field, value, origin);
        }
    }

    /// Takes a value in as it is, unless the field has one.
    fn set(&mut self, field: Field, value: impl Into<Value>, origin: impl Into<String>) {
        let value = match value.into() {
            Value::Text(text) => match clean(&text, field.longest()) {
                Some(text) => Value::Text(text),
                None => return,
            },
            Value::Decimal(number) => Value::Decimal((number * 10.0).round() / 10.0),
            other => other,
        };
        self.0.entry(field).or_insert_with(|| Found { value, origin: origin.into() });
    }

    /// Fills in the required fields that no source gave.
    fn complete(&mut self) {
        for field in Field::ALL {
            if let Some(fallback) = field.fallback() {
                self.set(field, fallback, UNKNOWN);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_source_that_gives_a_field_decides_it() {
        let mut info = DeviceInfo::default();
        info.offer(Field::Model, " \0", "empty");
        info.offer(Field::Model, "first", "a");
        info.offer(Field::Model, "second", "b");
        let found = Found { value: "first".into(), origin: "a".into() };
        assert_eq!(info.0, Map::from([(Field::Model, found)]));
    }

    #[test]
    fn a_required_value_that_nobody_gives_is_named_in_a_warning() {
        let mut info = DeviceInfo::default();
        info.set(Field::Model, "X1", CONFIGURED);
        info.complete();
        assert_eq!(
            info.warnings(),
            [
                "primaryHardwareType: no source gives it, so the server cannot tell a TV from a \
                 phone; set it in [device]",
                "version: no source gives it; sent as \"Unknown\", unless [device] sets it",
                "osName: no source gives it; sent as \"Linux\", unless [device] sets it",
                "osVersion: no source gives it; sent as \"Unknown\", unless [device] sets it",
                "connectionType: no default route; sent as \"notConnected\"",
            ]
        );
    }

    #[test]
    fn what_the_configuration_says_is_sent_as_it_is_and_a_placeholder_there_is_warned_of() {
        for value in ["Unknown", "N/A", "to be filled by O.E.M.", "$(MODEL)"] {
            let overrides = Overrides {
                fields: Map::from([
                    (Field::PrimaryHardwareType, "TV".into()),
                    (Field::Model, value.into()),
                    (Field::OsVersion, "rolling".into()),
                ]),
                ..Overrides::default()
            };
            let mut info = DeviceInfo::default();
            overrides::add(&mut info, &overrides);
            assert_eq!(info.0[&Field::Model].value, value.into());
            let warnings = info.warnings();
            assert_eq!(warnings.len(), 2, "{warnings:?}");
            let expected = format!("model: [device] says \"{value}\", which looks like a");
            assert!(warnings[0].starts_with(&expected), "{warnings:?}");
            assert!(warnings[1].starts_with("osVersion: "), "{warnings:?}");
        }
    }

    #[test]
    fn a_screen_size_has_at_most_one_decimal() {
        let mut info = DeviceInfo::default();
        info.offer(Field::DiagonalScreenSize, 54.6412, "test");
        assert_eq!(info.json(None), r#"{"diagonalScreenSize":54.6}"#);
    }
}
