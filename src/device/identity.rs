// SPDX-License-Identifier: MIT OR Apache-2.0
//! The stable hardware identity behind `AP-Device-Identifier`. Only its SHA-256 leaves this file.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use ring::rand::SecureRandom as _;
use ring::{digest, hmac};
use zeroize::Zeroizing;

use super::clean::is_no_identity;
use super::files::{LONGEST_FILE, Root, read_path};
use super::{Overrides, device_tree, dmi, webos};

const MACHINE_ID: &str = "/etc/machine-id";

/// Made up for tokend; part of every machine-id hash, so never to be changed.
const APPLICATION: [u8; 16] = [
    0xd3, 0xe8, 0xca, 0xa9, 0x80, 0xae, 0x9f, 0xdd, 0x08, 0x3b, 0x1f, 0xcc, 0x2c, 0x48, 0xc0, 0x39,
];

/// Who this device is, to the server: nothing that the hardware itself says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// 64 lower-case hexadecimal digits: the SHA-256 of the hardware identity.
    pub id: String,
    /// Where that identity comes from; never what it is.
    pub origin: String,
}

/// Decides the identity from the first source that has one: `identity`, then `identity_file` of
/// the `[device]` table, the device tree, DMI, webOS, an application-specific hash of the
/// machine-id, random bytes. Placeholders are passed over.
///
/// To be called only while the store has no identity: which sources can be read differs between
/// users (DMI's is root's alone) and may change with a new kernel, and random ones always differ.
///
/// # Errors
/// `identity_file` is configured and cannot be read, or the system has no random bytes.
pub fn identity(root: &Path, overrides: &Overrides) -> Result<Identity, IdentityError> {
    if let Some(identity) = configured(root, overrides)? {
        return Ok(identity);
    }
    let root = &Root::new(root);
    match hardware(root).or_else(|| machine_id(root)) {
        Some(identity) => Ok(identity),
        None => random(),
    }
}

fn configured(root: &Path, overrides: &Overrides) -> Result<Option<Identity>, IdentityError> {
    let value = overrides.identity.as_ref();
    let value = value.and_then(|value| hashed(value.expose().as_bytes(), "tokend.toml identity"));
    let (None, Some(path)) = (&value, &overrides.identity_file) else { return Ok(value) };
    let bytes = read_identity_file(root, path)
        .map_err(|source| IdentityError::File { path: path.clone(), source })?;
    Ok(hashed(&bytes, &format!("identity_file {}", path.display())))
}

/// The file of a copied device's tree, where the tree has it; else the path as it is written, as
/// for every other path in the configuration.
fn read_identity_file(root: &Path, path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let copied = path.to_str().map(|path| Root::new(root).bytes(path));
    let bytes = match copied {
        Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => read_path(path)?,
        Some(read) => read?,
        None => read_path(path)?,
    };
    if trimmed(&bytes).is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it holds nothing"));
    }
    if bytes.len() >= LONGEST_FILE {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is 64 KiB long or longer"));
    }
    Ok(bytes)
}

fn hardware(root: &Root) -> Option<Identity> {
    let file = |path| hashed(&root.bytes(path).ok()?, path);
    file(device_tree::SERIAL_NUMBER)
        .or_else(|| file(dmi::PRODUCT_UUID))
        .or_else(|| hashed(webos::serial_number(root)?.as_bytes(), webos::SERIAL_NUMBER))
}

/// HMAC-SHA256 keyed by the machine-id, as sd_id128_get_machine_app_specific(3) makes it: the
/// machine-id itself must not be shown to others (machine-id(5)).
fn machine_id(root: &Root) -> Option<Identity> {
    let text = root.bytes(MACHINE_ID).ok()?;
    let hash = app_specific(trimmed(&text))?;
    hashed(hash.as_bytes(), &format!("{MACHINE_ID} (application-specific hash)"))
}

fn app_specific(machine_id: &[u8]) -> Option<Zeroizing<String>> {
    let digits = std::str::from_utf8(machine_id).ok().filter(|digits| !is_no_identity(digits))?;
    let legal = digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let key = u128::from_str_radix(digits, 16).ok().filter(|_| legal)?;
    let key = Zeroizing::new(key.to_be_bytes());
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_slice()), &APPLICATION);
    let mut hash: Zeroizing<[u8; 16]> = Zeroizing::new(*tag.as_ref().first_chunk()?);
    // The version and the variant of a random UUID.
    hash[6] = hash[6] & 0x0f | 0x40;
    hash[8] = hash[8] & 0x3f | 0x80;
    Some(Zeroizing::new(hex(hash.as_slice())))
}

fn random() -> Result<Identity, IdentityError> {
    let mut bytes = Zeroizing::new([0; 32]);
    let filled = ring::rand::SystemRandom::new().fill(bytes.as_mut_slice());
    filled.map_err(|_| IdentityError::Random)?;
    Ok(Identity { id: sha256(bytes.as_slice()), origin: "random".to_owned() })
}

/// The identity of a raw one; none where that is a placeholder.
fn hashed(raw: &[u8], origin: &str) -> Option<Identity> {
    let raw = trimmed(raw);
    let is_none = std::str::from_utf8(raw).is_ok_and(is_no_identity);
    (!is_none).then(|| Identity { id: sha256(raw), origin: origin.to_owned() })
}

/// Without NUL and white space at both ends.
fn trimmed(mut raw: &[u8]) -> &[u8] {
    let blank = |byte: &u8| *byte == 0 || *byte == 0x0b || byte.is_ascii_whitespace();
    while let [first, rest @ ..] = raw
        && blank(first)
    {
        raw = rest;
    }
    while let [rest @ .., last] = raw
        && blank(last)
    {
        raw = rest;
    }
    raw
}

fn sha256(raw: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, raw).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

/// Why this device has no identity. Says nothing of what one is.
#[derive(Debug)]
#[non_exhaustive]
pub enum IdentityError {
    /// The configured file cannot be read, holds nothing, or is too long.
    File {
        /// `identity_file`.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// The system gives no random bytes.
    Random,
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, .. } => {
                write!(f, "[device] identity_file {} cannot be used", path.display())
            }
            Self::Random => f.write_str("the system gives no random bytes for a device identity"),
        }
    }
}

impl std::error::Error for IdentityError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { source, .. } => Some(source),
            Self::Random => None,
        }
    }
}

#[cfg(test)]
mod tests;
