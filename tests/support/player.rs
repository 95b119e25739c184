// SPDX-License-Identifier: MIT OR Apache-2.0
//! A player application: a client of the daemon on the bus.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use serde::Serialize;
use serde::de::DeserializeOwned;
use zbus::export::ordered_stream::OrderedStreamExt as _;
use zbus::{
    Connection, DBusError as _, DynamicType, MatchRule, Message, MessageStream, OwnedObjectPath,
    OwnedVariant, Type,
};

use super::{BOUND, Failure};

const NAME: &str = "tv.tokend";
const APPLICATION: &str = "tv.tokend.Application1";
const MANAGER: &str = "tv.tokend.Manager1";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// The object path of an application.
pub fn path_of(application: &str) -> String {
    format!("/tv/tokend/application/{application}")
}

/// A D-Bus error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    /// As `tv.tokend.Error.Throttled`.
    pub name: String,
    pub message: String,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.message)
    }
}

/// What a call gave: a token, or headers, and the whole seconds that they are valid for.
pub type Served<T> = Result<(T, u32), CallError>;

/// One connection to the bus.
#[derive(Clone)]
pub struct Player(Connection);

impl Player {
    /// Connects to the bus at `address`.
    ///
    /// # Errors
    /// There is no bus.
    pub fn connect(address: &str) -> Result<Self, Failure> {
        let failure = |error| Failure::new("cannot connect to the bus", error);
        let builder = zbus::connection::Builder::address(address).method_timeout(BOUND);
        Ok(Self(zbus::block_on(builder.build()).map_err(failure)?))
    }

    /// Its unique name on the bus.
    pub fn unique_name(&self) -> String {
        self.0.unique_name().map(ToString::to_string).unwrap_or_default()
    }

    /// Leaves the bus, whatever it still waits for.
    pub fn leave(self) {
        // A connection that broke before has left too.
        let _ = zbus::block_on(self.0.close());
    }

    pub fn get_token(&self, application: &str, min_validity: u32) -> Served<String> {
        self.call(&path_of(application), APPLICATION, "GetToken", &(min_validity,))
    }

    pub fn get_headers(
        &self,
        application: &str,
        min_validity: u32,
    ) -> Served<BTreeMap<String, String>> {
        self.call(&path_of(application), APPLICATION, "GetHeaders", &(min_validity,))
    }

    pub fn replace_token(&self, application: &str, rejected: &str, code: &str) -> Served<String> {
        self.call(&path_of(application), APPLICATION, "ReplaceToken", &(rejected, code))
    }

    /// Reports a token, and returns at once.
    pub fn start_replace_token(
        &self,
        application: &str,
        rejected: &str,
    ) -> Receiver<Served<String>> {
        let (answers, receiver) = mpsc::channel();
        let player = self.clone();
        let (application, rejected) = (application.to_owned(), rejected.to_owned());
        thread::spawn(move || answers.send(player.replace_token(&application, &rejected, "")));
        receiver
    }

    /// Makes `count` calls of `GetToken` at once over this one connection, and returns at once: the
    /// answers come in the order in which the daemon gives them.
    pub fn start_get_token(
        &self,
        count: usize,
        application: &str,
        min_validity: u32,
    ) -> Receiver<Served<String>> {
        let (answers, receiver) = mpsc::channel();
        for _ in 0..count {
            let (player, answers) = (self.clone(), answers.clone());
            let application = application.to_owned();
            thread::spawn(move || answers.send(player.get_token(&application, min_validity)));
        }
        receiver
    }

    /// All properties of an application; panics where one is missing or of another type.
    pub fn properties(&self, application: &str) -> Properties {
        let path = path_of(application);
        let all: (HashMap<String, OwnedVariant>,) =
            self.call(&path, PROPERTIES, "GetAll", &(APPLICATION,)).unwrap();
        Properties::from(all.0)
    }

