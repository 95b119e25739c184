// SPDX-License-Identifier: MIT OR Apache-2.0
//! A simulated device around the lifecycle: a disk, a server's answers, clocks.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

pub(super) use super::failures::*;
use crate::common::answer::{AccessToken, Failure};
use crate::common::model::{AppId, Credentials, Origin, StatementDigest, Stored};
use crate::common::secret::Secret;
use crate::common::time::{BootId, BootTime, Now, WallTime};
use crate::lifecycle::view::{AppState, AppView, CallError, ErrorName};
use crate::lifecycle::{
    Action, CallId, Desired, Event, Lifecycle, Policy, RequestId, Room, Servers, WriteKind,
};

pub(super) const RELEASED: WallTime = WallTime(1_700_000_000_000);
pub(super) const HOUR: u64 = 3600;

pub(super) fn app(name: &str) -> AppId {
    name.parse().unwrap()
}

pub(super) fn digest(n: u8) -> StatementDigest {
    StatementDigest([n; 32])
}

pub(super) fn origin(n: u32) -> Origin {
    Origin(format!("https://server-{n}.test"))
}

pub(super) fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

/// The server by its `url`, and by other names.
pub(super) fn servers(url: u32, others: &[u32]) -> Servers {
    Servers { url: origin(url), others: others.iter().map(|n| origin(*n)).collect() }
}

pub(super) fn credentials(n: u64) -> Credentials {
    Credentials {
        client_id: Secret::new(format!("id-{n}")),
        client_secret: Secret::new(format!("secret-{n}")),
        issued_at: n,
        scopes: vec!["api:client:v2".into()],
        redirect_uris: vec![],
    }
}

/// A request that the daemon has sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) app: AppId,
    pub(super) request: RequestId,
    pub(super) origin: Origin,
    /// None: a registration.
    pub(super) credentials: Option<Credentials>,
    pub(super) statement: Option<StatementDigest>,
}

/// What the lifecycle has had done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    Written(WriteKind),
    Registering,
    Fetching,
    Answered(CallId),
}

impl Sent {
    pub(super) const fn registers(&self) -> bool {
        self.credentials.is_none()
    }
}

pub(super) struct World {
    pub(super) now: Now,
    pub(super) boot: u32,
    pub(super) seed: u64,
    pub(super) policy: Policy,
    pub(super) life: Lifecycle,
    pub(super) statements: BTreeMap<AppId, Result<StatementDigest, String>>,
    pub(super) disk: BTreeMap<AppId, Stored>,
    /// Where there is room for credentials, and of which statement.
    pub(super) rooms: BTreeMap<AppId, StatementDigest>,
    pub(super) disk_full: bool,
    pub(super) store_broken: bool,
    /// The root key takes its time: the test answers `OpenStore`, and counts it in `opens`.
    pub(super) store_slow: bool,
    pub(super) opens: u32,
    pub(super) key_is_final: bool,
    pub(super) sent: Vec<Sent>,
    pub(super) writes: Vec<(AppId, WriteKind)>,
    /// Writes, requests and answers, in their order, for whoever asks for them.
    pub(super) done: Option<VecDeque<Done>>,
    pub(super) answers: BTreeMap<CallId, Result<(Secret, BootTime), CallError>>,
    pub(super) logs: Vec<String>,
    pub(super) exits: u32,
    pub(super) calls: CallId,
    pub(super) issued: u64,
    /// Actions after which the process dies in the middle of its work.
    pub(super) crash_after: Option<u32>,
}

impl World {
    pub(super) fn new() -> Self {
        let now = Now {
            boot: BootTime(60_000),
            wall: RELEASED.after(Duration::from_secs(HOUR)),
            confirmed: true,
        };
        let policy = Policy {
            servers: servers(1, &[]),
            reregister_after: Duration::from_secs(300),
            released: RELEASED,
        };
        let life = Lifecycle::new(policy.clone(), BootId("boot-0".into()), now, 1);
        Self {
            now,
            boot: 0,
            seed: 1,
            policy,
            life,
            statements: BTreeMap::new(),
            disk: BTreeMap::new(),
            rooms: BTreeMap::new(),
            disk_full: false,
            store_broken: false,
            store_slow: false,
            opens: 0,
            key_is_final: false,
            sent: Vec::new(),
            writes: Vec::new(),
            done: None,
            answers: BTreeMap::new(),
            logs: Vec::new(),
            exits: 0,
            calls: 0,
            issued: 0,
            crash_after: None,
        }
    }

    /// A world with one application, `cinema`, statement 1, that has just started.
    pub(super) fn cinema() -> Self {
        let mut world = Self::new();
        world.statements.insert(app("cinema"), Ok(digest(1)));
        world.start();
        world
    }

    /// A world whose `cinema` has its first token, of `lifetime` seconds.
    pub(super) fn ready(lifetime: u32) -> Self {
        let mut world = Self::cinema();
        world.want(0);
        world.register_ok();
        world.token_ok(lifetime);
        assert_eq!(world.state(), AppState::Ready);
        world
    }

