// SPDX-License-Identifier: MIT OR Apache-2.0
//! What changes from outside: configuration, settings, clock, network, and what the store has.

use std::time::Duration;

use super::app::{App, Errand, Loading, Track, Unsaved};
use super::engine::{Asked, Lifecycle, StoreState};
use super::schedule::{self, NETWORK_EVERY, Plan};
use super::{Action, Desired, Policy, limits};
use crate::model::{AppId, Origin, Record, StatementDigest, Stored};
use crate::time::{BootId, BootTime, Now};
use crate::view::{CallError, ErrorName};

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
        app.turn = 0;
        app.anew = false;
        let origin = &self.policy.origin;
        if let Some(statement) = app.to_register(origin) {
            let plan = Plan::fixed(now.boot);
            app.registration =
                Track::new(not_too_soon(plan, app, statement, origin, &self.boot_id, now));
        }
        let ready = app.candidate(origin).is_some_and(|best| Some(best.statement) == wanted);
        let served = app.token.as_ref().map(|token| token.statement) == wanted;
        if ready && !served {
            app.fetching.succeed(Plan::fixed(now.boot));
        }
        if let Some(flight) = &mut app.flight {
            // A fetch for the old statement counts for as long as the new one has no credentials.
            let counts = matches!(flight.errand, Errand::Fetch { .. }) && !ready;
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
        app.token = None;
        app.parked = None;
        app.rejected = None;
        app.unsaved.token = false;
        for waiter in app.waiters.drain(..) {
            let message = format!("{id} is configured no longer");
            let result = Err(CallError { name: ErrorName::UnknownObject, message });
            actions.push(Action::Answer { call: waiter.call, result });
        }
        // Should it return with another statement, it starts anew.
        if app.loading == Loading::Done && app.record.active.take().is_some() {
            self.save_record(&id);
        }
    }

    pub(super) fn policy_changed(&mut self, now: Now, policy: Policy) {
        let moved = policy.origin != self.policy.origin;
        self.policy = policy;
        self.clock_set = now.wall >= self.policy.released;
        if !moved {
            return;
        }
        let ids: Vec<_> = self.apps.keys().cloned().collect();
        for id in ids {
            if let Some(app) = self.apps.get_mut(&id) {
                app.token = app.token.take().filter(|token| token.origin == self.policy.origin);
                app.parked = app.parked.take().filter(|token| token.origin == self.policy.origin);
            }
            self.plan_start(now, &id);
        }
    }

    /// Holds end, and the store is looked at again; a backoff, a pause and the limits on
    /// registrations go on.
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
            for track in [&mut app.registration, &mut app.fetching] {
                let held = track.trouble.as_ref().is_some_and(|t| t.name == ErrorName::Rejected);
                if held && track.plan.floor.is_none() {
                    track.holds = 0;
                    track.plan = Plan::fixed(now.boot);
                }
            }
        }
    }

    pub(super) fn loaded(&mut self, now: Now, id: &AppId, stored: Stored) {
        let Some(app) = self.apps.get_mut(id) else { return };
        app.loading = Loading::Done;
        app.reading.succeed(Plan::fixed(BootTime(0)));
        app.filed = stored.filed;
        app.record = stored.record;
        if !app.present {
            if app.record.active.take().is_some() {
                self.save_record(id);
            }
            return;
        }
        let origin = self.policy.origin.clone();
        let configured = app.statement.as_ref().ok().copied();
        if stored.record_lost {
            let statements: Vec<_> = app.filed.keys().copied().chain(configured).collect();
            for statement in statements {
                app.set_attempts(statement, &origin, limits::lost(&self.boot_id, now));
            }
            // What the token was fetched with was in use.
            app.record.active = stored.token.as_ref().map(|token| token.statement);
        }
        app.number = stored.token.as_ref().map_or(0, |token| token.number);
        let active = app.record.active;
        let usable = stored.token.filter(|token| {
            let whose = Some(token.statement);
            (configured == whose || active == whose) && token.origin == origin
        });
        match usable {
            Some(token) if token.boot_id == self.boot_id => app.token = Some(token),
            other => app.parked = other,
        }
        app.drop_dead_token(now.boot);
        self.plan_start(now, id);
    }

    /// The first plans of an application whose content is known.
    fn plan_start(&mut self, now: Now, id: &AppId) {
        let origin = &self.policy.origin;
        let Some(app) = self.apps.get_mut(id) else { return };
        let lazy = Plan::lazy(now.boot, &mut self.rng);
        app.turn = 0;
        app.anew = false;
        app.fetching = Track::new(app.token.as_ref().map_or(lazy, |token| {
            let lifetime = Duration::from_secs(u64::from(token.lifetime));
            let end = token.expires_boot;
            Plan::refresh(schedule::refresh_point(now.boot, end, lifetime, &mut self.rng))
        }));
        // A statement that came back while the daemon was away: its own token, at once.
        let served = app.token.as_ref().map(|token| token.statement);
        let best = app.candidate(origin).map(|best| best.statement);
        if served.is_some() && best.is_some() && best != served {
            app.fetching.plan = Plan::fixed(now.boot);
        }
        let Some(statement) = app.to_register(origin) else { return };
        // A new statement of an application in use is registered at once, a first one lazily.
        let plan = if app.record.active.is_some() { Plan::fixed(now.boot) } else { lazy };
        app.registration =
            Track::new(not_too_soon(plan, app, statement, origin, &self.boot_id, now));
    }

    pub(super) fn forgotten(&mut self, now: Now, id: &AppId) {
        let Some(app) = self.apps.get_mut(id) else { return };
        app.filed.clear();
        app.record = Record::default();
        app.token = None;
        app.parked = None;
        app.rejected = None;
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
        tracks.into_iter().any(|track| track.plan.floor.is_some())
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
                let token = token.clone();
                self.actions.push(Action::SaveToken { app: app.id.clone(), token });
            }
        }
    }
}

/// A plan for a registration, put off while earlier ones without an answer demand it.
fn not_too_soon(
    plan: Plan,
    app: &App,
    statement: StatementDigest,
    origin: &Origin,
    boot_id: &BootId,
    now: Now,
) -> Plan {
    let wait = limits::unanswered_wait(&app.attempts(statement, origin), boot_id, now);
    let floor = now.boot.after(wait);
    Plan {
        at: plan.at.max(floor),
        earliest: plan.earliest.max(floor),
        floor: (!wait.is_zero()).then_some(floor),
    }
}
