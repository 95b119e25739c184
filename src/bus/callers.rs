// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who calls: what the bus says of a connection, asked once for each and forgotten when it leaves.

use std::future::poll_fn;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_core::Stream;
use zbus::fdo::ConnectionCredentials;
use zbus::{Connection, MatchRule, MessageStream};
use zruntime::lock::OnceCell;
use zruntime::{Shared, SharedRuntime, Task};

use crate::access::Caller;
use crate::map::Map;
use crate::view::{CallError, ErrorName};

/// Connections remembered at a time. Each has a match rule at the bus, and dbus-daemon allows 512
/// a connection.
const REMEMBERED: usize = 256;

/// Calls of one connection that wait until it is known who calls: as many as may wait for a token.
const UNKNOWN_PER_CONNECTION: usize = 64;
/// Such calls of all connections. Each takes some KiB, and they can come faster than the bus
/// answers.
const UNKNOWN: usize = 1024;
/// Such calls that each connection has in any case, so that nobody is kept out by the others.
const UNKNOWN_FREE: usize = 2;

#[derive(Default)]
pub(super) struct Callers {
    known: Mutex<Known>,
    /// All calls that wait until it is known who calls.
    asking: AtomicUsize,
}

#[derive(Default)]
struct Known {
    uses: u64,
    /// At most [`REMEMBERED`].
    connections: Map<String, Remembered>,
}

struct Remembered {
    caller: Answer,
    last_use: u64,
    /// Waits for the connection to leave. Dropped along with this, it ends.
    watch: Option<Task<(), Shared>>,
}

type Answer = Arc<Question>;

/// What the bus is asked of a connection.
#[derive(Default)]
struct Question {
    /// Filled once the bus has answered, or why it has not; calls that come meanwhile wait for the
    /// one question, and share its failure: many calls of a caller who has left cost no more than
    /// one.
    caller: OnceCell<Result<Arc<Caller>, String>>,
    /// The calls that wait for it.
    asking: AtomicUsize,
}

/// What is called when a connection leaves.
pub(super) type Left = Arc<dyn Fn(&str) + Send + Sync>;

impl Callers {
    /// What the bus says of the connection `name`. `busy` says of a connection that it must not be
    /// forgotten for lack of room.
    pub(super) async fn identify(
        &self,
        name: &str,
        connection: &Connection,
        runtime: &SharedRuntime,
        busy: impl Fn(&str) -> bool,
        left: &Left,
    ) -> Result<Arc<Caller>, CallError> {
        let answer = self.remember(name, busy);
        if let Some(Ok(caller)) = answer.caller.get() {
            return Ok(Arc::clone(caller));
        }
        let _place = self.place(&answer)?;
        // First the watch, then the question: who leaves in between is still seen to leave, and
        // of one who has left before, the bus knows nothing.
        let asking = answer.caller.get_or_init(|| async {
            let watch = watch(name, connection, runtime, left).await;
            self.keep(name, &answer, watch.map_err(|error| error.to_string())?);
            ask(name, connection).await.map(Arc::new).map_err(|error| error.to_string())
        });
        match asking.await.clone() {
            Ok(caller) if self.knows(name, &answer) => Ok(caller),
            Ok(_) => Err(unavailable("the caller has left the bus")),
            Err(error) => {
                drop(self.take_if(name, |known| Arc::ptr_eq(&known.caller, &answer)));
                Err(unavailable(&format!("the bus does not say who calls: {error}")))
            }
        }
    }

    /// Forgets a connection that has left. Its watch is what calls this: it must not cancel itself.
    pub(super) fn forget(&self, name: &str) {
        let forgotten = self.take_if(name, |_| true);
        if let Some(watch) = forgotten.and_then(|remembered| remembered.watch) {
            watch.detach();
        }
    }

    /// Room for one more call that waits until it is known who calls.
    fn place<'a>(&'a self, answer: &'a Question) -> Result<Place<'a>, CallError> {
        let place = Place { all: &self.asking, own: &answer.asking };
        let all = place.all.fetch_add(1, Ordering::Relaxed);
        let own = place.own.fetch_add(1, Ordering::Relaxed);
        if own >= UNKNOWN_PER_CONNECTION || (own >= UNKNOWN_FREE && all >= UNKNOWN) {
            let message = "too many calls at once of connections that have not called before";
            return Err(CallError::new(ErrorName::LimitsExceeded, message));
        }
        Ok(place)
    }

