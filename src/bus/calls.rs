// SPDX-License-Identifier: MIT OR Apache-2.0
//! What callers get: at once, once the bus has said who they are, or when the daemon has answered.

use std::rc::Rc;
use std::time::Duration;

use super::answers::{answer_cached, answer_open, refuse, reply, send_token, unknown};
use super::gate::{self, Fate, refusal};
use super::lookup::Question;
use super::refusals::described;
use super::request::{self, Request, Right};
use super::service::Service;
use super::waiting::{Call, Held, SAFETY_NET, Stage, To};
use super::wire::{Header, NO_REPLY};
use super::{Answer, BusEvent, CallId};
use crate::common::access::{Caller, Groups, Verdict};
use crate::common::model::AppId;
use crate::common::time::BootTime;
use crate::lifecycle::means_registration;
use crate::lifecycle::view::{CallError, ErrorName, Served, seconds_left};
use crate::system::clock;

/// So long a call waits for a name service.
const NAME_SERVICE: Duration = Duration::from_secs(5);

impl Service {
    /// A call has come.
    pub(super) fn call(&mut self, call: &Header<'_>, now: BootTime) {
        let state = self.snapshot.read();
        let to =
            To { sender: call.sender, serial: call.serial, silent: call.flags & NO_REPLY != 0 };
        match gate::decide(call, &state) {
            Fate::Pass => {}
            Fate::Refuse(error) => refuse(&mut self.main, to, &error),
            Fate::Answer(answer) => {
                let id = &mut self.machine_id;
                answer_open(&mut self.main, to, answer, &state, id);
                drop(state);
                self.tidy_later(now);
            }
            Fate::Ask(request) => {
                drop(state);
                self.admit(request, to, now);
            }
        }
    }

    /// A call has come that is too large to be read.
    pub(super) fn large(&mut self, call: &Header<'_>) {
        if let Fate::Refuse(error) = gate::decide_large(call) {
            let to = To { sender: call.sender, serial: call.serial, silent: false };
            refuse(&mut self.main, to, &error);
        }
    }

    /// Lets a caller in or not, before anything is said about a token.
    pub(super) fn admit(&mut self, request: Request<&str>, to: To<'_>, now: BootTime) {
        let Some(known) = self.callers.get(to.sender) else {
            return self.hold(request, to);
        };
        let state = self.snapshot.read();
        let Some((rules, number)) = state.rules(request.right()) else {
            let error = unknown(request.right());
            return refuse(&mut self.main, to, &error);
        };
        let verdict = match known.verdict(number) {
            Some(true) => Verdict::Allowed,
            Some(false) => Verdict::Denied,
            None => rules.judge(&known.caller, None),
        };
        // Nearly every call ends here.
        if verdict == Verdict::Allowed && answer_cached(&mut self.main, &state, request, to, now) {
            return;
        }
        drop(state);
        let caller = Rc::clone(&known.caller);
        match verdict {
            Verdict::Allowed => self.act(request, to, now),
            Verdict::Denied => self.deny(request.right(), to, &caller, now),
            Verdict::LookUp => {
                let app = app(request);
                let (id, request) = (self.waiting.number(), request.keep());
                let bytes = request.size();
                let stage = Stage::Names { request, caller, rules: number, run: None };
                if self.open(id, to, app, stage, bytes, now) {
                    self.look_up(number);
                }
            }
        }
    }

    /// Keeps a call until the bus has said who calls.
    fn hold(&mut self, request: Request<&str>, to: To<'_>) {
        if let Err(why) = self.side.who(to.sender) {
            let message = format!("the bus does not say who calls: {why}");
            return refuse(&mut self.main, to, &refusal(ErrorName::Unavailable, message));
        }
        self.held.push_back(Held { to: to.keep(), request: request.keep() });
    }

    /// The bus has said who a connection is: its calls go on, in their order.
    pub(super) fn release(&mut self, sender: &str, now: BootTime) {
        for held in self.take_held(sender) {
            self.admit(held.request.lend(), held.to.lend(), now);
        }
    }

    pub(super) fn refuse_held(&mut self, sender: &str, error: &CallError) {
        for held in self.take_held(sender) {
            refuse(&mut self.main, held.to.lend(), &error.clone().into());
        }
    }

    fn take_held(&mut self, sender: &str) -> Vec<Held> {
        let held = std::mem::take(&mut self.held);
        let (taken, left) = held.into_iter().partition(|held| &*held.to.sender == sender);
        self.held = left;
        let taken: std::collections::VecDeque<_> = taken;
        taken.into()
    }

