// SPDX-License-Identifier: MIT OR Apache-2.0
//! The calls that wait for the daemon, and their limits.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use zruntime::{Event, SharedRuntime};

use super::{Answer, CallId};
use crate::model::AppId;
use crate::view::{CallError, ErrorName};

/// Waiting calls of one connection (contract, section 2).
const PER_CONNECTION: usize = 64;
/// Waiting calls of one application (contract, section 2).
const PER_APPLICATION: usize = 256;
/// The daemon answers within 20 s, and says why. No caller waits for longer than a moment
/// more, whatever happens there, and less than the 25 s after which D-Bus libraries give up.
pub(super) const SAFETY_NET: Duration = Duration::from_millis(20_500);

pub(super) type Outcome = Result<Answer, CallError>;

#[derive(Default)]
pub(super) struct Waiting {
    calls: Mutex<Calls>,
}

#[derive(Default)]
struct Calls {
    last: CallId,
    open: HashMap<CallId, Open>,
}

struct Open {
    caller: String,
    app: Option<AppId>,
    slot: Arc<Slot>,
}

/// Where the outcome is left for the caller's task.
#[derive(Default)]
struct Slot {
    outcome: Mutex<Option<Outcome>>,
    settled: Event,
}

/// A call that waits. Close it by [`Waiting::close`] once its task stops waiting.
pub(super) struct Call {
    pub(super) id: CallId,
    slot: Arc<Slot>,
}

impl Waiting {
    /// Takes a call in, within the limits.
    pub(super) fn open(&self, caller: &str, app: Option<&AppId>) -> Result<Call, CallError> {
        let mut calls = self.lock();
        let of_connection = calls.open.values().filter(|call| call.caller == caller).count();
        if of_connection >= PER_CONNECTION {
            return Err(too_many(format!("of this connection, of which {PER_CONNECTION} may")));
        }
        let of_application =
            calls.open.values().filter(|call| app.is_some() && call.app.as_ref() == app).count();
        if of_application >= PER_APPLICATION {
            return Err(too_many(format!("for this application, of which {PER_APPLICATION} may")));
        }
        calls.last += 1;
        let id = calls.last;
        let slot = Arc::new(Slot::default());
        let open = Open { caller: caller.to_owned(), app: app.cloned(), slot: Arc::clone(&slot) };
        calls.open.insert(id, open);
        Ok(Call { id, slot })
    }

    /// Ends a call with the daemon's answer. One that has ended already is passed over.
    pub(super) fn settle(&self, id: CallId, outcome: Outcome) {
        let open = self.lock().open.remove(&id);
        if let Some(open) = open {
            open.slot.settle(outcome);
        }
    }

    /// Forgets a call that no longer waits; true where nobody has answered it.
    pub(super) fn close(&self, call: &Call) -> bool {
        self.lock().open.remove(&call.id).is_some()
    }

    /// Ends all calls of a connection that has left the bus.
    pub(super) fn leave(&self, caller: &str) -> Vec<CallId> {
        let error = CallError::new(ErrorName::Unavailable, "the caller has left the bus");
        self.end(&error, |call| call.caller == caller)
    }

    /// Ends all calls for an application that is gone.
    pub(super) fn remove(&self, app: &AppId) -> Vec<CallId> {
        let message = format!("the application {app} is no longer configured");
        let error = CallError::new(ErrorName::UnknownObject, message);
        self.end(&error, |call| call.app.as_ref() == Some(app))
    }

    /// Ends all calls, because tokend does.
    pub(super) fn stop(&self) {
        let error = CallError::new(ErrorName::Unavailable, "tokend is stopping");
        self.end(&error, |_| true);
    }

    /// Whether a connection has calls that wait.
    pub(super) fn has(&self, caller: &str) -> bool {
        self.lock().open.values().any(|call| call.caller == caller)
    }

