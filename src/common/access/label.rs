// SPDX-License-Identifier: MIT OR Apache-2.0
//! Security labels: what an entry of `allow_labels` matches (contract, section 2, "Who may call").

use std::ops::RangeInclusive;

const UNCONFINED: &str = "unconfined";
const ENFORCE: &str = "enforce";
/// Before the type in an entry that matches each context of that type.
const SELINUX_TYPE: &str = "selinux_type:";
/// What the names of a stack of AppArmor profiles stand between.
const STACKED: &str = "//&";

/// Whether an entry matches a caller's label, as the bus gave it. `selinux` says whether labels
/// are SELinux contexts on this device.
pub(super) fn matches(entry: &str, label: &[u8], selinux: bool) -> bool {
    let Ok(label) = str::from_utf8(label.strip_suffix(&[0]).unwrap_or(label)) else { return false };
    if label.is_empty() || label == UNCONFINED {
        return false;
    }
    if let Some(wanted) = entry.strip_prefix(SELINUX_TYPE) {
        let mut parts = label.split(':');
        let (user, role, kind) = (parts.next(), parts.next(), parts.next());
        let context =
            user.is_some_and(|user| !user.is_empty()) && role.is_some_and(|r| !r.is_empty());
        return selinux && context && kind == Some(wanted) && !wanted.is_empty();
    }
    if entry == label {
        return mode(label).is_none_or(|(_, mode)| mode == ENFORCE);
    }
    match mode(label) {
        Some((profile, ENFORCE)) => same_stack(
            mode(entry).filter(|(_, mode)| *mode == ENFORCE).map_or(entry, |e| e.0),
            profile,
        ),
        Some(_) => false,
        None => match (Context::parse(entry), Context::parse(label)) {
            (Some(entry), Some(label)) => entry == label,
            _ => false,
        },
    }
}

/// Whether an entry can match any caller at all: an AppArmor label counts only in enforce mode.
#[must_use]
pub fn can_match(entry: &str) -> bool {
    entry != UNCONFINED
        && entry != SELINUX_TYPE
        && mode(entry).is_none_or(|(_, mode)| mode == ENFORCE)
}

/// What an integrator should know of an entry; none if it is as it should be.
#[must_use]
pub fn remark(entry: &str) -> Option<&'static str> {
    if entry == SELINUX_TYPE {
        Some("names no type: matches nobody")
    } else if !can_match(entry) {
        Some("is no label of AppArmor's enforce mode: matches nobody")
    } else if entry == "_" {
        Some("is SMACK's default: matches every process that was given no label of its own")
    } else {
        None
    }
}

/// An AppArmor label, `profile (mode)`, taken apart.
fn mode(label: &str) -> Option<(&str, &str)> {
    label.strip_suffix(')')?.rsplit_once(" (")
}

/// Whether two stacks have the same profiles, in whichever order.
fn same_stack(one: &str, other: &str) -> bool {
    let sorted = |stack: &str| {
        let mut profiles: Vec<_> = stack.split(STACKED).map(str::to_owned).collect();
        profiles.sort_unstable();
        profiles
    };
    one == other || sorted(one) == sorted(other)
}

/// An SELinux context, `user:role:type`, or with a level as `user:role:type:low-high`.
#[derive(PartialEq, Eq)]
struct Context<'l> {
    user: &'l str,
    role: &'l str,
    kind: &'l str,
    level: Option<(Level<'l>, Level<'l>)>,
}

/// A sensitivity and a set of categories: `s0:c1,c3.c5`.
#[derive(Clone, PartialEq, Eq)]
struct Level<'l> {
    sensitivity: &'l str,
    /// Sorted, and none of them touches another.
    categories: Vec<RangeInclusive<u32>>,
}

impl<'l> Context<'l> {
    fn parse(label: &'l str) -> Option<Self> {
        let mut parts = label.splitn(4, ':');
        let mut part = || parts.next().filter(|part| !part.is_empty());
        let (user, role, kind) = (part()?, part()?, part()?);
        let level = match parts.next() {
            None => None,
            Some(range) => {
                let (low, high) = range.split_once('-').unwrap_or((range, range));
                Some((Level::parse(low)?, Level::parse(high)?))
            }
        };
        Some(Self { user, role, kind, level })
    }
}

impl<'l> Level<'l> {
    fn parse(text: &'l str) -> Option<Self> {
        let (sensitivity, categories) = match text.split_once(':') {
            Some((sensitivity, list)) => (sensitivity, list.split(',').map(range).collect()),
            None => (text, Some(Vec::new())),
        };
        let mut categories: Vec<RangeInclusive<u32>> = categories?;
        categories.sort_unstable_by_key(|range| *range.start());
        let mut merged: Vec<RangeInclusive<u32>> = Vec::new();
        for range in categories {
            match merged.last_mut() {
                Some(last) if *range.start() <= last.end().saturating_add(1) => {
                    *last = *last.start()..=*last.end().max(range.end());
                }
                _ => merged.push(range),
            }
        }
        (!sensitivity.is_empty()).then_some(Self { sensitivity, categories: merged })
    }
}

