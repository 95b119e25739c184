// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who calls: what the bus says of a connection, kept in a table of a fixed size. A unique name is
//! never given twice, so an entry cannot become wrong, and nobody need watch for its end.

use std::rc::Rc;

use super::snapshot::RulesNumber;
use super::wire::Header;
use crate::common::access::{Caller, Groups};
use crate::common::map::Map;

/// Connections that are remembered. The one that called the longest time ago goes first, and is
/// asked for again if it calls again.
const REMEMBERED: usize = 1024;
/// The bytes of groups and labels that are remembered in all.
const BYTES: usize = 128 * 1024;
/// Verdicts that are remembered of a connection.
const VERDICTS: usize = 8;

#[derive(Default)]
pub(super) struct Callers {
    known: Map<Box<str>, Known>,
    uses: u64,
    /// Of the callers that `known` shares.
    bytes: usize,
}

/// A connection that the bus has been asked about.
pub(super) struct Known {
    pub(super) caller: Rc<Caller>,
    last_use: u64,
    /// What was decided by which rules. A name means whoever had it when it was looked up for this
    /// connection.
    verdicts: Vec<(RulesNumber, bool)>,
}

impl Known {
    pub(super) fn verdict(&self, rules: RulesNumber) -> Option<bool> {
        self.verdicts.iter().find(|(of, _)| *of == rules).map(|(_, allowed)| *allowed)
    }

    pub(super) fn decided(&mut self, rules: RulesNumber, allowed: bool) {
        if self.verdicts.len() == VERDICTS {
            self.verdicts.remove(0);
        }
        self.verdicts.reserve_exact(1);
        self.verdicts.push((rules, allowed));
    }
}

impl Callers {
    pub(super) fn get(&mut self, name: &str) -> Option<&mut Known> {
        self.uses += 1;
        let known = self.known.get_mut(name)?;
        known.last_use = self.uses;
        Some(known)
    }

    pub(super) fn insert(&mut self, name: &str, caller: Caller) {
        self.uses += 1;
        let same = self.known.values().find(|known| *known.caller == caller);
        let caller = same.map_or_else(
            || {
                self.bytes += weight(&caller);
                Rc::new(caller)
            },
            |known| Rc::clone(&known.caller),
        );
        let known = Known { caller, last_use: self.uses, verdicts: Vec::new() };
        if let Some(before) = self.known.insert(name.into(), known) {
            self.forget(before);
        }
        while self.known.len() > REMEMBERED || self.bytes > BYTES && self.known.len() > 1 {
            let oldest = self.known.iter().min_by_key(|(_, known)| known.last_use);
            let Some(name) = oldest.map(|(name, _)| name.clone()) else { return };
            if let Some(known) = self.known.remove(&name) {
                self.forget(known);
            }
        }
    }

    fn forget(&mut self, known: Known) {
        if Rc::strong_count(&known.caller) == 1 {
            self.bytes -= weight(&known.caller);
        }
    }
}

fn weight(caller: &Caller) -> usize {
    let groups = if let Groups::Told(gids) = &caller.groups { gids.len() * 4 } else { 0 };
    groups + caller.label.as_ref().map_or(0, Vec::len)
}

/// What the bus says of callers in general.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bus {
    /// It told our own groups, so it tells those of others.
    pub(super) tells_groups: bool,
    pub(super) selinux: bool,
}

/// A caller out of the answer to `GetConnectionCredentials`; none if it cannot be read.
pub(super) fn credentials(answer: &Header<'_>, bus: Bus) -> Option<Caller> {
    let untold = if bus.tells_groups { Groups::Untold } else { Groups::OfDatabase };
    let mut caller = Caller { groups: untold, selinux: bus.selinux, ..Caller::default() };
    if answer.signature != "a{sv}" {
        return None;
    }
    let mut entries = answer.body.clone().array(8)?;
    while !entries.is_over() {
        match entries.entry()? {
            ("UnixUserID", "u") => caller.uid = Some(entries.u32()?),
            ("UnixGroupIDs", "au") => {
                let (mut gids, mut told) = (entries.array(4)?, Vec::new());
                while !gids.is_over() {
                    told.push(gids.u32()?);
                }
                caller.groups = Groups::Told(told);
            }
            ("LinuxSecurityLabel", "ay") => caller.label = Some(entries.bytes()?.to_vec()),
            (_, kind) => entries.skip(kind)?,
        }
    }
    Some(caller)
}

