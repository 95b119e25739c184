// SPDX-License-Identifier: MIT OR Apache-2.0
//! One application's state.

use std::time::Duration;

use super::governor::Permit;
use super::history::History;
use super::replacement::Replacements;
use super::schedule::{self, Plan};
use super::{CallId, RequestId, Servers, limits};
use crate::common::map::Map;
use crate::common::model::{
    AppId, AttemptLog, Attempts, CredentialSet, Credentials, CredentialsByOrigin, Origin,
    StatementDigest, Token,
};
use crate::common::secret::Fingerprint;
use crate::common::time::{BootId, BootTime, Now};
use crate::lifecycle::view::{
    ErrorName, SERVE_MARGIN, Served, ServedToken, satisfiable, seconds_left,
};

/// All that is known of one application.
#[derive(Debug)]
pub(super) struct App {
    pub(super) id: AppId,
    /// False once it is configured no longer and only a request or a write is still to end.
    pub(super) present: bool,
    pub(super) statement: Result<StatementDigest, String>,
    pub(super) loading: Loading,
    pub(super) filed: Map<StatementDigest, CredentialsByOrigin>,
    pub(super) record: AttemptLog,
    /// In this boot's time.
    pub(super) token: Option<Token>,
    /// A token of an earlier boot, until somebody vouches for the wall clock.
    pub(super) unverified_token: Option<Token>,
    /// The token was reported, and nothing has replaced it yet.
    pub(super) reported: Option<Reported>,
    /// Of the last token that was reported: to see whether the server returns it again.
    pub(super) rejected: Option<Fingerprint>,
    /// An API does not accept the registration.
    pub(super) denial: Option<Denial>,
    /// The number of the last token.
    pub(super) number: u64,
    /// When the server last gave one, UNIX seconds; 0 = not known.
    pub(super) last_success: u64,
    pub(super) history: History,
    pub(super) registration: RetryState,
    pub(super) fetching: RetryState,
    pub(super) reading: RetryState,
    pub(super) saving: RetryState,
    pub(super) unsaved: Unsaved,
    pub(super) flight: Option<InFlight>,
    pub(super) waiters: Vec<Waiter>,
    pub(super) replacements: Replacements,
    /// Which of the candidates is asked with: the next one after each `invalid_client`.
    pub(super) candidate_index: usize,
    /// The server has refused the credentials long enough: register anew.
    pub(super) reregister: bool,
    /// When the server last answered a token request, and whether with `invalid_client`.
    pub(super) asked: Option<(BootTime, bool)>,
}

/// Whether the store's content is known.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Loading {
    /// Not asked, or asked and not answered.
    Open,
    Done,
    /// Could not be read; `reading` plans the next try.
    Failed,
}

/// How far the replacement of a reported token has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reported {
    /// The first try has not ended: the token is withheld.
    Trying,
    /// It failed: the token is served again, and never as the replacement of another.
    Failed,
}

/// What callers report of an API that does not accept the registration, whatever the token.
#[derive(Debug)]
pub(super) struct Denial {
    pub(super) code: &'static str,
    pub(super) since: BootTime,
    pub(super) last: BootTime,
}

/// A thing that is tried until it works.
#[derive(Debug)]
pub(super) struct RetryState {
    pub(super) plan: Plan,
    /// Failures in a row.
    pub(super) failures: u32,
    /// Full holds in a row.
    pub(super) holds: u32,
    /// When a series of 4xx answers began, and how many came after its first hour.
    pub(super) client_errors: Option<(BootTime, u32)>,
    pub(super) last_failure: Option<LastFailure>,
}

/// Why the last try failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LastFailure {
    pub(super) name: ErrorName,
    pub(super) text: String,
    pub(super) since: BootTime,
}

/// What is not on the disk though it should be.
#[derive(Debug, Default)]
pub(super) struct Unsaved {
    pub(super) record: bool,
    /// The token, or that there is none.
    pub(super) token: bool,
    pub(super) credentials: Map<StatementDigest, ()>,
}

