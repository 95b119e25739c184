// SPDX-License-Identifier: MIT OR Apache-2.0
//! What tokend keeps, in memory and sealed on disk: plain data, shared by the lifecycle that
//! decides over it and the store that writes it.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::common::map::Map;
use crate::common::secret::Secret;
use crate::common::time::{BootId, BootTime, Now, WallTime};

/// The name of a player application: `[A-Za-z0-9_]{1,64}`, as in its D-Bus object path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AppId(String);

impl AppId {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// So that a map is asked by the name as a caller has written it.
impl Borrow<str> for AppId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for AppId {
    type Err = BadAppId;

    fn from_str(text: &str) -> Result<Self, BadAppId> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        if (1..=64).contains(&text.len()) && text.bytes().all(legal) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadAppId)
        }
    }
}

impl TryFrom<String> for AppId {
    type Error = BadAppId;

    fn try_from(text: String) -> Result<Self, BadAppId> {
        text.parse()
    }
}

impl From<AppId> for String {
    fn from(id: AppId) -> Self {
        id.0
    }
}

impl fmt::Display for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is no application name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadAppId;

impl fmt::Display for BadAppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an application's name is 1 to 64 of the characters A-Z, a-z, 0-9 and _")
    }
}

impl std::error::Error for BadAppId {}

/// The SHA-256 of a software statement (white space taken out): what its credentials are filed
/// under.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StatementDigest(pub [u8; 32]);

impl StatementDigest {
    /// The first 8 digits: enough for a person to tell one from the other.
    #[must_use]
    pub fn short(&self) -> String {
        let mut text = self.to_string();
        text.truncate(8);
        text
    }
}

impl fmt::Display for StatementDigest {
    /// 64 lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for StatementDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StatementDigest({self})")
    }
}

impl FromStr for StatementDigest {
    type Err = BadDigest;

    fn from_str(text: &str) -> Result<Self, BadDigest> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(BadDigest);
        }
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Ok(Self(digest))
    }
}

fn nibble(digit: u8) -> Result<u8, BadDigest> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(BadDigest),
    }
}

impl TryFrom<String> for StatementDigest {
    type Error = BadDigest;

    fn try_from(text: String) -> Result<Self, BadDigest> {
        text.parse()
    }
}

impl From<StatementDigest> for String {
    fn from(digest: StatementDigest) -> Self {
        digest.to_string()
    }
}

/// A text that is no SHA-256 in lower-case hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadDigest;

impl fmt::Display for BadDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a digest is 64 lower-case hexadecimal digits")
    }
}

impl std::error::Error for BadDigest {}

/// An authorization server: scheme, host and port, in one normal form (lower case, no default
/// port, no path), so that two of them compare by their text. Made by `config`, which checks it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Origin(pub String);

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The client credentials of one registered application (RFC 7591, section 3.2.1). They live for
/// ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// `client_id`.
    #[serde(serialize_with = "Secret::seal", deserialize_with = "Secret::unseal")]
    pub client_id: Secret,
    /// `client_secret`.
    #[serde(serialize_with = "Secret::seal", deserialize_with = "Secret::unseal")]
    pub client_secret: Secret,
    /// `client_id_issued_at`, UNIX seconds; 0 where the server did not say.
    #[serde(default)]
    pub issued_at: u64,
    /// `scopes`, or the words of `scope`; empty where the server did not say.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// `redirect_uris`; empty where the server did not say.
    #[serde(default)]
    pub redirect_uris: Vec<String>,
}

/// The credentials that one statement has at one origin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialSet {
    /// Proven by a token that was fetched with them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<Credentials>,
    /// Received, and not proven yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Credentials>,
    /// No longer in use; kept all the same, the oldest first, up to
    /// [`CredentialSet::MOST_REPLACED`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaced: Vec<Credentials>,
}

impl CredentialSet {
    /// The most credentials that are kept after their time. A statement is registered anew once a
    /// day at the most, and only while a server refuses what it has issued.
    pub const MOST_REPLACED: usize = 12;

    /// Keeps credentials that are no longer in use, without what only the server's answer said of
    /// them, so that a talkative server cannot fill the disk.
    pub fn put_aside(&mut self, credentials: Option<Credentials>) {
        let Some(mut credentials) = credentials else { return };
        credentials.scopes.clear();
        credentials.redirect_uris.clear();
        self.replaced.push(credentials);
        let surplus = self.replaced.len().saturating_sub(Self::MOST_REPLACED);
        self.replaced.drain(..surplus);
    }
}

/// All credentials of one statement, by the origin that issued them. Stored in two copies.
pub type CredentialsByOrigin = Map<Origin, CredentialSet>;

/// A moment that means something after a restart and after a reboot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The boot in which `boot` counts.
    pub boot_id: BootId,
    /// By the clock that nobody can set.
    pub boot: BootTime,
    /// By the clock that survives a reboot.
    pub wall: WallTime,
    /// Whether `wall` was vouched for.
    pub confirmed: bool,
}

impl Stamp {
    /// The present moment.
    #[must_use]
    pub fn new(boot_id: &BootId, now: Now) -> Self {
        Self { boot_id: boot_id.clone(), boot: now.boot, wall: now.wall, confirmed: now.confirmed }
    }

    /// A moment of this boot that is still to come was stamped in another time namespace.
    #[must_use]
    pub fn is_to_come(&self, boot_id: &BootId, now: Now) -> bool {
        self.boot_id == *boot_id && self.boot > now.boot
    }

