// SPDX-License-Identifier: MIT OR Apache-2.0
//! One application's state.

use std::time::Duration;

use super::governor::Permit;
use super::replacement::Replacements;
use super::schedule::{self, Plan};
use super::{CallId, RequestId};
use crate::map::Map;
use crate::model::{
    AppId, Attempts, Credentials, Filed, Origin, Record, Slot, StatementDigest, Token,
};
use crate::secret::Fingerprint;
use crate::time::{BootId, BootTime, Now};
use crate::view::{ErrorName, SERVE_MARGIN, Served, ServedToken, satisfiable, seconds_left};

/// All that is known of one application.
#[derive(Debug)]
pub(super) struct App {
    pub(super) id: AppId,
    /// False once it is configured no longer and only a request or a write is still to end.
    pub(super) present: bool,
    pub(super) statement: Result<StatementDigest, String>,
    pub(super) loading: Loading,
    pub(super) filed: Map<StatementDigest, Filed>,
    pub(super) record: Record,
    /// In this boot's time.
    pub(super) token: Option<Token>,
    /// A token of an earlier boot, until somebody vouches for the wall clock.
    pub(super) parked: Option<Token>,
    /// Of the last token, where a caller reported it: to see whether the server returns it again.
    pub(super) rejected: Option<Fingerprint>,
    /// The number of the last token.
    pub(super) number: u64,
    pub(super) registration: Track,
    pub(super) fetching: Track,
    pub(super) reading: Track,
    pub(super) saving: Track,
    pub(super) unsaved: Unsaved,
    pub(super) flight: Option<Flight>,
    pub(super) waiters: Vec<Waiter>,
    pub(super) replacements: Replacements,
    /// Which of the candidates is asked with: the next one after each `invalid_client`.
    pub(super) turn: usize,
    /// The server has refused the credentials long enough: register anew.
    pub(super) anew: bool,
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

/// A thing that is tried until it works.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) plan: Plan,
    /// Failures in a row.
    pub(super) failures: u32,
    /// Full holds in a row.
    pub(super) holds: u32,
    pub(super) trouble: Option<Trouble>,
}

/// Why the last try failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
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
pub(super) struct Flight {
    pub(super) request: RequestId,
    pub(super) errand: Errand,
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
pub(super) enum Errand {
    Register {
        anew: bool,
        /// The counts as they were, for when nothing was sent.
        before: Attempts,
        /// The write of the attempt record that must succeed first; none once it has.
        recording: Option<u64>,
    },
    Fetch {
        pending: bool,
    },
}

/// A call that waits.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) call: CallId,
    pub(super) min_validity: u32,
    pub(super) deadline: BootTime,
}

/// Credentials that a token may be fetched with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) statement: StatementDigest,
    pub(super) pending: bool,
}

impl App {
    pub(super) fn new(id: AppId, statement: Result<StatementDigest, String>) -> Self {
        let idle = || Track::new(Plan::fixed(BootTime(0)));
        Self {
            id,
            present: true,
            statement,
            loading: Loading::Open,
            filed: Map::new(),
            record: Record::default(),
            token: None,
            parked: None,
            rejected: None,
            number: 0,
            registration: idle(),
            fetching: idle(),
            reading: idle(),
            saving: idle(),
            unsaved: Unsaved::default(),
            flight: None,
            waiters: Vec::new(),
            replacements: Replacements::default(),
            turn: 0,
            anew: false,
            asked: None,
        }
    }

    /// The statement whose credentials are wanted: the configured one, or the one in use where
    /// that cannot be read.
    pub(super) fn wanted_statement(&self) -> Option<StatementDigest> {
        self.statement.as_ref().ok().copied().or(self.record.active)
    }

    pub(super) fn slot(&self, statement: StatementDigest, origin: &Origin) -> Option<&Slot> {
        self.filed.get(&statement)?.get(origin)
    }

    pub(super) fn slot_mut(&mut self, statement: StatementDigest, origin: &Origin) -> &mut Slot {
        self.filed.entry(statement).or_default().entry(origin.clone()).or_default()
    }

    pub(super) fn attempts(&self, statement: StatementDigest, origin: &Origin) -> Attempts {
        let found = self.record.attempts.get(&statement).and_then(|origins| origins.get(origin));
        found.cloned().unwrap_or_default()
    }