/// The one request under way.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) request: RequestId,
    pub(super) kind: Request,
    pub(super) origin: Origin,
    pub(super) statement: StatementDigest,
    pub(super) started: BootTime,
    pub(super) permit: Permit,
    /// The application was forgotten meanwhile: the answer is for nobody.
    pub(super) discard: bool,
    /// Another statement has come into force meanwhile: the answer decides nothing about its plans.
    pub(super) overtaken: bool,
    /// The network came back meanwhile: should the request fail, it may have gone out by the old one.
    pub(super) network_came: bool,
}

/// What a request is for.
#[derive(Debug)]
pub(super) enum Request {
    Register {
        reregister: bool,
        /// The counts as they were, for when nothing was sent.
        before: Attempts,
        /// The write of the attempt record that must succeed first; none once it has.
        recording: Option<u64>,
    },
    Fetch {
        pending: bool,
        /// Who issued the credentials.
        issuer: Origin,
    },
}

/// A call that waits.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) call: CallId,
    pub(super) min_validity: u32,
    /// A reported token will not do.
    pub(super) fresh: bool,
    pub(super) deadline: BootTime,
}

/// Credentials that a token may be fetched with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) statement: StatementDigest,
    /// Which of the server's names issued them.
    pub(super) issuer: usize,
    pub(super) pending: bool,
}

impl App {
    pub(super) fn new(id: AppId, statement: Result<StatementDigest, String>) -> Self {
        let idle = || RetryState::new(Plan::fixed(BootTime(0)));
        Self {
            id,
            present: true,
            statement,
            loading: Loading::Open,
            filed: Map::new(),
            record: AttemptLog::default(),
            token: None,
            unverified_token: None,
            reported: None,
            rejected: None,
            denial: None,
            number: 0,
            last_success: 0,
            history: History::default(),
            registration: idle(),
            fetching: idle(),
            reading: idle(),
            saving: idle(),
            unsaved: Unsaved::default(),
            flight: None,
            waiters: Vec::new(),
            replacements: Replacements::default(),
            candidate_index: 0,
            reregister: false,
            asked: None,
        }
    }

    /// The statement whose credentials are wanted: the configured one, or the one in use where
    /// that cannot be read.
    pub(super) fn wanted_statement(&self) -> Option<StatementDigest> {
        self.statement.as_ref().ok().copied().or(self.record.active)
    }

    pub(super) fn slot(
        &self,
        statement: StatementDigest,
        origin: &Origin,
    ) -> Option<&CredentialSet> {
        self.filed.get(&statement)?.get(origin)
    }

    pub(super) fn slot_mut(
        &mut self,
        statement: StatementDigest,
        origin: &Origin,
    ) -> &mut CredentialSet {
        self.filed.entry(statement).or_default().entry(origin.clone()).or_default()
    }

    /// What was tried with a statement at one server, all its names counted together.
    pub(super) fn attempts(&self, statement: StatementDigest, servers: &Servers) -> Attempts {
        let Some(origins) = self.record.attempts.get(&statement) else {
            return Attempts::default();
        };
        limits::together(servers.iter().filter_map(|origin| origins.get(origin)))
    }

    /// The same count for each name, so that it holds whichever is configured next.
    pub(super) fn set_attempts(
        &mut self,
        statement: StatementDigest,
        servers: &Servers,
        a: &Attempts,
    ) {
        if *a == Attempts::default() && !self.record.attempts.contains_key(&statement) {
            return;
        }
        let origins = self.record.attempts.entry(statement).or_default();
        for origin in servers.iter() {
            origins.insert(origin.clone(), a.clone());
        }
    }

