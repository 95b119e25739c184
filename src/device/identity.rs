// SPDX-License-Identifier: MIT OR Apache-2.0
//! The stable hardware identity behind `AP-Device-Identifier`. Only its SHA-256 leaves this file.

mod sources;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use ring::rand::SecureRandom as _;
use ring::{digest, hmac};
use zeroize::Zeroizing;

use self::sources::Source;
use super::placeholder::{is_no_serial, trimmed};
use super::{CONFIGURED, Overrides};
use crate::system::fs::rooted::{LONGEST_FILE, Reader, Root};

const MACHINE_ID: &str = "/etc/machine-id";

/// Made up for tokend; part of every machine-id hash, so never to be changed.
const APPLICATION: [u8; 16] = [
    0xd3, 0xe8, 0xca, 0xa9, 0x80, 0xae, 0x9f, 0xdd, 0x08, 0x3b, 0x1f, 0xcc, 0x2c, 0x48, 0xc0, 0x39,
];

/// In front of what is hashed: part of every derived identity, so never to be changed.
const LABEL: &[u8] = b"tokend device identity from board sources, 1\0";

/// Who this device is, to the server: nothing that the hardware itself says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// 64 lower-case hexadecimal digits: the SHA-256 that stands for the device.
    pub id: String,
    /// What kind of sources it rests on.
    pub basis: Basis,
    /// Where those stand, in the order in which they were asked; never what they say.
    pub sources: Vec<String>,
    /// How many different values those say.
    pub values: usize,
}

/// What an identity rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// `identity` or `identity_file` of the `[device]` table, which stands alone.
    Configured,
    /// Serial numbers of the board, and interface addresses if there are too few of them.
    Board,
    /// An application-specific hash of the machine-id.
    MachineId,
    /// Nothing of this device: it is another one each time.
    Random,
}

impl Identity {
    /// The sources as a person reads them: "A", "A and B", "A, B and C".
    #[must_use]
    pub fn origin(&self) -> String {
        match self.sources.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{} and {last}", others.join(", ")),
            None => String::new(),
        }
    }

    /// Why two devices may share it, or one device may lose it; none if nothing is to be feared.
    #[must_use]
    pub const fn weakness(&self) -> Option<&'static str> {
        match (self.basis, self.values) {
            (Basis::Configured, _) => None,
            (Basis::Board, 1) => Some(
                "it rests on one source alone: if its vendor gave all devices the same value, they \
                 are one device to the server",
            ),
            (Basis::Board, _) => None,
            (Basis::MachineId, _) => Some(
                "no source of the board is there: a machine-id that lies in the image is the same \
                 on every device, and one that is made again gives another identifier",
            ),
            (Basis::Random, _) => Some(
                "no source is there: whoever empties the state directory makes another device of \
                 it",
            ),
        }
    }
}

/// Decides the identity, for the user of this process.
///
/// To be called only while the store has no identity: which sources can be read differs between
/// users (DMI's are root's alone) and may change with a new kernel, and random ones always differ.
///
/// # Errors
/// What the configuration gives as identity is a placeholder or cannot be read, or the system has
/// no random bytes.
pub fn identity(root: &Path, overrides: &Overrides) -> Result<Identity, IdentityError> {
    identity_for(root, overrides, None)
}

/// The same, from what that user may read.
///
/// # Errors
/// As [`identity`].
pub fn identity_for(
    root: &Path,
    overrides: &Overrides,
    reader: Option<Reader>,
) -> Result<Identity, IdentityError> {
    let root = &Root::read_by(root, reader);
    if let Some(identity) = configured(root, overrides)? {
        return Ok(identity);
    }
    match board(root).or_else(|| machine_id(root)) {
        Some(identity) => Ok(identity),
        None => random(),
    }
}

/// Whether the configuration's own identity, if it has one, can be used.
///
/// # Errors
/// It is a placeholder or cannot be read.
pub fn check_configured(root: &Path, overrides: &Overrides) -> Result<(), IdentityError> {
    configured(&Root::new(root), overrides).map(drop)
}

