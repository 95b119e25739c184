// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bus module on a private bus, with the test as its daemon.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokend::bus::{self, Bus, BusAddress, BusCommand, BusEvent, CallId, Snapshot};
use tokend::common::access::{Name, Rules};
use tokend::common::model::AppId;
use tokend::common::secret::Secret;
use tokend::lifecycle::view::{AppState, AppView, Counters, Face, ServedToken};
use tokend::system::clock;
use zbus::{Connection, DBusError as _, OwnedVariant};

use crate::support;

/// Ends a wait that would never end; nothing is measured with it.
const BOUND: Duration = Duration::from_secs(60);

/// Fewer match rules than there are callers in some tests.
const LIMITS: &str = r#"<limit name="max_match_rules_per_connection">300</limit>"#;

/// A bus of the test's own.
pub struct PrivateBus {
    bus: support::bus::Bus,
    pub address: String,
}

impl PrivateBus {
    /// Lets everyone connect, own and send, but for what these elements of its configuration say.
    pub fn start(elements: &str) -> Self {
        let bus = support::bus::Bus::start_with(elements).unwrap();
        Self { address: bus.address().to_owned(), bus }
    }

    pub fn bus_address(&self) -> BusAddress {
        BusAddress::Explicit(self.address.clone())
    }

    pub fn client(&self) -> Client {
        Client::connect(&self.address)
    }

    pub fn kill(&mut self) {
        self.bus.kill();
    }

    /// Makes the call of these words as another user, with a client that shares no code with tokend
    /// ([`Raw::call`]).
    ///
    /// [`Raw::call`]: support::raw::Raw::call
    pub fn call_as(&self, uid: u32, words: &[&str]) -> (bool, String) {
        self.bus.call_as(uid, &[], words)
    }

    /// The same as the user who runs the tests.
    pub fn call(&self, words: &[&str]) -> (bool, String) {
        self.bus.call(words)
    }
}

/// The bus module with what the daemon holds of it.
pub struct Rig {
    pub tokend: Bus,
    pub snapshot: Arc<Snapshot>,
    events: Receiver<BusEvent>,
    pub bus: PrivateBus,
}

impl Rig {
    /// With the application `cinema`, which has no token.
    pub fn start() -> Self {
        Self::with(view())
    }

    pub fn with(cinema: AppView) -> Self {
        Self::on(PrivateBus::start(LIMITS), cinema)
    }

    pub fn on(bus: PrivateBus, cinema: AppView) -> Self {
        let snapshot = Arc::new(Snapshot::new("0.1.0", "key-file"));
        snapshot.insert(app("cinema"), Arc::new(cinema), Arc::new(face()));
        let (tokend, events) = start(&bus, &snapshot).unwrap();
        Self { tokend, snapshot, events, bus }
    }

    /// The next event but `Pong`.
    pub fn event(&self) -> BusEvent {
        loop {
            match self.events.recv_timeout(BOUND).expect("an event comes") {
                BusEvent::Pong => {}
                event => return event,
            }
        }
    }

    /// The call of the next event.
    pub fn call(&self) -> CallId {
        match self.event() {
            BusEvent::Wanted { call, .. }
            | BusEvent::Replace { call, .. }
            | BusEvent::Reload { call, .. }
            | BusEvent::Forget { call, .. }
            | BusEvent::Gone { call } => call,
            other => panic!("no call: {other:?}"),
        }
    }

    /// The bus thread has done all it was told, and had nothing to say.
    pub fn silence(&self) {
        self.tokend.send(BusCommand::Ping);
        match self.events.recv_timeout(BOUND).expect("the bus thread runs") {
            BusEvent::Pong => {}
            other => panic!("not silent: {other:?}"),
        }
    }

    /// Changes the view of `cinema`, as the daemon does.
    pub fn change(&self, after: AppView) {
        let (app, after) = (app("cinema"), Arc::new(after));
        let before = self.snapshot.view(&app).unwrap();
        self.snapshot.set_view(&app, Arc::clone(&after));
        self.tokend.send(BusCommand::Changed { app, before, after });
    }

