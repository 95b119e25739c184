// SPDX-License-Identifier: MIT OR Apache-2.0
//! A million random lives of a device, with the rules as invariants.
//!
//! Each life is a sequence of random events from a seeded generator: answers of every kind,
//! callers, standby, power cuts in the middle of a write, reboots, clocks that jump, disks that
//! fill, statements and servers that change. `TOKEND_LIVES` sets how many lives are led.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fastrand::Rng;

use super::world::*;
use crate::common::answer::{AccessToken, Failure};
use crate::common::model::{AppId, Origin, StatementDigest};
use crate::common::secret::Secret;
use crate::common::time::WallTime;
use crate::lifecycle::{CallId, Desired, Event};

pub(super) type Place = (AppId, StatementDigest, Origin);

/// What the observer remembers, in true elapsed time (milliseconds that no clock of the device
/// can change).
pub(super) struct Observer {
    pub(super) rng: Rng,
    pub(super) world: World,
    pub(super) truth: u64,
    pub(super) names: [&'static str; 2],
    pub(super) requests: Vec<u64>,
    pub(super) seen: usize,
    /// `invalid_client` answers in a row, for each place.
    pub(super) refusals: BTreeMap<Place, Vec<u64>>,
    /// When registrations anew were sent that may have reached the server.
    pub(super) anew: BTreeMap<Place, Vec<u64>>,
    /// Which place client credentials were issued for.
    pub(super) issued: BTreeMap<String, Place>,
    /// Everything that was ever proven or pending on the disk.
    pub(super) kept: BTreeMap<AppId, BTreeMap<String, Place>>,
    /// So many of the world's writes have been looked at.
    pub(super) looked: usize,
    trace: bool,
    /// When each token really ends.
    pub(super) ends: BTreeMap<String, u64>,
    /// The token that must be served, while this process lives.
    pub(super) good: BTreeMap<AppId, (String, u64)>,
    pub(super) waiting: BTreeMap<CallId, u64>,
    /// Those of them that want another token than a reported one.
    pub(super) replacing: BTreeSet<CallId>,
    /// The tokens that were reported to this process.
    pub(super) reported: BTreeSet<String>,
    /// Those of them that the disk took in.
    pub(super) stored_reports: BTreeSet<String>,
}

impl Observer {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut world = World::new();
        world.seed = seed;
        world.now.confirmed = rng.bool();
        if rng.u8(..) < 32 {
            world.now.wall = WallTime(0);
        }
        let names = ["cinema", "music"];
        for name in names {
            world.statements.insert(app(name), Ok(digest(1)));
        }
        let mut observer = Self {
            rng,
            world,
            truth: 0,
            names,
            requests: Vec::new(),
            seen: 0,
            refusals: BTreeMap::new(),
            anew: BTreeMap::new(),
            issued: BTreeMap::new(),
            kept: BTreeMap::new(),
            looked: 0,
            trace: std::env::var_os("TOKEND_TRACE").is_some(),
            ends: BTreeMap::new(),
            good: BTreeMap::new(),
            waiting: BTreeMap::new(),
            replacing: BTreeSet::new(),
            reported: BTreeSet::new(),
            stored_reports: BTreeSet::new(),
        };
        observer.begin_process();
        observer
    }

    fn begin_process(&mut self) {
        self.requests.clear();
        self.seen = 0;
        self.good.clear();
        self.waiting.clear();
        self.replacing.clear();
        self.reported.clear();
        self.stored_reports.clear();
        self.world.answers.clear();
        self.world.start();
        self.check();
    }

    fn pass(&mut self, duration: Duration) {
        self.truth += duration.as_millis() as u64;
        self.world.pass(duration);
    }

    fn step(&mut self) {
        let name = self.names[self.rng.usize(..2)];
        let what = self.rng.u8(..100);
        if self.trace {
            eprintln!(
                "{} {what} {name} ref {:?} sent {:?} views {:?}",
                self.truth,
                self.refusals,
                self.world.sent,
                self.names.map(|n| self.world.life.view(&app(n), self.world.now).map(|v| (
                    v.state,
                    v.token_number,
                    v.last_error.1
                )))
            );
        }
        match what {
            0..=34 => self.wake(),
            35..=64 => self.answer(),
            65..=76 => {
                let min_validity = if self.rng.bool() { 0 } else { self.rng.u32(..4000) };
                let call = self.world.want_from(name, min_validity);
                self.waiting.insert(call, self.truth);
            }
            77..=79 => self.replace(),
            80..=81 => self.power_cut(),
            82..=83 => self.reboot(),
            84 => {
                let span = Duration::from_millis(self.rng.u64(..200_000_000));
                self.pass(span);
                self.world.handle(Event::Tick);
            }
            85..=86 => self.set_clock(),
            87..=88 => {
                self.world.disk_full = !self.world.disk_full;
            }
            89 => {
                self.world.store_broken = !self.world.store_broken;
            }
            90..=91 => self.world.handle(Event::NetworkBack),
            92 if self.rng.bool() => self.world.handle(Event::Reloaded),
            92 => self.world.handle(Event::FilesChanged { app: app(name) }),
            93..=94 => self.change_statement(name),
            95 => self.remove_or_return(name),
            96 => self.move_server(),
            97 => self.forget(name),
            98 => {
                if let Some(call) = self.waiting.keys().next().copied() {
                    self.waiting.remove(&call);
                    self.world.handle(Event::Gone { call });
                }
            }
            _ => self.world.handle(Event::Tick),
        }
        self.check();
    }