    pub(super) fn start(&mut self) {
        self.seed += 1;
        let boot_id = BootId(format!("boot-{}", self.boot));
        self.life = Lifecycle::new(self.policy.clone(), boot_id, self.now, self.seed);
        self.sent.clear();
        let configured: Vec<_> = self.statements.clone().into_iter().collect();
        for (app, statement) in configured {
            self.handle(Event::Configured { app, desired: Desired { statement } });
        }
        let stored: Vec<_> = self.disk.keys().cloned().collect();
        for app in stored {
            if !self.statements.contains_key(&app) {
                self.handle(Event::Removed { app });
            }
        }
    }

    /// The process dies and is started again; requests under way are lost.
    pub(super) fn restart(&mut self) {
        self.crash_after = None;
        self.start();
    }

    /// The device loses power for a while.
    pub(super) fn reboot(&mut self, off: Duration, confirmed: bool) {
        self.boot += 1;
        self.now.boot = BootTime(5_000);
        self.now.wall = self.now.wall.after(off);
        self.now.confirmed = confirmed;
        self.restart();
    }

    pub(super) fn handle(&mut self, event: Event) {
        let actions = self.life.handle(self.now, event);
        let mut queue: VecDeque<Action> = actions.into();
        while let Some(action) = queue.pop_front() {
            if let Some(left) = &mut self.crash_after {
                if *left == 0 {
                    return;
                }
                *left -= 1;
            }
            if let Some(event) = self.execute(action) {
                // As in the daemon: answers to store actions come before anything else.
                let more = self.life.handle(self.now, event);
                queue.extend(more);
            }
        }
    }

    fn note(&mut self, done: Done) {
        if let Some(all) = &mut self.done {
            all.push_back(done);
        }
    }

    fn execute(&mut self, action: Action) -> Option<Event> {
        if let Some((app, what)) = action.writes() {
            let app = app.clone();
            if self.disk_full {
                let message = "no space left on device".to_owned();
                return Some(Event::NotSaved { app, what, message });
            }
            self.note(Done::Written(what));
            self.writes.push((app.clone(), what));
            let stored = self.disk.entry(app.clone()).or_default();
            match action {
                Action::SaveRecord { record, room, .. } => {
                    stored.record = record;
                    match room {
                        Room::Keep => {}
                        Room::Allocate(statement) => {
                            self.rooms.insert(app.clone(), statement);
                        }
                        Room::Release(_) => drop(self.rooms.remove(&app)),
                    }
                }
                Action::SaveCredentials { statement, filed, .. } => {
                    stored.filed.insert(statement, filed);
                }
                Action::SaveToken { token, .. } => stored.token = Some(token),
                _ => stored.token = None,
            }
            return Some(Event::Saved { app, what });
        }
        match action {
            Action::OpenStore if self.store_slow => {
                self.opens += 1;
                None
            }
            Action::OpenStore if self.store_broken => Some(Event::StoreFailed {
                message: "the key does not fit".into(),
                final_key: self.key_is_final,
            }),
            Action::OpenStore => Some(Event::StoreOpened),
            Action::Load { app } => {
                let stored = self.disk.get(&app).cloned().unwrap_or_default();
                Some(Event::Loaded { app, stored: Box::new(stored) })
            }
            Action::ReadStatement { app } => {
                let statement = self.statements.get(&app)?.clone();
                Some(Event::Configured { app, desired: Desired { statement } })
            }
            Action::Register { app, request, origin, statement } => {
                self.note(Done::Registering);
                let credentials = None;
                let statement = Some(statement);
                self.sent.push(Sent { app, request, origin, credentials, statement });
                None
            }
            Action::Fetch { app, request, origin, credentials } => {
                self.note(Done::Fetching);
                let statement = None;
                let credentials = Some(credentials);
                self.sent.push(Sent { app, request, origin, credentials, statement });
                None
            }
            Action::Answer { call, result } => {
                self.note(Done::Answered(call));
                self.answers.insert(call, result);
                None
            }
            Action::Log { text, .. } => {
                self.logs.push(text);
                None
            }
            Action::StartAnew => {
                self.exits += 1;
                None
            }
            _ => unreachable!(),
        }
    }

    // Time.

    pub(super) fn pass(&mut self, duration: Duration) {
        self.now.boot = self.now.boot.after(duration);
        self.now.wall = self.now.wall.after(duration);
    }

    /// Lets time pass as the daemon would, waking at each deadline, until `end`.
    pub(super) fn run(&mut self, duration: Duration) {
        let end = self.now.boot.after(duration);
        for _ in 0..100_000 {
            let next = self.life.deadline(self.now).filter(|at| *at <= end);
            let Some(at) = next else {
                self.pass(end.since(self.now.boot));
                return;
            };
            self.pass(at.since(self.now.boot));
            self.handle(Event::Tick);
        }
        panic!("the lifecycle wakes up without end");
    }

