// SPDX-License-Identifier: MIT OR Apache-2.0
//! The engine: takes an event, brings every application up to date, says when it wants to be
//! called again.

use std::time::Duration;

use fastrand::Rng;

use super::app::{App, Candidate, InFlight, Loading, Request, RetryState};
use super::governor::Governor;
use super::schedule::Plan;
use super::{Action, Event, Policy, RequestId, Room, WriteKind, limits};
use crate::common::map::Map;
use crate::common::model::{AppId, StatementDigest};
use crate::common::time::{BootId, BootTime, Now};
use crate::lifecycle::view::SERVE_MARGIN;

/// A key that cannot change while the process lives is waited for this long.
const FINAL_KEY_PATIENCE: Duration = Duration::from_secs(600);
/// What callers report of the registration counts for this long.
const DENIAL_LASTS: Duration = Duration::from_secs(24 * 3600);

/// The state of the whole daemon, as far as decisions depend on it.
#[derive(Debug)]
pub struct Lifecycle {
    pub(super) policy: Policy,
    pub(super) boot_id: BootId,
    pub(super) apps: Map<AppId, App>,
    pub(super) governor: Governor,
    pub(super) rng: Rng,
    pub(super) store: StoreState,
    /// Wall time less boot time, in ms: so that a published date does not waver.
    pub(super) offset: i64,
    pub(super) clock_set: bool,
    pub(super) network_heard: Option<BootTime>,
    /// It came back once more within the minute: this is when that counts.
    pub(super) network_again: Option<BootTime>,
    requests: RequestId,
    records: u64,
    pub(super) actions: Vec<Action>,
}

/// Whether the store can be used.
#[derive(Debug)]
pub(super) enum StoreState {
    /// `OpenStore` has been asked for, not answered.
    Opening,
    Open,
    /// Not just now; tried again by plan.
    Closed {
        track: RetryState,
        key_is_final: bool,
        asked: Asked,
    },
}

/// Whether `OpenStore` has been asked for once more: a slow key takes seconds to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    No,
    Yes,
    /// And somebody asked for a reload meanwhile: what has changed since is to be seen too.
    AndAgain,
}

impl Lifecycle {
    /// A daemon that has just started. `seed` decides every random choice.
    pub fn new(policy: Policy, boot_id: BootId, now: Now, seed: u64) -> Self {
        Self {
            clock_set: now.wall >= policy.released,
            policy,
            boot_id,
            apps: Map::new(),
            governor: Governor::new(now.boot),
            rng: Rng::with_seed(seed),
            store: StoreState::Opening,
            offset: offset(now),
            network_heard: None,
            network_again: None,
            requests: 0,
            records: 0,
            actions: vec![Action::OpenStore],
        }
    }

    /// Takes in what has happened, and says what to do about it, in this order. The answers to
    /// store actions must come back before anything else.
    pub fn handle(&mut self, now: Now, event: Event) -> Vec<Action> {
        self.clock_set = now.wall >= self.policy.released;
        if (offset(now) - self.offset).abs() > 1_000 || matches!(event, Event::ClockChanged) {
            self.offset = offset(now);
        }
        self.date_tokens(now);
        self.apply(now, event);
        self.advance(now);
        std::mem::take(&mut self.actions)
    }

    /// The next moment at which something is to be done; none where only an event can bring it.
    #[must_use]
    pub fn deadline(&self, now: Now) -> Option<BootTime> {
        let apps = self.apps.values().filter_map(|app| self.app_deadline(app, now));
        let store = match &self.store {
            StoreState::Closed { asked: Asked::Yes | Asked::AndAgain, .. } => None,
            StoreState::Closed { track, key_is_final, .. } => {
                let given_up = track.last_failure.as_ref().filter(|_| *key_is_final);
                let given_up = given_up.map(|trouble| trouble.since.after(FINAL_KEY_PATIENCE));
                Some(given_up.map_or(track.plan.at, |at| track.plan.at.min(at)))
            }
            _ => None,
        };
        let network = self.network_again.filter(|_| self.backs_off());
        apps.chain(store).chain(network).min()
    }

    /// The applications that exist, by name.
    pub fn applications(&self) -> impl Iterator<Item = &AppId> {
        self.apps.values().filter(|app| app.present).map(|app| &app.id)
    }

    /// Whether the wall clock is set (not before the release's date).
    #[must_use]
    pub const fn clock_set(&self) -> bool {
        self.clock_set
    }