fn configured(root: &Root, overrides: &Overrides) -> Result<Option<Identity>, IdentityError> {
    let (value, key) = match (&overrides.identity, &overrides.identity_file) {
        (Some(value), _) => (Zeroizing::new(value.expose().as_bytes().to_vec()), "identity".into()),
        (None, Some(path)) => {
            let bytes = read_identity_file(root, path)
                .map_err(|source| IdentityError::File { path: path.clone(), source })?;
            (bytes, format!("identity_file {}", path.display()))
        }
        (None, None) => return Ok(None),
    };
    if is_no_serial(&value) {
        return Err(IdentityError::Placeholder { key });
    }
    let origin = if overrides.identity.is_some() { format!("{CONFIGURED} {key}") } else { key };
    let id = sha256(trimmed(&value));
    Ok(Some(Identity { id, basis: Basis::Configured, sources: vec![origin], values: 1 }))
}

fn read_identity_file(root: &Root, path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let invalid = |message| io::Error::new(io::ErrorKind::InvalidData, message);
    let path = path.to_str().ok_or_else(|| invalid("its path is not UTF-8"))?;
    let bytes = root.bytes(path)?;
    if trimmed(&bytes).is_empty() {
        return Err(invalid("it holds nothing"));
    }
    if bytes.len() >= LONGEST_FILE {
        return Err(invalid("it is 64 KiB long or longer"));
    }
    Ok(bytes)
}

fn board(root: &Root) -> Option<Identity> {
    let sources = sources::gather(root);
    if sources.is_empty() {
        return None;
    }
    let origins = sources.iter().map(|source| source.origin.clone()).collect();
    let (id, values) = combined(sources);
    Some(Identity { id, basis: Basis::Board, sources: origins, values })
}

/// The SHA-256 of the label and of each value once, sorted, with the name of its kind: whatever the
/// order in which they were read. And how many those values are.
fn combined(mut sources: Vec<Source>) -> (String, usize) {
    sources.sort_unstable_by(|a, b| (&*a.value, a.kind).cmp(&(&*b.value, b.kind)));
    sources.dedup_by(|later, earlier| later.value == earlier.value);
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(LABEL);
    for Source { kind, value, .. } in &sources {
        hash.update(kind.as_bytes());
        hash.update(&[0]);
        // Where a value ends cannot be mistaken.
        hash.update(&(value.len() as u64).to_be_bytes());
        hash.update(value);
    }
    (hex(hash.finish().as_ref()), sources.len())
}

/// HMAC-SHA256 keyed by the machine-id, as sd_id128_get_machine_app_specific(3) makes it: the
/// machine-id itself must not be shown to others (machine-id(5)).
fn machine_id(root: &Root) -> Option<Identity> {
    let text = root.bytes(MACHINE_ID).ok()?;
    let hash = app_specific(trimmed(&text))?;
    let origin = format!("{MACHINE_ID} (application-specific hash)");
    let id = sha256(hash.as_bytes());
    Some(Identity { id, basis: Basis::MachineId, sources: vec![origin], values: 1 })
}

fn app_specific(machine_id: &[u8]) -> Option<Zeroizing<String>> {
    let digits = std::str::from_utf8(machine_id).ok().filter(|_| !is_no_serial(machine_id))?;
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
    let id = sha256(bytes.as_slice());
    Ok(Identity { id, basis: Basis::Random, sources: vec!["random".to_owned()], values: 1 })
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
    /// What is configured is a value that many devices share.
    Placeholder {
        /// `identity`, or `identity_file` and its path.
        key: String,
    },
    /// The system gives no random bytes.
    Random,
}

impl IdentityError {
    /// The fault of the configuration that this is, as anybody may read it: key, kind and what is
    /// expected; none where the configuration is not at fault.
    #[must_use]
    pub fn without_values(&self) -> Option<String> {
        let (key, kind) = match self {
            Self::File { source, .. } => ("identity_file", format!("cannot be used ({source})")),
            Self::Placeholder { key } => {
                let key = if key == "identity" { "identity" } else { "identity_file" };
                (key, "a placeholder, which many devices share".to_owned())
            }
            Self::Random => return None,
        };
        Some(format!("device.{key}: {kind}; expected: a serial number that no other device has"))
    }
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, .. } => {
                write!(f, "[device] identity_file {} cannot be used", path.display())
            }
            Self::Placeholder { key } => write!(
                f,
                "[device] {key}: found a placeholder, which many devices share; expected: a serial \
                 number that no other device has; write one there, or take the key out of \
                 tokend.toml, so that tokend looks for the board's own"
            ),
            Self::Random => f.write_str("the system gives no random bytes for a device identity"),
        }
    }
}

impl std::error::Error for IdentityError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { source, .. } => Some(source),
            Self::Placeholder { .. } | Self::Random => None,
        }
    }
}

#[cfg(test)]
mod tests;
