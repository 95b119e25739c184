// SPDX-License-Identifier: MIT OR Apache-2.0
//! What only some may ask for: bounded, and in a form that can be kept until it is known who asks.

use crate::common::model::AppId;
use crate::common::secret::Secret;

/// The longest `rejected_token` and the longest `code` of `ReplaceToken`, in bytes (contract,
/// section 2, "Limits").
const LONGEST_TOKEN: usize = 8 * 1024;
const LONGEST_CODE: usize = 256;
/// What is kept of an error code that a caller passes on.
const CODE_CHARACTERS: usize = 64;
/// A run of this many characters out of a token gives it away.
const TELLING: usize = 12;
/// An error code of this many characters that is more than lower-case words may be a secret.
const LONG: usize = 32;

/// A call that only some may make. `S` is a piece of the message, or a copy of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request<S> {
    /// `GetToken`; `GetHeaders`, if `headers` is set.
    Token { app: S, headers: bool, min_validity: u32 },
    /// `ReplaceToken`
    Replace { app: S, rejected: S, code: S },
    /// `ReplaceToken` with an argument that is too long: for one who may, an error that says so.
    TooLong { app: S, why: &'static str },
    /// `Reload`
    Reload,
    /// `Forget`
    Forget { id: S },
}

/// By whose rules a request is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Right<'r> {
    Application(&'r str),
    Reload,
    Root,
}

impl<'m> Request<&'m str> {
    pub(super) fn replace(app: &'m str, rejected: &'m str, code: &'m str) -> Self {
        if rejected.len() > LONGEST_TOKEN {
            let why = "rejected_token is longer than 8 KiB (8192 bytes), as no token is";
            return Self::TooLong { app, why };
        }
        if code.len() > LONGEST_CODE {
            return Self::TooLong { app, why: "code is longer than 256 bytes" };
        }
        Self::Replace { app, rejected, code }
    }

    /// A copy, which is bounded by what a request may be.
    pub(super) fn keep(self) -> Request<Box<str>> {
        self.map(Box::from)
    }

    pub(super) fn right(self) -> Right<'m> {
        match self {
            Self::Token { app, .. } | Self::Replace { app, .. } | Self::TooLong { app, .. } => {
                Right::Application(app)
            }
            Self::Reload => Right::Reload,
            Self::Forget { .. } => Right::Root,
        }
    }
}

impl Request<Box<str>> {
    pub(super) fn lend(&self) -> Request<&str> {
        match self {
            Self::Token { app, headers, min_validity } => {
                Request::Token { app, headers: *headers, min_validity: *min_validity }
            }
            Self::Replace { app, rejected, code } => Request::Replace { app, rejected, code },
            Self::TooLong { app, why } => Request::TooLong { app, why },
            Self::Reload => Request::Reload,
            Self::Forget { id } => Request::Forget { id },
        }
    }

    /// What it takes of the memory, in bytes.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Replace { rejected, code, .. } => rejected.len() + code.len(),
            Self::Forget { id } => id.len(),
            _ => 0,
        }
    }
}

impl<S> Request<S> {
    fn map<T>(self, f: impl Fn(S) -> T) -> Request<T> {
        match self {
            Self::Token { app, headers, min_validity } => {
                Request::Token { app: f(app), headers, min_validity }
            }
            Self::Replace { app, rejected, code } => {
                Request::Replace { app: f(app), rejected: f(rejected), code: f(code) }
            }
            Self::TooLong { app, why } => Request::TooLong { app: f(app), why },
            Self::Reload => Request::Reload,
            Self::Forget { id } => Request::Forget { id: f(id) },
        }
    }
}

/// What the daemon is told of a replacement, and how many bytes of the caller's that keeps: a token
/// that is the current one is not copied.
pub(super) fn reported(rejected: &str, current: Option<&Secret>) -> (Secret, usize) {
    let copy = Secret::new(rejected.to_owned());
    match current {
        Some(current) if *current == copy => (current.clone(), 0),
        _ => (copy, rejected.len()),
    }
}

/// An application's name out of the argument of `Forget`.
pub(super) fn id(text: &str) -> Result<AppId, String> {
    text.parse().map_err(|error| format!("{} is not a name: {error}", excerpt(text)))
}

/// What a caller has written, for a message: quoted, and not at length.
pub(super) fn excerpt(text: &str) -> String {
    const MOST: usize = 64;
    match text.char_indices().nth(MOST) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", &text[..end]),
    }
}

/// The code as it may stand in a log: not if a caller took the token for it, or another word that
/// is long and not a word.
pub(super) fn printable(code: &str, rejected_token: &str) -> String {
    let code: String =
        code.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(CODE_CHARACTERS).collect();
    let telling =
        |run: &[u8]| std::str::from_utf8(run).is_ok_and(|run| rejected_token.contains(run));
    let opaque = code.len() >= LONG
        && !code.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'_' | b'-' | b' '));
    let withheld = opaque || code.as_bytes().windows(TELLING).any(telling);
    if withheld { "(withheld)".into() } else { code }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_code_is_cut_down_to_what_may_stand_in_a_log() {
        let token = "eyJ0b2tlbiI6MX0.c2lnbmF0dXJl";
        assert_eq!(
            printable("invalid_access_token_service_provider", token),
            "invalid_access_token_service_provider"
        );
        assert_eq!(printable("a\nb\u{1b}[31mé c", token), "ab[31m c");
        assert_eq!(printable(&"x".repeat(1000), token).len(), 64);
    }

    #[test]
    fn an_error_code_that_quotes_the_token_is_withheld() {
        let token = "eyJ0b2tlbiI6MX0.c2lnbmF0dXJl";
        for code in [token, &token[5..20], &format!("Bearer {token}")] {
            assert_eq!(printable(code, token), "(withheld)");
        }
        assert_eq!(printable("expired", ""), "expired");
        let swapped = "eyJ0b2tlbiI6MX0.c2lnbmF0dXJl-and-more-of-it";
        assert_eq!(printable(swapped, "invalid_access_token_service_provider"), "(withheld)");
    }

    #[test]
    fn a_token_or_a_code_that_is_too_long_is_not_kept() {
        let (token, code) = ("x".repeat(8192), "y".repeat(256));
        assert!(matches!(Request::replace("a", &token, &code), Request::Replace { .. }));
        for (token, code) in [("x".repeat(8193), ""), (String::new(), &*"y".repeat(257))] {
            let request = Request::replace("a", &token, code);
            assert!(matches!(request, Request::TooLong { .. }));
            assert_eq!(request.keep().size(), 0);
        }
    }

    #[test]
    fn what_is_quoted_of_a_caller_is_short_and_printable() {
        assert_eq!(excerpt("a\n"), "\"a\\n\"");
        assert!(excerpt(&"\u{1}".repeat(100_000)).len() < 500);
    }
}