#[cfg(test)]
mod tests {
    use super::super::wire::{Outgoing, RETURN, parse};
    use super::*;

    fn user(uid: u32) -> Caller {
        Caller { uid: Some(uid), groups: Groups::Told(vec![uid]), ..Caller::default() }
    }

    #[test]
    fn so_many_connections_are_remembered_and_the_longest_idle_one_goes_first() {
        let mut callers = Callers::default();
        for i in 0..REMEMBERED {
            callers.insert(&format!(":1.{i}"), user(1000));
        }
        assert!(callers.get(":1.0").is_some());
        callers.insert(":1.new", user(1000));
        assert!(callers.get(":1.0").is_some() && callers.get(":1.1").is_none());
        assert_eq!((callers.known.len(), callers.bytes), (REMEMBERED, 4), "they share one caller");
    }

    #[test]
    fn what_is_remembered_of_them_is_bounded_in_bytes() {
        let mut callers = Callers::default();
        for uid in 0..100 {
            let groups = Groups::Told((0..10_000).collect());
            callers.insert(&format!(":1.{uid}"), Caller { groups, ..user(uid) });
            assert!(callers.bytes <= BYTES, "{}", callers.bytes);
        }
        assert!(callers.get(":1.99").is_some());
        let of_all = callers.known.values().map(|known| weight(&known.caller)).sum::<usize>();
        assert_eq!(callers.bytes, of_all);
    }

    #[test]
    fn a_verdict_holds_for_the_rules_that_it_was_made_by() {
        let mut callers = Callers::default();
        callers.insert(":1.1", user(1000));
        let known = callers.get(":1.1").unwrap();
        for rules in 0..20 {
            known.decided(rules, rules % 2 == 0);
        }
        assert_eq!((known.verdict(19), known.verdict(18)), (Some(false), Some(true)));
        assert_eq!((known.verdict(0), known.verdicts.len()), (None, VERDICTS));
    }

    #[test]
    fn a_caller_is_what_the_bus_says() {
        let mut out = Vec::new();
        let answer =
            Outgoing { kind: RETURN, serial: 1, signature: "a{sv}", ..Outgoing::default() };
        answer.write(&mut out, |body| {
            body.array(8, |entries| {
                entries.align(8);
                entries.string("ProcessFD");
                entries.signature("h");
                entries.u32(0);
                entries.align(8);
                entries.string("UnixUserID");
                entries.signature("u");
                entries.u32(1000);
                entries.align(8);
                entries.string("LinuxSecurityLabel");
                entries.signature("ay");
                entries.array(1, |label| label.raw(b"cinema\0"));
                entries.align(8);
                entries.string("UnixGroupIDs");
                entries.signature("au");
                entries.array(4, |gids| [7, 8].iter().for_each(|gid| gids.u32(*gid)));
            });
        });
        let bus = Bus { tells_groups: true, selinux: true };
        let expected = Caller {
            uid: Some(1000),
            groups: Groups::Told(vec![7, 8]),
            label: Some(b"cinema\0".to_vec()),
            selinux: true,
        };
        assert_eq!(credentials(&parse(&out).unwrap(), bus), Some(expected));

        let mut out = Vec::new();
        answer.write(&mut out, |body| body.array(8, |_| ()));
        let told = |tells_groups| {
            let bus = Bus { tells_groups, selinux: false };
            credentials(&parse(&out).unwrap(), bus).unwrap().groups
        };
        assert_eq!((told(true), told(false)), (Groups::Untold, Groups::OfDatabase));
    }
}