/// `c1`, or `c1.c5` for all from the one to the other.
fn range(text: &str) -> Option<RangeInclusive<u32>> {
    let number = |text: &str| text.strip_prefix('c')?.parse().ok();
    let (first, last) = text.split_once('.').unwrap_or((text, text));
    let range = number(first)?..=number(last)?;
    (!range.is_empty()).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(entry: &str, label: &str) -> bool {
        super::matches(entry, label.as_bytes(), true)
    }

    #[test]
    fn a_label_matches_exactly_but_for_one_trailing_nul() {
        let entry = "User::App::cinema";
        for good in ["User::App::cinema", "User::App::cinema\0"] {
            assert!(matches(entry, good), "{good:?}");
        }
        for bad in [
            "User::App::cinema\0\0",
            "\0User::App::cinema",
            "User::App::cinema ",
            "user::app::cinema",
            "User::App::cinema2",
            "",
        ] {
            assert!(!matches(entry, bad), "{bad:?}");
        }
        assert!(!super::matches(entry, b"\xff", false));
        assert!(!matches("", ""));
    }

    #[test]
    fn an_apparmor_label_counts_only_in_enforce_mode() {
        for entry in ["/usr/bin/cinema", "/usr/bin/cinema (enforce)"] {
            assert!(matches(entry, "/usr/bin/cinema (enforce)\0"), "{entry}");
            for mode in ["complain", "unconfined", "kill", "mixed", "prompt", "user", ""] {
                let label = format!("/usr/bin/cinema ({mode})\0");
                assert!(!matches(entry, &label), "{entry}: {label}");
            }
        }
        for entry in ["unconfined", "unconfined (enforce)", "/usr/bin/cinema (complain)"] {
            assert!(!matches(entry, "unconfined\0"), "{entry}");
            assert!(!matches(entry, "/usr/bin/cinema (complain)\0"), "{entry}");
        }
    }

    #[test]
    fn a_stack_of_apparmor_profiles_matches_in_any_order() {
        let label = "a//&:ns://b//&c (enforce)\0";
        for good in ["a//&:ns://b//&c", "c//&a//&:ns://b", ":ns://b//&c//&a (enforce)"] {
            assert!(matches(good, label), "{good}");
        }
        for bad in ["a", "a//&c", "a//&a//&c", "a//&b//&c", "c//&a//&:ns://b (complain)"] {
            assert!(!matches(bad, label), "{bad}");
        }
    }

    #[test]
    fn selinux_contexts_compare_by_the_set_of_their_categories() {
        let label = "system_u:system_r:player_t:s0-s0:c1,c3.c5\0";
        for good in [
            "system_u:system_r:player_t:s0-s0:c1,c3.c5",
            "system_u:system_r:player_t:s0-s0:c5,c4,c3,c1",
            "system_u:system_r:player_t:s0-s0:c3.c4,c1.c1,c4.c5",
        ] {
            assert!(matches(good, label), "{good}");
        }
        for bad in [
            "system_u:system_r:player_t",
            "system_u:system_r:player_t:s0",
            "system_u:system_r:player_t:s0:c1,c3.c5",
            "system_u:system_r:player_t:s0-s0:c1,c3.c6",
            "system_u:system_r:player_t:s0-s1:c1,c3.c5",
            "system_u:system_r:other_t:s0-s0:c1,c3.c5",
            "user_u:system_r:player_t:s0-s0:c1,c3.c5",
            "system_u:system_r:player_t:s0-s0:c5.c3,c1",
        ] {
            assert!(!matches(bad, label), "{bad}");
        }
        assert!(matches("a_u:b_r:c_t:s0-s0", "a_u:b_r:c_t:s0"), "both ends are the same");
        assert!(matches("a_u:b_r:c_t", "a_u:b_r:c_t"));
        assert!(!matches("a_u:b_r:c_t", "a_u:b_r:c_t:s0"), "a level only matches a level");
    }

    #[test]
    fn a_type_matches_each_context_that_has_it_on_a_device_with_selinux() {
        let entry = "selinux_type:player_t";
        for good in ["a_u:b_r:player_t\0", "a_u:b_r:player_t:s0-s0:c1\0", "a_u:b_r:player_t:odd"] {
            assert!(matches(entry, good), "{good}");
            assert!(!super::matches(entry, good.as_bytes(), false), "{good}");
        }
        for bad in ["player_t", "a_u:player_t", "a_u:b_r:other_t:s0", "a_u::player_t", entry] {
            assert!(!matches(entry, bad), "{bad}");
        }
        assert!(!matches("selinux_type:", "a_u:b_r::s0"));
    }

    #[test]
    fn an_entry_that_can_match_nobody_or_nearly_everybody_is_remarked_on() {
        for good in [
            "cinema",
            "/usr/bin/cinema (enforce)",
            "unconfined_u:unconfined_r:a_t:s0",
            "selinux_type:a_t",
        ] {
            assert_eq!((can_match(good), remark(good)), (true, None), "{good}");
        }
        for bad in ["unconfined", "cinema (complain)", "cinema (unconfined)", "selinux_type:"] {
            assert!(!can_match(bad), "{bad}");
            assert!(remark(bad).unwrap().ends_with("matches nobody"), "{bad}");
        }
        assert!(can_match("_") && remark("_").unwrap().contains("every process"));
    }
}
