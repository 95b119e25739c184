// SPDX-License-Identifier: MIT OR Apache-2.0
//! `tokend token ID`: the access token, alone on a line.

use crate::bus::BusAddress;
use crate::client::{self, ClientError};
use crate::common::model::AppId;
use crate::common::secret::Secret;

/// What goes to standard output.
///
/// # Errors
/// [`ClientError`]
pub fn run(bus: &BusAddress, id: &AppId) -> Result<Secret, ClientError> {
    let token = client::token(bus, id, 0)?;
    Ok(Secret::new(format!("{}\n", token.expose())))
}
