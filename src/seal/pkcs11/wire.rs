// SPDX-License-Identifier: MIT OR Apache-2.0
//! What daemon and child say to each other: one request, one answer. Pure.
//!
//! Both are a magic text and fields, each with its length in front (32 bits, big endian).

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use zeroize::Zeroizing;

/// The longest message, in bytes.
pub(super) const MAX_LEN: usize = 16 * 1024;
/// The longest text of an answer: more is cut off.
const MAX_TEXT: usize = 1024;

const REQUEST: &[u8] = b"tokend asks 1\n";
const ANSWER: &[u8] = b"tokend's child answers 1\n";

/// The length of a root key.
pub(super) const KEY_LEN: usize = 32;

/// What the child is to do.
pub(super) struct Request {
    /// The process that asks: a child of another one does nothing.
    pub(super) parent: u32,
    /// Whom the child becomes first, if it is root's: the module gets no more rights than the daemon's.
    pub(super) user: Option<u32>,
    /// Make the key where there is none.
    pub(super) generate: bool,
    pub(super) module: PathBuf,
    pub(super) token: String,
    pub(super) key: String,
    pub(super) pin: Option<Zeroizing<Vec<u8>>>,
}

/// What came of it.
#[derive(PartialEq, Eq)]
pub(super) enum Answer {
    Key {
        root: Zeroizing<Vec<u8>>,
        /// The token made its key just now.
        made: bool,
    },
    /// The token is there, and the key is not; none was made.
    NoKey,
    /// Why the PIN is not to be tried again.
    PinRefused(String),
    /// Whatever is wrong before anybody has logged in.
    NotReady(String),
    /// Whatever else is wrong.
    Failed(String),
}

impl Request {
    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let pin = self.pin.as_deref().map_or(&[][..], Vec::as_slice);
        encode(
            REQUEST,
            &[
                &self.parent.to_be_bytes(),
                self.user.map(u32::to_be_bytes).as_ref().map_or(&[], <[u8; 4]>::as_slice),
                &[u8::from(self.generate), u8::from(self.pin.is_some())],
                self.module.as_os_str().as_bytes(),
                self.token.as_bytes(),
                self.key.as_bytes(),
                pin,
            ],
        )
    }

    pub(super) fn decode(message: &[u8]) -> Option<Self> {
        let [parent, user, flags, module, token, key, pin] = decode(REQUEST, message)?;
        let &[generate, with_pin] = flags.first_chunk()?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        Some(Self {
            parent: u32::from_be_bytes(*parent.first_chunk()?),
            user: user.first_chunk().map(|user| u32::from_be_bytes(*user)),
            generate: generate != 0,
            module: OsString::from_vec(module.to_vec()).into(),
            token: text(token)?,
            key: text(key)?,
            pin: (with_pin != 0).then(|| Zeroizing::new(pin.to_vec())),
        })
    }
}

impl Answer {
    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let (kind, content): (u8, &[u8]) = match self {
            Self::Key { root, made: false } => (b'k', root),
            Self::Key { root, made: true } => (b'm', root),
            Self::NoKey => (b'n', &[]),
            Self::PinRefused(why) => (b'p', shortened(why)),
            Self::NotReady(why) => (b'r', shortened(why)),
            Self::Failed(why) => (b'f', shortened(why)),
        };
        encode(ANSWER, &[&[kind], content])
    }

    /// None where the message is not whole, or is none of ours.
    pub(super) fn decode(message: &[u8]) -> Option<Self> {
        let [kind, content] = decode(ANSWER, message)?;
        let text = || {
            let text = String::from_utf8_lossy(content.get(..MAX_TEXT).unwrap_or(content));
            crate::common::text::printable(&text)
        };
        Some(match kind {
            b"k" | b"m" if content.len() == KEY_LEN => {
                Self::Key { root: Zeroizing::new(content.to_vec()), made: kind == b"m" }
            }
            b"n" if content.is_empty() => Self::NoKey,
            b"p" => Self::PinRefused(text()),
            b"r" => Self::NotReady(text()),
            b"f" => Self::Failed(text()),
            _ => return None,
        })
    }
}

