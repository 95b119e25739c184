// SPDX-License-Identifier: MIT OR Apache-2.0
//! What changes from outside: configuration, settings, clock, network, and what the store has.

use std::time::Duration;

use super::app::{App, Loading, Request, RetryState, Unsaved};
use super::engine::{Asked, Lifecycle, StoreState};
use super::schedule::{self, NETWORK_EVERY, Plan};
use super::{Action, Desired, Policy, Room, Servers, limits};
use crate::common::map::Map;
use crate::common::model::{AppId, AttemptLog, StatementDigest, Stored};
use crate::common::time::{BootId, BootTime, Now};
use crate::lifecycle::view::{CallError, ErrorName};

impl Lifecycle {
    pub(super) fn configured(&mut self, now: Now, id: AppId, desired: Desired) {
        let store_open = matches!(self.store, StoreState::Open);
        let Some(app) = self.apps.get_mut(&id) else {
            let app = App::new(id.clone(), desired.statement);
            if store_open {
                self.actions.push(Action::Load { app: id.clone() });
            }
            self.apps.insert(id, app);
            return;
        };
        let before = app.present.then(|| app.wanted_statement());
        app.present = true;
        if desired.statement.is_ok() && app.loading == Loading::Done {
            app.reading.succeed(Plan::fixed(BootTime(0)));
        }
        app.statement = desired.statement;
        let wanted = app.wanted_statement();
        if before == Some(wanted) || app.loading != Loading::Done {
            return;
        }
        // A changed statement ends holds at once. The token of the old one is served until the
        // new one has its own.
        app.candidate_index = 0;
        app.reregister = false;
        app.denial = None;
        let servers = &self.policy.servers;
        if let Some(statement) = app.to_register(servers) {
            let plan = Plan::fixed(now.boot);
            app.registration =
                RetryState::new(not_too_soon(plan, app, statement, servers, &self.boot_id, now));
            self.actions.extend(sign_out(app, statement, servers));
        } else {
            // What the server said of another statement is nobody's trouble any more.
            app.registration.succeed(Plan::fixed(now.boot));
        }
        let ready = app.candidate(servers).is_some_and(|best| Some(best.statement) == wanted);
        let served = app.token.as_ref().map(|token| token.statement) == wanted;
        // What failed was the fetch for the statement before.
        if ready && (!served || app.fetching.last_failure.is_some()) {
            app.fetching.succeed(Plan::fixed(now.boot));
        }
        if let Some(flight) = &mut app.flight {
            // A fetch for the old statement counts for as long as the new one has no credentials.
            let counts = matches!(flight.kind, Request::Fetch { .. }) && !ready;
            flight.overtaken = Some(flight.statement) != wanted && !counts;
        }
    }

    pub(super) fn removed(&mut self, id: AppId) {
        let store_open = matches!(self.store, StoreState::Open);
        let actions = &mut self.actions;
        let app = self.apps.entry(id.clone()).or_insert_with(|| {
            if store_open {
                actions.push(Action::Load { app: id.clone() });
            }
            App::new(id.clone(), Err("the application is not configured".to_owned()))
        });
        app.present = false;
        app.forget_token();
        app.denial = None;
        app.unsaved.token = false;
        for waiter in app.waiters.drain(..) {
            let message = format!("{id} is configured no longer");
            let result = Err(CallError { name: ErrorName::UnknownObject, message });
            actions.push(Action::Answer { call: waiter.call, result });
        }
        // Should it return with another statement, it starts anew.
        if app.loading == Loading::Done && app.record.active.take().is_some() {
            self.save_record(&id, Room::Keep);
        }
    }

    pub(super) fn policy_changed(&mut self, now: Now, policy: Policy) {
        let moved = policy.servers != self.policy.servers;
        self.policy = policy;
        self.clock_set = now.wall >= self.policy.released;
        if !moved {
            return;
        }
        let ids: Vec<_> = self.apps.keys().cloned().collect();
        for id in ids {
            if let Some(app) = self.apps.get_mut(&id) {
                let servers = &self.policy.servers;
                app.unverified_token.take_if(|token| !servers.contains(&token.origin));
                if app.token.as_ref().is_some_and(|token| !servers.contains(&token.origin)) {
                    app.forget_token();
                }
                app.denial = None;
            }
            self.plan_start(now, &id);
        }
    }