    /// A connection has left: what belongs to it ends with it.
    pub(super) fn left(&mut self, sender: &str) {
        self.take_held(sender);
        for call in self.waiting.take(|call| &*call.to.sender == sender) {
            self.gone(&call);
        }
    }

    pub(super) fn deny(&mut self, right: Right<'_>, to: To<'_>, caller: &Caller, now: BootTime) {
        let message = match right {
            Right::Application(id) => {
                if let Ok(app) = id.parse()
                    && let Some(line) = self.refusals.refuse(&app, caller, now)
                {
                    log::warn!("{line}");
                }
                let state = self.snapshot.read();
                let by_groups = state.rules(right).is_some_and(|(rules, _)| rules.groups.is_some());
                let of_database = by_groups && caller.groups == Groups::OfDatabase;
                let who = described(caller);
                let why = if of_database {
                    "; this bus tells no groups, so they are those of the user database"
                } else {
                    ""
                };
                format!("{who} may not have the token of the application {id}{why}")
            }
            Right::Reload => "only root and reload_users may reload".to_owned(),
            Right::Root => "only root may forget an application's credentials".to_owned(),
        };
        refuse(&mut self.main, to, &refusal(ErrorName::AccessDenied, message));
    }

    /// Does what a caller who may asks for.
    pub(super) fn act(&mut self, request: Request<&str>, to: To<'_>, now: BootTime) {
        match request {
            Request::Token { headers, min_validity, .. } => {
                let state = self.snapshot.read();
                if answer_cached(&mut self.main, &state, request, to, now) {
                    return;
                }
                drop(state);
                let event = |app, call| BusEvent::Wanted { app, call, min_validity };
                self.ask(request, to, headers, 0, now, event);
            }
            Request::Replace { app: id, rejected, code } => {
                let state = self.snapshot.read();
                let Some(application) = state.applications.get(id) else {
                    return refuse(&mut self.main, to, &unknown(request.right()));
                };
                let current = application.view.token.as_ref().map(|token| &token.value);
                let (reported, bytes) = request::reported(rejected, current);
                // What says something of the registration is the daemon's business, whatever the
                // token.
                if !means_registration(code)
                    && let Served::Token { value, expires_in } =
                        application.view.replace(&reported, now)
                {
                    send_token(&mut self.main, to, None, value.expose(), expires_in);
                    let code = request::printable(code, rejected);
                    return log::debug!("{id}: a caller reports another token (code {code:?})");
                }
                drop(state);
                let code = request::printable(code, rejected);
                let event = |app, call| BusEvent::Replace { app, call, rejected: reported, code };
                self.ask(request, to, false, bytes, now, event);
            }
            Request::TooLong { why, .. } => {
                refuse(&mut self.main, to, &refusal(ErrorName::InvalidArgs, why));
            }
            Request::Reload => self.reload(to, now),
            Request::Forget { id } => match request::id(id) {
                Ok(id) => {
                    let call = self.waiting.number();
                    let stage = Stage::Daemon { headers: false };
                    if self.open(call, to, None, stage, 0, now) {
                        (self.events)(BusEvent::Forget { call, id });
                    }
                }
                Err(why) => refuse(&mut self.main, to, &refusal(ErrorName::InvalidArgs, why)),
            },
        }
    }

    /// Lets a call for an application's token wait for the daemon.
    fn ask(
        &mut self,
        request: Request<&str>,
        to: To<'_>,
        headers: bool,
        bytes: usize,
        now: BootTime,
        event: impl FnOnce(AppId, CallId) -> BusEvent,
    ) {
        let Some(app) = app(request) else { return };
        let (call, stage) = (self.waiting.number(), Stage::Daemon { headers });
        if self.open(call, to, Some(app.clone()), stage, bytes, now) {
            (self.events)(event(app, call));
        }
    }

    /// One reload at a time, and one more for all who ask meanwhile.
    fn reload(&mut self, to: To<'_>, now: BootTime) {
        let root = self.callers.get(to.sender).is_some_and(|known| known.caller.uid == Some(0));
        let call = match (self.reloads.running, self.reloads.next) {
            (Some(_), Some((next, _))) => next,
            _ => self.waiting.number(),
        };
        let stage = Stage::Daemon { headers: false };
        if !self.open(call, to, None, stage, 0, now) {
            return;
        }
        if self.reloads.running.is_some() {
            // Root's says more than that of another.
            let next = self.reloads.next.get_or_insert((call, false));
            next.1 |= root;
        } else {
            self.reloads.running = Some(call);
            (self.events)(BusEvent::Reload { call, root });
        }
    }