    /// A property of the manager; panics where it is missing or of another type.
    pub fn manager_property<T: TryFrom<OwnedVariant, Error = zbus::Error>>(&self, name: &str) -> T {
        let value: (OwnedVariant,) =
            self.call("/tv/tokend", PROPERTIES, "Get", &(MANAGER, name)).unwrap();
        T::try_from(value.0).unwrap()
    }

    pub fn device_info(&self) -> Result<HashMap<String, OwnedVariant>, CallError> {
        self.call("/tv/tokend", MANAGER, "GetDeviceInfo", &()).map(|(info,)| info)
    }

    pub fn reload(&self) -> Result<(), CallError> {
        self.call("/tv/tokend", MANAGER, "Reload", &())
    }

    pub fn forget(&self, application: &str) -> Result<(), CallError> {
        self.call("/tv/tokend", MANAGER, "Forget", &(application,))
    }

    /// The object paths that the daemon manages, in order.
    pub fn managed_objects(&self) -> Vec<String> {
        type Interfaces = HashMap<String, HashMap<String, OwnedVariant>>;
        let interface = "org.freedesktop.DBus.ObjectManager";
        let (objects,): (HashMap<OwnedObjectPath, Interfaces>,) =
            self.call("/tv/tokend", interface, "GetManagedObjects", &()).unwrap();
        let mut paths: Vec<String> = objects.keys().map(ToString::to_string).collect();
        paths.sort();
        paths
    }

    /// The introspection XML of an object.
    pub fn introspect(&self, path: &str) -> String {
        let interface = "org.freedesktop.DBus.Introspectable";
        self.call::<_, (String,)>(path, interface, "Introspect", &()).unwrap().0
    }

    /// Any call to the daemon.
    ///
    /// # Errors
    /// What the daemon or the bus answered instead.
    pub fn call<B, R>(
        &self,
        path: &str,
        interface: &str,
        method: &str,
        body: &B,
    ) -> Result<R, CallError>
    where
        B: Serialize + DynamicType,
        R: DeserializeOwned + Type,
    {
        let call = self.0.call_method(Some(NAME), path, Some(interface), method, body);
        let answer = zbus::block_on(call).and_then(|reply| reply.body().deserialize());
        answer.map_err(call_error)
    }

    /// The property changes of one application from now on.
    pub fn watch(&self, application: &str) -> Changes {
        let rule = MatchRule::builder()
            .msg_type(zbus::message::Type::Signal)
            .interface(PROPERTIES)
            .member("PropertiesChanged")
            .path(path_of(application))
            .build()
            .expect("a match rule");
        Changes(self.signals(rule))
    }

    /// The comings and goings of objects from now on, as `(signal, object path)`.
    pub fn watch_objects(&self) -> Receiver<(String, String)> {
        let rule = MatchRule::builder()
            .msg_type(zbus::message::Type::Signal)
            .interface("org.freedesktop.DBus.ObjectManager")
            .build()
            .expect("a match rule");
        let (signals, (sender, receiver)) = (self.signals(rule), mpsc::channel());
        thread::spawn(move || {
            for message in signals {
                let member = message.header().member().map(ToString::to_string);
                // InterfacesAdded (oa{sa{sv}}) and InterfacesRemoved (oas) begin alike.
                let body = message.body();
                let body: zbus::Structure<'_> = body.deserialize().expect("a structure");
                let zbus::Variant::ObjectPath(path) = &body.fields()[0] else { continue };
                let path = path.to_string();
                if sender.send((member.unwrap_or_default(), path)).is_err() {
                    return;
                }
            }
        });
        receiver
    }

    /// The signals that match, from now on: subscribed to when this returns. Its thread ends with
    /// the bus, or with the first signal that nobody takes.
    pub fn signals(&self, rule: MatchRule<'static>) -> Receiver<Message> {
        let (sender, receiver) = mpsc::channel();
        let subscribe = MessageStream::for_match_rule(rule, &self.0, None);
        let mut stream = zbus::block_on(subscribe).expect("the bus takes a match rule");
        thread::spawn(move || {
            zbus::block_on(async {
                while let Some(Ok(message)) = stream.next().await {
                    if sender.send(message).is_err() {
                        return;
                    }
                }
            });
        });
        receiver
    }
}

