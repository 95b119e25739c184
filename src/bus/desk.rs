// SPDX-License-Identifier: MIT OR Apache-2.0
//! What all objects share: the snapshot, who calls, which calls wait, and the way to the daemon.

use std::sync::{Arc, Weak};

use zbus::Connection;
use zbus::message::Header;
use zruntime::SharedRuntime;

use super::callers::{Callers, Left};
use super::waiting::{Outcome, SAFETY_NET, Waiting};
use super::{BusEvent, CallId, Snapshot};
use crate::access::Caller;
use crate::model::AppId;
use crate::view::{CallError, ErrorName};

/// The way to the daemon.
pub(super) type Events = Box<dyn Fn(BusEvent) + Send + Sync>;

pub(super) struct Desk {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) waiting: Waiting,
    callers: Callers,
    runtime: SharedRuntime,
    events: Events,
    left: Left,
}

impl Desk {
    pub(super) fn new(
        snapshot: Arc<Snapshot>,
        runtime: SharedRuntime,
        events: Events,
    ) -> Arc<Self> {
        Arc::new_cyclic(|desk: &Weak<Self>| {
            let desk = desk.clone();
            let left: Left = Arc::new(move |name| {
                if let Some(desk) = desk.upgrade() {
                    desk.caller_left(name);
                }
            });
            let (callers, waiting) = (Callers::default(), Waiting::default());
            Self { snapshot, waiting, callers, runtime, events, left }
        })
    }

    /// Who sent the message with this header: the connection's name, and what the bus says of it.
    pub(super) async fn identify<'h>(
        &self,
        header: &'h Header<'_>,
        connection: &Connection,
    ) -> Result<(&'h str, Arc<Caller>), CallError> {
        let Some(name) = header.sender().map(|name| name.as_str()) else {
            return Err(CallError::new(ErrorName::AccessDenied, "the call names no sender"));
        };
        let busy = |name: &str| self.waiting.has(name);
        let asking = self.callers.identify(name, connection, &self.runtime, busy, &self.left);
        Ok((name, asking.await?))
    }

    /// Takes a call in, tells the daemon, and waits for the answer.
    pub(super) async fn wait(
        &self,
        caller: &str,
        app: Option<&AppId>,
        event: impl FnOnce(CallId) -> BusEvent,
    ) -> Outcome {
        let call = self.waiting.open(caller, app)?;
        self.tell(event(call.id));
        let outcome = call.outcome(&self.runtime, SAFETY_NET).await;
        if self.waiting.close(&call) {
            self.tell(BusEvent::Gone { call: call.id });
        }
        outcome
    }

    pub(super) fn tell(&self, event: BusEvent) {
        (self.events)(event);
    }

    /// Ends the calls for an application that is gone.
    pub(super) fn application_removed(&self, app: &AppId) {
        self.gone(self.waiting.remove(app));
    }

    fn caller_left(&self, name: &str) {
        self.callers.forget(name);
        self.gone(self.waiting.leave(name));
    }

    fn gone(&self, calls: Vec<CallId>) {
        for call in calls {
            self.tell(BusEvent::Gone { call });
        }
    }
}