    fn apply(&mut self, now: Now, event: Event) {
        match event {
            Event::StoreOpened => self.store_opened(),
            Event::StoreFailed { message, final_key } => {
                self.store_failed(now, message, final_key);
            }
            Event::Configured { app, desired } => self.configured(now, app, desired),
            Event::Removed { app } => self.removed(app),
            Event::PolicyChanged(policy) => self.policy_changed(now, policy),
            Event::Reloaded => self.reloaded(now),
            Event::FilesChanged { app } => self.files_changed(now, &app),
            Event::Loaded { app, stored } => self.loaded(now, &app, *stored),
            Event::LoadFailed { app, message } => self.load_failed(now, &app, message),
            Event::Saved { app, what } => self.saved(now, &app, what),
            Event::NotSaved { app, what, message } => self.not_saved(now, &app, what, message),
            Event::Wanted { app, call, min_validity } => self.wanted(now, &app, call, min_validity),
            Event::Replace { app, call, rejected, code } => {
                self.replace(now, &app, call, &rejected, &code);
            }
            Event::Gone { call } => {
                self.apps.values_mut().for_each(|app| app.waiters.retain(|w| w.call != call));
            }
            Event::Registered { app, request, result } => {
                self.registered(now, &app, request, result);
            }
            Event::Fetched { app, request, result } => self.fetched(now, &app, request, result),
            Event::Forgotten { app } => self.forgotten(now, &app),
            Event::NetworkBack => self.network_back(now),
            Event::ClockChanged | Event::Tick => {}
        }
    }

    /// Does all that is due.
    fn advance(&mut self, now: Now) {
        self.advance_store(now);
        self.network_is_still_back(now);
        for app in self.apps.values_mut() {
            app.drop_dead_token(now.boot);
            app.admit_parked(&self.boot_id, now, &mut self.rng);
            app.denial.take_if(|denial| now.boot.since(denial.last) >= DENIAL_LASTS);
        }
        self.answer_served(now);
        self.start_requests(now);
        self.serve_reported(now);
        self.answer_hopeless(now);
        self.note_troubles(now);
        self.apps.retain(|_, app| {
            app.present
                || app.flight.is_some()
                || app.loading != Loading::Done
                || app.unsaved.record
                || !app.unsaved.credentials.is_empty()
        });
    }

    fn advance_store(&mut self, now: Now) {
        if let StoreState::Closed { track, key_is_final, asked } = &mut self.store {
            let since = track.last_failure.as_ref().map_or(now.boot, |trouble| trouble.since);
            if *asked != Asked::No {
                return;
            } else if *key_is_final && now.boot.since(since) >= FINAL_KEY_PATIENCE {
                self.actions.push(Action::StartAnew);
            } else if track.plan.at <= now.boot {
                self.actions.push(Action::OpenStore);
            } else {
                return;
            }
            *asked = Asked::Yes;
            return;
        }
        let mut actions = Vec::new();
        for app in self.apps.values_mut() {
            let due = app.reading.plan.at <= now.boot;
            if app.loading == Loading::Failed && due {
                app.loading = Loading::Open;
                actions.push(Action::Load { app: app.id.clone() });
            }
            if app.misses_statement() && due {
                app.reading.failures = app.reading.failures.saturating_add(1);
                let floor = now.boot.after(Duration::from_secs(1));
                let cap = app.reading.failures.saturating_add(5);
                app.reading.plan = Plan::backoff(now.boot, cap, floor, &mut self.rng);
                actions.push(Action::ReadStatement { app: app.id.clone() });
            }
        }
        self.actions.append(&mut actions);
        self.retry_saves(now);
    }

    /// Starts every request that is due, those that somebody waits for first, as the governor
    /// allows.
    fn start_requests(&mut self, now: Now) {
        if !self.clock_set {
            return;
        }
        let mut due: Vec<_> = self
            .apps
            .values()
            .filter_map(|app| {
                let (work, at) = self.next_work(app)?;
                (at <= now.boot).then_some(((app.waiters.is_empty(), at), app.id.clone(), work))
            })
            .collect();
        due.sort_by_key(|(order, ..)| *order);
        for (_, id, work) in due {
            let Some(permit) = self.governor.take(now.boot) else { return };
            self.requests += 1;
            let request = self.requests;
            let servers = &self.policy.servers;
            let origin = servers.url.clone();
            let Some(app) = self.apps.get_mut(&id) else { continue };
            let (statement, kind) = match work {
                Work::Register(statement) => {
                    let before = app.attempts(statement, servers);
                    let mut attempts = before.clone();
                    limits::begin(&mut attempts, app.reregister, &self.boot_id, now);
                    app.set_attempts(statement, servers, &attempts);
                    self.records += 1;
                    self.actions.push(Action::SaveRecord {
                        app: id,
                        serial: self.records,
                        room: Room::Allocate(statement),
                        record: app.record.clone(),
                    });
                    let recording = Some(self.records);
                    (statement, Request::Register { reregister: app.reregister, before, recording })
                }
                Work::Fetch(candidate) => {
                    if let Some(credentials) = app.credentials(candidate, servers) {
                        self.actions.push(Action::Fetch {
                            app: id,
                            request,
                            origin: origin.clone(),
                            credentials: credentials.clone(),
                        });
                    }
                    let issuer = servers.iter().nth(candidate.issuer).unwrap_or(&origin).clone();
                    (candidate.statement, Request::Fetch { pending: candidate.pending, issuer })
                }
            };
            let started = now.boot;
            app.flight = Some(InFlight {
                request,
                kind,
                origin,
                statement,
                started,
                permit,
                discard: false,
                overtaken: false,
                network_came: false,
            });
        }
    }

