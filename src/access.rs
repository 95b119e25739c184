// SPDX-License-Identifier: MIT OR Apache-2.0
//! May this caller have this application's token? Pure: the caller is what the bus says of it,
//! the rules are what `config` has read and resolved.

use std::fmt;

/// Who calls, as `GetConnectionCredentials` of the D-Bus specification says it; never what the
/// caller says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// `UnixUserID`.
    pub uid: Option<u32>,
    /// `UnixGroupIDs`.
    pub gids: Option<Vec<u32>>,
    /// `LinuxSecurityLabel`, with the NUL that may end it.
    pub label: Option<Vec<u8>>,
}

/// A user or a group, as written in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// As it was written.
    pub text: String,
    /// Its number; none for a name that this device does not know: it matches nobody.
    pub id: Option<u32>,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Who may have one application's token (contract, section 2): every list that is given must
/// match, by any of its entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// `allow_users`.
    pub users: Option<Vec<Name>>,
    /// `allow_groups`.
    pub groups: Option<Vec<Name>>,
    /// `allow_labels`.
    pub labels: Option<Vec<String>>,
}

impl Rules {
    /// Whether the caller may have the token. Root always may; where no list is given, nobody
    /// else. An empty list matches nobody, and what the bus does not say of a caller matches
    /// nothing.
    #[must_use]
    pub fn allow(&self, caller: &Caller) -> bool {
        if is_root(caller) {
            return true;
        }
        if self.users.is_none() && self.groups.is_none() && self.labels.is_none() {
            return false;
        }
        let users = self.users.as_deref().is_none_or(|names| has_user(names, caller));
        let groups = self.groups.as_deref().is_none_or(|names| has_group(names, caller));
        let labels = self.labels.as_deref().is_none_or(|labels| has_label(labels, caller));
        users && groups && labels
    }
}

/// Whether the caller may call `Reload`: root, and whoever `reload_users` names.
#[must_use]
pub fn may_reload(reload_users: &[Name], caller: &Caller) -> bool {
    is_root(caller) || has_user(reload_users, caller)
}

/// Whether the caller is root.
#[must_use]
pub fn is_root(caller: &Caller) -> bool {
    caller.uid == Some(0)
}

/// Whether an entry of `allow_labels` can match any caller at all: an AppArmor label counts only
/// in enforce mode.
#[must_use]
pub fn label_can_match(entry: &str) -> bool {
    entry != UNCONFINED && mode(entry).is_none_or(|(_, mode)| mode == ENFORCE)
}

const UNCONFINED: &str = "unconfined";
const ENFORCE: &str = "enforce";

fn has_user(names: &[Name], caller: &Caller) -> bool {
    caller.uid.is_some_and(|uid| names.iter().any(|name| name.id == Some(uid)))
}

fn has_group(names: &[Name], caller: &Caller) -> bool {
    let Some(gids) = caller.gids.as_deref() else { return false };
    names.iter().filter_map(|name| name.id).any(|id| gids.contains(&id))
}

fn has_label(entries: &[String], caller: &Caller) -> bool {
    let Some(label) = caller.label.as_deref() else { return false };
    let Ok(label) = str::from_utf8(label.strip_suffix(&[0]).unwrap_or(label)) else { return false };
    if label.is_empty() || label == UNCONFINED {
        return false;
    }
    match mode(label) {
        // SELinux and SMACK have no mode in their labels.
        None => entries.iter().any(|entry| entry == label),
        Some((profile, ENFORCE)) => entries.iter().any(|entry| entry == profile || entry == label),
        Some(_) => false,
    }
}

