// SPDX-License-Identifier: MIT OR Apache-2.0
//! May this caller have this application's token? Pure: the caller is what the bus says of it, the
//! rules are what `config` has read, and what names stand for comes in from outside.

mod label;

use std::fmt;

pub use label::{can_match as label_can_match, remark as label_remark};

/// Who calls, as `GetConnectionCredentials` of the D-Bus specification says it; never what the
/// caller says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// `UnixUserID`.
    pub uid: Option<u32>,
    /// `UnixGroupIDs`.
    pub groups: Groups,
    /// `LinuxSecurityLabel`, with the NUL that may end it.
    pub label: Option<Vec<u8>>,
    /// The kernel's labels are SELinux contexts: `/sys/fs/selinux` is mounted.
    pub selinux: bool,
}

/// What is known of a caller's groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Groups {
    /// The bus has told them.
    Told(Vec<u32>),
    /// The bus tells them of others, and not of this caller: they match nothing.
    #[default]
    Untold,
    /// The bus tells nobody's (dbus-daemon before 1.14): they are those of the user database.
    OfDatabase,
}

/// A user or a group, as written in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// As it was written.
    pub text: String,
    /// Its number when the configuration was read; none for a name that this device did not know.
    /// To be shown only: who calls is judged by what the name stands for then.
    pub id: Option<u32>,
}

impl Name {
    /// The number, if the name is written as one: then it stands for itself.
    #[must_use]
    pub fn number(&self) -> Option<u32> {
        let digits = self.text.bytes().all(|byte| byte.is_ascii_digit());
        if digits { self.text.parse().ok() } else { None }
    }

    /// Why that number is nobody's.
    pub const NOBODY_MEANS: &str =
        "65534 is every user or group that has no number here, whoever it is";

    /// Whether it is what the kernel shows of each user and group that a namespace has no number for.
    #[must_use]
    pub fn is_nobody(&self) -> bool {
        self.number().or(self.id) == Some(65_534)
    }
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

/// What the user database says of the names in [`Rules`], and of a caller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LookedUp {
    /// The numbers of the users that are written as names.
    pub users: Vec<u32>,
    /// The numbers of the groups that are written as names.
    pub groups: Vec<u32>,
    /// The groups of a caller whose groups are [`Groups::OfDatabase`].
    pub of_caller: Vec<u32>,
}

/// Whether a caller may have the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Allowed,
    /// It may not.
    Denied,
    /// It depends on what the user database says.
    LookUp,
}

impl Rules {
    /// Root always may; if no list is given, nobody else. An empty list matches nobody, and what
    /// the bus does not say of a caller matches nothing. Once `looked_up` is there, it decides.
    #[must_use]
    pub fn judge(&self, caller: &Caller, looked_up: Option<&LookedUp>) -> Verdict {
        if caller.uid == Some(0) {
            return Verdict::Allowed;
        }
        let lists = [
            self.users.as_deref().map(|names| has_user(names, caller, looked_up)),
            self.groups.as_deref().map(|names| has_group(names, caller, looked_up)),
            self.labels.as_deref().map(|labels| Some(has_label(labels, caller))),
        ];
        let given = || lists.iter().flatten();
        if given().next().is_none() || given().any(|matches| *matches == Some(false)) {
            Verdict::Denied
        } else if given().all(|matches| *matches == Some(true)) {
            Verdict::Allowed
        } else {
            Verdict::LookUp
        }
    }

    /// The users that are written as names, for [`LookedUp::users`].
    pub fn named_users(&self) -> impl Iterator<Item = &str> {
        named(&self.users)
    }

    /// The groups that are written as names, for [`LookedUp::groups`].
    pub fn named_groups(&self) -> impl Iterator<Item = &str> {
        named(&self.groups)
    }
}

fn named(names: &Option<Vec<Name>>) -> impl Iterator<Item = &str> {
    names.iter().flatten().filter(|name| name.number().is_none()).map(|name| name.text.as_str())
}

/// Whether any of the names is one of these numbers; none if that depends on a lookup.
fn has_any(names: &[Name], ids: &[u32], looked_up: Option<&[u32]>) -> Option<bool> {
    if names.iter().filter_map(Name::number).any(|id| ids.contains(&id)) {
        return Some(true);
    }
    match looked_up {
        Some(found) => Some(found.iter().any(|id| ids.contains(id))),
        None if names.iter().all(|name| name.number().is_some()) => Some(false),
        None => None,
    }
}

fn has_user(names: &[Name], caller: &Caller, looked_up: Option<&LookedUp>) -> Option<bool> {
    let Some(uid) = caller.uid else { return Some(false) };
    has_any(names, &[uid], looked_up.map(|found| found.users.as_slice()))
}

fn has_group(names: &[Name], caller: &Caller, looked_up: Option<&LookedUp>) -> Option<bool> {
    let found = looked_up.map(|found| found.groups.as_slice());
    match (&caller.groups, looked_up) {
        (Groups::Told(gids), _) => has_any(names, gids, found),
        (Groups::OfDatabase, Some(looked_up)) => has_any(names, &looked_up.of_caller, found),
        (Groups::OfDatabase, None) if caller.uid.is_some() && !names.is_empty() => None,
        (Groups::OfDatabase | Groups::Untold, _) => Some(false),
    }
}