    /// Sleeps until the next deadline, as the daemon does; time passes otherwise too.
    fn wake(&mut self) {
        let most = Duration::from_secs(self.rng.u64(1..2000));
        let deadline = self.world.life.deadline(self.world.now);
        let wait = deadline.map_or(most, |at| at.since(self.world.now.boot).min(most));
        self.pass(wait);
        self.world.handle(Event::Tick);
    }

    fn answer(&mut self) {
        if self.world.sent.is_empty() {
            return;
        }
        let sent = self.world.sent.remove(self.rng.usize(..self.world.sent.len()));
        self.seen -= 1;
        let span = self.rng.u64(..16_000);
        self.pass(Duration::from_millis(span));
        let Sent { app, request, .. } = sent.clone();
        let failure = self.failure(sent.registers());
        if sent.registers() {
            let place = (app.clone(), sent.statement.unwrap(), sent.origin);
            // Nothing was registered, and the daemon knows it.
            let maybe = matches!(
                failure,
                Some(Failure::Unavailable { sent: true, .. } | Failure::NoCredentials { .. })
            );
            if failure.is_some() && !maybe {
                self.anew.get_mut(&place).map(Vec::pop);
            }
            let result = failure.map_or_else(
                || {
                    self.world.issued += 1;
                    let credentials = credentials(self.world.issued);
                    let id = credentials.client_id.expose().to_owned();
                    self.issued.insert(id, place.clone());
                    Ok(credentials)
                },
                Err,
            );
            let accepted = result.is_ok();
            self.world.handle(Event::Registered { app, request, result });
            self.accepted(accepted.then_some(place));
            return;
        }
        let place = self.place_of(&app, &sent);
        let mut success = None;
        let result = match failure {
            Some(failure) => {
                if let (Failure::InvalidClient { .. }, Some(place)) = (&failure, place) {
                    self.refusals.entry(place).or_default().push(self.truth);
                }
                Err(failure)
            }
            None => {
                success = place;
                let expires_in = [10, 60, 119, 120, 300, 3600, 21_600][self.rng.usize(..7)];
                self.world.issued += 1;
                let value = format!("token-{}", self.world.issued);
                self.ends.insert(value.clone(), self.truth + u64::from(expires_in) * 1000);
                Ok(AccessToken { value: Secret::new(value), expires_in })
            }
        };
        let fresh = result.as_ref().ok().map(|token| token.value.expose().to_owned());
        self.world.handle(Event::Fetched { app: app.clone(), request, result });
        self.accepted(success);
        // Served now, so it must be served until its end.
        if let (Some(value), Some(view)) = (fresh, self.world.life.view(&app, self.world.now))
            && let Some(token) = view.token
            && token.value.expose() == value
        {
            let left = token.expires.since(self.world.now.boot).as_millis() as u64;
            self.good.insert(app, (value, self.truth + left - 5_000));
        }
    }

    /// The server has accepted the credentials. A success that a power cut or a full disk erases
    /// is none, nor is one of a server that has been left: the refusals before it still count.
    fn accepted(&mut self, place: Option<Place>) {
        let Some(place) = place else { return };
        let (app, statement, origin) = &place;
        if !self.world.policy.servers.contains(origin) {
            return;
        }
        let record = self.world.disk.get(app).map(|stored| &stored.record);
        let attempts = record.and_then(|record| record.attempts.get(statement)?.get(origin));
        if attempts.is_none_or(|attempts| attempts.refusals == 0) {
            // All names of the server are one.
            let servers = &self.world.policy.servers;
            self.refusals.retain(|(a, s, o), _| (a, s) != (app, statement) || !servers.contains(o));
        }
    }

    fn failure(&mut self, registers: bool) -> Option<Failure> {
        match self.rng.u8(..20) {
            0..=8 => None,
            9..=10 => Some(unavailable()),
            11..=12 => Some(no_answer()),
            13 => Some(throttled(self.rng.bool().then(|| self.rng.u64(..5000)))),
            14 => Some(refused()),
            15 => Some(client_error()),
            16..=17 if registers => Some(no_credentials()),
            _ if registers => Some(no_answer()),
            _ => Some(invalid_client()),
        }
    }

