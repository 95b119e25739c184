// SPDX-License-Identifier: MIT OR Apache-2.0
//! What each answer of the server means: the contract's table, row by row.

use std::time::Duration;

use super::app::{App, InFlight, Reported, Request, RetryState};
use super::engine::Lifecycle;
use super::schedule::{self, Plan};
use super::{Action, RequestId, Room, limits};
use crate::common::answer::{AccessToken, Failure};
use crate::common::model::{AppId, Credentials, Token};
use crate::common::time::{BootTime, Now};
use crate::lifecycle::view::{ErrorName, SERVE_MARGIN};

impl Lifecycle {
    pub(super) fn registered(
        &mut self,
        now: Now,
        id: &AppId,
        request: RequestId,
        result: Result<Credentials, Failure>,
    ) {
        let Some(flight) = self.land(id, request) else { return };
        self.settle(now, &flight, result.as_ref().err());
        if flight.discard {
            return;
        }
        // What is planned for another statement, or with another server, stays planned.
        let overtaken = flight.overtaken || !self.policy.servers.contains(&flight.origin);
        let planned = self.planned(id, overtaken, |app| &mut app.registration);
        match result {
            Ok(credentials) => self.received(now, id, &flight, credentials),
            Err(failure) => self.not_registered(now, id, &flight, failure),
        }
        if let (Some(planned), Some(app)) = (planned, self.apps.get_mut(id)) {
            app.registration = planned;
        }
    }

    /// New client credentials: pending, and on the disk before anything is done with them.
    fn received(&mut self, now: Now, id: &AppId, flight: &InFlight, credentials: Credentials) {
        let servers = self.policy.servers.of(&flight.origin);
        let Some(app) = self.apps.get_mut(id) else { return };
        let slot = app.slot_mut(flight.statement, &flight.origin);
        let unproven = slot.pending.replace(credentials);
        slot.put_aside(unproven);
        let mut attempts = app.attempts(flight.statement, &servers);
        limits::registered(&mut attempts);
        app.set_attempts(flight.statement, &servers, &attempts);
        app.record.registrations = app.record.registrations.saturating_add(1);
        app.history.note(now.boot, "registered", "the server gave client credentials");
        app.reregister = false;
        app.denial = None;
        app.candidate_index = 0;
        app.registration.succeed(Plan::fixed(now.boot));
        app.fetching.succeed(Plan::fixed(now.boot));
        let text = format!("{id}: registered; the client credentials are stored");
        self.actions.push(Action::Log { level: log::Level::Info, text });
        self.save_credentials(id, flight.statement);
        self.save_record(id, Room::Keep);
    }