    /// What is to be requested for an application next, and when.
    pub(super) fn next_work(&self, app: &App) -> Option<(Work, BootTime)> {
        if !app.present || app.flight.is_some() || app.loading != Loading::Done {
            return None;
        }
        let waiting = !app.waiters.is_empty();
        let servers = &self.policy.servers;
        let candidate = app.candidate(servers);
        let registration = app.to_register(servers).and_then(|statement| {
            let due = app.registration.plan.due(waiting);
            let register = Some((Work::Register(statement), due));
            let Some(old) = candidate.filter(|_| app.reregister) else { return register };
            // A registration may have been held for a day: the server may know the old
            // credentials again, and new ones would sign the viewer out for nothing.
            match app.asked.filter(|(at, _)| *at >= due) {
                Some((_, refused)) => register.filter(|_| refused),
                // A backoff may end early for it, a hold may not.
                None => {
                    app.fetching.plan.not_before.map(|floor| (Work::Fetch(old), due.max(floor)))
                }
            }
        });
        let fetch =
            candidate.map(|candidate| (Work::Fetch(candidate), app.fetching.plan.due(waiting)));
        fetch.into_iter().chain(registration).min_by_key(|(_, at)| *at)
    }

    fn app_deadline(&self, app: &App, now: Now) -> Option<BootTime> {
        let waiters = app.waiters.iter().map(|waiter| waiter.deadline).min();
        let token_end = app.token.as_ref().map(|token| token.expires_boot.before(SERVE_MARGIN));
        let request = self.next_work(app).filter(|_| self.clock_set).and_then(|(_, at)| {
            let ready = self.governor.ready(now.boot)?;
            Some(at.max(ready))
        });
        let store_open = matches!(self.store, StoreState::Open);
        let reads = app.loading == Loading::Failed || app.misses_statement();
        let reading = (store_open && reads).then_some(app.reading.plan.at);
        let saving = (store_open && !app.unsaved.is_empty()).then_some(app.saving.plan.at);
        let denial = app.denial.as_ref().map(|denial| denial.last.after(DENIAL_LASTS));
        [waiters, token_end, request, reading, saving, denial].into_iter().flatten().min()
    }

    pub(super) fn save_record(&mut self, id: &AppId, room: Room) {
        self.records += 1;
        if let Some(app) = self.apps.get_mut(id) {
            let (app_id, record) = (app.id.clone(), app.record.clone());
            self.actions.push(Action::SaveRecord {
                app: app_id,
                serial: self.records,
                room,
                record,
            });
            if !app.present {
                app.unsaved.record = true;
                app.saving.plan = Plan::never();
            }
        }
    }

    /// The request that an answer belongs to.
    pub(super) fn land(&mut self, id: &AppId, request: RequestId) -> Option<InFlight> {
        let app = self.apps.get_mut(id)?;
        app.flight.take_if(|flight| flight.request == request)
    }
}

/// One request to make.
#[derive(Clone, Copy, Debug)]
pub(super) enum Work {
    Register(StatementDigest),
    Fetch(Candidate),
}

fn offset(now: Now) -> i64 {
    now.wall.0.saturating_sub_unsigned(now.boot.0)
}

/// The write that an action asks for, as the answers to it name it.
impl Action {
    /// What this action writes, if it does.
    #[must_use]
    pub const fn writes(&self) -> Option<(&AppId, WriteKind)> {
        match self {
            Self::SaveRecord { app, serial, .. } => Some((app, WriteKind::Record(*serial))),
            Self::SaveCredentials { app, statement, .. } => {
                Some((app, WriteKind::Credentials(*statement)))
            }
            Self::SaveToken { app, .. } => Some((app, WriteKind::Token)),
            Self::RemoveToken { app } => Some((app, WriteKind::NoToken)),
            _ => None,
        }
    }
}