fn shortened(text: &str) -> &[u8] {
    text.as_bytes().get(..MAX_TEXT).unwrap_or(text.as_bytes())
}

/// In one piece of memory, for one that grows leaves copies behind.
fn encode(magic: &[u8], fields: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let len = magic.len() + fields.iter().map(|field| 4 + field.len()).sum::<usize>();
    let mut message = Zeroizing::new(Vec::with_capacity(len));
    message.extend_from_slice(magic);
    for field in fields {
        message.extend_from_slice(&(field.len() as u32).to_be_bytes());
        message.extend_from_slice(field);
    }
    message
}

fn decode<'a, const N: usize>(magic: &[u8], message: &'a [u8]) -> Option<[&'a [u8]; N]> {
    let mut rest = message.strip_prefix(magic)?;
    let mut fields = [&[][..]; N];
    for field in &mut fields {
        let (len, behind) = rest.split_first_chunk()?;
        let len = usize::try_from(u32::from_be_bytes(*len)).ok()?;
        (*field, rest) = behind.split_at_checked(len)?;
    }
    rest.is_empty().then_some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers() -> Vec<Answer> {
        vec![
            Answer::Key { root: Zeroizing::new(vec![7; KEY_LEN]), made: false },
            Answer::Key { root: Zeroizing::new(vec![8; KEY_LEN]), made: true },
            Answer::NoKey,
            Answer::PinRefused("wrong".into()),
            Answer::NotReady("no device".into()),
            Answer::Failed("no token".into()),
        ]
    }

    #[test]
    fn a_request_arrives_as_it_was_sent() {
        for pin in [None, Some(Zeroizing::new(Vec::new())), Some(Zeroizing::new(vec![0, 255]))] {
            let sent = Request {
                parent: 4711,
                user: pin.as_ref().map(|_| 990),
                generate: pin.is_none(),
                module: "/usr/lib/é.so".into(),
                token: "a token".into(),
                key: "key".into(),
                pin,
            };
            let message = sent.encode();
            assert_eq!(message.capacity(), message.len());
            let got = Request::decode(&message).unwrap();
            assert_eq!((got.parent, got.generate), (sent.parent, sent.generate));
            assert_eq!(got.user, sent.user);
            assert_eq!((got.module, got.token, got.key), (sent.module, sent.token, sent.key));
            assert_eq!(got.pin, sent.pin);
            assert!((0..message.len()).all(|len| Request::decode(&message[..len]).is_none()));
        }
    }

    #[test]
    fn an_answer_arrives_as_it_was_sent_and_whole_or_not_at_all() {
        for sent in answers() {
            let message = sent.encode();
            assert!(Answer::decode(&message) == Some(sent));
            assert!((0..message.len()).all(|len| Answer::decode(&message[..len]).is_none()));
            let longer = [message.as_slice(), b"x"].concat();
            assert!(Answer::decode(&longer).is_none());
        }
    }

    #[test]
    fn a_key_of_another_length_is_no_answer() {
        for len in [0, 31, 33] {
            let message = encode(ANSWER, &[b"k", &vec![1; len]]);
            assert!(Answer::decode(&message).is_none(), "{len}");
        }
    }

    #[test]
    fn what_an_answer_says_fits_into_one_line_of_a_log() {
        let sent = Answer::Failed(format!("a\nb\u{1b}[2J{}", "ä".repeat(4000)));
        let Some(Answer::Failed(text)) = Answer::decode(&sent.encode()) else { panic!() };
        assert!(text.starts_with("a b [2Jä") && text.len() < 2 * MAX_TEXT, "{text}");
    }

    #[test]
    fn no_bytes_bring_the_reader_down() {
        let mut rng = fastrand::Rng::with_seed(11);
        for answer in answers() {
            let message = answer.encode();
            for _ in 0..2000 {
                let mut damaged = message.to_vec();
                let at = rng.usize(0..damaged.len());
                damaged[at] = rng.u8(..);
                damaged.truncate(rng.usize(0..=damaged.len()));
                let _ = (Answer::decode(&damaged), Request::decode(&damaged));
            }
        }
    }
}