    pub(super) fn set_attempts(
        &mut self,
        statement: StatementDigest,
        origin: &Origin,
        a: Attempts,
    ) {
        if a == Attempts::default() && !self.record.attempts.contains_key(&statement) {
            return;
        }
        self.record.attempts.entry(statement).or_default().insert(origin.clone(), a);
    }

    /// The credentials to ask with, the best first: the new before the old, for as long as the
    /// new are not proven; the old statement's while the new statement has none that work.
    pub(super) fn candidates(&self, origin: &Origin) -> Vec<Candidate> {
        let wanted = self.wanted_statement();
        let active = self.record.active.filter(|active| Some(*active) != wanted);
        let mut all = Vec::new();
        for statement in wanted.into_iter().chain(active) {
            let Some(slot) = self.slot(statement, origin) else { continue };
            if slot.pending.is_some() {
                all.push(Candidate { statement, pending: true });
            }
            if slot.current.is_some() {
                all.push(Candidate { statement, pending: false });
            }
        }
        all
    }

    /// Whose turn it is.
    pub(super) fn candidate(&self, origin: &Origin) -> Option<Candidate> {
        let all = self.candidates(origin);
        all.get(self.turn % all.len().max(1)).copied()
    }

    pub(super) fn credentials(
        &self,
        candidate: Candidate,
        origin: &Origin,
    ) -> Option<&Credentials> {
        let slot = self.slot(candidate.statement, origin)?;
        if candidate.pending { slot.pending.as_ref() } else { slot.current.as_ref() }
    }

    /// The statement to register, if one must be: it has no credentials, or the server keeps
    /// refusing those it has.
    pub(super) fn to_register(&self, origin: &Origin) -> Option<StatementDigest> {
        let statement = *self.statement.as_ref().ok()?;
        let has_none =
            self.slot(statement, origin).is_none_or(|s| s.current.is_none() && s.pending.is_none());
        (has_none || self.anew).then_some(statement)
    }

    /// Its statement should be looked for again.
    pub(super) fn misses_statement(&self) -> bool {
        self.present && self.loading == Loading::Done && self.statement.is_err()
    }

    pub(super) fn served(&self) -> Option<ServedToken> {
        let token = self.token.as_ref()?;
        Some(ServedToken {
            value: token.value.clone(),
            expires: token.expires_boot,
            lifetime: token.lifetime,
        })
    }

    pub(super) fn serve(&self, min_validity: u32, now: BootTime) -> Served {
        let Some(token) = &self.token else { return Served::Ask };
        if let Err(message) = satisfiable(min_validity, token.lifetime) {
            return Served::InvalidArgs(message);
        }
        let expires_in = seconds_left(token.expires_boot, now);
        if self.usable_for(now).is_none() || expires_in < min_validity {
            return Served::Ask;
        }
        Served::Token { value: token.value.clone(), expires_in }
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
        let Some(mut token) = self.parked.take().filter(|token| token.confirmed) else { return };
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
        }
    }
}

impl Track {
    pub(super) const fn new(plan: Plan) -> Self {
        Self { plan, failures: 0, holds: 0, trouble: None }
    }

    /// It worked.
    pub(super) fn succeed(&mut self, plan: Plan) {
        *self = Self::new(plan);
    }

    /// It failed once more. The trouble is as old as its first failure.
    pub(super) fn fail(&mut self, name: ErrorName, text: String, now: BootTime) {
        self.failures = self.failures.saturating_add(1);
        let since = self.trouble.as_ref().map_or(now, |trouble| trouble.since);
        self.trouble = Some(Trouble { name, text, since });
    }

    /// A caller can do nothing about it, and the network neither: 1 h, doubling to 24 h, but
    /// within half of what is left of a valid token.
    pub(super) fn hold(&mut self, now: BootTime, token_left: Option<Duration>) {
        let full = schedule::hold(self.holds.saturating_add(1));
        match token_left.map(|left| left / 2) {
            // Halves of halves would end in a rush: a second is the shortest.
            Some(half) if half < full => {
                self.plan = Plan::fixed(now.after(half.max(Duration::from_secs(1))));
            }
            _ => {
                self.holds = self.holds.saturating_add(1);
                self.plan = Plan::fixed(now.after(full));
            }
        }
    }
}

impl Unsaved {
    pub(super) fn is_empty(&self) -> bool {
        !self.record && !self.token && self.credentials.is_empty()
    }
}
