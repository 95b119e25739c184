// SPDX-License-Identifier: MIT OR Apache-2.0
//! A string that cannot be printed, and what keeps secrets from lying about.

use std::fmt;
use std::hint::black_box;
use std::sync::Arc;

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Deserializer, Serializer};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize as _, Zeroizing};

/// A client secret, an access token or another string that must not be seen. Its Debug is
/// redacted, it has no Display, it is wiped when dropped, and [`Secret::expose`] is the one door.
/// Clones share the one string, which is wiped with the last of them.
#[derive(Clone)]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    /// Takes the string in.
    #[must_use]
    pub fn new(secret: String) -> Self {
        Self(Arc::new(Zeroizing::new(secret)))
    }

    /// The secret itself: for the wire, the seal and the caller who may have it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What tells the secret from others, and does not give it away.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let mut sum = [0; 32];
        sum.copy_from_slice(digest(&SHA256, self.0.as_bytes()).as_ref());
        Fingerprint(sum)
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

/// The SHA-256 of a secret, for when it may come again but need not be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

/// More stack than the ciphers use, in words of 8 bytes.
pub const CIPHERS: usize = 16 * 1024 / 8;

/// More stack than a request takes in an optimized program (52 KiB), in words of 8 bytes. What it
/// took is not given back with its thread: glibc keeps the stack for the next one, and wipes
/// nothing but what lies deeper than 20 KiB (on 64-bit ARM: 132).
pub const THREAD: usize = 64 * 1024 / 8;

/// Does `work`, and wipes what is left of it on the stack, `WORDS` deep: ring keeps keys there, and
/// whoever compares or copies secrets parts of them, and nobody wipes them.
pub fn wipe_stack_after<const WORDS: usize, T>(work: impl FnOnce() -> T) -> T {
    // Both are called from here, so that the second one's frame covers those of the first, but for
    // its top, where registers are saved: the work begins well below that.
    #[inline(never)]
    fn call<T>(work: impl FnOnce() -> T) -> T {
        let apart = black_box([0_u8; 512]);
        let result = further_down(work);
        black_box(&apart);
        result
    }
    #[inline(never)]
    fn further_down<T>(work: impl FnOnce() -> T) -> T {
        work()
    }
    #[inline(never)]
    fn wipe<const WORDS: usize>() {
        // In words: byte by byte it takes 200,000 instructions, for each sealed file of a start.
        [0_u64; WORDS].zeroize();
    }
    let result = call(work);
    wipe::<WORDS>();
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_tells_secrets_apart() {
        let fingerprint = |text: &str| Secret::new(text.into()).fingerprint();
        assert_eq!(fingerprint("a"), fingerprint("a"));
        assert_ne!(fingerprint("a"), fingerprint("b"));
    }

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
