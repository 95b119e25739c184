// SPDX-License-Identifier: MIT OR Apache-2.0
//! The real lifecycle, with a disk that always works.

use std::collections::VecDeque;
use std::time::Duration;

use tokend::common::answer::{AccessToken, Failure};
use tokend::common::map::Map;
use tokend::common::model::{
    AppId, CredentialSet, Credentials, Origin, StatementDigest, Stored, Token,
};
use tokend::common::secret::Secret;
use tokend::common::time::{BootId, BootTime, Now, WallTime};
use tokend::lifecycle::view::SERVE_MARGIN;
use tokend::lifecycle::{Action, Desired, Event, Lifecycle, Policy, RequestId, Servers};

use super::client::{Answer, Input, Output};

/// The wall clock at simulated time 0.
const DATE: WallTime = WallTime(1_900_000_000_000);
const STATEMENT: StatementDigest = StatementDigest([1; 32]);

/// One device's tokend, with one application.
#[derive(Debug)]
pub(super) struct Real {
    life: Lifecycle,
    app: AppId,
    stored: Stored,
    lifetime: u32,
    seed: u64,
    /// Simulated time at which `CLOCK_BOOTTIME` was 0.
    booted: u64,
    boots: u64,
    confirmed: bool,
    request: RequestId,
    registers: bool,
    /// Credentials and tokens that the server has issued.
    issued: u64,
    calls: u64,
    next: u64,
    valid_until: u64,
}

impl Real {
    /// A device whose token was issued at `issued`.
    pub(super) fn new(lifetime: u32, issued: u64, seed: u64) -> Self {
        #[expect(clippy::unwrap_used, reason = "a legal name")]
        let app: AppId = "cinema".parse().unwrap();
        let life = duration(lifetime);
        let token = Token {
            value: secret("token", 0),
            number: 1,
            lifetime,
            statement: STATEMENT,
            origin: origin(),
            boot_id: boot_id(0),
            expires_boot: BootTime(issued).after(life),
            expires_wall: WallTime(DATE.0 + issued as i64).after(life),
            confirmed: true,
        };
        let slot = CredentialSet { current: Some(credentials(0)), ..CredentialSet::default() };
        let mut stored = Stored { token: Some(token), ..Stored::default() };
        stored.filed.insert(STATEMENT, Map::from([(origin(), slot)]));
        stored.record.active = Some(STATEMENT);
        let now = Now { boot: BootTime(issued), wall: WallTime(0), confirmed: false };
        let mut real = Self {
            life: Lifecycle::new(policy(), boot_id(0), now, seed),
            app,
            stored,
            lifetime,
            seed,
            booted: 0,
            boots: 0,
            confirmed: true,
            request: 0,
            registers: false,
            issued: 0,
            calls: 0,
            next: 0,
            valid_until: 0,
        };
        real.start(issued, &mut Vec::new());
        real
    }

    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    pub(super) const fn valid_until(&self) -> u64 {
        self.valid_until
    }

    pub(super) fn handle(&mut self, at: u64, input: Input, out: &mut Vec<Output>) {
        let event = match input {
            Input::Tick => Event::Tick,
            Input::Boot => {
                self.boots += 1;
                // The kernel and its services have taken some of it.
                self.booted = at - 15_000;
                self.confirmed = false;
                self.start(at, out);
                return;
            }
            Input::ClockConfirmed => {
                self.confirmed = true;
                Event::ClockChanged
            }
            Input::Asked => {
                self.calls += 1;
                Event::Wanted { app: self.app.clone(), call: self.calls, min_validity: 0 }
            }
            Input::Answered(answer) => self.answered(answer),
        };
        self.feed(at, event, out);
        if matches!(input, Input::ClockConfirmed) {
            self.look(at);
        }
    }

    /// A process that has just started.
    fn start(&mut self, at: u64, out: &mut Vec<Output>) {
        let seed = self.seed.wrapping_add(self.boots);
        self.life = Lifecycle::new(policy(), boot_id(self.boots), self.now(at), seed);
        let desired = Desired { statement: Ok(STATEMENT) };
        self.feed(at, Event::Configured { app: self.app.clone(), desired }, out);
        self.look(at);
    }