    /// The credentials to ask with, the best first: the new before the old, for as long as the
    /// new are not proven; the old statement's while the new statement has none that work; those
    /// that `url` issued before those of the server's other names.
    pub(super) fn candidates(&self, servers: &Servers) -> Vec<Candidate> {
        let wanted = self.wanted_statement();
        let active = self.record.active.filter(|active| Some(*active) != wanted);
        let mut all = Vec::new();
        for statement in wanted.into_iter().chain(active) {
            for (issuer, origin) in servers.iter().enumerate() {
                let Some(slot) = self.slot(statement, origin) else { continue };
                if slot.pending.is_some() {
                    all.push(Candidate { statement, issuer, pending: true });
                }
                if slot.current.is_some() {
                    all.push(Candidate { statement, issuer, pending: false });
                }
            }
        }
        all
    }

    /// Whose turn it is.
    pub(super) fn candidate(&self, servers: &Servers) -> Option<Candidate> {
        let all = self.candidates(servers);
        all.get(self.candidate_index % all.len().max(1)).copied()
    }

    pub(super) fn credentials(
        &self,
        candidate: Candidate,
        servers: &Servers,
    ) -> Option<&Credentials> {
        let slot = self.slot(candidate.statement, servers.iter().nth(candidate.issuer)?)?;
        if candidate.pending { slot.pending.as_ref() } else { slot.current.as_ref() }
    }

    /// Whether credentials of the same statement that another name of the server issued come after
    /// those of this request.
    pub(super) fn others_to_ask(&self, flight: &InFlight, servers: &Servers) -> bool {
        let Request::Fetch { issuer, .. } = &flight.kind else { return false };
        let issuer = servers.iter().position(|name| name == issuer);
        let others = self.candidates(servers).into_iter();
        others.filter(|c| c.statement == flight.statement).any(|c| Some(c.issuer) > issuer)
    }

    /// The statement to register, if one must be: it has no credentials, or the server keeps
    /// refusing those it has.
    pub(super) fn to_register(&self, servers: &Servers) -> Option<StatementDigest> {
        let statement = *self.statement.as_ref().ok()?;
        let has_none = servers.iter().all(|origin| {
            self.slot(statement, origin).is_none_or(|s| s.current.is_none() && s.pending.is_none())
        });
        (has_none || self.reregister).then_some(statement)
    }

    /// The statements and origins whose credentials are left behind if `statement` is registered
    /// with this server.
    pub(super) fn left_behind(
        &self,
        statement: StatementDigest,
        servers: &Servers,
    ) -> Vec<(StatementDigest, &Origin)> {
        let slots = self.filed.iter().flat_map(|(filed_under, filed)| {
            filed.iter().map(move |(origin, slot)| (*filed_under, origin, slot))
        });
        slots
            .filter(|(_, _, slot)| slot.current.is_some() || slot.pending.is_some())
            .filter(|(other, origin, _)| *other != statement || !servers.contains(origin))
            .map(|(other, origin, _)| (other, origin))
            .collect()
    }

    /// Its statement should be looked for again.
    pub(super) fn misses_statement(&self) -> bool {
        self.present && self.loading == Loading::Done && self.statement.is_err()
    }

    /// The token as it may be handed out.
    pub(super) fn served(&self) -> Option<ServedToken> {
        let token = self.token.as_ref().filter(|_| self.reported != Some(Reported::Trying))?;
        Some(ServedToken {
            value: token.value.clone(),
            expires: token.expires_boot,
            lifetime: token.lifetime,
            reported: self.reported.is_some(),
        })
    }

    pub(super) fn serve(&self, waiter: &Waiter, now: BootTime) -> Served {
        let Some(token) = &self.token else { return Served::Ask };
        if let Err(message) = satisfiable(waiter.min_validity, token.lifetime) {
            return Served::InvalidArgs(message);
        }
        let withheld = match self.reported {
            None => false,
            Some(Reported::Trying) => true,
            Some(Reported::Failed) => waiter.fresh,
        };
        let expires_in = seconds_left(token.expires_boot, now);
        if withheld || self.usable_for(now).is_none() || expires_in < waiter.min_validity {
            return Served::Ask;
        }
        Served::Token { value: token.value.clone(), expires_in }
    }

