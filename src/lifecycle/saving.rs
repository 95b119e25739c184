// SPDX-License-Identifier: MIT OR Apache-2.0
//! The store: opening it, and what to do when it fails.

use super::app::{Loading, Request, RetryState};
use super::engine::{Asked, Lifecycle, StoreState};
use super::schedule::Plan;
use super::{Action, Room, WriteKind};
use crate::common::model::{AppId, StatementDigest};
use crate::common::time::{BootTime, Now};
use crate::lifecycle::view::ErrorName;

impl Lifecycle {
    pub(super) fn store_opened(&mut self) {
        self.store = StoreState::Open;
        let unread = self.apps.values().filter(|app| app.loading == Loading::Open);
        let loads = unread.map(|app| Action::Load { app: app.id.clone() });
        self.actions.extend(loads.collect::<Vec<_>>());
    }

    /// No registration, nothing overwritten; tried again with backoff.
    pub(super) fn store_failed(&mut self, now: Now, message: String, key_is_final: bool) {
        let (mut track, asked) = match std::mem::replace(&mut self.store, StoreState::Opening) {
            StoreState::Closed { track, asked, .. } => (track, asked),
            _ => (RetryState::new(Plan::fixed(now.boot)), Asked::No),
        };
        track.fail(ErrorName::Storage, message, now.boot);
        track.plan = match asked {
            Asked::AndAgain => Plan::fixed(now.boot),
            _ => Plan::backoff(now.boot, track.failures, now.boot, &mut self.rng),
        };
        self.store = StoreState::Closed { track, key_is_final, asked: Asked::No };
    }

    pub(super) fn load_failed(&mut self, now: Now, id: &AppId, message: String) {
        let Some(app) = self.apps.get_mut(id) else { return };
        app.loading = Loading::Failed;
        app.reading.fail(ErrorName::Storage, message, now.boot);
        let failures = app.reading.failures;
        app.reading.plan = Plan::backoff(now.boot, failures, now.boot, &mut self.rng);
    }

    pub(super) fn save_credentials(&mut self, id: &AppId, statement: StatementDigest) {
        let Some(app) = self.apps.get_mut(id) else { return };
        let Some(filed) = app.filed.get(&statement).cloned() else { return };
        if !app.present {
            // Or it would be dropped, and this with it, before it is known to be on the disk.
            app.unsaved.credentials.insert(statement, ());
            app.saving.plan = Plan::never();
        }
        self.actions.push(Action::SaveCredentials { app: id.clone(), statement, filed });
    }

    pub(super) fn saved(&mut self, now: Now, id: &AppId, what: WriteKind) {
        let Some(app) = self.apps.get_mut(id) else { return };
        match what {
            WriteKind::Record(serial) => {
                app.unsaved.record = false;
                if let Some(flight) = &mut app.flight
                    && let Request::Register { recording, .. } = &mut flight.kind
                    && *recording == Some(serial)
                {
                    // Only now, with the attempt on the disk, may the registration be sent.
                    *recording = None;
                    flight.started = now.boot;
                    self.actions.push(Action::Register {
                        app: id.clone(),
                        request: flight.request,
                        origin: flight.origin.clone(),
                        statement: flight.statement,
                    });
                }
            }
            WriteKind::Credentials(statement) => {
                app.unsaved.credentials.remove(&statement);
            }
            WriteKind::Token | WriteKind::NoToken => app.unsaved.token = false,
        }
        if app.unsaved.is_empty() {
            app.saving.succeed(Plan::fixed(BootTime(0)));
        } else if app.saving.last_failure.is_some() {
            // It works again: the rest at once.
            app.saving.plan = Plan::fixed(now.boot);
        }
    }

    pub(super) fn not_saved(&mut self, now: Now, id: &AppId, what: WriteKind, message: String) {
        let Some(app) = self.apps.get_mut(id) else { return };
        match what {
            WriteKind::Record(serial) => {
                let ours = |kind: &Request| matches!(kind, Request::Register { recording, .. } if *recording == Some(serial));
                if let Some(flight) = app.flight.take_if(|flight| ours(&flight.kind)) {
                    // Without a durable attempt record there is no registration.
                    self.governor.unanswered();
                    if let Request::Register { before, .. } = flight.kind {
                        let servers = self.policy.servers.of(&flight.origin);
                        app.set_attempts(flight.statement, &servers, &before);
                    }
                    let track = &mut app.registration;
                    track.fail(ErrorName::Storage, message, now.boot);
                    let failures = track.failures;
                    track.plan = Plan::backoff(now.boot, failures, now.boot, &mut self.rng);
                    return;
                }
                app.unsaved.record = true;
            }
            WriteKind::Credentials(statement) => {
                app.unsaved.credentials.insert(statement, ());
            }
            WriteKind::Token | WriteKind::NoToken => app.unsaved.token = true,
        }
        app.saving.fail(ErrorName::Storage, message, now.boot);
        let failures = app.saving.failures;
        app.saving.plan = Plan::backoff(now.boot, failures, now.boot, &mut self.rng);
    }

    /// Writes what is missing on the disk, one thing at a time.
    pub(super) fn retry_saves(&mut self, now: Now) {
        let due: Vec<_> = self
            .apps
            .values()
            .filter(|app| !app.unsaved.is_empty() && app.saving.plan.at <= now.boot)
            .map(|app| app.id.clone())
            .collect();
        for id in due {
            let Some(app) = self.apps.get_mut(&id) else { continue };
            // Until the answer is there, this is not asked again.
            let failures = app.saving.failures.saturating_add(1);
            app.saving.plan = Plan::backoff(now.boot, failures, now.boot, &mut self.rng);
            app.saving.plan.at = app.saving.plan.at.max(BootTime(now.boot.0 + 1));
            if let Some((&statement, ())) = app.unsaved.credentials.first() {
                self.save_credentials(&id, statement);
            } else if app.unsaved.record {
                self.save_record(&id, Room::Keep);
            } else if let Some(token) = app.token.clone().filter(|_| app.reported.is_none()) {
                self.actions.push(Action::SaveToken { app: id, token });
            } else {
                // A token that a caller has reported must not be served after a restart either.
                self.actions.push(Action::RemoveToken { app: id });
            }
        }
    }
}