    /// Whether a stored token is served: nothing but the view says so.
    fn look(&mut self, at: u64) {
        let view = self.life.view(&self.app, self.now(at));
        let token = view.and_then(|view| view.token);
        self.valid_until =
            token.map_or(0, |token| self.simulated(token.expires.before(SERVE_MARGIN)));
    }

    fn feed(&mut self, at: u64, event: Event, out: &mut Vec<Output>) {
        let now = self.now(at);
        let mut queue: VecDeque<_> = self.life.handle(now, event).into();
        while let Some(action) = queue.pop_front() {
            if let Some(event) = self.execute(action, out) {
                queue.extend(self.life.handle(now, event));
            }
        }
        self.next = self.life.deadline(now).map_or(u64::MAX, |at| self.simulated(at));
    }

    fn execute(&mut self, action: Action, out: &mut Vec<Output>) -> Option<Event> {
        if let Some((app, what)) = action.writes() {
            let app = app.clone();
            match action {
                Action::SaveRecord { record, .. } => self.stored.record = record,
                Action::SaveCredentials { statement, filed, .. } => {
                    self.stored.filed.insert(statement, filed);
                }
                Action::SaveToken { token, .. } => {
                    self.valid_until = self.simulated(token.expires_boot.before(SERVE_MARGIN));
                    self.stored.token = Some(token);
                }
                _ => self.stored.token = None,
            }
            return Some(Event::Saved { app, what });
        }
        match action {
            Action::OpenStore => return Some(Event::StoreOpened),
            Action::Load { app } => {
                return Some(Event::Loaded { app, stored: Box::new(self.stored.clone()) });
            }
            Action::Register { request, .. } => {
                (self.request, self.registers) = (request, true);
                out.push(Output::Register);
            }
            Action::Fetch { request, .. } => {
                (self.request, self.registers) = (request, false);
                out.push(Output::Fetch);
            }
            Action::Answer { result, .. } => {
                out.push(if result.is_ok() { Output::Served } else { Output::Denied });
            }
            _ => {}
        }
        None
    }

    fn answered(&mut self, answer: Answer) -> Event {
        let (app, request) = (self.app.clone(), self.request);
        self.issued += 1;
        let failure = match answer {
            Answer::Token => {
                let token =
                    AccessToken { value: secret("token", self.issued), expires_in: self.lifetime };
                return Event::Fetched { app, request, result: Ok(token) };
            }
            Answer::Credentials => {
                return Event::Registered { app, request, result: Ok(credentials(self.issued)) };
            }
            Answer::Refused => Failure::Refused {
                status: 400,
                error: "access_denied".to_owned(),
                description: String::new(),
            },
            Answer::InvalidClient => {
                Failure::InvalidClient { status: 400, description: String::new() }
            }
            Answer::ClientError => Failure::ClientError { reason: "403 with a page".to_owned() },
            Answer::Throttled => Failure::Throttled { status: 429, retry_after: None },
            Answer::Unreachable => {
                Failure::Unavailable { reason: "no connection".to_owned(), tls: false, sent: false }
            }
        };
        if self.registers {
            return Event::Registered { app, request, result: Err(failure) };
        }
        Event::Fetched { app, request, result: Err(failure) }
    }

    const fn now(&self, at: u64) -> Now {
        Now {
            boot: BootTime(at - self.booted),
            wall: WallTime(DATE.0 + at as i64),
            confirmed: self.confirmed,
        }
    }

    const fn simulated(&self, at: BootTime) -> u64 {
        at.0.saturating_add(self.booted)
    }
}

fn policy() -> Policy {
    Policy {
        servers: Servers { url: origin(), others: Vec::new() },
        reregister_after: duration(300),
        released: WallTime(0),
    }
}

fn origin() -> Origin {
    Origin("https://server.test".to_owned())
}

fn boot_id(number: u64) -> BootId {
    BootId(number.to_string())
}

fn credentials(number: u64) -> Credentials {
    Credentials {
        client_id: secret("id", number),
        client_secret: secret("secret", number),
        issued_at: 0,
        scopes: Vec::new(),
        redirect_uris: Vec::new(),
    }
}

fn secret(what: &str, number: u64) -> Secret {
    Secret::new(format!("{what}{number}"))
}

fn duration(seconds: u32) -> Duration {
    Duration::from_secs(u64::from(seconds))
}