    fn not_registered(&mut self, now: Now, id: &AppId, flight: &InFlight, failure: Failure) {
        let Request::Register { reregister, before, .. } = &flight.kind else { return };
        let servers = self.policy.servers.of(&flight.origin);
        let Some(app) = self.apps.get_mut(id) else { return };
        // Only a request that may have reached the server counts as one without an answer.
        let mut attempts = app.attempts(flight.statement, &servers);
        match &failure {
            Failure::Unavailable { sent: true, .. } => {}
            Failure::Unavailable { sent: false, .. } => attempts = before.clone(),
            Failure::NoCredentials { .. } => {
                limits::no_credentials(&mut attempts, &self.boot_id, now);
            }
            _ => {
                attempts = before.clone();
                attempts.unanswered = 0;
            }
        }
        let wait = limits::wait(&attempts, *reregister, &self.boot_id, now);
        app.set_attempts(flight.statement, &servers, &attempts);
        let floor = now.boot.after(wait);
        // The token of credentials that are refused ends; that of another statement is refreshed.
        let left = app.usable_for(now.boot).filter(|_| *reregister);
        let track = &mut app.registration;
        match failure {
            Failure::Throttled { status, .. } => {
                let text = format!("the server throttles registrations (HTTP {status})");
                track.fail(ErrorName::Throttled, text, now.boot);
                track.plan = Plan::fixed(now.boot.max(floor));
            }
            Failure::Refused { status, error, description } => {
                let text = refusal("the software statement", status, &error, &description);
                track.fail(ErrorName::Rejected, text, now.boot);
                track.hold(now.boot, left);
                self.save_record(id, Room::Release(flight.statement));
            }
            Failure::NoCredentials { reason } => {
                let text = format!("registration failed: {reason}");
                track.fail(ErrorName::Unavailable, text, now.boot);
                track.plan = Plan::fixed(floor);
                self.save_record(id, Room::Keep);
            }
            Failure::ClientError { reason } => {
                let text = format!("registration failed: {reason}");
                track.fail(ErrorName::Unavailable, text, now.boot);
                track.client_error(now.boot, floor, &mut self.rng);
                if flight.network_came {
                    track.plan.network_is_back(now.boot, &mut self.rng);
                }
            }
            // The wire makes this of no answer to a registration.
            Failure::InvalidClient { .. } => {}
            Failure::Unavailable { reason, .. } => {
                let text = format!("registration failed: {reason}");
                track.fail(ErrorName::Unavailable, text, now.boot);
                track.plan = Plan::backoff(now.boot, track.failures, floor, &mut self.rng);
                if flight.network_came {
                    track.plan.network_is_back(now.boot, &mut self.rng);
                }
            }
        }
    }

    pub(super) fn fetched(
        &mut self,
        now: Now,
        id: &AppId,
        request: RequestId,
        result: Result<AccessToken, Failure>,
    ) {
        let Some(flight) = self.land(id, request) else { return };
        self.settle(now, &flight, result.as_ref().err());
        if flight.discard || !self.policy.servers.contains(&flight.origin) {
            return;
        }
        let planned = self.planned(id, flight.overtaken, |app| &mut app.fetching);
        let refused = matches!(result, Err(Failure::InvalidClient { .. }));
        if let Some(app) = self.apps.get_mut(id) {
            if !refused {
                app.asked = Some((now.boot, false));
            }
            if app.reported.is_some() {
                // Served again, unless a new one has come.
                app.reported = Some(Reported::Failed);
            }
        }
        match result {
            Ok(token) => self.received_token(now, id, &flight, token),
            Err(failure) => self.not_fetched(now, id, &flight, failure),
        }
        if let (Some(planned), Some(app)) = (planned, self.apps.get_mut(id)) {
            app.fetching = planned;
            app.candidate_index = 0;
        }
    }

    /// The plan that an answer must not change.
    fn planned(
        &mut self,
        id: &AppId,
        overtaken: bool,
        track: impl FnOnce(&mut App) -> &mut RetryState,
    ) -> Option<RetryState> {
        let app = self.apps.get_mut(id).filter(|_| overtaken)?;
        Some(std::mem::replace(track(app), RetryState::new(Plan::fixed(BootTime(0)))))
    }

