// SPDX-License-Identifier: MIT OR Apache-2.0
//! `tokend reload`: says nothing where all went well.

use crate::bus::BusAddress;
use crate::client::{self, ClientError};

/// What goes to standard output: nothing.
///
/// # Errors
/// [`ClientError`]
pub fn run(bus: &BusAddress) -> Result<String, ClientError> {
    client::reload(bus)?;
    Ok(String::new())
}
