// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bus thread: sets everything up, then carries out commands until the bus is lost.

use std::future::{Future, poll_fn};
use std::num::NonZeroUsize;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::task::Poll;

use futures_core::Stream;
use zbus::connection::Builder;
use zbus::fdo::{RequestNameFlags, RequestNameReply};
use zbus::{Connection, MatchRule, MessageStream};
use zruntime::{EventListener, SharedRuntime};

use super::application::{Application, path};
use super::desk::{Desk, Events};
use super::manager::Manager;
use super::object_manager::{self, ObjectManager};
use super::read_only::ReadOnly;
use super::{
    BusAddress, BusCommand, BusError, BusEvent, MANAGER_PATH, NAME, Queue, Snapshot, signals,
    socket,
};
use crate::model::AppId;

const BUS: &str = "org.freedesktop.DBus";

/// Runs until the bus is lost or the queue is stopped. Says once on `ready` how the start went.
pub(super) async fn run(
    address: BusAddress,
    snapshot: Arc<Snapshot>,
    events: Events,
    queue: &Queue,
    ready: &SyncSender<Result<(), BusError>>,
) {
    let mut service = match Service::start(&address, snapshot, events).await {
        Ok(service) => service,
        Err(error) => return drop(ready.send(Err(error))),
    };
    if ready.send(Ok(())).is_err() {
        return;
    }
    let why = service.serve(queue).await;
    if let Some(why) = why {
        service.desk.tell(BusEvent::Lost(why));
    }
    service.desk.waiting.stop();
    // Objects and calls keep the connection alive: only this ends it.
    let _ = service.connection.close().await;
}

struct Service {
    connection: Connection,
    desk: Arc<Desk>,
    name_lost: MessageStream,
}

/// What the bus thread waits for.
enum Woken {
    Nudged,
    Disconnected,
    NameLost,
}

impl Service {
    async fn start(
        address: &BusAddress,
        snapshot: Arc<Snapshot>,
        events: Events,
    ) -> Result<Self, BusError> {
        let runtime = SharedRuntime::current().map_err(BusError::Runtime)?;
        let unreachable = |source| BusError::Connect { address: address.clone(), source };
        let builder = guarded(address, &runtime).map_err(unreachable)?;
        let desk = Desk::new(snapshot, runtime, events);
        // An object from the start, so that zbus listens for calls before the first one can come.
        let manager = ReadOnly(Manager::new(Arc::clone(&desk)));
        let connection =
            builder.serve_at(MANAGER_PATH, manager).build().await.map_err(unreachable)?;
        export(&connection, &desk).await.map_err(BusError::Setup)?;
        let name_lost = name_lost(&connection).await.map_err(BusError::Setup)?;
        own_name(&connection).await?;
        Ok(Self { connection, desk, name_lost })
    }

    /// Carries out commands. Says why the bus is lost; nothing where the queue is stopped.
    async fn serve(&mut self, queue: &Queue) -> Option<String> {
        loop {
            let nudged = queue.nudge.listen();
            while let Some(command) = queue.pop() {
                // A signal that cannot be sent means that the bus is lost, which is seen below.
                let _ = self.run(command).await;
            }
            if queue.stopped() {
                return None;
            }
            match self.wait(nudged).await {
                Woken::Nudged => {}
                Woken::Disconnected => return Some("the bus has closed the connection".into()),
                Woken::NameLost => return Some(format!("the bus has taken away the name {NAME}")),
            }
        }
    }

    async fn wait(&mut self, nudged: EventListener) -> Woken {
        let mut nudged = pin!(nudged);
        let mut closed = pin!(self.connection.closed());
        let mut name_lost = Pin::new(&mut self.name_lost);
        poll_fn(|context| {
            if closed.as_mut().poll(context).is_ready() {
                return Poll::Ready(Woken::Disconnected);
            }
            match name_lost.as_mut().poll_next(context) {
                Poll::Ready(Some(Ok(_))) => return Poll::Ready(Woken::NameLost),
                Poll::Ready(_) => return Poll::Ready(Woken::Disconnected),
                Poll::Pending => {}
            }
            nudged.as_mut().poll(context).map(|()| Woken::Nudged)
        })
        .await
    }

    async fn run(&self, command: BusCommand) -> zbus::Result<()> {
        match command {
            BusCommand::Answer { call, result } => self.desk.waiting.settle(call, result),
            BusCommand::Changed { app, before, after } => {
                signals::application_changed(&self.connection, &app, &before, &after).await?;
            }
            BusCommand::Added(app) => {
                // Where it has gone again, `Removed` is in the queue, and will find no object.
                let Some(view) = self.desk.snapshot.view(&app) else { return Ok(()) };
                if add(&self.connection, &self.desk, app.clone()).await? {
                    object_manager::announce(&self.connection, &app, &view).await?;
                }
            }
            BusCommand::Removed(app) => {
                let server = self.connection.object_server();
                let removed = server.remove::<ReadOnly<Application>, _>(path(&app)).await;
                let told = match removed {
                    Ok(_) => object_manager::take_back(&self.connection, &app).await,
                    Err(error) => Err(error),
                };
                self.desk.application_removed(&app);
                told?;
            }
            BusCommand::ClockSet(set) => {
                signals::clock_set_changed(&self.connection, set).await?;
            }
            BusCommand::Ping => self.desk.tell(BusEvent::Pong),
        }
        Ok(())
    }
}

/// A connection that lets no large message in, where the bus is at a unix socket.
fn guarded(address: &BusAddress, runtime: &SharedRuntime) -> zbus::Result<Builder<'static>> {
    Ok(match socket::connect(&address.resolve()?, runtime)? {
        Some(socket) => Builder::socket(socket),
        None => address.builder(),
    })
}

async fn export(connection: &Connection, desk: &Arc<Desk>) -> zbus::Result<()> {
    let object_manager = ObjectManager::new(Arc::clone(desk));
    connection.object_server().at(MANAGER_PATH, object_manager).await?;
    for id in desk.snapshot.ids() {
        add(connection, desk, id).await?;
    }
    Ok(())
}

/// Makes an application's object; false where it is there.
async fn add(connection: &Connection, desk: &Arc<Desk>, id: AppId) -> zbus::Result<bool> {
    let path = path(&id);
    let application = ReadOnly(Application::new(id, Arc::clone(desk)));
    connection.object_server().at(path, application).await.map(|left| left.is_none())
}

/// Has to be there before the name is owned, or its loss could be missed.
async fn name_lost(connection: &Connection) -> zbus::Result<MessageStream> {
    let rule = MatchRule::builder()
        .msg_type(zbus::message::Type::Signal)
        .sender(BUS)
        .interface(BUS)
        .member("NameLost")
        .arg(0, NAME)
        .build()?;
    MessageStream::for_match_rule(rule, connection, Some(NonZeroUsize::MIN)).await
}

/// Asked for by hand: zbus's own request would keep two match rules that nobody reads.
async fn own_name(connection: &Connection) -> Result<(), BusError> {
    let reply = connection
        .call_method(
            Some(BUS),
            "/org/freedesktop/DBus",
            Some(BUS),
            "RequestName",
            &(NAME, RequestNameFlags::DO_NOT_QUEUE),
        )
        .await
        .map_err(BusError::NameDenied)?;
    match reply.body().deserialize().map_err(BusError::Setup)? {
        RequestNameReply::PrimaryOwner | RequestNameReply::AlreadyOwner => Ok(()),
        RequestNameReply::Exists | RequestNameReply::InQueue => Err(BusError::NameTaken),
    }
}