    fn received_token(&mut self, now: Now, id: &AppId, flight: &InFlight, answer: AccessToken) {
        self.proven(now, id, flight);
        let Some(app) = self.apps.get_mut(id).filter(|app| app.present) else { return };
        let lifetime = Duration::from_secs(u64::from(answer.expires_in));
        let expires = flight.started.after(lifetime);
        if expires <= now.boot.after(SERVE_MARGIN) {
            // Not worth keeping, let alone instead of a token that can still be served.
            let text = "the token had expired when it arrived".to_owned();
            app.fetching.fail(ErrorName::Unavailable, text, now.boot);
            let failures = app.fetching.failures;
            app.fetching.plan = Plan::backoff(now.boot, failures, now.boot, &mut self.rng);
            return;
        }
        // A token that was reported stays so, whatever its new end.
        let again = app.rejected == Some(answer.value.fingerprint());
        let same = again || app.token.as_ref().is_some_and(|last| last.value == answer.value);
        if !same || app.number == 0 {
            app.number += 1;
        }
        app.last_success = now.wall.unix_seconds();
        app.history.note(now.boot, "token", &format!("token number {}", app.number));
        let token = Token {
            value: answer.value,
            number: app.number,
            lifetime: answer.expires_in,
            statement: flight.statement,
            origin: flight.origin.clone(),
            boot_id: self.boot_id.clone(),
            expires_boot: expires,
            confirmed: now.confirmed,
            expires_wall: now.wall.after(lifetime).before(now.boot.since(flight.started)),
        };
        app.unverified_token = None;
        app.token = Some(token.clone());
        let point = schedule::refresh_point(now.boot, expires, lifetime, &mut self.rng);
        app.fetching.succeed(Plan::refresh(point));
        if again {
            app.reported = Some(Reported::Failed);
            // Who reports it must not have it fetched over and over; nobody can need a fresher one
            // in the first half of its life.
            app.fetching.plan.earliest = expires.before(lifetime / 2).min(point);
            let text = format!("{id}: the server issues the reported token again");
            self.actions.push(Action::Log { level: log::Level::Warn, text });
            return;
        }
        app.rejected = None;
        app.reported = None;
        self.actions.push(Action::SaveToken { app: id.clone(), token });
    }

    /// A token was fetched with these credentials: they are good, and what they replace is not
    /// used any more, but kept.
    fn proven(&mut self, now: Now, id: &AppId, flight: &InFlight) {
        let Request::Fetch { pending, issuer } = &flight.kind else { return };
        let servers = self.policy.servers.of(&flight.origin);
        let Some(app) = self.apps.get_mut(id) else { return };
        let before = app.record.clone();
        app.candidate_index = 0;
        app.reregister = false;
        if app.statement.as_ref().ok() == Some(&flight.statement) {
            // No registration is wanted any more, so what kept one from succeeding is over too.
            app.registration.succeed(Plan::fixed(now.boot));
        }
        let mut filed = *pending;
        if *pending {
            let slot = app.slot_mut(flight.statement, issuer);
            let old = slot.current.take();
            slot.put_aside(old);
            slot.current = slot.pending.take();
        } else if let Some(slots) = app.filed.get_mut(&flight.statement) {
            // The old ones are accepted again: those that were to replace them are not needed.
            for origin in servers.iter() {
                let Some(slot) = slots.get_mut(origin) else { continue };
                let superseded = slot.pending.take();
                filed |= superseded.is_some();
                slot.put_aside(superseded);
            }
        }
        let mut attempts = app.attempts(flight.statement, &servers);
        limits::proven(&mut attempts, &self.boot_id, now);
        app.set_attempts(flight.statement, &servers, &attempts);
        if app.present {
            app.record.active = Some(flight.statement);
        }
        let record = app.record != before;
        if filed {
            self.save_credentials(id, flight.statement);
        }
        if record {
            self.save_record(id, Room::Keep);
        }
    }

    fn not_fetched(&mut self, now: Now, id: &AppId, flight: &InFlight, failure: Failure) {
        match failure {
            Failure::InvalidClient { status, description } => {
                let text =
                    refusal("the client credentials", status, "invalid_client", &description);
                self.invalid_client(now, id, flight, text);
            }
            failure => {
                let Some(app) = self.apps.get_mut(id) else { return };
                let left = app.usable_for(now.boot);
                let track = &mut app.fetching;
                match failure {
                    Failure::Throttled { status, .. } => {
                        let text = format!("the server throttles token requests (HTTP {status})");
                        track.fail(ErrorName::Throttled, text, now.boot);
                        track.plan = Plan::fixed(now.boot);
                    }
                    Failure::Refused { status, error, description } => {
                        let text = refusal("the token request", status, &error, &description);
                        track.fail(ErrorName::Rejected, text, now.boot);
                        track.hold(now.boot, left);
                    }
                    Failure::Unavailable { reason, .. } => {
                        let text = format!("no token could be fetched: {reason}");
                        track.fail(ErrorName::Unavailable, text, now.boot);
                        let failures = track.failures;
                        track.plan = Plan::backoff(now.boot, failures, now.boot, &mut self.rng);
                        if flight.network_came {
                            track.plan.network_is_back(now.boot, &mut self.rng);
                        }
                    }
                    Failure::ClientError { reason } => {
                        let text = format!("no token could be fetched: {reason}");
                        track.fail(ErrorName::Unavailable, text, now.boot);
                        track.client_error(now.boot, now.boot, &mut self.rng);
                        if flight.network_came {
                            track.plan.network_is_back(now.boot, &mut self.rng);
                        }
                    }
                    // The wire makes this of no answer to a token request.
                    Failure::InvalidClient { .. } | Failure::NoCredentials { .. } => {}
                }
            }
        }
    }

