// SPDX-License-Identifier: MIT OR Apache-2.0
//! Stays on the bus and tells what happens there: one connection, no polling, and nothing that
//! would start tokend.
//!
//! Questions are sent without waiting, and their answers are read from the same stream as the
//! signals, so that everything is seen in the order in which it happened: a signal from before an
//! answer never undoes what the answer says.

use std::future::{Future, poll_fn};
use std::io;
use std::num::NonZeroU32;
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use serde::Serialize;
use zbus::message::{Header, Message, Type};
use zbus::{Connection, MessageStream, OwnedObjectPath};
use zruntime::{AsyncIo, Readiness, Shared, SharedRuntime, Sleep};

use super::properties::{self, Notice, Properties};
use super::{ClientError, TIMEOUT, connect, failed, read, within};
use crate::bus::{APPLICATION_PATH, BusAddress, MANAGER_INTERFACE, MANAGER_PATH, NAME};

const BUS: &str = "org.freedesktop.DBus";
const BUS_PATH: &str = "/org/freedesktop/DBus";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const OBJECT_MANAGER: &str = "org.freedesktop.DBus.ObjectManager";

/// So much later than the first of several news comes the rest, in which all of them are shown.
const SOON: Duration = Duration::from_millis(20);

/// Who watches. Each of these may end the watch.
pub trait Watcher {
    /// The bus is there. What is to be waited for besides: each is told by [`Watcher::ready`] when
    /// it can be read, or has hung up.
    ///
    /// # Errors
    /// Ends the watch.
    fn start(&mut self) -> io::Result<Vec<OwnedFd>>;
    /// Something has happened on the bus.
    fn told(&mut self, notice: Notice) -> ControlFlow<()>;
    /// The descriptor of this number is to be read until nothing is left in it.
    fn ready(&mut self, number: usize) -> ControlFlow<()>;
    /// A moment after the first of several news, and whenever it has asked for it: says in how
    /// long it wants to be called again without any.
    fn rest(&mut self) -> ControlFlow<(), Option<Duration>>;
}

/// Tells `watcher` how tokend is, and all that changes, until it has enough.
///
/// # Errors
/// There is no bus, or it is lost; or tokend's answers are none.
pub fn watch(bus: &BusAddress, watcher: &mut impl Watcher) -> Result<(), ClientError> {
    zbus::block_on(async {
        let connection = within(connect(bus)).await?;
        let result = follow(&connection, watcher).await;
        let _ = connection.close().await;
        result
    })
}

async fn follow(connection: &Connection, watcher: &mut impl Watcher) -> Result<(), ClientError> {
    let runtime = SharedRuntime::current().map_err(ClientError::Runtime)?;
    // Before anything is asked, so that no answer can go by.
    let messages = MessageStream::from(connection);
    let mut feed = Feed::subscribe(connection.clone()).await?;
    let sources = watcher.start().map_err(ClientError::Runtime)?;
    let sources = sources.into_iter().map(|source| AsyncIo::new_nonblocking(&runtime, source));
    let sources = sources.collect::<io::Result<Vec<_>>>().map_err(ClientError::Runtime)?;
    let readable = |number: usize| sources.get(number).map(AsyncIo::readable);
    let mut inputs = Inputs {
        messages,
        readable: (0..sources.len()).map(readable).collect(),
        rest: None,
        silence: runtime.sleep(TIMEOUT),
    };
    let mut news = false;
    loop {
        // Only tokend ends its own silence, not a stranger's signal or a key.
        let mut heard = feed.asked.is_empty();
        let flow = match poll_fn(|context| inputs.poll(context, !feed.asked.is_empty())).await {
            Wakeup::Message(message) => match feed.take(&message).await? {
                Some(notice) => {
                    heard = true;
                    watcher.told(notice)
                }
                None => ControlFlow::Continue(()),
            },
            Wakeup::Closed => return Err(ClientError::Closed),
            Wakeup::Silence => return Err(ClientError::Silent),
            Wakeup::Ready(number) => {
                let flow = watcher.ready(number);
                inputs.readable[number] = readable(number);
                flow
            }
            Wakeup::Rest => {
                news = false;
                inputs.rest = None;
                match watcher.rest() {
                    ControlFlow::Continue(again) => {
                        inputs.rest = again.map(|again| runtime.sleep(again));
                        continue;
                    }
                    ControlFlow::Break(()) => ControlFlow::Break(()),
                }
            }
        };
        if flow.is_break() {
            return Ok(());
        }
        if !news {
            news = true;
            inputs.rest = Some(runtime.sleep(SOON));
        }
        if heard {
            inputs.silence.reset_after(TIMEOUT);
        }
    }
}