    /// Takes a call in that waits; false if it is refused.
    fn open(
        &mut self,
        id: CallId,
        to: To<'_>,
        app: Option<AppId>,
        stage: Stage,
        bytes: usize,
        now: BootTime,
    ) -> bool {
        let deadline = now.after(match stage {
            Stage::Names { .. } => NAME_SERVICE,
            Stage::Daemon { .. } => SAFETY_NET,
        });
        let new = !self.waiting.has(to.sender);
        if let Err(error) = self.waiting.open(id, to.keep(), app, stage, bytes, deadline) {
            refuse(&mut self.main, to, &error.into());
            return false;
        }
        // If the bus cannot be asked, the call waits for its end all the same.
        if new && let Err(error) = self.side.watch(to.sender) {
            log::debug!("the bus does not tell who leaves it: {error}");
        }
        self.tidy_later(now);
        true
    }

    /// The daemon has answered a call.
    pub(super) fn answer(&mut self, id: CallId, result: Result<Answer, CallError>) {
        for call in self.waiting.take(|call| call.id == id) {
            let to = call.to.lend();
            match (&result, &call.stage) {
                (Ok(Answer::Token { value, expires }), Stage::Daemon { headers }) => {
                    // Read only now: while the call waited, the device may have changed.
                    let state = self.snapshot.read();
                    let application = call.app.as_ref().and_then(|app| state.applications.get(app));
                    let face = application.filter(|_| *headers).map(|app| &*app.face);
                    let left = seconds_left(*expires, clock::boot());
                    send_token(&mut self.main, to, face, value.expose(), left);
                }
                (Ok(_), _) if call.app.is_some() => {
                    let error = refusal(ErrorName::Unavailable, "there is no token");
                    refuse(&mut self.main, to, &error);
                }
                (Ok(_), _) => reply(&mut self.main, to, "", |_| ()),
                (Err(error), _) => refuse(&mut self.main, to, &error.clone().into()),
            }
        }
        if self.reloads.running == Some(id) {
            self.reloads.running = None;
            if let Some((call, root)) = self.reloads.next.take() {
                self.reloads.running = Some(call);
                (self.events)(BusEvent::Reload { call, root });
            }
        }
    }

    /// An application is gone: so are its calls.
    pub(super) fn application_removed(&mut self, app: &AppId) {
        for call in self.waiting.take(|call| call.app.as_ref() == Some(app)) {
            let error = unknown(Right::Application(app.as_str()));
            refuse(&mut self.main, call.to.lend(), &error);
            self.gone(&call);
        }
    }

    /// Ends the calls that have waited for too long.
    pub(super) fn end_expired(&mut self, now: BootTime) {
        for call in self.waiting.expired(now) {
            let message = match &call.stage {
                Stage::Daemon { .. } => {
                    format!("tokend has had no answer for {} s", SAFETY_NET.as_secs())
                }
                Stage::Names { request, caller, .. } => {
                    let state = self.snapshot.read();
                    let rules = state.rules(request.lend().right());
                    let names = rules.map(|(rules, _)| Question::of(rules, caller).names());
                    format!(
                        "the name service has not said within {} s what it knows of {}",
                        NAME_SERVICE.as_secs(),
                        names.unwrap_or_default()
                    )
                }
            };
            refuse(&mut self.main, call.to.lend(), &refusal(ErrorName::Unavailable, message));
            self.gone(&call);
        }
    }

    /// Ends all calls, because tokend does.
    pub(super) fn stop(&mut self) {
        for call in self.waiting.take(|_| true) {
            let error = refusal(ErrorName::Unavailable, "tokend is stopping");
            refuse(&mut self.main, call.to.lend(), &error);
        }
        let _ = self.main.flush();
    }

    /// Tells the daemon that a call needs no answer, if it knows of the call.
    fn gone(&self, call: &Call) {
        if matches!(call.stage, Stage::Daemon { .. }) {
            (self.events)(BusEvent::Gone { call: call.id });
        }
    }
}

fn app(request: Request<&str>) -> Option<AppId> {
    if let Right::Application(id) = request.right() { id.parse().ok() } else { None }
}
