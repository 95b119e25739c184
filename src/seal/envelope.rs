// SPDX-License-Identifier: MIT OR Apache-2.0
//! The envelope of a sealed file: bytes in, bytes out, no file and no clock.
//!
//! | at | bytes | |
//! |---|---|---|
//! | 0 | 8 | magic |
//! | 8 | 2 | format version, big endian |
//! | 10 | 2 | its complement: a version with a flipped bit is damage, not a newer format |
//! | 12 | 1 | role of the file |
//! | 13 | 1 | length `n` of the application's name, 0 where the file belongs to none |
//! | 14 | 8 | generation, big endian |
//! | 22 | 32 | SHA-256 of the statement, zeros where the file belongs to none |
//! | 54 | 32 | random salt |
//! | 86 | n | the application's name |
//! | 86 + n | | ciphertext, and 16 bytes of Poly1305 tag |
//!
//! HKDF-SHA256 (RFC 5869) makes key and nonce of ChaCha20-Poly1305 (RFC 8439) from salt, root key
//! and format version; all that stands before the ciphertext is authenticated with it. Every
//! format to come keeps the first 12 bytes.

use std::fmt;

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use super::RootKey;
use crate::common::model::{AppId, StatementDigest};
use crate::common::secret::{CIPHERS, wipe_stack_after};

/// The longest envelope, in bytes.
pub const MAX_LEN: usize = 256 * 1024;

const MAGIC: [u8; 8] = *b"tokend\x1a\n";
const VERSION: u16 = 1;
/// No format, and never to be one: a move to another root key is under way.
const MOVING: u16 = u16::MAX;
const GENERATION: usize = 14;
const SALT: usize = 54;
const FIXED: usize = 86;
const TAG: usize = 16;

/// What a sealed file is, and whose. No file can stand in for one of another subject.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The credentials of an application's statement.
    Credentials(AppId, StatementDigest),
    /// The access token of an application.
    Token(AppId),
    /// The attempt record of an application.
    Record(AppId),
    /// The device's identity.
    Identity,
    /// The proof that a root key is the right one.
    KeyCheck,
}

impl Subject {
    /// The application that it belongs to.
    #[must_use]
    pub fn application(&self) -> Option<&AppId> {
        match self {
            Self::Credentials(id, _) | Self::Token(id) | Self::Record(id) => Some(id),
            Self::Identity | Self::KeyCheck => None,
        }
    }

    fn role(&self) -> u8 {
        match self {
            Self::Credentials(..) => 1,
            Self::Token(_) => 2,
            Self::Record(_) => 3,
            Self::Identity => 4,
            Self::KeyCheck => 5,
        }
    }
}

/// What was in an envelope.
pub struct Opened {
    /// One more than that of the content it replaced.
    pub generation: u64,
    /// The content.
    pub plaintext: Zeroizing<Vec<u8>>,
}

/// Seals `plaintext` under a salt of its own.
pub fn seal(
    root: &RootKey,
    subject: &Subject,
    generation: u64,
    plaintext: &[u8],
) -> Result<Vec<u8>, NotSealed> {
    let mut salt = [0; 32];
    SystemRandom::new().fill(&mut salt).map_err(|_| NotSealed::NoRandom)?;
    let header = header(subject, generation, &salt);
    let len = header.len() + plaintext.len() + TAG;
    if len > MAX_LEN {
        return Err(NotSealed::TooLarge { len });
    }

    // Holds the content in the clear until it is encrypted in place.
    let mut envelope = Zeroizing::new(Vec::with_capacity(len));
    envelope.extend_from_slice(&header);
    envelope.extend_from_slice(plaintext);
    let tag = wipe_stack_after::<CIPHERS, _>(|| {
        let (key, nonce) = derive(root, &salt)?;
        let content = &mut envelope[header.len()..];
        key.seal_in_place_separate_tag(nonce, Aad::from(&header), content).ok()
    });
    let tag = tag.ok_or(NotSealed::Cipher)?;
    envelope.extend_from_slice(tag.as_ref());
    Ok(std::mem::take(&mut *envelope))
}

/// What stands in the place of the key check while all other files move to another root key: to
/// every tokend a file of an unknown version, so that it leaves everything alone.
#[must_use]
pub fn sign_of_a_move() -> Vec<u8> {
    let mut sign = MAGIC.to_vec();
    sign.extend_from_slice(&MOVING.to_be_bytes());
    sign.extend_from_slice(&(!MOVING).to_be_bytes());
    sign
}

/// Whether a file is a [`sign_of_a_move`].
#[must_use]
pub fn is_sign_of_a_move(bytes: &[u8]) -> bool {
    check_version(bytes) == Err(NotOpened::UnknownVersion(MOVING))
}