    /// Holds end, and the store is looked at again; a backoff, a pause and the limits on
    /// registrations go on. Of the waits for a server that answers registrations without
    /// credentials, one in a row of them ends.
    pub(super) fn reloaded(&mut self, now: Now) {
        if let StoreState::Closed { track, asked, .. } = &mut self.store {
            track.plan = Plan::fixed(now.boot);
            if *asked != Asked::No {
                *asked = Asked::AndAgain;
            }
        }
        for app in self.apps.values_mut() {
            if app.loading == Loading::Failed {
                app.reading.plan = Plan::fixed(now.boot);
            }
            app.registration.end_hold(now.boot);
            app.fetching.end_hold(now.boot);
            let servers = &self.policy.servers;
            let Some(statement) = app.to_register(servers) else { continue };
            let mut attempts = app.attempts(statement, servers);
            let wait = limits::unusable_wait(&attempts, &self.boot_id, now);
            if let Some(unusable) = attempts.unusable.as_mut().filter(|u| !u.ended)
                && !wait.is_zero()
            {
                unusable.ended = true;
                app.set_attempts(statement, servers, &attempts);
                attempts.unusable = None;
                let wait = limits::wait(&attempts, app.reregister, &self.boot_id, now);
                app.registration.plan = Plan::fixed(now.boot.after(wait));
            }
        }
    }

    /// The files of an application have changed: its holds end.
    pub(super) fn files_changed(&mut self, now: Now, id: &AppId) {
        let Some(app) = self.apps.get_mut(id) else { return };
        app.registration.end_hold(now.boot);
        app.fetching.end_hold(now.boot);
    }

    pub(super) fn loaded(&mut self, now: Now, id: &AppId, stored: Stored) {
        let Some(app) = self.apps.get_mut(id) else { return };
        app.loading = Loading::Done;
        app.reading.succeed(Plan::fixed(BootTime(0)));
        app.filed = stored.filed;
        app.record = stored.record;
        if !app.present {
            if app.record.active.take().is_some() {
                self.save_record(id, Room::Keep);
            }
            return;
        }
        for attempts in app.record.attempts.values_mut().flat_map(Map::values_mut) {
            limits::not_to_come(attempts, &self.boot_id, now);
        }
        let servers = &self.policy.servers;
        let configured = app.statement.as_ref().ok().copied();
        if stored.record_lost {
            let statements: Vec<_> = app.filed.keys().copied().chain(configured).collect();
            for statement in statements {
                app.set_attempts(statement, servers, &limits::lost(&self.boot_id, now));
            }
            // What the token was fetched with was in use.
            app.record.active = stored.token.as_ref().map(|token| token.statement);
        }
        app.number = stored.token.as_ref().map_or(0, |token| token.number);
        app.last_success = stored.token.as_ref().map_or(0, |token| {
            let lifetime = Duration::from_secs(u64::from(token.lifetime));
            token.expires_wall.before(lifetime).unix_seconds()
        });
        let active = app.record.active;
        let usable = stored.token.filter(|token| {
            let whose = Some(token.statement);
            (configured == whose || active == whose) && servers.contains(&token.origin)
        });
        match usable {
            Some(token) if token.boot_id == self.boot_id => {
                // More left than it ever had: stored in another time namespace.
                let lifetime = Duration::from_secs(u64::from(token.lifetime));
                app.token = Some(token).filter(|t| t.expires_boot.since(now.boot) <= lifetime);
            }
            other => app.unverified_token = other,
        }
        app.drop_dead_token(now.boot);
        self.plan_start(now, id);
    }

    /// The first plans of an application whose content is known.
    fn plan_start(&mut self, now: Now, id: &AppId) {
        let servers = &self.policy.servers;
        let Some(app) = self.apps.get_mut(id) else { return };
        let lazy = Plan::lazy(now.boot, &mut self.rng);
        app.candidate_index = 0;
        app.reregister = false;
        app.fetching = RetryState::new(app.token.as_ref().map_or(lazy, |token| {
            let lifetime = Duration::from_secs(u64::from(token.lifetime));
            let end = token.expires_boot;
            Plan::refresh(schedule::refresh_point(now.boot, end, lifetime, &mut self.rng))
        }));
        // A statement that came back while the daemon was away: its own token, at once.
        let served = app.token.as_ref().map(|token| token.statement);
        let best = app.candidate(servers).map(|best| best.statement);
        if served.is_some() && best.is_some() && best != served {
            app.fetching.plan = Plan::fixed(now.boot);
        }
        let Some(statement) = app.to_register(servers) else {
            return app.registration.succeed(Plan::fixed(now.boot));
        };
        // A new statement of an application in use is registered at once, a first one lazily.
        let plan = if app.record.active.is_some() { Plan::fixed(now.boot) } else { lazy };
        app.registration =
            RetryState::new(not_too_soon(plan, app, statement, servers, &self.boot_id, now));
        self.actions.extend(sign_out(app, statement, servers));
    }