    fn remember(&self, name: &str, busy: impl Fn(&str) -> bool) -> Answer {
        let mut known = self.lock();
        known.uses += 1;
        let last_use = known.uses;
        if let Some(remembered) = known.connections.get_mut(name) {
            remembered.last_use = last_use;
            return Arc::clone(&remembered.caller);
        }
        let forgotten = known.make_room(busy);
        let caller = Answer::default();
        let remembered = Remembered { caller: Arc::clone(&caller), last_use, watch: None };
        known.connections.insert(name.to_owned(), remembered);
        drop(known);
        drop(forgotten);
        caller
    }

    fn keep(&self, name: &str, answer: &Answer, watch: Task<(), Shared>) {
        let mut known = self.lock();
        if let Some(remembered) = known.connections.get_mut(name)
            && Arc::ptr_eq(&remembered.caller, answer)
        {
            remembered.watch = Some(watch);
        }
    }

    fn knows(&self, name: &str, answer: &Answer) -> bool {
        let known = self.lock();
        known.connections.get(name).is_some_and(|known| Arc::ptr_eq(&known.caller, answer))
    }

    fn take_if(&self, name: &str, condition: impl Fn(&Remembered) -> bool) -> Option<Remembered> {
        let mut known = self.lock();
        known.connections.get(name).is_some_and(condition).then_some(())?;
        known.connections.remove(name)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that waits until it is known who calls, until it is dropped.
struct Place<'a> {
    all: &'a AtomicUsize,
    own: &'a AtomicUsize,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.all.fetch_sub(1, Ordering::Relaxed);
        self.own.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Known {
    /// Takes out the connection that has called the longest time ago, if there is no room, and if
    /// any can be spared.
    fn make_room(&mut self, busy: impl Fn(&str) -> bool) -> Option<Remembered> {
        if self.connections.len() < REMEMBERED {
            return None;
        }
        let spare = self
            .connections
            .iter()
            .filter(|(name, known)| known.caller.caller.get().is_some() && !busy(name))
            .min_by_key(|(_, known)| known.last_use)
            .map(|(name, _)| name.clone())?;
        self.connections.remove(&spare)
    }
}

/// A task that calls `left` when the connection leaves. The match rule is for this connection
/// alone, so that strangers who come and go wake nobody; it is taken back when the task ends.
async fn watch(
    name: &str,
    connection: &Connection,
    runtime: &SharedRuntime,
    left: &Left,
) -> zbus::Result<Task<(), Shared>> {
    let rule = MatchRule::builder()
        .msg_type(zbus::message::Type::Signal)
        .sender("org.freedesktop.DBus")
        .interface("org.freedesktop.DBus")
        .member("NameOwnerChanged")
        .arg(0, name)
        .build()?;
    let mut owner_changed =
        MessageStream::for_match_rule(rule, connection, Some(NonZeroUsize::MIN)).await?;
    let (name, left) = (name.to_owned(), Arc::clone(left));
    Ok(runtime.spawn("caller leaves", async move {
        let changed = poll_fn(|context| Pin::new(&mut owner_changed).poll_next(context)).await;
        // A unique name is never given twice: any change of its owner is its end.
        if matches!(changed, Some(Ok(_))) {
            left(&name);
        }
    }))
}

async fn ask(name: &str, connection: &Connection) -> zbus::Result<Caller> {
    let bus = "org.freedesktop.DBus";
    let reply = connection
        .call_method(
            Some(bus),
            "/org/freedesktop/DBus",
            Some(bus),
            "GetConnectionCredentials",
            &name,
        )
        .await?;
    let credentials: ConnectionCredentials = reply.body().deserialize()?;
    Ok(Caller {
        uid: credentials.unix_user_id(),
        gids: credentials.unix_group_ids().cloned(),
        label: credentials.linux_security_label().cloned(),
    })
}

fn unavailable(message: &str) -> CallError {
    CallError::new(ErrorName::Unavailable, message)
}