    /// Lets time pass until the next request, for `limit` at most.
    pub(super) fn run_to_request(&mut self, limit: Duration) -> bool {
        let end = self.now.boot.after(limit);
        while self.sent.is_empty() {
            let Some(at) = self.life.deadline(self.now).filter(|at| *at <= end) else {
                self.pass(end.since(self.now.boot));
                return false;
            };
            self.pass(at.since(self.now.boot));
            self.handle(Event::Tick);
        }
        true
    }

    // What callers do and see.

    pub(super) fn want_from(&mut self, name: &str, min_validity: u32) -> CallId {
        self.calls += 1;
        let call = self.calls;
        self.handle(Event::Wanted { app: app(name), call, min_validity });
        call
    }

    pub(super) fn want(&mut self, min_validity: u32) -> CallId {
        self.want_from("cinema", min_validity)
    }

    pub(super) fn replace(&mut self, rejected: &str) -> CallId {
        self.report(rejected, "")
    }

    pub(super) fn report(&mut self, rejected: &str, code: &str) -> CallId {
        self.calls += 1;
        let call = self.calls;
        let (rejected, code) = (Secret::new(rejected.to_owned()), code.to_owned());
        self.handle(Event::Replace { app: app("cinema"), call, rejected, code });
        call
    }

    /// Another server, or other names of it.
    pub(super) fn use_servers(&mut self, url: u32, others: &[u32]) {
        self.policy.servers = servers(url, others);
        self.handle(Event::PolicyChanged(self.policy.clone()));
    }

    pub(super) fn view_of(&self, name: &str) -> AppView {
        self.life.view(&app(name), self.now).unwrap()
    }

    pub(super) fn view(&self) -> AppView {
        self.view_of("cinema")
    }

    pub(super) fn state(&self) -> AppState {
        self.view().state
    }

    pub(super) fn token(&self) -> Option<String> {
        self.view().token.map(|token| token.value.expose().to_owned())
    }

    pub(super) fn error_of(&self, call: CallId) -> Option<ErrorName> {
        self.answers.get(&call)?.as_ref().err().map(|error| error.name)
    }

    pub(super) fn got(&self, call: CallId) -> Option<String> {
        let (token, _) = self.answers.get(&call)?.as_ref().ok()?;
        Some(token.expose().to_owned())
    }

    // What the server answers.

    pub(super) fn take_sent(&mut self) -> Sent {
        assert_eq!(self.sent.len(), 1, "one request under way: {:?}", self.sent);
        self.sent.remove(0)
    }

    pub(super) fn register_ok(&mut self) {
        self.issued += 1;
        self.answer_registration(Ok(credentials(self.issued)));
    }

    pub(super) fn answer_registration(&mut self, result: Result<Credentials, Failure>) {
        let sent = self.take_sent();
        assert!(sent.registers(), "a registration was expected: {sent:?}");
        let Sent { app, request, .. } = sent;
        self.handle(Event::Registered { app, request, result });
    }

    pub(super) fn token_ok(&mut self, expires_in: u32) -> String {
        self.issued += 1;
        let value = format!("token-{}", self.issued);
        self.answer_token(Ok(AccessToken { value: Secret::new(value.clone()), expires_in }));
        value
    }

    pub(super) fn answer_token(&mut self, result: Result<AccessToken, Failure>) {
        let sent = self.take_sent();
        assert!(!sent.registers(), "a token request was expected: {sent:?}");
        let Sent { app, request, .. } = sent;
        self.handle(Event::Fetched { app, request, result });
    }

    pub(super) fn slot(&self, statement: u8) -> crate::common::model::CredentialSet {
        self.slot_of(statement, &self.policy.servers.url)
    }

    pub(super) fn slot_at(
        &self,
        statement: u8,
        server: u32,
    ) -> crate::common::model::CredentialSet {
        self.slot_of(statement, &origin(server))
    }

    fn slot_of(&self, statement: u8, origin: &Origin) -> crate::common::model::CredentialSet {
        let stored = self.disk.get(&app("cinema")).cloned().unwrap_or_default();
        let filed = stored.filed.get(&digest(statement)).cloned().unwrap_or_default();
        filed.get(origin).cloned().unwrap_or_default()
    }

    /// What the disk has of the attempts with statement 1 at `url`.
    pub(super) fn attempts(&self) -> crate::common::model::Attempts {
        let record = &self.disk[&app("cinema")].record;
        let found = record.attempts.get(&digest(1)).and_then(|o| o.get(&self.policy.servers.url));
        found.cloned().unwrap_or_default()
    }
}

pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);

pub(super) fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Refuses the credentials whenever asked, for as long as `limit`; true if it then registers.
pub(super) fn refuse_until_registration(world: &mut World, limit: Duration) -> bool {
    let end = world.now.boot.after(limit);
    while world.run_to_request(end.since(world.now.boot)) {
        if world.sent[0].registers() {
            return true;
        }
        world.answer_token(Err(invalid_client()));
    }
    false
}