    pub(super) fn forgotten(&mut self, now: Now, id: &AppId) {
        let Some(app) = self.apps.get_mut(id) else { return };
        app.filed.clear();
        app.record =
            AttemptLog { registrations: app.record.registrations, ..AttemptLog::default() };
        app.history.note(now.boot, "forgotten", "root had the credentials and the token deleted");
        app.forget_token();
        app.denial = None;
        app.unsaved = Unsaved::default();
        app.saving.succeed(Plan::fixed(BootTime(0)));
        if let Some(flight) = &mut app.flight {
            flight.discard = true;
        }
        if app.loading == Loading::Failed && matches!(self.store, StoreState::Open) {
            app.loading = Loading::Open;
            self.actions.push(Action::Load { app: id.clone() });
        }
        self.plan_start(now, id);
    }

    pub(super) fn network_back(&mut self, now: Now) {
        let next = self.network_heard.map(|heard| heard.after(NETWORK_EVERY));
        // Not dropped but put off: the last time may be the one that lasts.
        self.network_again = next.filter(|next| *next > now.boot);
        if self.network_again.is_some() {
            return;
        }
        self.network_heard = Some(now.boot);
        for app in self.apps.values_mut() {
            app.registration.plan.network_is_back(now.boot, &mut self.rng);
            app.fetching.plan.network_is_back(now.boot, &mut self.rng);
            if let Some(flight) = &mut app.flight {
                flight.network_came = true;
            }
        }
    }

    /// What was put off, where there is still a backoff to end.
    pub(super) fn network_is_still_back(&mut self, now: Now) {
        if self.network_again.take_if(|at| *at <= now.boot).is_some() && self.backs_off() {
            let text =
                "the network came back again within the minute: acting on that now".to_owned();
            self.actions.push(Action::Log { level: log::Level::Debug, text });
            self.network_back(now);
        }
    }

    /// Whether the network could end anything.
    pub(super) fn backs_off(&self) -> bool {
        let tracks = self.apps.values().flat_map(|app| [&app.registration, &app.fetching]);
        tracks.into_iter().any(|track| track.plan.not_before.is_some())
    }

    /// The wall clock has been set, or somebody vouches for it now: the end of a token keeps its
    /// place in elapsed time, and its date follows. Without that date the next boot could not tell
    /// whether the token is dead. One that has ended, by its date too, needs none: standby would
    /// cost a write for each.
    pub(super) fn date_tokens(&mut self, now: Now) {
        for app in self.apps.values_mut() {
            let Some(token) = &mut app.token else { continue };
            if token.expires_boot <= now.boot && token.expires_wall <= now.wall {
                continue;
            }
            let wall = now.wall.after(token.expires_boot.since(now.boot));
            let moved = wall.0.abs_diff(token.expires_wall.0) > 60_000;
            if moved || now.confirmed && !token.confirmed {
                token.expires_wall = wall;
                token.confirmed = now.confirmed;
                if app.reported.is_some() {
                    continue;
                }
                let token = token.clone();
                self.actions.push(Action::SaveToken { app: app.id.clone(), token });
            }
        }
    }
}

/// What an operator must know before a registration leaves credentials behind.
fn sign_out(app: &App, statement: StatementDigest, servers: &Servers) -> Option<Action> {
    let left: Vec<_> = app
        .left_behind(statement, servers)
        .into_iter()
        .map(|(other, origin)| {
            let whose = if other == statement { "this statement" } else { "another statement" };
            format!("{whose} ({}) at {origin}", other.short())
        })
        .collect();
    let text = format!(
        "{}: there are no client credentials for the configured statement ({}) at {}, only those \
         of {}: a registration signs this application's viewers out of every TV provider; to keep \
         them signed in, bring that statement or url back, or list another name of the same \
         server in [server] same_server_as",
        app.id,
        statement.short(),
        servers.url,
        left.join(", ")
    );
    (!left.is_empty()).then_some(Action::Log { level: log::Level::Warn, text })
}

/// A plan for a registration, put off while earlier ones without an answer demand it.
fn not_too_soon(
    plan: Plan,
    app: &App,
    statement: StatementDigest,
    servers: &Servers,
    boot_id: &BootId,
    now: Now,
) -> Plan {
    let wait = limits::wait(&app.attempts(statement, servers), false, boot_id, now);
    let floor = now.boot.after(wait);
    Plan {
        at: plan.at.max(floor),
        earliest: plan.earliest.max(floor),
        not_before: (!wait.is_zero()).then_some(floor),
    }
}
