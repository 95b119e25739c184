// SPDX-License-Identifier: MIT OR Apache-2.0
//! `tokend forget ID --yes`: deletes an application's credentials and its token.

use crate::bus::BusAddress;
use crate::client::{self, ClientError};
use crate::common::model::AppId;

/// What goes to standard output.
///
/// # Errors
/// [`ClientError::Unconfirmed`] without `yes`: nothing is done. Else as the bus says.
pub fn run(bus: &BusAddress, id: &AppId, yes: bool) -> Result<String, ClientError> {
    if !yes {
        return Err(ClientError::Unconfirmed(id.as_str().to_owned()));
    }
    client::forget(bus, id)?;
    Ok(format!("forgot the client credentials and the token of {id}\n"))
}
