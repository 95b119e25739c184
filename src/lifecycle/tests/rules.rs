// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rules, as an observer of a random life checks them after every event.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::random::Observer;
use super::world::*;
use crate::common::model::{Credentials, Token};
use crate::lifecycle::view::AppState;
use crate::lifecycle::{PATIENCE, WriteKind};

impl Observer {
    pub(super) fn check(&mut self) {
        self.check_requests();
        self.keep();
        self.check_tokens();
        self.check_waits();
    }

    fn check_requests(&mut self) {
        let mut busy = BTreeSet::new();
        for sent in &self.world.sent {
            assert!(busy.insert(sent.app.clone()), "two requests of one application at once");
        }
        let fresh = self.world.sent[self.seen..].to_vec();
        for sent in fresh {
            self.requests.push(self.world.now.boot.0);
            assert!(self.world.now.wall >= RELEASED, "a request with the clock unset");
            if sent.registers() {
                self.check_registration(&sent);
            } else {
                let place = self.place_of(&sent.app, &sent);
                let servers = &self.world.policy.servers;
                assert_eq!(sent.origin, servers.url);
                let issuer = place.map(|place| place.2).unwrap();
                assert!(servers.contains(&issuer), "credentials sent to another server");
                let stored = self.world.disk.get(&sent.app).and_then(|s| s.token.as_ref());
                let reported = |t: &Token| self.stored_reports.contains(t.value.expose());
                assert!(!stored.is_some_and(reported), "a report is stored before the request");
            }
        }
        self.seen = self.world.sent.len();
        // The governor: never more than 4, and 1 for each second, in any span.
        let n = self.requests.len();
        for first in n.saturating_sub(12)..n {
            let span = self.requests[n - 1] - self.requests[first];
            assert!((n - first) as u64 <= 4 + span / 1000, "{:?}", &self.requests[first..]);
        }
    }

    fn check_registration(&mut self, sent: &Sent) {
        let statement = sent.statement.unwrap();
        let place = (sent.app.clone(), statement, sent.origin.clone());
        let stored = self.world.disk.get(&sent.app).cloned().unwrap_or_default();
        let attempts = &stored.record.attempts[&statement][&sent.origin];
        assert!(attempts.unanswered > 0, "the attempt is on the disk before it is made");
        assert_eq!(self.world.rooms.get(&sent.app), Some(&statement), "with room on the disk");
        let servers = self.world.policy.servers.clone();
        let has = servers.iter().any(|origin| {
            let slot = stored.filed.get(&statement).and_then(|filed| filed.get(origin));
            slot.is_some_and(|slot| slot.current.is_some() || slot.pending.is_some())
        });
        if !has {
            return;
        }
        let all = servers.iter().map(|o| (sent.app.clone(), statement, o.clone()));
        let all: Vec<_> = all.collect();
        let mut refusals: Vec<_> =
            all.iter().filter_map(|place| self.refusals.get(place)).flatten().copied().collect();
        refusals.sort_unstable();
        let span = refusals.last().zip(refusals.first()).map_or(0, |(last, first)| last - first);
        assert!(refusals.len() >= 3 && span >= 300_000, "registered anew after {refusals:?}");
        let last = all.iter().filter_map(|place| self.anew.get(place)?.last()).max();
        if let Some(last) = last {
            assert!(self.truth - last >= 3_600_000, "registered anew twice within an hour");
        }
        self.anew.entry(place).or_default().push(self.truth);
    }

    /// What is on the disk stays there.
    fn keep(&mut self) {
        let writes = &self.world.writes;
        let fresh = writes.get(self.looked..).unwrap_or(writes);
        let written = fresh.iter().any(|(_, what)| matches!(what, WriteKind::Credentials(_)));
        self.looked = writes.len();
        if !written {
            return;
        }
        for (app, stored) in &self.world.disk {
            let mut present = BTreeMap::new();
            for (statement, filed) in &stored.filed {
                for (origin, slot) in filed {
                    let all = slot.current.iter().chain(&slot.pending).chain(&slot.replaced);
                    for Credentials { client_id, .. } in all {
                        let place = (app.clone(), *statement, origin.clone());
                        present.insert(client_id.expose().to_owned(), place);
                    }
                }
            }
            if let Some(kept) = self.kept.get(app) {
                for id in kept.keys() {
                    assert!(present.contains_key(id), "{app}: credentials {id} were lost");
                }
            }
            self.kept.insert(app.clone(), present);
        }
    }

    fn check_tokens(&mut self) {
        for name in self.names {
            let id = app(name);
            let Some(view) = self.world.life.view(&id, self.world.now) else { continue };
            assert_eq!(view.state == AppState::Ready, view.token.is_some());
            let withheld = view.token.is_none() && view.token_number != 0;
            if withheld {
                // Until the first try for another has ended, and that begins soon.
                assert_eq!(view.state, AppState::Fetching);
                let patience = self.world.now.boot.after(PATIENCE);
                // Another's, if that is to find out whether the server still throttles.
                let under_way = !self.world.sent.is_empty();
                let soon = self.world.life.deadline(self.world.now).is_some_and(|d| d <= patience);
                assert!(under_way || soon, "a reported token is withheld for nothing");
            }
            assert!(view.token_number != 0 || view.token.is_none());
            if let Some(token) = &view.token {
                let value = token.value.expose();
                assert!(self.truth < self.ends[value], "a dead token is served: {value}");
            }
            if let Some((value, until)) = self.good.get(&id) {
                let served = view.token.as_ref().map(|token| token.value.expose());
                if self.truth < *until && !withheld {
                    assert!(served.is_some(), "the valid token {value} is withheld");
                }
            }
        }
    }

    fn check_waits(&mut self) {
        self.waiting.retain(|call, _| !self.world.answers.contains_key(call));
        let answers = &self.world.answers;
        let reported = &self.reported;
        self.replacing.retain(|call| {
            let Some(answer) = answers.get(call) else { return true };
            let got = answer.as_ref().ok().map(|(token, _)| token.expose());
            assert!(!got.is_some_and(|got| reported.contains(got)), "a reported one was returned");
            false
        });
        for (call, since) in &self.waiting {
            let waited = Duration::from_millis(self.truth - since);
            let asleep = self.world.life.deadline(self.world.now);
            assert!(
                waited < PATIENCE || asleep.is_some_and(|at| at <= self.world.now.boot),
                "call {call} waits for {waited:?}"
            );
        }
        let idle = self.world.sent.is_empty() && self.world.now.wall >= RELEASED;
        let any = self.world.life.applications().next().is_some();
        if idle && any {
            let deadline = self.world.life.deadline(self.world.now);
            assert!(deadline.is_some(), "a wait that nothing ends");
        }
    }
}
