// SPDX-License-Identifier: MIT OR Apache-2.0
//! The calls that wait, for a name service or for the daemon, and their limits.

use std::rc::Rc;
use std::time::Duration;

use super::CallId;
use super::lookup::Run;
use super::request::Request;
use super::snapshot::RulesNumber;
use crate::common::access::Caller;
use crate::common::model::AppId;
use crate::common::time::BootTime;
use crate::lifecycle::view::{CallError, ErrorName};

/// Waiting calls of one connection, of one application, and of all (contract, section 2).
const PER_CONNECTION: usize = 64;
const PER_APPLICATION: usize = 256;
const IN_ALL: usize = 4096;
/// The bytes of the arguments that waiting calls have brought, of all.
const BYTES: usize = 512 * 1024;
/// The daemon answers within 20 s, and says why. No caller waits for longer than a moment
/// more, whatever happens there, and less than the 25 s after which D-Bus libraries give up.
pub(super) const SAFETY_NET: Duration = Duration::from_millis(20_500);

/// Calls that are held until the bus has said who calls (contract, section 2, "Limits").
pub(super) const HELD: usize = 64;

/// A call of a connection that the bus has not told of yet.
pub(super) struct Held {
    pub(super) to: ReplyTo,
    pub(super) request: Request<Box<str>>,
}

/// To whom an answer goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReplyTo {
    pub(super) sender: Box<str>,
    pub(super) serial: u32,
    /// None is wanted.
    pub(super) silent: bool,
}

/// Whom an answer goes to, while the call is at hand.
#[derive(Clone, Copy)]
pub(super) struct To<'m> {
    pub(super) sender: &'m str,
    pub(super) serial: u32,
    pub(super) silent: bool,
}

impl To<'_> {
    pub(super) fn keep(self) -> ReplyTo {
        ReplyTo { sender: self.sender.into(), serial: self.serial, silent: self.silent }
    }
}

impl ReplyTo {
    pub(super) fn lend(&self) -> To<'_> {
        To { sender: &self.sender, serial: self.serial, silent: self.silent }
    }
}

/// A call that waits.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) id: CallId,
    pub(super) to: ReplyTo,
    pub(super) app: Option<AppId>,
    pub(super) stage: Stage,
    deadline: BootTime,
    /// Of its arguments, which the daemon may still have.
    bytes: usize,
}

/// What a call waits for.
#[derive(Debug)]
pub(super) enum Stage {
    /// What the names in these rules stand for; the lookup that will tell, once it has begun.
    Names { request: Request<Box<str>>, caller: Rc<Caller>, rules: RulesNumber, run: Option<Run> },
    /// The daemon's answer, which is the headers or the token alone.
    Daemon { headers: bool },
}

#[derive(Default)]
pub(super) struct Waiting {
    calls: Vec<Call>,
    last: CallId,
    bytes: usize,
    /// Not later than the first deadline.
    deadline: Option<BootTime>,
}

impl Waiting {
    /// A number for a call.
    pub(super) fn number(&mut self) -> CallId {
        self.last += 1;
        self.last
    }

