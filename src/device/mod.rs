//! What tokend tells the authorization server about the device.

mod field;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use field::{Field, Kind, Value, check};

use crate::secret::Secret;

/// The `[device]` table of the configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// The fields that the configuration gives.
    pub fields: BTreeMap<Field, Value>,
    /// `identity`: the hardware identity itself.
    pub identity: Option<Secret>,
    /// `identity_file`: the file that holds the hardware identity.
    pub identity_file: Option<PathBuf>,
}
