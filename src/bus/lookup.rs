// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the names of users and groups stand for, asked of the device's name services in threads of
//! their own: a name service may hang, and nobody can interrupt it.

use std::ffi::CString;
use std::thread;

use nix::errno::Errno;
use nix::unistd::{Group, Uid, User, getgrouplist};

use super::snapshot::RulesNumber;
use crate::common::access::{Caller, Groups, LookedUp, Rules};

/// Lookups at a time, those that hang included.
const AT_A_TIME: usize = 32;
/// Name services are libraries of others', which take what they need.
const STACK: usize = 256 * 1024;

/// What is asked.
#[derive(Debug)]
pub(super) struct Question {
    users: Vec<String>,
    groups: Vec<String>,
    /// Whose groups are asked for, too.
    of: Option<u32>,
}

/// The answer, or whom the name service could not be asked about.
pub(super) type Found = Result<LookedUp, String>;

/// The number of a lookup.
pub(super) type Run = u64;

/// The lookups under way: one at a time for the same rules, whoever hangs.
#[derive(Default)]
pub(super) struct Lookups {
    running: Vec<(Run, RulesNumber)>,
    last: Run,
}

impl Question {
    /// What has to be looked up to judge a caller by these rules.
    pub(super) fn of(rules: &Rules, caller: &Caller) -> Self {
        let of_database = caller.groups == Groups::OfDatabase && rules.groups.is_some();
        Self::new(rules, caller.uid.filter(|_| of_database))
    }

    fn new(rules: &Rules, of: Option<u32>) -> Self {
        let users = rules.named_users().map(str::to_owned).collect();
        let groups = rules.named_groups().map(str::to_owned).collect();
        Self { users, groups, of }
    }

    fn answer(&self) -> Found {
        let known = |name: &str, result: Result<Option<u32>, Errno>| match result {
            Ok(id) => Ok(id),
            // What getpwnam(3) lists for a name that is not there.
            Err(Errno::ENOENT | Errno::ESRCH | Errno::EBADF | Errno::EPERM) => Ok(None),
            Err(error) => Err(format!("the name service fails for {name:?}: {}", error.desc())),
        };
        let mut found = LookedUp::default();
        for name in &self.users {
            let user = User::from_name(name).map(|user| user.map(|user| user.uid.as_raw()));
            found.users.extend(known(name, user)?);
        }
        for name in &self.groups {
            let group = Group::from_name(name).map(|group| group.map(|group| group.gid.as_raw()));
            found.groups.extend(known(name, group)?);
        }
        if let Some(uid) = self.of
            && let Ok(Some(user)) = User::from_uid(Uid::from_raw(uid))
            && let Ok(name) = CString::new(user.name)
        {
            let gids = getgrouplist(&name, user.gid)
                .map_err(|error| format!("the name service fails for uid {uid}: {error}"))?;
            found.of_caller.extend(gids.into_iter().map(|gid| gid.as_raw()));
        }
        Ok(found)
    }

    /// Whom it is about, for a message.
    pub(super) fn names(&self) -> String {
        let of = self.of.map(|uid| format!("the groups of uid {uid}"));
        let names = self.users.iter().chain(&self.groups).map(|name| format!("{name:?}"));
        names.chain(of).collect::<Vec<_>>().join(", ")
    }
}

impl Lookups {
    /// Starts a lookup for these rules, which tells its answer to `done`; none if one is under way
    /// for them, or too many for others: it may be started when one has ended.
    pub(super) fn start(
        &mut self,
        rules: RulesNumber,
        question: Question,
        done: impl FnOnce(Run, Found) + Send + 'static,
    ) -> Option<Run> {
        if self.running.len() == AT_A_TIME || self.running.iter().any(|(_, of)| *of == rules) {
            return None;
        }
        let run = self.last + 1;
        let thread = thread::Builder::new().name("names".into()).stack_size(STACK);
        thread.spawn(move || done(run, question.answer())).ok()?;
        self.last = run;
        self.running.push((run, rules));
        Some(run)
    }

    /// A lookup has told its answer.
    pub(super) fn ended(&mut self, run: Run) {
        self.running.retain(|(running, _)| *running != run);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::common::access::Name;

    fn names(texts: &[&str]) -> Option<Vec<Name>> {
        Some(texts.iter().map(|text| Name { text: (*text).into(), id: None }).collect())
    }

    #[test]
    fn names_and_a_callers_groups_are_those_of_the_user_database() {
        let rules = Rules {
            users: names(&["root", "no-such-name-here", "1234"]),
            groups: names(&["root"]),
            labels: None,
        };
        let question = Question::new(&rules, Some(0));
        let text = question.names();
        assert_eq!(text, "\"root\", \"no-such-name-here\", \"root\", the groups of uid 0");
        let (sender, receiver) = mpsc::channel();
        let mut lookups = Lookups::default();
        let run = lookups.start(1, question, move |run, found| sender.send((run, found)).unwrap());
        let (done, found) = receiver.recv().unwrap();
        assert_eq!(Some(done), run);
        let found = found.unwrap();
        assert_eq!((found.users, found.groups), (vec![0], vec![0]));
        assert!(found.of_caller.contains(&0));
    }

    #[test]
    fn one_lookup_runs_for_the_same_rules_and_so_many_in_all_even_if_none_ends() {
        let mut lookups = Lookups::default();
        let start = |lookups: &mut Lookups, rules| {
            let question = Question::new(&Rules::default(), None);
            lookups.start(rules, question, |_, _| ())
        };
        let first = start(&mut lookups, 1).unwrap();
        assert_eq!(start(&mut lookups, 1), None);
        lookups.ended(first);
        let most = AT_A_TIME as RulesNumber;
        for rules in 1..=most {
            assert!(start(&mut lookups, rules).is_some());
        }
        assert_eq!(start(&mut lookups, most + 1), None);
    }
}