    /// Takes a call in, within the limits, until it ends or the deadline comes.
    pub(super) fn open(
        &mut self,
        id: CallId,
        to: ReplyTo,
        app: Option<AppId>,
        stage: Stage,
        bytes: usize,
        deadline: BootTime,
    ) -> Result<(), CallError> {
        let too_many = |of_what: String| {
            let message = format!("too many calls {of_what} wait at a time");
            Err(CallError::new(ErrorName::LimitsExceeded, message))
        };
        let count = |which: &dyn Fn(&Call) -> bool| self.calls.iter().filter(|c| which(c)).count();
        if count(&|call| call.to.sender == to.sender) >= PER_CONNECTION {
            return too_many(format!("of this connection, of which {PER_CONNECTION} may,"));
        }
        if app.is_some() && count(&|call| call.app == app) >= PER_APPLICATION {
            return too_many(format!("for this application, of which {PER_APPLICATION} may,"));
        }
        if self.calls.len() >= IN_ALL {
            return too_many(format!("of all connections, of which {IN_ALL} may,"));
        }
        if self.bytes + bytes > BYTES {
            return too_many(format!("with arguments of more than {} KiB in all", BYTES / 1024));
        }
        self.bytes += bytes;
        self.deadline = Some(self.deadline.map_or(deadline, |first| first.min(deadline)));
        self.calls.push(Call { id, to, app, stage, deadline, bytes });
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    pub(super) fn has(&self, sender: &str) -> bool {
        self.calls.iter().any(|call| &*call.to.sender == sender)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Call> {
        self.calls.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Call> {
        self.calls.iter_mut()
    }

    /// Takes out the calls that end, in the order in which they came.
    pub(super) fn take(&mut self, ends: impl Fn(&Call) -> bool) -> Vec<Call> {
        let ended: Vec<_> = self.calls.extract_if(.., |call| ends(call)).collect();
        self.bytes -= ended.iter().map(|call| call.bytes).sum::<usize>();
        if self.calls.is_empty() {
            self.deadline = None;
        }
        ended
    }

    /// Takes out the calls that have waited for too long.
    pub(super) fn expired(&mut self, now: BootTime) -> Vec<Call> {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return Vec::new();
        }
        let expired = self.take(|call| call.deadline <= now);
        self.deadline = self.calls.iter().map(|call| call.deadline).min();
        expired
    }

    /// When [`Waiting::expired`] is to be asked.
    pub(super) fn deadline(&self) -> Option<BootTime> {
        self.deadline
    }

    /// Gives back the room that only a burst needs.
    pub(super) fn tidy(&mut self) {
        self.calls.shrink_to(PER_CONNECTION);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(name: &str) -> Option<AppId> {
        Some(name.parse().unwrap())
    }

    fn to(sender: &str) -> ReplyTo {
        ReplyTo { sender: sender.into(), serial: 1, silent: false }
    }

    fn open(waiting: &mut Waiting, sender: &str, app: Option<AppId>) -> Result<CallId, CallError> {
        let (id, stage) = (waiting.number(), Stage::Daemon { headers: false });
        waiting.open(id, to(sender), app, stage, 0, BootTime(1000)).map(|()| id)
    }

    #[test]
    fn a_connection_may_have_64_waiting_calls_and_gets_a_place_back_with_each_answer() {
        let mut waiting = Waiting::default();
        let calls: Vec<_> =
            (0..64).map(|_| open(&mut waiting, ":1.1", app("a")).unwrap()).collect();
        let refused = open(&mut waiting, ":1.1", app("b")).unwrap_err();
        assert_eq!(refused.name, ErrorName::LimitsExceeded);
        assert!(refused.message.contains("64"), "{}", refused.message);
        assert!(open(&mut waiting, ":1.2", app("a")).is_ok());
        assert_eq!(waiting.take(|call| call.id == calls[0]).len(), 1);
        assert!(open(&mut waiting, ":1.1", None).is_ok());
    }

    #[test]
    fn an_application_may_have_256_waiting_calls_and_all_together_4096() {
        let mut waiting = Waiting::default();
        for i in 0..256 {
            assert!(open(&mut waiting, &format!(":1.{}", i / 32), app("a")).is_ok());
        }
        let refused = open(&mut waiting, ":1.99", app("a")).unwrap_err();
        assert!(refused.message.contains("256"), "{}", refused.message);
        for i in 256..4096 {
            let app = app(&format!("a{}", i / 256));
            assert!(open(&mut waiting, &format!(":1.{}", i / 32), app).is_ok(), "{i}");
        }
        let refused = open(&mut waiting, ":1.999", app("z")).unwrap_err();
        assert!(refused.message.contains("4096"), "{}", refused.message);
        assert_eq!(refused.name, ErrorName::LimitsExceeded);
    }

    #[test]
    fn the_arguments_of_waiting_calls_are_bounded_in_bytes() {
        let mut waiting = Waiting::default();
        let open = |waiting: &mut Waiting, i: usize| {
            let (id, stage) = (waiting.number(), Stage::Daemon { headers: false });
            let deadline = BootTime(1000);
            waiting.open(id, to(&format!(":1.{i}")), app("a"), stage, 8192, deadline)
        };
        for i in 0..64 {
            open(&mut waiting, i).unwrap();
        }
        let refused = open(&mut waiting, 64).unwrap_err();
        assert_eq!(refused.name, ErrorName::LimitsExceeded);
        waiting.take(|call| &*call.to.sender == ":1.3");
        open(&mut waiting, 64).unwrap();
    }

    #[test]
    fn a_call_that_nobody_answers_ends_all_the_same() {
        let mut waiting = Waiting::default();
        let mut until = |deadline| {
            let (id, stage) = (waiting.number(), Stage::Daemon { headers: false });
            waiting.open(id, to(":1.1"), None, stage, 0, BootTime(deadline)).unwrap();
            id
        };
        let (later, first) = (until(900), until(500));
        assert_eq!(waiting.deadline(), Some(BootTime(500)));
        assert!(waiting.expired(BootTime(499)).is_empty());
        assert_eq!(waiting.expired(BootTime(500))[0].id, first);
        assert_eq!(waiting.deadline(), Some(BootTime(900)));
        assert_eq!(waiting.expired(BootTime(2000))[0].id, later);
        assert!(waiting.is_empty() && waiting.deadline().is_none());
    }

    #[test]
    fn the_safety_net_lies_behind_the_daemons_own_limit_and_before_that_of_dbus_libraries() {
        let beyond = SAFETY_NET - crate::lifecycle::PATIENCE;
        assert!(!beyond.is_zero() && beyond < Duration::from_secs(1));
    }
}
