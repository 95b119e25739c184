// SPDX-License-Identifier: MIT OR Apache-2.0
//! What callers and operators are told.

use std::time::{Duration, SystemTime};

use super::app::{App, Denial, LastFailure, Loading, Request, RetryState};
use super::engine::{Lifecycle, StoreState};
use crate::common::model::AppId;
use crate::common::time::{BootTime, Now};
use crate::lifecycle::view::{self, AppState, AppView, CallError, Counters, ErrorName};

impl Lifecycle {
    /// What the bus shows of an application; none where it is not configured.
    #[must_use]
    pub fn view(&self, id: &AppId, now: Now) -> Option<AppView> {
        let app = self.apps.get(id).filter(|app| app.present)?;
        let servers = &self.policy.servers;
        // One that is being replaced is withheld, and keeps its number and its end.
        let alive = app.token.as_ref().filter(|_| app.usable_for(now.boot).is_some());
        let token = app.served().filter(|_| alive.is_some());
        let expires_at = alive.map_or(0, |token| self.unix_seconds(token.expires_boot));
        let token_number = alive.map_or(0, |_| app.number);
        let state = match (&token, alive) {
            (Some(_), _) => AppState::Ready,
            (None, Some(_)) => AppState::Fetching,
            (None, None) => self.state(app),
        };
        let credentials = app.candidate(servers).and_then(|best| app.credentials(best, servers));
        Some(AppView {
            state,
            token,
            token_number,
            expires_at,
            retry_at: self.next_try(app, now).map_or(0, |at| self.unix_seconds(at)),
            last_error: self.last_error(app, now),
            scopes: credentials.map(|c| c.scopes.clone()).unwrap_or_default(),
            redirect_uris: credentials.map(|c| c.redirect_uris.clone()).unwrap_or_default(),
            client_id_issued_at: credentials.map_or(0, |c| c.issued_at),
            counters: self.counters(app),
            history: app.history.events(),
            wall_less_boot: self.offset,
        })
    }

    /// Why a caller gets no token.
    pub(super) fn why_no_token(&self, app: &App, now: Now) -> CallError {
        if !self.clock_set {
            let message = "the clock is not set, so the server's certificate cannot be checked; \
                           work goes on the moment it is set";
            return CallError { name: ErrorName::Unavailable, message: message.to_owned() };
        }
        if let Some(trouble) = self.trouble(app) {
            let message = self.message(trouble, app, now);
            return CallError { name: trouble.name, message };
        }
        if let Some(until) = self.governor.pause(now.boot) {
            let message =
                format!("the server throttles this device; next try at {}", self.date(until));
            return CallError { name: ErrorName::Throttled, message };
        }
        if let (Err(reason), None) = (&app.statement, app.candidate(&self.policy.servers)) {
            let message = format!("{reason}; it is read again when it changes");
            return CallError { name: ErrorName::Unavailable, message };
        }
        if app.flight.is_none()
            && let Some(statement) = app.to_register(&self.policy.servers)
            && let attempts = app.attempts(statement, &self.policy.servers)
            && let Some(last) = attempts.registered
            && let Some(at) = self.next_try(app, now).filter(|at| *at > now.boot)
        {
            // In an earlier process, or this one would know why.
            let since = self.date(now.boot.before(last.elapsed(&self.boot_id, now)));
            let what = if attempts.unusable.is_some() {
                "the server answered the last registration without usable credentials"
            } else {
                "the last registration got no answer"
            };
            let message = format!("{what}; since {since}; next try at {}", self.date(at));
            return CallError { name: ErrorName::Unavailable, message };
        }
        if app.reported.is_some() && app.flight.is_none() {
            let next = self.next_try(app, now).map(|at| format!("; next try at {}", self.date(at)));
            let message = format!(
                "there is no other token than the reported one{}",
                next.unwrap_or_default()
            );
            return CallError { name: ErrorName::Unavailable, message };
        }
        let message = "the server has not answered yet; the request goes on".to_owned();
        CallError { name: ErrorName::Unavailable, message }
    }

    fn state(&self, app: &App) -> AppState {
        if let Some(flight) = &app.flight {
            return match flight.kind {
                Request::Register { .. } => AppState::Registering,
                Request::Fetch { .. } => AppState::Fetching,
            };
        }
        let trouble = self.trouble(app).map(|trouble| trouble.name);
        match trouble {
            Some(ErrorName::Storage) => AppState::StorageError,
            _ if !self.clock_set => AppState::ClockUnset,
            Some(ErrorName::Rejected) => AppState::Rejected,
            _ => AppState::Waiting,
        }
    }