fn call_error(error: zbus::Error) -> CallError {
    let (name, message) = match &error {
        zbus::Error::MethodError(name, message, _) => (name.to_string(), message.clone()),
        zbus::Error::FDO(error) => {
            (error.name().to_string(), error.description().map(str::to_owned))
        }
        // Not an answer at all: no daemon, no bus, a reply of another type.
        _ => ("no answer".to_owned(), Some(error.to_string())),
    };
    CallError { name, message: message.unwrap_or_default() }
}

/// The properties of `tv.tokend.Application1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Properties {
    pub id: String,
    pub state: String,
    pub token_number: u64,
    pub expires_at: u64,
    pub retry_at: u64,
    pub last_error: (String, String),
    pub scopes: Vec<String>,
    pub redirect_uris: Vec<String>,
    pub client_id_issued_at: u64,
    pub counters: HashMap<String, u64>,
    /// UNIX seconds, event, message.
    pub history: Vec<(u64, String, String)>,
}

impl Properties {
    fn from(mut all: HashMap<String, OwnedVariant>) -> Self {
        fn take<T>(all: &mut HashMap<String, OwnedVariant>, name: &str) -> T
        where
            T: TryFrom<OwnedVariant, Error: std::fmt::Display>,
        {
            let value = all.remove(name).unwrap_or_else(|| panic!("{name} is missing"));
            T::try_from(value).unwrap_or_else(|error| panic!("{name}: {error}"))
        }
        let properties = Self {
            id: take(&mut all, "Id"),
            state: take(&mut all, "State"),
            token_number: take(&mut all, "TokenNumber"),
            expires_at: take(&mut all, "ExpiresAt"),
            retry_at: take(&mut all, "RetryAt"),
            last_error: take(&mut all, "LastError"),
            scopes: take(&mut all, "Scopes"),
            redirect_uris: take(&mut all, "RedirectUris"),
            client_id_issued_at: take(&mut all, "ClientIdIssuedAt"),
            counters: take(&mut all, "Counters"),
            history: take(&mut all, "History"),
        };
        assert!(all.is_empty(), "unknown properties: {:?}", all.keys());
        properties
    }
}

/// One `PropertiesChanged`: what changed, and to what.
#[derive(Debug)]
pub struct Change(pub HashMap<String, OwnedVariant>);

impl Change {
    /// The new value; `None` where this property has not changed or is of another type.
    pub fn get<T: TryFrom<OwnedVariant>>(&self, name: &str) -> Option<T> {
        T::try_from(self.0.get(name)?.try_clone().ok()?).ok()
    }

    /// Whether the state is now this.
    pub fn is_state(&self, state: &str) -> bool {
        self.get::<String>("State").as_deref() == Some(state)
    }
}

/// The property changes of one application.
pub struct Changes(Receiver<Message>);

impl Changes {
    /// The next one. Panics after [`BOUND`].
    pub fn next(&self) -> Change {
        let message = self.0.recv_timeout(BOUND).expect("a property change");
        type Body = (String, HashMap<String, OwnedVariant>, Vec<String>);
        let (interface, changed, invalidated): Body =
            message.body().deserialize().expect("the body of PropertiesChanged");
        assert_eq!((interface.as_str(), invalidated.len()), (APPLICATION, 0));
        Change(changed)
    }

    /// The next one for which `holds`; those before it are dropped. Panics after [`BOUND`].
    pub fn wait_for(&self, holds: impl Fn(&Change) -> bool) -> Change {
        loop {
            let change = self.next();
            if holds(&change) {
                return change;
            }
        }
    }
}