    pub(super) fn place_of(&self, app: &AppId, sent: &Sent) -> Option<Place> {
        let id = sent.credentials.as_ref()?.client_id.expose();
        let place = self.issued.get(id).cloned()?;
        assert_eq!(place.0, *app, "credentials of another application");
        Some(place)
    }

    fn replace(&mut self) {
        let name = self.names[self.rng.usize(..2)];
        let Some(view) = self.world.life.view(&app(name), self.world.now) else { return };
        let Some(token) = view.token else { return };
        self.world.calls += 1;
        let call = self.world.calls;
        self.waiting.insert(call, self.truth);
        self.replacing.insert(call);
        let rejected = if self.rng.u8(..8) == 0 { secret("old") } else { token.value };
        let value = rejected.expose().to_owned();
        let code = String::new();
        self.world.handle(Event::Replace { app: app(name), call, rejected, code });
        let told = self.world.answers.get(&call).and_then(|answer| answer.as_ref().err());
        if !told.is_some_and(|error| error.message.contains("it stays in use")) {
            if !self.world.disk_full {
                self.stored_reports.insert(value.clone());
            }
            self.reported.insert(value);
        }
    }

    /// The process dies in the middle of what it does next.
    fn power_cut(&mut self) {
        self.world.crash_after = Some(self.rng.u32(..3));
        if self.rng.bool() {
            self.wake();
        } else {
            self.answer();
        }
        self.world.crash_after = None;
        let span = self.rng.u64(..60_000);
        self.pass(Duration::from_millis(span));
        self.begin_process();
    }

    fn reboot(&mut self) {
        let off = Duration::from_millis(self.rng.u64(..100_000_000));
        self.truth += off.as_millis() as u64;
        let confirmed = self.rng.bool() && self.world.now.wall >= RELEASED;
        self.world.boot += 1;
        self.world.now.boot = crate::common::time::BootTime(self.rng.u64(1_000..60_000));
        self.world.now.wall = self.world.now.wall.after(off);
        self.world.now.confirmed = confirmed;
        self.begin_process();
    }

    /// An unconfirmed clock may say anything; a confirmed one is right from then on.
    fn set_clock(&mut self) {
        let right = RELEASED.after(Duration::from_secs(HOUR) + Duration::from_millis(self.truth));
        if self.rng.bool() {
            self.world.now.wall = right;
            self.world.now.confirmed = true;
        } else {
            let days = self.rng.i64(-4000..4000);
            self.world.now.wall = WallTime(right.0 + days * 86_400_000);
            self.world.now.confirmed = false;
        }
        self.world.handle(Event::ClockChanged);
    }

    fn change_statement(&mut self, name: &str) {
        let statement = match self.rng.u8(..5) {
            0 => Err("unreadable".to_owned()),
            n => Ok(digest(n % 3 + 1)),
        };
        if let Some(configured) = self.world.statements.get_mut(&app(name)) {
            configured.clone_from(&statement);
            let desired = Desired { statement };
            self.world.handle(Event::Configured { app: app(name), desired });
        }
    }

    fn remove_or_return(&mut self, name: &str) {
        let id = app(name);
        if self.world.statements.remove(&id).is_some() {
            self.good.remove(&id);
            self.world.handle(Event::Removed { app: id });
        } else {
            let statement = Ok(digest(self.rng.u8(1..3)));
            self.world.statements.insert(id.clone(), statement.clone());
            self.world.handle(Event::Configured { app: id, desired: Desired { statement } });
        }
    }

    fn move_server(&mut self) {
        let others: &[u32] = [&[][..], &[1], &[2], &[2, 1]][self.rng.usize(..4)];
        let url = self.rng.u32(1..3);
        self.good.clear();
        self.world.use_servers(url, others);
    }

    fn forget(&mut self, name: &str) {
        let id = app(name);
        self.world.disk.remove(&id);
        self.kept.remove(&id);
        self.good.remove(&id);
        self.anew.retain(|place, _| place.0 != id);
        self.refusals.retain(|place, _| place.0 != id);
        self.world.handle(Event::Forgotten { app: id });
    }
}

#[test]
fn a_million_random_lives_break_no_rule() {
    let lives = std::env::var("TOKEND_LIVES").map_or(3_000, |lives| lives.parse().unwrap());
    let first = std::env::var("TOKEND_FIRST_LIFE").map_or(0, |seed| seed.parse().unwrap());
    for seed in first..first + lives {
        let life = std::panic::AssertUnwindSafe(|| {
            let mut observer = Observer::new(seed);
            let steps = observer.rng.usize(20..120);
            (0..steps).for_each(|_| observer.step());
        });
        if let Err(panic) = std::panic::catch_unwind(life) {
            eprintln!("the life with seed {seed} broke a rule");
            std::panic::resume_unwind(panic);
        }
    }
}