    /// The time that has passed since this moment, and certainly so: in another boot, the wall
    /// clock counts only where both its readings are vouched for; else the time since boot does.
    #[must_use]
    pub fn elapsed(&self, boot_id: &BootId, now: Now) -> std::time::Duration {
        if self.boot_id == *boot_id {
            return now.boot.since(self.boot);
        }
        let since_boot = now.boot.since(BootTime(0));
        if self.confirmed && now.confirmed {
            return now.wall.since(self.wall).max(since_boot);
        }
        since_boot
    }
}

/// An access token with all that is needed to serve it, in this boot and the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// `access_token`.
    #[serde(serialize_with = "Secret::seal", deserialize_with = "Secret::unseal")]
    pub value: Secret,
    /// One more than its predecessor's.
    pub number: u64,
    /// `expires_in`, in seconds, capped.
    pub lifetime: u32,
    /// Whose credentials it was fetched with.
    pub statement: StatementDigest,
    /// The server that issued it.
    pub origin: Origin,
    /// The boot in which `expires_boot` counts.
    pub boot_id: BootId,
    /// Its end by `CLOCK_BOOTTIME`, counted from the moment its request was sent.
    pub expires_boot: BootTime,
    /// Its end by the wall clock.
    pub expires_wall: WallTime,
    /// Whether the wall clock was vouched for when `expires_wall` was reckoned.
    #[serde(default)]
    pub confirmed: bool,
}

/// The attempt record of one application: written before each registration, and whenever its
/// counts must survive a power cut.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptLog {
    /// The statement whose credentials are in use; none before the first, and once the application
    /// has been removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<StatementDigest>,
    /// What was tried, by statement and origin.
    #[serde(default)]
    pub attempts: Map<StatementDigest, Map<Origin, Attempts>>,
    /// Registrations that gave credentials, since the store was made.
    #[serde(default)]
    pub registrations: u64,
}

/// What was tried with one statement at one origin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempts {
    /// Registrations in a row that got no answer, the one under way counted in.
    #[serde(default)]
    pub unanswered: u32,
    /// When the last registration was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered: Option<Stamp>,
    /// Registrations anew in a row, because the server refused the credentials.
    #[serde(default)]
    pub anew: u32,
    /// `invalid_client` answers in a row.
    #[serde(default)]
    pub refusals: u32,
    /// Milliseconds over which they came.
    #[serde(default)]
    pub refused_for: u64,
    /// When the last of them came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Stamp>,
    /// Answers that may have made a client and gave no credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unusable: Option<Unusable>,
}

/// Registrations in a row that the server answered with a 2xx without usable credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unusable {
    /// How many.
    pub count: u32,
    /// When the last of them came.
    pub last: Stamp,
    /// Root has ended one of their waits by a reload; no further one ends so.
    #[serde(default)]
    pub ended: bool,
}

/// Everything that the store has of one application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Its credentials, by statement.
    pub filed: Map<StatementDigest, CredentialsByOrigin>,
    /// Its attempt record.
    pub record: AttemptLog,
    /// An attempt record was there and could not be used: limits must be taken as reached just now.
    pub record_lost: bool,
    /// Its token.
    pub token: Option<Token>,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn stamp(boot: &str, boot_ms: u64, wall_ms: i64, confirmed: bool) -> Stamp {
        Stamp {
            boot_id: BootId(boot.into()),
            boot: BootTime(boot_ms),
            wall: WallTime(wall_ms),
            confirmed,
        }
    }

    #[test]
    fn an_application_name_is_one_to_64_of_the_legal_characters() {
        for good in ["a", "Cinema_2", &"x".repeat(64)] {
            assert_eq!(good.parse::<AppId>().unwrap().as_str(), good);
        }
        for bad in ["", "a-b", "a.b", "é", "a/b", &"x".repeat(65)] {
            assert_eq!(bad.parse::<AppId>(), Err(BadAppId), "{bad}");
        }
    }

    #[test]
    fn a_digest_reads_back_what_it_prints() {
        let digest = StatementDigest(std::array::from_fn(|i| (i * 9) as u8));
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert_eq!("AB".repeat(32).parse::<StatementDigest>(), Err(BadDigest));
        assert_eq!("ab".repeat(31).parse::<StatementDigest>(), Err(BadDigest));
    }

    #[test]
    fn within_a_boot_only_boot_time_counts() {
        let then = stamp("b", 1_000, 9_000_000, true);
        let now = Now { boot: BootTime(4_000), wall: WallTime(0), confirmed: true };
        assert_eq!(then.elapsed(&BootId("b".into()), now), Duration::from_secs(3));
    }

    #[test]
    fn across_boots_an_unconfirmed_clock_never_makes_time_pass() {
        let now = Now { boot: BootTime(2_000), wall: WallTime(90_000_000), confirmed: false };
        let then = stamp("a", 1_000, 0, true);
        assert_eq!(then.elapsed(&BootId("b".into()), now), Duration::from_secs(2));
        let sure = Now { confirmed: true, ..now };
        assert_eq!(then.elapsed(&BootId("b".into()), sure), Duration::from_secs(90_000));
        let unsure_then = stamp("a", 1_000, 0, false);
        assert_eq!(unsure_then.elapsed(&BootId("b".into()), sure), Duration::from_secs(2));
    }
}