    pub fn client(&self) -> Client {
        self.bus.client()
    }
}

pub fn start(
    bus: &PrivateBus,
    snapshot: &Arc<Snapshot>,
) -> Result<(Bus, Receiver<BusEvent>), bus::BusError> {
    let (sender, events) = mpsc::channel();
    let tell = move |event| drop(sender.send(event));
    Ok((bus::start(&bus.bus_address(), Arc::clone(snapshot), tell)?, events))
}

pub fn app(name: &str) -> AppId {
    name.parse().unwrap()
}

/// No token.
pub fn view() -> AppView {
    AppView {
        state: AppState::Fetching,
        token: None,
        token_number: 0,
        expires_at: 0,
        retry_at: 0,
        last_error: (String::new(), String::new()),
        scopes: vec!["api:client:v2".into()],
        redirect_uris: vec!["adobepass://com.programmer".into()],
        client_id_issued_at: 1_600_000_000,
        counters: Counters::default(),
        history: Arc::default(),
        wall_less_boot: 0,
    }
}

/// A token of an hour, just fetched.
pub fn ready() -> AppView {
    let token = ServedToken {
        value: Secret::new("the-token".into()),
        expires: clock::boot().after(Duration::from_secs(3600)),
        lifetime: 3600,
        reported: false,
    };
    AppView {
        state: AppState::Ready,
        token: Some(token),
        token_number: 1,
        expires_at: 1_800_000_000,
        ..view()
    }
}

/// Lets in the user who runs the tests, and root.
pub fn face() -> Face {
    let uid = rustix::process::geteuid().as_raw();
    let me = Name { text: uid.to_string(), id: Some(uid) };
    Face {
        access: Rules { users: Some(vec![me]), groups: None, labels: None },
        headers: vec![("X-Device-Info".into(), "e30=".into())],
    }
}

pub const CINEMA: &str = "/tv/tokend/application/cinema";
pub const MANAGER: &str = "/tv/tokend";
pub const APPLICATION1: &str = "tv.tokend.Application1";
pub const MANAGER1: &str = "tv.tokend.Manager1";
pub const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// A player.
#[derive(Clone)]
pub struct Client(pub Connection);

/// The name and the message of an error.
pub type Refusal = (String, String);

impl Client {
    pub fn connect(address: &str) -> Self {
        let builder = zbus::connection::Builder::address(address).method_timeout(BOUND);
        Self(zbus::block_on(builder.build()).unwrap())
    }

    pub fn call<T: DeserializeOwned + zbus::Type>(
        &self,
        path: &str,
        interface: &str,
        method: &str,
        body: &(impl Serialize + zbus::DynamicType),
    ) -> Result<T, Refusal> {
        let call = self.0.call_method(Some("tv.tokend"), path, Some(interface), method, body);
        match zbus::block_on(call) {
            Ok(reply) => Ok(reply.body().deserialize().unwrap()),
            Err(zbus::Error::MethodError(name, message, _)) => {
                Err((name.to_string(), message.unwrap_or_default()))
            }
            Err(zbus::Error::FDO(error)) => {
                Err((error.name().to_string(), error.description().unwrap_or("").to_owned()))
            }
            Err(other) => panic!("{method} fails: {other}"),
        }
    }

    pub fn get_token(&self, min_validity: u32) -> Result<(String, u32), Refusal> {
        self.call(CINEMA, APPLICATION1, "GetToken", &min_validity)
    }

    pub fn replace_token(&self, rejected: &str, code: &str) -> Result<(String, u32), Refusal> {
        self.call(CINEMA, APPLICATION1, "ReplaceToken", &(rejected, code))
    }

    pub fn get_all(&self, path: &str, interface: &str) -> HashMap<String, OwnedVariant> {
        self.call(path, PROPERTIES, "GetAll", &interface).unwrap()
    }

    /// The call on a thread of its own.
    pub fn in_background<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let client = self.clone();
        thread::spawn(move || call(&client))
    }
}
