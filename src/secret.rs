//! A string that cannot be printed.

use std::fmt;

use serde::{Deserialize, Deserializer, Serializer};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A client secret, an access token or another string that must not be seen. Its Debug is
/// redacted, it has no Display, it is wiped when dropped, and [`Secret::expose`] is the one door.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the string in.
    #[must_use]
    pub fn new(secret: String) -> Self {
        Self(Zeroizing::new(secret))
    }

    /// The secret itself: for the wire, the seal and the caller who may have it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Serializes the secret in the clear, for what is sealed at once:
    /// `#[serde(serialize_with = "Secret::seal", deserialize_with = "Secret::unseal")]`.
    /// There is no `Serialize` on purpose.
    pub fn seal<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }

    /// The way back from [`Secret::seal`].
    pub fn unseal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl PartialEq for Secret {
    /// Takes the same time whichever byte differs.
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Secret {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_a_secret() {
        let secret = Secret::new("opensesame".to_owned());
        assert_eq!(format!("{secret:?}"), "Secret(..)");
        assert_eq!(secret.expose(), "opensesame");
    }

    #[test]
    fn secrets_compare_by_their_content() {
        assert_eq!(Secret::new("a".into()), Secret::new("a".into()));
        assert_ne!(Secret::new("a".into()), Secret::new("ab".into()));
        assert_ne!(Secret::new("a".into()), Secret::new("b".into()));
    }
}