/// An AppArmor label, `profile (mode)`, taken apart.
fn mode(label: &str) -> Option<(&str, &str)> {
    label.strip_suffix(')')?.rsplit_once(" (")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(uid: u32) -> Caller {
        Caller { uid: Some(uid), ..Caller::default() }
    }

    fn labelled(label: &[u8]) -> Caller {
        Caller { uid: Some(1000), gids: Some(vec![1000]), label: Some(label.to_vec()) }
    }

    fn names(ids: &[u32]) -> Option<Vec<Name>> {
        Some(ids.iter().map(|id| Name { text: id.to_string(), id: Some(*id) }).collect())
    }

    fn labels(entries: &[&str]) -> Rules {
        Rules {
            labels: Some(entries.iter().map(|&entry| entry.to_owned()).collect()),
            ..Rules::default()
        }
    }

    #[test]
    fn without_a_list_only_root_may() {
        assert!(Rules::default().allow(&user(0)));
        assert!(!Rules::default().allow(&user(1000)));
        assert!(!Rules::default().allow(&Caller::default()));
    }

    #[test]
    fn an_empty_list_matches_nobody_but_root() {
        for rules in [
            Rules { users: names(&[]), ..Rules::default() },
            Rules { groups: names(&[]), ..Rules::default() },
            labels(&[]),
        ] {
            assert!(!rules.allow(&labelled(b"a")));
            assert!(rules.allow(&user(0)));
        }
    }

    #[test]
    fn any_entry_of_a_list_will_do() {
        let rules = Rules { users: names(&[1001, 1002]), ..Rules::default() };
        assert!(rules.allow(&user(1002)));
        assert!(!rules.allow(&user(1003)));
        let rules = Rules { groups: names(&[7, 8]), ..Rules::default() };
        let caller = Caller { gids: Some(vec![1, 8]), ..user(1000) };
        assert!(rules.allow(&caller));
        assert!(!rules.allow(&Caller { gids: Some(vec![1]), ..user(1000) }));
    }

    #[test]
    fn every_list_that_is_given_must_match() {
        let rules = Rules {
            users: names(&[1000]),
            groups: names(&[7]),
            labels: Some(vec!["User::App::cinema".into()]),
        };
        let good = Caller {
            uid: Some(1000),
            gids: Some(vec![7]),
            label: Some(b"User::App::cinema\0".to_vec()),
        };
        assert!(rules.allow(&good));
        assert!(!rules.allow(&Caller { uid: Some(1001), ..good.clone() }));
        assert!(!rules.allow(&Caller { gids: Some(vec![8]), ..good.clone() }));
        assert!(!rules.allow(&Caller { label: Some(b"User::App::other".to_vec()), ..good }));
    }

    #[test]
    fn what_the_bus_does_not_say_matches_nothing() {
        let nobody = Caller::default();
        assert!(!Rules { users: names(&[1000]), ..Rules::default() }.allow(&nobody));
        assert!(!Rules { groups: names(&[7]), ..Rules::default() }.allow(&nobody));
        assert!(!labels(&["a"]).allow(&nobody));
        assert!(!labels(&[""]).allow(&labelled(b"")));
        assert!(!is_root(&nobody));
    }

    #[test]
    fn a_name_that_the_device_does_not_know_matches_nobody() {
        let unknown = vec![Name { text: "ghost".into(), id: None }];
        let rules = Rules { users: Some(unknown.clone()), ..Rules::default() };
        assert!(!rules.allow(&user(1000)));
        assert!(!rules.allow(&Caller::default()));
        let rules = Rules { groups: Some(unknown.clone()), ..Rules::default() };
        assert!(!rules.allow(&labelled(b"a")));
        assert!(!may_reload(&unknown, &Caller::default()));
    }

    #[test]
    fn a_label_matches_exactly_but_for_one_trailing_nul() {
        let rules = labels(&["User::App::cinema", "system_u:system_r:player_t:s0"]);
        for good in
            [&b"User::App::cinema"[..], b"User::App::cinema\0", b"system_u:system_r:player_t:s0\0"]
        {
            assert!(rules.allow(&labelled(good)), "{}", good.escape_ascii());
        }
        for bad in [
            &b"User::App::cinema\0\0"[..],
            b"\0User::App::cinema",
            b"User::App::cinema ",
            b"user::app::cinema",
            b"User::App::cinema2",
            b"system_u:system_r:player_t:s0:c1",
            b"\xff",
        ] {
            assert!(!rules.allow(&labelled(bad)), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn an_apparmor_label_counts_only_in_enforce_mode() {
        for entry in ["/usr/bin/cinema", "/usr/bin/cinema (enforce)"] {
            let rules = labels(&[entry]);
            assert!(rules.allow(&labelled(b"/usr/bin/cinema (enforce)\0")), "{entry}");
            for mode in ["complain", "unconfined", "kill", "mixed", "prompt", "user", ""] {
                let label = format!("/usr/bin/cinema ({mode})\0");
                assert!(!rules.allow(&labelled(label.as_bytes())), "{entry}: {label}");
            }
        }
        for entry in ["unconfined", "unconfined (enforce)", "/usr/bin/cinema (complain)"] {
            assert!(!labels(&[entry]).allow(&labelled(b"unconfined\0")), "{entry}");
            let complaining = labelled(b"/usr/bin/cinema (complain)\0");
            assert!(!labels(&[entry]).allow(&complaining), "{entry}");
        }
    }

    #[test]
    fn an_entry_that_can_match_nobody_is_known_as_such() {
        for good in ["cinema", "/usr/bin/cinema (enforce)", "unconfined_u:unconfined_r:a_t:s0"] {
            assert!(label_can_match(good), "{good}");
        }
        for bad in ["unconfined", "cinema (complain)", "cinema (unconfined)"] {
            assert!(!label_can_match(bad), "{bad}");
        }
    }

    #[test]
    fn reload_is_for_root_and_the_named_users() {
        let users = names(&[990]).unwrap();
        assert!(may_reload(&users, &user(990)));
        assert!(may_reload(&[], &user(0)));
        assert!(!may_reload(&users, &user(1000)));
        assert!(!may_reload(&users, &Caller::default()));
    }
}