/// All that a watch waits for; the bus first, and the rest last.
struct Inputs<'a> {
    messages: MessageStream,
    readable: Vec<Option<Readiness<'a, Shared>>>,
    rest: Option<Sleep<Shared>>,
    silence: Sleep<Shared>,
}

enum Wakeup {
    Message(Message),
    Closed,
    Silence,
    Ready(usize),
    Rest,
}

impl Inputs<'_> {
    fn poll(&mut self, context: &mut Context<'_>, awaited: bool) -> Poll<Wakeup> {
        match Pin::new(&mut self.messages).poll_next(context) {
            Poll::Ready(Some(Ok(message))) => return Poll::Ready(Wakeup::Message(message)),
            Poll::Ready(_) => return Poll::Ready(Wakeup::Closed),
            Poll::Pending => {}
        }
        for (number, slot) in self.readable.iter_mut().enumerate() {
            let Some(readiness) = slot else { continue };
            match Pin::new(readiness).poll(context) {
                Poll::Ready(Ok(())) => return Poll::Ready(Wakeup::Ready(number)),
                // A file, or the null device: nothing ever comes of it.
                Poll::Ready(Err(_)) => *slot = None,
                Poll::Pending => {}
            }
        }
        if awaited && Pin::new(&mut self.silence).poll(context).is_ready() {
            return Poll::Ready(Wakeup::Silence);
        }
        let rest = self.rest.as_mut().map(|rest| Pin::new(rest).poll(context));
        if rest.is_some_and(|rest| rest.is_ready()) {
            return Poll::Ready(Wakeup::Rest);
        }
        Poll::Pending
    }
}

/// Turns messages into notices.
struct Feed {
    connection: Connection,
    /// The unique name of the connection that owns tokend's name.
    owner: Option<String>,
    /// Questions without an answer yet.
    asked: Vec<(NonZeroU32, Question)>,
    /// The manager's properties, until its objects are known too.
    manager: Option<Properties>,
}

#[derive(Clone, Copy)]
enum Question {
    Rule,
    Owner,
    Manager,
    Objects,
}

impl Feed {
    async fn subscribe(connection: Connection) -> Result<Self, ClientError> {
        let mut feed = Self { connection, owner: None, asked: Vec::new(), manager: None };
        // First the rules, then the question: what changes in between is heard.
        let owner = format!("type='signal',sender='{BUS}',member='NameOwnerChanged',arg0='{NAME}'");
        let tokend = format!("type='signal',sender='{NAME}',path_namespace='{MANAGER_PATH}'");
        for rule in [owner, tokend] {
            feed.ask(Question::Rule, BUS, BUS_PATH, BUS, "AddMatch", &rule).await?;
        }
        feed.ask(Question::Owner, BUS, BUS_PATH, BUS, "GetNameOwner", &NAME).await?;
        Ok(feed)
    }

    /// Sent to a unique name, a question starts nobody.
    async fn ask(
        &mut self,
        question: Question,
        to: &str,
        path: &str,
        interface: &str,
        method: &str,
        body: &(impl Serialize + zbus::DynamicType),
    ) -> Result<(), ClientError> {
        let call = Message::method_call(path, method)
            .destination(to)
            .interface(interface)
            .build(body)
            .map_err(ClientError::Lost)?;
        self.asked.push((call.primary_header().serial_num(), question));
        self.connection.send(&call).await.map_err(ClientError::Lost)
    }

    async fn take(&mut self, message: &Message) -> Result<Option<Notice>, ClientError> {
        let header = message.header();
        match message.message_type() {
            Type::Signal => self.signal(&header, message).await,
            Type::MethodReturn | Type::Error => {
                let serial = header.reply_serial();
                let asked = |(of, _): &(NonZeroU32, Question)| Some(*of) == serial;
                match self.asked.iter().position(asked) {
                    Some(at) => {
                        let (_, question) = self.asked.swap_remove(at);
                        self.answer(question, message).await
                    }
                    None => Ok(None),
                }
            }
            Type::MethodCall => Ok(None),
        }
    }

