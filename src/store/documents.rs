// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is in the sealed files: JSON. The version of the envelope governs it, so that an unknown
//! member is passed over and a missing one has its default.

use std::io::{self, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::common::model::CredentialsByOrigin;

/// The credentials of one statement.
#[derive(Deserialize)]
pub(super) struct Credentials {
    #[serde(default)]
    pub(super) origins: CredentialsByOrigin,
}

/// [`Credentials`] on their way out.
#[derive(Serialize)]
pub(super) struct CredentialsRef<'a> {
    pub(super) origins: &'a CredentialsByOrigin,
}

/// The device's identity.
#[derive(Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) id: String,
}

/// Says nothing: that it opens is the point.
#[derive(Serialize)]
pub(super) struct KeyCheck {}

/// The document as JSON, in one piece of memory that is wiped: measured first, for a buffer that
/// grows leaves copies behind.
pub(super) fn to_json(document: &impl Serialize) -> serde_json::Result<Zeroizing<Vec<u8>>> {
    let mut length = Length(0);
    serde_json::to_writer(&mut length, document)?;
    let mut json = Zeroizing::new(Vec::with_capacity(length.0));
    serde_json::to_writer(&mut *json, document)?;
    Ok(json)
}

/// The way back. The parser's error is dropped, for it quotes what it does not understand.
pub(super) fn from_json<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    serde_json::from_slice(json).ok()
}

struct Length(usize);

impl Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::model::{AttemptLog, CredentialSet};

    #[test]
    fn a_document_never_outgrows_its_buffer() {
        let filed = CredentialsByOrigin::from([(
            crate::common::model::Origin("https://a".into()),
            CredentialSet::default(),
        )]);
        let json = to_json(&CredentialsRef { origins: &filed }).unwrap();
        assert_eq!(json.capacity(), json.len());
        assert_eq!(from_json::<Credentials>(&json).unwrap().origins, filed);
    }

    #[test]
    fn unknown_members_are_passed_over_and_missing_ones_have_their_defaults() {
        assert!(
            from_json::<AttemptLog>(br#"{"later": 1}"#).is_some_and(|r| r == AttemptLog::default())
        );
        assert!(from_json::<Credentials>(b"{}").is_some_and(|c| c.origins.is_empty()));
        assert!(from_json::<Credentials>(b"[1]").is_none());
    }
}
