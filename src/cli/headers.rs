// SPDX-License-Identifier: MIT OR Apache-2.0
//! `tokend headers ID`: one `Name: value` a line, as `curl -H @-` takes it.

use crate::bus::BusAddress;
use crate::client::{self, ClientError};
use crate::common::model::AppId;
use crate::common::secret::Secret;

/// What goes to standard output, in the order of the names.
///
/// # Errors
/// [`ClientError`]
pub fn run(bus: &BusAddress, id: &AppId) -> Result<Secret, ClientError> {
    Ok(lines(&client::headers(bus, id, 0)?))
}

fn lines(headers: &[(String, Secret)]) -> Secret {
    // Sized beforehand: a string that grows leaves copies behind.
    let size = headers.iter().map(|(name, value)| name.len() + value.expose().len() + 3).sum();
    let mut lines = String::with_capacity(size);
    for (name, value) in headers {
        lines.extend([name, ": ", value.expose(), "\n"]);
    }
    Secret::new(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_header_has_a_line() {
        let headers = [("A", "1"), ("User-Agent", "x y")]
            .map(|(name, value)| (name.to_owned(), Secret::new(value.to_owned())));
        assert_eq!(lines(&headers).expose(), "A: 1\nUser-Agent: x y\n");
        assert_eq!(lines(&[]).expose(), "");
    }
}