    fn end(&self, error: &CallError, which: impl Fn(&Open) -> bool) -> Vec<CallId> {
        let ended: Vec<_> = self.lock().open.extract_if(|_, call| which(call)).collect();
        for (_, open) in &ended {
            open.slot.settle(Err(error.clone()));
        }
        ended.into_iter().map(|(id, _)| id).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Call {
    /// Waits for the outcome, for so long and no longer.
    pub(super) async fn outcome(&self, runtime: &SharedRuntime, at_most: Duration) -> Outcome {
        let mut deadline = pin!(runtime.sleep(at_most));
        loop {
            let settled = self.slot.settled.listen();
            if let Some(outcome) = self.slot.take() {
                return outcome;
            }
            if !first(settled, deadline.as_mut()).await {
                let waited = at_most.as_secs();
                let message = format!("tokend has had no answer for {waited} s");
                return Err(CallError::new(ErrorName::Unavailable, message));
            }
        }
    }
}

impl Slot {
    fn settle(&self, outcome: Outcome) {
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        self.settled.notify(1);
    }

    fn take(&self) -> Option<Outcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

fn too_many(of_what: String) -> CallError {
    CallError::new(ErrorName::LimitsExceeded, format!("too many calls {of_what} wait at a time"))
}

/// Waits for either; true where it was `one`.
async fn first(one: impl Future, mut other: Pin<&mut impl Future>) -> bool {
    let mut one = pin!(one);
    poll_fn(|context| {
        if one.as_mut().poll(context).is_ready() {
            return Poll::Ready(true);
        }
        other.as_mut().poll(context).map(|_| false)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(name: &str) -> AppId {
        name.parse().unwrap()
    }

    #[test]
    fn a_connection_may_have_64_waiting_calls_and_gets_a_place_back_with_each_answer() {
        let waiting = Waiting::default();
        let calls: Vec<_> =
            (0..64).map(|_| waiting.open(":1.1", Some(&app("a"))).ok().unwrap()).collect();
        let refused = waiting.open(":1.1", Some(&app("b"))).err().unwrap();
        assert_eq!(refused.name, ErrorName::LimitsExceeded);
        assert!(waiting.open(":1.2", Some(&app("a"))).is_ok());
        waiting.settle(calls[0].id, Ok(Answer::Done));
        assert!(waiting.open(":1.1", None).is_ok());
        assert!(waiting.close(&calls[1]));
        assert!(waiting.open(":1.1", None).is_ok());
    }

    #[test]
    fn an_application_may_have_256_waiting_calls() {
        let waiting = Waiting::default();
        for i in 0..256 {
            assert!(waiting.open(&format!(":1.{}", i / 32), Some(&app("a"))).is_ok());
        }
        let refused = waiting.open(":1.99", Some(&app("a"))).err().unwrap();
        assert_eq!(refused.name, ErrorName::LimitsExceeded);
        assert!(waiting.open(":1.99", Some(&app("b"))).is_ok());
        assert!(waiting.open(":1.99", None).is_ok());
    }

    #[test]
    fn a_connection_that_leaves_takes_its_calls_along_and_nobody_elses() {
        let waiting = Waiting::default();
        let first = waiting.open(":1.1", Some(&app("a"))).ok().unwrap();
        let second = waiting.open(":1.2", Some(&app("a"))).ok().unwrap();
        assert_eq!(waiting.leave(":1.1"), [first.id]);
        assert!(!waiting.has(":1.1") && waiting.has(":1.2"));
        assert!(!waiting.close(&first));
        assert_eq!(waiting.remove(&app("a")), [second.id]);
    }

    #[test]
    fn a_call_that_nobody_answers_ends_all_the_same() {
        let waiting = Waiting::default();
        let call = waiting.open(":1.1", None).ok().unwrap();
        let outcome = zbus::block_on(async {
            call.outcome(&SharedRuntime::current().unwrap(), Duration::ZERO).await
        });
        assert_eq!(outcome.unwrap_err().name, ErrorName::Unavailable);
        assert!(waiting.close(&call), "the daemon is to be told");
    }

    #[test]
    fn the_safety_net_lies_behind_the_daemons_own_limit_and_before_that_of_dbus_libraries() {
        let beyond = SAFETY_NET - crate::lifecycle::PATIENCE;
        assert!(!beyond.is_zero() && beyond < Duration::from_secs(1));
    }

    #[test]
    fn an_answer_that_comes_before_the_caller_waits_is_kept() {
        let waiting = Waiting::default();
        let call = waiting.open(":1.1", None).ok().unwrap();
        waiting.settle(call.id, Ok(Answer::Done));
        waiting.settle(call.id, Err(CallError::new(ErrorName::Storage, "too late")));
        let outcome = zbus::block_on(async {
            call.outcome(&SharedRuntime::current().unwrap(), Duration::ZERO).await
        });
        assert!(matches!(outcome, Ok(Answer::Done)));
        assert!(!waiting.close(&call));
    }
}