    /// The server does not know the client credentials, or says so in a bad minute.
    fn invalid_client(&mut self, now: Now, id: &AppId, flight: &InFlight, mut text: String) {
        let servers = self.policy.servers.of(&flight.origin);
        let Some(app) = self.apps.get_mut(id) else { return };
        let more = app.others_to_ask(flight, &servers);
        app.candidate_index = app.candidate_index.wrapping_add(1);
        if more {
            // Credentials of another name of this server have not been asked with yet: only if all
            // are refused does that count.
            app.fetching.fail(ErrorName::Unavailable, text, now.boot);
            app.fetching.plan = Plan::fixed(now.boot);
            return;
        }
        app.asked = Some((now.boot, true));
        // One that was reported may be good elsewhere, and nobody can rely on that.
        let valid = app.usable_for(now.boot).is_some() && app.reported.is_none();
        let least = self.policy.reregister_after;
        let mut attempts = app.attempts(flight.statement, &servers);
        let had_enough = limits::refused_enough(&attempts, least, valid);
        limits::refused(&mut attempts, &self.boot_id, now);
        let enough = limits::refused_enough(&attempts, least, valid);
        let wait = limits::wait(&attempts, true, &self.boot_id, now);
        // New credentials are refused like the ones they were to replace.
        let pending = servers
            .iter()
            .any(|o| app.slot(flight.statement, o).is_some_and(|s| s.pending.is_some()));
        let name =
            if pending && attempts.anew > 0 { ErrorName::Rejected } else { ErrorName::Unavailable };
        if pending && attempts.anew > 0 {
            text.push_str("; newly registered ones too");
        }
        app.set_attempts(flight.statement, &servers, &attempts);
        app.fetching.fail(name, text, now.boot);
        let failures = app.fetching.failures;
        app.fetching.plan = Plan::backoff(now.boot, failures, now.boot, &mut self.rng);
        let ours = app.statement.as_ref().ok() == Some(&flight.statement);
        if enough && ours && wait.is_zero() && !app.reregister {
            app.reregister = true;
            app.registration.succeed(Plan::fixed(now.boot));
            let text = format!(
                "{id}: the server keeps refusing the client credentials: registering again, \
                 which signs this application's viewers out of every TV provider"
            );
            self.actions.push(Action::Log { level: log::Level::Error, text });
        }
        // Once the counts suffice there is nothing to add to them on the disk.
        if !had_enough {
            self.save_record(id, Room::Keep);
        }
    }

    /// What an answer means for the whole daemon.
    fn settle(&mut self, now: Now, flight: &InFlight, failure: Option<&Failure>) {
        match failure {
            Some(Failure::Throttled { retry_after, .. }) => {
                self.governor.throttled(now.boot, flight.permit, *retry_after, &mut self.rng);
            }
            Some(Failure::Unavailable { .. }) => self.governor.unanswered(),
            _ => self.governor.answered(flight.permit),
        }
    }
}

fn refusal(what: &str, status: u16, error: &str, description: &str) -> String {
    let colon = if description.is_empty() { "" } else { ": " };
    format!("the server refused {what} (HTTP {status} {error}{colon}{description})")
}
