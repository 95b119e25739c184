// SPDX-License-Identifier: MIT OR Apache-2.0
//! The calls that wait for a token.

use std::time::Duration;

use super::app::{App, Loading, Waiter};
use super::engine::{Lifecycle, StoreState};
use super::schedule::Plan;
use super::{Action, CallId};
use crate::model::AppId;
use crate::secret::Secret;
use crate::time::{BootTime, Now};
use crate::view::{CallError, ErrorName, Served};

/// The longest that a caller waits.
pub const PATIENCE: Duration = Duration::from_secs(20);

impl Lifecycle {
    pub(super) fn wanted(&mut self, now: Now, id: &AppId, call: CallId, min_validity: u32) {
        match self.apps.get_mut(id).filter(|app| app.present) {
            Some(app) => {
                let deadline = now.boot.after(PATIENCE);
                app.waiters.push(Waiter { call, min_validity, deadline });
            }
            None => self.actions.push(Action::Answer {
                call,
                result: Err(CallError {
                    name: ErrorName::UnknownObject,
                    message: format!("no application {id} is configured"),
                }),
            }),
        }
    }

    /// Compare and swap: only the token that is current can be replaced.
    pub(super) fn replace(&mut self, now: Now, id: &AppId, call: CallId, rejected: &Secret) {
        if let Some(app) = self.apps.get_mut(id) {
            let current = app.token.as_ref().is_some_and(|token| token.value == *rejected);
            if current {
                if let Err(until) = app.replacements.grant(now.boot) {
                    let wait = until.since(now.boot).as_secs().max(1);
                    let message = format!(
                        "the token was replaced 3 times within a minute; it stays in use, and the \
                         next replacement is possible in {wait} s"
                    );
                    let result = Err(CallError { name: ErrorName::Throttled, message });
                    self.actions.push(Action::Answer { call, result });
                    return;
                }
                app.token = None;
                app.rejected = Some(rejected.fingerprint());
                app.unsaved.token = false;
                // A refresh is hours off: should all callers leave before the fetch can start,
                // it starts all the same, as ever without a token.
                if app.fetching.trouble.is_none() {
                    app.fetching.plan = Plan::lazy(now.boot, &mut self.rng);
                }
                self.actions.push(Action::RemoveToken { app: id.clone() });
            }
        }
        self.wanted(now, id, call, 0);
    }

    /// Answers every caller whom the token at hand satisfies, or whose wish no token can fulfil.
    pub(super) fn answer_served(&mut self, now: Now) {
        for app in self.apps.values_mut() {
            let mut waiters = std::mem::take(&mut app.waiters);
            waiters.retain(|waiter| {
                let result = match app.serve(waiter.min_validity, now.boot) {
                    Served::Ask => return true,
                    Served::InvalidArgs(message) => {
                        Err(CallError { name: ErrorName::InvalidArgs, message })
                    }
                    Served::Token { value, .. } => {
                        let expires = app.token.as_ref().map_or(now.boot, |t| t.expires_boot);
                        Ok((value, expires))
                    }
                };
                self.actions.push(Action::Answer { call: waiter.call, result });
                false
            });
            app.waiters = waiters;
        }
    }

    /// Tells every caller who waits in vain.
    pub(super) fn answer_hopeless(&mut self, now: Now) {
        let mut answers = Vec::new();
        for app in self.apps.values() {
            let prospect = self.prospect(app, now);
            for waiter in &app.waiters {
                if now.boot >= waiter.deadline || prospect.is_none_or(|at| at > waiter.deadline) {
                    answers.push((app.id.clone(), waiter.call, self.why_no_token(app, now)));
                }
            }
        }
        for (id, call, error) in answers {
            if let Some(app) = self.apps.get_mut(&id) {
                app.waiters.retain(|waiter| waiter.call != call);
            }
            self.actions.push(Action::Answer { call, result: Err(error) });
        }
    }

    /// The moment of the next try that could give this application's callers a token.
    pub(super) fn prospect(&self, app: &App, now: Now) -> Option<BootTime> {
        if app.flight.is_some() {
            return Some(now.boot);
        }
        if matches!(self.store, StoreState::Closed { .. }) || app.loading == Loading::Failed {
            return None;
        }
        if app.loading == Loading::Open {
            return Some(now.boot);
        }
        if !self.clock_set {
            return None;
        }
        let (_, at) = self.next_work(app)?;
        // While one request finds out whether the server still throttles, the rest stand by.
        Some(at.max(self.governor.ready(now.boot).unwrap_or(now.boot)))
    }
}