    /// What stands between the application and a token, the worst first.
    fn trouble<'a>(&'a self, app: &'a App) -> Option<&'a LastFailure> {
        self.troubled(app)?.last_failure.as_ref()
    }

    /// What is tried again and again before there can be a token, the worst first.
    fn troubled<'a>(&'a self, app: &'a App) -> Option<&'a RetryState> {
        let failing =
            |track: &'a RetryState| Some(track).filter(|track| track.last_failure.is_some());
        if let StoreState::Closed { track, .. } = &self.store {
            return failing(track);
        }
        if app.loading == Loading::Failed {
            return failing(&app.reading);
        }
        // A refused statement is the last word only where no credentials are left to ask with, or
        // where those are refused too.
        if app.reregister || app.candidate(&self.policy.servers).is_none() {
            return failing(&app.registration).or_else(|| failing(&app.fetching));
        }
        failing(&app.fetching)
    }

    /// What fails, whether or not there is a token.
    fn failing<'a>(&'a self, app: &'a App) -> Option<&'a RetryState> {
        let beside = [&app.registration, &app.saving].into_iter();
        self.troubled(app).or_else(|| beside.into_iter().find(|track| track.last_failure.is_some()))
    }

    fn counters(&self, app: &App) -> Counters {
        let failing = self.failing(app);
        let since =
            failing.and_then(|track| track.last_failure.as_ref()).map(|trouble| trouble.since);
        Counters {
            last_success: app.last_success,
            failures: failing.map_or(0, |track| track.failures.max(1)),
            failing_since: since.map_or(0, |since| self.unix_seconds(since)),
            registrations: app.record.registrations,
        }
    }

    /// Notes in each history what fails now.
    pub(super) fn note_troubles(&mut self, now: Now) {
        let text = |app| {
            let trouble = self.failing(app).and_then(|track| track.last_failure.as_ref());
            trouble.map_or("", |trouble| trouble.text.as_str())
        };
        let news = self.apps.values().map(|app| (app, text(app)));
        let news = news.filter(|(app, text)| app.history.is_news(text));
        let news: Vec<_> = news.map(|(app, text)| (app.id.clone(), text.to_owned())).collect();
        for (id, text) in news {
            if let Some(app) = self.apps.get_mut(&id) {
                app.history.trouble(now.boot, text);
            }
        }
    }

    /// The last failure of anything that is still to be done; empty where the last try succeeded.
    fn last_error(&self, app: &App, now: Now) -> (String, String) {
        if let Some(Denial { code, since, last }) = &app.denial {
            let text = format!(
                "an API does not accept this registration: {code}; since {}; reported last at {}",
                self.date(*since),
                self.date(*last)
            );
            return (ErrorName::Rejected.as_str().to_owned(), text);
        }
        if let Some(trouble) = self.failing(app).and_then(|track| track.last_failure.as_ref()) {
            return (trouble.name.as_str().to_owned(), self.message(trouble, app, now));
        }
        match (&app.statement, app.candidate(&self.policy.servers)) {
            (Err(reason), None) if app.loading == Loading::Done => {
                (ErrorName::Unavailable.as_str().to_owned(), reason.clone())
            }
            _ => Default::default(),
        }
    }

    /// What happened, since when, and when the next try is.
    fn message(&self, trouble: &LastFailure, app: &App, now: Now) -> String {
        let since = self.date(trouble.since);
        match self.next_try(app, now) {
            Some(at) => format!("{}; since {since}; next try at {}", trouble.text, self.date(at)),
            None => format!("{}; since {since}", trouble.text),
        }
    }

    /// The next planned request, or the next look at the store.
    fn next_try(&self, app: &App, now: Now) -> Option<BootTime> {
        if let StoreState::Closed { track, .. } = &self.store {
            return Some(track.plan.at);
        }
        if app.loading == Loading::Failed {
            return Some(app.reading.plan.at);
        }
        if !self.clock_set {
            return None;
        }
        let (_, at) = self.next_work(app)?;
        if at <= now.boot {
            return self.governor.ready(now.boot);
        }
        Some(self.governor.pause(now.boot).map_or(at, |pause| at.max(pause)))
    }

    /// UNIX seconds of a moment.
    #[must_use]
    pub fn unix_seconds(&self, at: BootTime) -> u64 {
        view::unix_seconds(at, self.offset)
    }

    fn date(&self, at: BootTime) -> String {
        let date = SystemTime::UNIX_EPOCH + Duration::from_secs(self.unix_seconds(at));
        humantime::format_rfc3339_seconds(date).to_string()
    }
}
