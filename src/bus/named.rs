// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls of callers whose right depends on what a name stands for.

use std::rc::Rc;

use super::Note;
use super::answers::refuse;
use super::gate::refusal;
use super::lookup::{Found, Question, Run};
use super::service::Service;
use super::snapshot::RulesNumber;
use super::waiting::{Call, Stage};
use crate::common::access::{Groups, Verdict};
use crate::common::time::BootTime;
use crate::lifecycle::view::ErrorName;
use crate::system::clock;

impl Service {
    /// Asks what the names in these rules stand for, for all calls that wait for it.
    pub(super) fn look_up(&mut self, number: RulesNumber) {
        let state = self.snapshot.read();
        let waits = |call: &Call| matches!(&call.stage, Stage::Names { rules, run: None, .. } if *rules == number);
        let Some(Call { stage: Stage::Names { request, caller, .. }, .. }) =
            self.waiting.iter().find(|call| waits(call))
        else {
            return;
        };
        let first = Rc::clone(caller);
        let rules = state.rules(request.lend().right()).filter(|rules| rules.1 == number);
        let Some(question) = rules.map(|(rules, _)| Question::of(rules, caller)) else {
            // The rules have changed meanwhile: the calls are judged by the new ones.
            drop(state);
            for call in self.waiting.take(waits) {
                self.admit_again(&call, clock::boot());
            }
            return;
        };
        drop(state);
        let queue = self.queue.clone();
        let done = move |run, found| queue.push(Note::LookedUp(run, found));
        let Some(started) = self.lookups.start(number, question, done) else { return };
        for call in self.waiting.iter_mut().filter(|call| waits(call)) {
            if let Stage::Names { caller, run, .. } = &mut call.stage
                && (caller.uid == first.uid || caller.groups != Groups::OfDatabase)
            {
                *run = Some(started);
            }
        }
    }

    /// A name service has answered.
    pub(super) fn looked_up(&mut self, ended: Run, found: Found, now: BootTime) {
        self.lookups.ended(ended);
        let asked =
            |call: &Call| matches!(call.stage, Stage::Names { run: Some(run), .. } if run == ended);
        for call in self.waiting.take(asked) {
            let Stage::Names { request, caller, rules: number, .. } = &call.stage else { continue };
            let (request, to) = (request.lend(), call.to.lend());
            let found = match &found {
                Ok(found) => found,
                Err(why) => {
                    refuse(&mut self.main, to, &refusal(ErrorName::Unavailable, why.as_str()));
                    continue;
                }
            };
            let state = self.snapshot.read();
            let judged = state.rules(request.right()).filter(|rules| rules.1 == *number);
            let allowed =
                judged.map(|(rules, _)| rules.judge(caller, Some(found)) == Verdict::Allowed);
            drop(state);
            if let (Some(allowed), Some(known)) = (allowed, self.callers.get(to.sender)) {
                known.decided(*number, allowed);
            }
            match allowed {
                Some(true) => self.act(request, to, now),
                Some(false) => self.deny(request.right(), to, caller, now),
                // The rules have changed meanwhile.
                None => self.admit(request, to, now),
            }
        }
        // Those that have come meanwhile: an older answer does not count.
        let mut next: Vec<RulesNumber> = Vec::new();
        for call in self.waiting.iter() {
            if let Stage::Names { rules, run: None, .. } = call.stage
                && !next.contains(&rules)
            {
                next.push(rules);
            }
        }
        next.into_iter().for_each(|rules| self.look_up(rules));
    }

    fn admit_again(&mut self, call: &Call, now: BootTime) {
        if let Stage::Names { request, .. } = &call.stage {
            self.admit(request.lend(), call.to.lend(), now);
        }
    }
}