    async fn answer(
        &mut self,
        question: Question,
        message: &Message,
    ) -> Result<Option<Notice>, ClientError> {
        if message.message_type() == Type::Error {
            return match (question, failed(message.clone().into())) {
                // It has left meanwhile: the bus tells that, too.
                (Question::Manager | Question::Objects, ClientError::NotRunning { .. }) => Ok(None),
                (Question::Owner, ClientError::NotRunning { .. }) => Ok(Some(Notice::Gone)),
                (_, error) => Err(error),
            };
        }
        match question {
            Question::Rule => Ok(None),
            Question::Owner => self.owned_by(read(message)?).await,
            Question::Manager => {
                self.manager = Some(read(message)?);
                if let Some(owner) = self.owner.clone() {
                    let (objects, path) = (Question::Objects, MANAGER_PATH);
                    self.ask(objects, &owner, path, OBJECT_MANAGER, "GetManagedObjects", &())
                        .await?;
                }
                Ok(None)
            }
            Question::Objects => {
                let Some(mut manager) = self.manager.take() else { return Ok(None) };
                properties::overview(&mut manager, read(message)?).map(Notice::Here).map(Some)
            }
        }
    }

    /// The owner of tokend's name is this one; empty: nobody.
    async fn owned_by(&mut self, owner: String) -> Result<Option<Notice>, ClientError> {
        if self.owner.as_ref() == Some(&owner) {
            return Ok(None);
        }
        // Whatever the last owner was asked does not count any more.
        self.asked.retain(|(_, question)| matches!(question, Question::Rule | Question::Owner));
        self.manager = None;
        self.owner = None;
        if owner.is_empty() {
            return Ok(Some(Notice::Gone));
        }
        let question = Question::Manager;
        self.ask(question, &owner, MANAGER_PATH, PROPERTIES, "GetAll", &MANAGER_INTERFACE).await?;
        self.owner = Some(owner);
        Ok(None)
    }

    async fn signal(
        &mut self,
        header: &Header<'_>,
        message: &Message,
    ) -> Result<Option<Notice>, ClientError> {
        let sender = header.sender().map_or("", |name| name.as_str());
        let member = header.member().map_or("", |name| name.as_str());
        if sender == BUS && member == "NameOwnerChanged" {
            let (name, _, owner): (String, String, String) = read(message)?;
            return if name == NAME { self.owned_by(owner).await } else { Ok(None) };
        }
        if self.owner.as_deref() != Some(sender) {
            return Ok(None);
        }
        let interface = header.interface().map_or("", |name| name.as_str());
        match (interface, member) {
            (PROPERTIES, "PropertiesChanged") => {
                let (_, changed, _): (String, Properties, Vec<String>) = read(message)?;
                self.changed(header.path().map_or("", |path| path.as_str()), changed)
            }
            (OBJECT_MANAGER, "InterfacesAdded") => {
                let (_, interfaces): (OwnedObjectPath, properties::Interfaces) = read(message)?;
                Ok(properties::application(interfaces).transpose()?.map(Notice::Added))
            }
            (OBJECT_MANAGER, "InterfacesRemoved") => {
                let (path, _): (OwnedObjectPath, Vec<String>) = read(message)?;
                let id = path.as_str().strip_prefix(APPLICATION_PATH);
                Ok(id.map(|id| Notice::Removed(id.to_owned())))
            }
            _ => Ok(None),
        }
    }

    fn changed(
        &mut self,
        path: &str,
        mut changed: Properties,
    ) -> Result<Option<Notice>, ClientError> {
        if let Some(id) = path.strip_prefix(APPLICATION_PATH) {
            let changes = properties::changes(changed)?;
            return Ok(Some(Notice::Changed(id.to_owned(), changes)));
        }
        let name = "ClockSet";
        if path != MANAGER_PATH || !changed.contains_key(name) {
            return Ok(None);
        }
        if let Some(manager) = &mut self.manager {
            manager.extend(changed);
            return Ok(None);
        }
        let set = properties::take(&mut changed, name)?;
        Ok(Some(Notice::ClockSet(set)))
    }
}