fn has_label(entries: &[String], caller: &Caller) -> bool {
    let Some(label) = caller.label.as_deref() else { return false };
    entries.iter().any(|entry| label::matches(entry, label, caller.selinux))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(uid: u32) -> Caller {
        Caller { uid: Some(uid), ..Caller::default() }
    }

    fn labelled(label: &[u8]) -> Caller {
        Caller { groups: Groups::Told(vec![1000]), label: Some(label.to_vec()), ..user(1000) }
    }

    /// By what the bus says alone.
    fn allows(rules: &Rules, caller: &Caller) -> bool {
        rules.judge(caller, None) == Verdict::Allowed
    }

    fn name(text: &str) -> Option<Vec<Name>> {
        Some(vec![Name { text: text.into(), id: Some(4711) }])
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
        assert!(allows(&Rules::default(), &user(0)));
        assert!(!allows(&Rules::default(), &user(1000)));
        assert!(!allows(&Rules::default(), &Caller::default()));
    }

    #[test]
    fn an_empty_list_matches_nobody_but_root() {
        for rules in [
            Rules { users: names(&[]), ..Rules::default() },
            Rules { groups: names(&[]), ..Rules::default() },
            labels(&[]),
        ] {
            assert!(!allows(&rules, &labelled(b"a")));
            assert!(allows(&rules, &user(0)));
        }
    }

    #[test]
    fn any_entry_of_a_list_will_do() {
        let rules = Rules { users: names(&[1001, 1002]), ..Rules::default() };
        assert!(allows(&rules, &user(1002)));
        assert!(!allows(&rules, &user(1003)));
        let rules = Rules { groups: names(&[7, 8]), ..Rules::default() };
        let caller = Caller { groups: Groups::Told(vec![1, 8]), ..user(1000) };
        assert!(allows(&rules, &caller));
        assert!(!allows(&rules, &Caller { groups: Groups::Told(vec![1]), ..user(1000) }));
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
            groups: Groups::Told(vec![7]),
            label: Some(b"User::App::cinema\0".to_vec()),
            selinux: false,
        };
        assert!(allows(&rules, &good));
        assert!(!allows(&rules, &Caller { uid: Some(1001), ..good.clone() }));
        assert!(!allows(&rules, &Caller { groups: Groups::Told(vec![8]), ..good.clone() }));
        assert!(!allows(&rules, &Caller { label: Some(b"User::App::other".to_vec()), ..good }));
    }

    #[test]
    fn what_the_bus_does_not_say_matches_nothing() {
        let nobody = Caller::default();
        assert!(!allows(&Rules { users: names(&[1000]), ..Rules::default() }, &nobody));
        assert!(!allows(&Rules { groups: names(&[7]), ..Rules::default() }, &nobody));
        assert!(!allows(&labels(&["a"]), &nobody));
        assert!(!allows(&labels(&[""]), &labelled(b"")));
    }

    #[test]
    fn a_name_means_whoever_has_it_when_it_is_looked_up_and_not_when_it_was_read() {
        let looked_up = |users: &[u32], groups: &[u32]| LookedUp {
            users: users.to_vec(),
            groups: groups.to_vec(),
            of_caller: Vec::new(),
        };
        let rules = Rules { users: name("cinema"), ..Rules::default() };
        assert_eq!(rules.judge(&user(4711), None), Verdict::LookUp);
        let judged = |uid, found: &[u32]| rules.judge(&user(uid), Some(&looked_up(found, &[])));
        assert_eq!(judged(990, &[990]), Verdict::Allowed);
        assert_eq!(judged(4711, &[990]), Verdict::Denied);
        assert_eq!(judged(4711, &[]), Verdict::Denied);
        assert_eq!(rules.judge(&user(0), None), Verdict::Allowed);
        assert_eq!(rules.judge(&Caller::default(), None), Verdict::Denied);

        let rules = Rules { groups: name("players"), ..Rules::default() };
        let caller = Caller { groups: Groups::Told(vec![7]), ..user(1000) };
        assert_eq!(rules.judge(&caller, None), Verdict::LookUp);
        assert_eq!(rules.judge(&caller, Some(&looked_up(&[], &[7]))), Verdict::Allowed);
        assert_eq!(rules.judge(&caller, Some(&looked_up(&[7], &[8]))), Verdict::Denied);
    }

    #[test]
    fn nothing_is_looked_up_that_cannot_change_the_verdict() {
        let either = [&name("ghost").unwrap()[..], &names(&[1000]).unwrap()].concat();
        let rules = Rules { users: Some(either), ..Rules::default() };
        assert_eq!(rules.judge(&user(1000), None), Verdict::Allowed);
        let rules = Rules { users: name("ghost"), ..labels(&["other"]) };
        assert_eq!(rules.judge(&labelled(b"a"), None), Verdict::Denied);
        assert_eq!(rules.judge(&labelled(b"other"), None), Verdict::LookUp);
        let names: Vec<_> = rules.named_users().collect();
        assert_eq!(names, ["ghost"]);
    }

    #[test]
    fn on_a_bus_that_tells_no_groups_they_are_those_of_the_user_database() {
        let rules = Rules { groups: names(&[7]), ..Rules::default() };
        let caller = Caller { groups: Groups::OfDatabase, ..user(1000) };
        assert_eq!(rules.judge(&caller, None), Verdict::LookUp);
        let of = |gids: &[u32]| LookedUp { of_caller: gids.to_vec(), ..LookedUp::default() };
        assert_eq!(rules.judge(&caller, Some(&of(&[6, 7]))), Verdict::Allowed);
        assert_eq!(rules.judge(&caller, Some(&of(&[6]))), Verdict::Denied);
        let untold = Caller { groups: Groups::Untold, ..caller };
        assert_eq!(rules.judge(&untold, None), Verdict::Denied);
        assert_eq!(rules.judge(&untold, Some(&of(&[7]))), Verdict::Denied);
    }
}