/// Opens an envelope of `subject`, whatever the bytes are.
pub fn open(root: &RootKey, subject: &Subject, envelope: &[u8]) -> Result<Opened, NotOpened> {
    check_version(envelope)?;
    let authentic = open_known_version(root, subject, envelope);
    authentic.ok_or(NotOpened::NotAuthentic)
}

/// An unknown version is told from damage before all else, for nothing more is known of it.
fn check_version(envelope: &[u8]) -> Result<(), NotOpened> {
    let fields = envelope.strip_prefix(&MAGIC).and_then(<[u8]>::first_chunk::<4>);
    let [a, b, c, d] = *fields.ok_or(NotOpened::NotAuthentic)?;
    let version = u16::from_be_bytes([a, b]);
    if version != !u16::from_be_bytes([c, d]) {
        return Err(NotOpened::NotAuthentic);
    }
    if version != VERSION {
        return Err(NotOpened::UnknownVersion(version));
    }
    Ok(())
}

fn open_known_version(root: &RootKey, subject: &Subject, envelope: &[u8]) -> Option<Opened> {
    if envelope.len() > MAX_LEN {
        return None;
    }
    let generation = u64::from_be_bytes(*envelope.get(GENERATION..)?.first_chunk()?);
    let salt = envelope.get(SALT..)?.first_chunk()?;
    // Not parsed but compared: whatever differs from what this file must say is refused.
    let header = header(subject, generation, salt);
    let sealed = envelope.strip_prefix(header.as_slice())?;

    let mut plaintext = Zeroizing::new(sealed.to_vec());
    let len = wipe_stack_after::<CIPHERS, _>(|| {
        let (key, nonce) = derive(root, salt)?;
        Some(key.open_in_place(nonce, Aad::from(&header), &mut plaintext).ok()?.len())
    })?;
    plaintext.truncate(len);
    Some(Opened { generation, plaintext })
}

fn header(subject: &Subject, generation: u64, salt: &[u8; 32]) -> Vec<u8> {
    let name = subject.application().map_or("", AppId::as_str).as_bytes();
    let digest = match subject {
        Subject::Credentials(_, digest) => digest.0,
        _ => [0; 32],
    };
    let mut header = Vec::with_capacity(FIXED + name.len());
    header.extend_from_slice(&MAGIC);
    header.extend_from_slice(&VERSION.to_be_bytes());
    header.extend_from_slice(&(!VERSION).to_be_bytes());
    // An application's name has 64 characters at most.
    header.extend_from_slice(&[subject.role(), name.len() as u8]);
    header.extend_from_slice(&generation.to_be_bytes());
    header.extend_from_slice(&digest);
    header.extend_from_slice(salt);
    header.extend_from_slice(name);
    header
}

/// Key and nonce of one envelope; neither is ever used for another, for no salt is.
fn derive(root: &RootKey, salt: &[u8; 32]) -> Option<(LessSafeKey, Nonce)> {
    let mut output = Zeroizing::new([0; 32 + 12]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
        .extract(root.expose())
        .expand(&[b"tokend sealed file", &VERSION.to_be_bytes()], Length(output.len()))
        .and_then(|stream| stream.fill(&mut *output))
        .ok()?;
    let (key, nonce) = output.split_at(32);
    let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).ok()?);
    Some((key, Nonce::try_assume_unique_for_key(nonce).ok()?))
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// Why an envelope was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotOpened {
    /// Another version of tokend wrote it.
    UnknownVersion(u16),
    /// It is damaged, belongs to something else, or was sealed under another root key.
    NotAuthentic,
}

impl fmt::Display for NotOpened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownVersion(MOVING) => f.write_str("the mark of a move to another root key"),
            Self::UnknownVersion(version) => {
                write!(f, "sealed in format {version}; this tokend knows format {VERSION} alone")
            }
            Self::NotAuthentic => f.write_str("not authentic"),
        }
    }
}

impl NotOpened {
    /// Whether it is the sign that a move to another root key is under way.
    #[must_use]
    pub fn is_move(self) -> bool {
        self == Self::UnknownVersion(MOVING)
    }
}

impl std::error::Error for NotOpened {}

/// Why nothing was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSealed {
    /// The envelope would be longer than [`MAX_LEN`].
    TooLarge {
        /// Its length in bytes.
        len: usize,
    },
    /// The system gives no random numbers.
    NoRandom,
    /// The cipher refuses; it has no reason to.
    Cipher,
}

impl fmt::Display for NotSealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { len } => {
                write!(f, "sealed, it would have {len} bytes; legal is {MAX_LEN} or less")
            }
            Self::NoRandom => f.write_str("the system gives no random numbers"),
            Self::Cipher => f.write_str("the cipher refuses"),
        }
    }
}

impl std::error::Error for NotSealed {}

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
#[cfg(test)]
mod tests;