    /// Forgets the token, and all that callers have reported of it.
    pub(super) fn forget_token(&mut self) {
        self.token = None;
        self.unverified_token = None;
        self.reported = None;
        self.rejected = None;
    }

    /// How long the token can still be served.
    pub(super) fn usable_for(&self, now: BootTime) -> Option<Duration> {
        let left = self.token.as_ref()?.expires_boot.before(SERVE_MARGIN).since(now);
        (!left.is_zero()).then_some(left)
    }

    /// Lets a token of an earlier boot in once the wall clock can be believed.
    pub(super) fn admit_parked(&mut self, boot_id: &BootId, now: Now, rng: &mut fastrand::Rng) {
        if !now.confirmed {
            return;
        }
        let Some(mut token) = self.unverified_token.take().filter(|token| token.confirmed) else {
            return;
        };
        let lifetime = Duration::from_secs(u64::from(token.lifetime));
        let left = token.expires_wall.since(now.wall);
        // More left than it ever had: one of the two readings of the clock was wrong.
        if left <= SERVE_MARGIN || left > lifetime {
            return;
        }
        token.boot_id = boot_id.clone();
        token.expires_boot = now.boot.after(left);
        let point = schedule::refresh_point(now.boot, token.expires_boot, lifetime, rng);
        self.fetching.plan = Plan::refresh(point);
        self.token = Some(token);
    }

    /// Takes a token out that can be served no longer.
    pub(super) fn drop_dead_token(&mut self, now: BootTime) {
        if self.token.is_some() && self.usable_for(now).is_none() {
            self.token = None;
            self.reported = None;
        }
    }
}

impl RetryState {
    pub(super) const fn new(plan: Plan) -> Self {
        Self { plan, failures: 0, holds: 0, client_errors: None, last_failure: None }
    }

    /// It worked.
    pub(super) fn succeed(&mut self, plan: Plan) {
        *self = Self::new(plan);
    }

    /// It failed once more. The trouble is as old as its first failure.
    pub(super) fn fail(&mut self, name: ErrorName, text: String, now: BootTime) {
        self.failures = self.failures.saturating_add(1);
        let since = self.last_failure.as_ref().map_or(now, |trouble| trouble.since);
        self.last_failure = Some(LastFailure { name, text, since });
    }

    /// A caller can do nothing about it, and the network neither: 5 min, doubling to 24 h, but
    /// within half of what is left of a valid token.
    pub(super) fn hold(&mut self, now: BootTime, token_left: Option<Duration>) {
        let full = schedule::hold(self.holds.saturating_add(1));
        match token_left.map(|left| (left / 2).max(schedule::SHORTEST_HOLD)) {
            Some(half) if half < full => self.plan = Plan::fixed(now.after(half)),
            _ => {
                self.holds = self.holds.saturating_add(1);
                self.plan = Plan::fixed(now.after(full));
            }
        }
    }

    /// One more 4xx that says nothing: a backoff that grows on once it has lasted for an hour.
    pub(super) fn client_error(&mut self, now: BootTime, floor: BootTime, rng: &mut fastrand::Rng) {
        let (since, late) = self.client_errors.get_or_insert((now, 0));
        let cap = if now.since(*since) < schedule::CLIENT_ERRORS_EARLY {
            schedule::backoff_cap(self.failures)
        } else {
            *late = late.saturating_add(1);
            schedule::client_error_cap(*late)
        };
        self.plan = Plan::half_random(now, cap, floor, rng);
    }

    /// A hold ends at once.
    pub(super) fn end_hold(&mut self, now: BootTime) {
        let held = self.last_failure.as_ref().is_some_and(|t| t.name == ErrorName::Rejected);
        if held && self.plan.not_before.is_none() {
            self.holds = 0;
            self.plan = Plan::fixed(now);
        }
    }
}

impl Unsaved {
    pub(super) fn is_empty(&self) -> bool {
        !self.record && !self.token && self.credentials.is_empty()
    }
}
