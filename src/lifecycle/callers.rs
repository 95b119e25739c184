// SPDX-License-Identifier: MIT OR Apache-2.0
//! The calls that wait for a token.

use std::time::Duration;

use super::app::{App, Denial, Loading, Reported, Waiter};
use super::engine::{Lifecycle, StoreState};
use super::schedule::Plan;
use super::{Action, CallId, replacement};
use crate::common::model::AppId;
use crate::common::secret::Secret;
use crate::common::time::{BootTime, Now};
use crate::lifecycle::view::{CallError, ErrorName, Served};

/// The longest that a caller waits.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The error codes of the APIs that mean the registration, and no token (Adobe Pass, Enhanced
/// Error Codes).
const REGISTRATION_CODES: [&str; 2] =
    ["invalid_access_token_client_application", "invalid_access_token_service_provider"];

/// Whether an API's error code says that it does not accept the registration.
#[must_use]
pub fn means_registration(code: &str) -> bool {
    REGISTRATION_CODES.contains(&code)
}

impl App {
    /// Notes what an API's code says of the registration, and what to tell an operator.
    fn deny(&mut self, code: &str, now: BootTime) -> Option<Action> {
        let code = REGISTRATION_CODES.into_iter().find(|known| *known == code)?;
        let since = self.denial.as_ref().map_or(now, |denial| denial.since);
        self.denial = Some(Denial { code, since, last: now });
        let text = format!(
            "{}: a caller reports {code}: the API does not accept this registration, and a new \
             token does not help; compare the software statement with the channel's registered \
             application in the TVE Dashboard",
            self.id
        );
        Some(Action::Log { level: log::Level::Warn, text })
    }
}

impl Lifecycle {
    pub(super) fn wanted(&mut self, now: Now, id: &AppId, call: CallId, min_validity: u32) {
        self.wait(now, id, call, min_validity, false);
    }

    fn wait(&mut self, now: Now, id: &AppId, call: CallId, min_validity: u32, fresh: bool) {
        match self.apps.get_mut(id).filter(|app| app.present) {
            Some(app) => {
                let deadline = now.boot.after(PATIENCE);
                app.waiters.push(Waiter { call, min_validity, fresh, deadline });
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

    /// Compare and swap: only the token that is current can be replaced, and only once. The token
    /// is withheld until the first try has ended, and served again if that fails: it may be good
    /// elsewhere.
    pub(super) fn replace(
        &mut self,
        now: Now,
        id: &AppId,
        call: CallId,
        rejected: &Secret,
        code: &str,
    ) {
        if let Some(app) = self.apps.get_mut(id).filter(|app| app.present) {
            self.actions.extend(app.deny(code, now.boot));
            let current = app.token.as_ref().filter(|token| token.value == *rejected);
            if let Some(token) = current.filter(|_| app.reported.is_none()) {
                let lifetime = Duration::from_secs(u64::from(token.lifetime));
                let grown = token.expires_boot.before(lifetime * 9 / 10);
                let candidate = replacement::Candidate { number: token.number, grown };
                if let Err(until) = app.replacements.grant(now.boot, candidate) {
                    let wait = until.since(now.boot).as_secs().max(1);
                    let message = format!(
                        "the token was replaced 3 times in a short time; it stays in use, and the \
                         next replacement is possible in {wait} s"
                    );
                    let result = Err(CallError { name: ErrorName::Throttled, message });
                    self.actions.push(Action::Answer { call, result });
                    return;
                }
                app.reported = Some(Reported::Trying);
                app.rejected = Some(rejected.fingerprint());
                let text = format!("a caller reported token number {}", app.number);
                app.history.note(now.boot, "reported", &text);
                app.unsaved.token = false;
                // A refresh is hours off. Nobody shortens a wait.
                if app.fetching.last_failure.is_none() {
                    app.fetching.plan = Plan::fixed(now.boot);
                }
                self.actions.push(Action::RemoveToken { app: id.clone() });
            } else if current.is_some() && app.unsaved.token {
                // The first report could not be stored. This one may be.
                self.actions.push(Action::RemoveToken { app: id.clone() });
            }
        }
        self.wait(now, id, call, 0, true);
    }

    /// A reported token whose replacement cannot begin within a caller's patience is served.
    pub(super) fn serve_reported(&mut self, now: Now) {
        let patience = now.boot.after(PATIENCE);
        let vain = |app: &&App| {
            app.reported == Some(Reported::Trying)
                && self.prospect(app, now).is_none_or(|at| at > patience)
        };
        let ids: Vec<_> = self.apps.values().filter(vain).map(|app| app.id.clone()).collect();
        for id in &ids {
            if let Some(app) = self.apps.get_mut(id) {
                app.reported = Some(Reported::Failed);
            }
        }
        if !ids.is_empty() {
            self.answer_served(now);
        }
    }

    /// Answers every caller whom the token at hand satisfies, or whose wish no token can fulfil.
    pub(super) fn answer_served(&mut self, now: Now) {
        for app in self.apps.values_mut() {
            let mut waiters = std::mem::take(&mut app.waiters);
            waiters.retain(|waiter| {
                let result = match app.serve(waiter, now.boot) {
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
