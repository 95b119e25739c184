// SPDX-License-Identifier: MIT OR Apache-2.0
//! The `[device]` table of the configuration: it stands before every other source.

use std::path::PathBuf;

use super::{CONFIGURED, DeviceInfo, Field, Value};
use crate::common::map::Map;
use crate::common::secret::Secret;

/// The `[device]` table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// Values that [`check`](super::check) has found legal.
    pub fields: Map<Field, Value>,
    /// `identity`: a serial number or the like.
    pub identity: Option<Secret>,
    /// `identity_file`: a file that holds one.
    pub identity_file: Option<PathBuf>,
}

pub(super) fn add(info: &mut DeviceInfo, overrides: &Overrides) {
    for (field, value) in &overrides.fields {
        info.set(*field, value.clone(), CONFIGURED);
    }
}
