// SPDX-License-Identifier: MIT OR Apache-2.0
//! The names of users and groups, looked up on this device.

use std::fmt;

use nix::unistd::{Group, User};

use super::table::{RawName, described, excerpt};
use crate::common::access::Name;

/// What a name is looked up as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    User,
    Group,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "user",
            Self::Group => "group",
        })
    }
}

/// Looks a name up; a number, written as a number or as a string, stands for itself. The error says
/// what was found and what is legal; an unknown name is none.
pub(super) fn resolve(name: RawName, kind: Kind) -> Result<Name, String> {
    let text = match name {
        RawName::Number(number) => number.to_string(),
        RawName::Text(text) => text,
    };
    let digits = text.strip_prefix('-').unwrap_or(&text);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return match text.parse() {
            // The greatest one means "nobody in particular" to the kernel.
            Ok(id) if id != u32::MAX => Ok(Name { text, id: Some(id) }),
            _ => Err(format!("found {}; legal: 0 to {}", excerpt(&text), u32::MAX - 1)),
        };
    }
    if !legal(&text) {
        let found = described(&text);
        return Err(format!(
            "found {found}; legal: the name or the number of a {kind}, \
             at most 256 characters, no white space, no colon"
        ));
    }
    // A directory service that does not answer is as good as one that does not know.
    let id = match kind {
        Kind::User => user_id(&text),
        Kind::Group => Group::from_name(&text).ok().flatten().map(|group| group.gid.as_raw()),
    };
    Ok(Name { text, id })
}

/// The number of a user of this device.
#[must_use]
pub fn user_id(name: &str) -> Option<u32> {
    User::from_name(name).ok().flatten().map(|user| user.uid.as_raw())
}

fn legal(name: &str) -> bool {
    (1..=256).contains(&name.len())
        && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == ':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_name_has_its_number() {
        for kind in [Kind::User, Kind::Group] {
            let root = resolve(RawName::Text("root".into()), kind).unwrap();
            assert_eq!(root, Name { text: "root".into(), id: Some(0) });
        }
    }

    #[test]
    fn a_number_stands_for_itself_in_either_form() {
        for (name, id) in [
            (RawName::Number(1001), 1001),
            (RawName::Text("1001".into()), 1001),
            (RawName::Number(0), 0),
            (RawName::Number(4_294_967_294), 4_294_967_294),
        ] {
            assert_eq!(resolve(name, Kind::User).unwrap().id, Some(id));
        }
    }

    #[test]
    fn an_unknown_name_matches_nobody() {
        for kind in [Kind::User, Kind::Group] {
            let ghost = resolve(RawName::Text("no-such-name-here".into()), kind).unwrap();
            assert_eq!(ghost.id, None);
        }
    }

    #[test]
    fn what_can_be_no_name_is_refused() {
        for bad in ["", "a b", "a:b", "a\0b", "\u{7f}", &"x".repeat(257)] {
            let error = resolve(RawName::Text(bad.into()), Kind::Group).unwrap_err();
            assert!(error.contains("; legal: the name or the number of a group"), "{error}");
        }
        for bad in [-1, 4_294_967_295, i64::MAX] {
            assert_eq!(
                resolve(RawName::Number(bad), Kind::User).unwrap_err(),
                format!("found {bad}; legal: 0 to 4294967294")
            );
        }
    }
}
