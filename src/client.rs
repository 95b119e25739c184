// SPDX-License-Identifier: MIT OR Apache-2.0
//! The client side of the bus, for the command line: each function connects, calls, and is done.
//! It runs on the calling thread; no other is left over.

mod properties;
mod socket;
mod watch;

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::time::Duration;

use serde::Serialize;
use zbus::message::Message;
use zbus::{Connection, DBusError, OwnedVariant, Signature, Type, Variant};
use zruntime::SharedRuntime;

use crate::bus::{
    APPLICATION_INTERFACE, APPLICATION_PATH, BusAddress, InfoValue, MANAGER_INTERFACE,
    MANAGER_PATH, NAME,
};
use crate::common::exit;
use crate::common::map::Map;
use crate::common::model::AppId;
use crate::common::secret::Secret;

pub use properties::{Change, Event, LastError, Notice, Overview, Status};
pub use watch::{Watcher, watch};

/// A command has its answer by then, connecting counted in: tokend answers within 20 s.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The manager's properties, and those of all applications.
///
/// # Errors
/// [`ClientError`], as all functions here.
pub fn overview(bus: &BusAddress) -> Result<Overview, ClientError> {
    ask(bus, async |connection| {
        let properties = "org.freedesktop.DBus.Properties";
        let get_all = call(connection, MANAGER_PATH, properties, "GetAll", &MANAGER_INTERFACE);
        let mut manager = read(&get_all.await?)?;
        let object_manager = "org.freedesktop.DBus.ObjectManager";
        let list = call(connection, MANAGER_PATH, object_manager, "GetManagedObjects", &());
        properties::overview(&mut manager, read(&list.await?)?)
    })
}

/// `GetToken`.
///
/// # Errors
/// [`ClientError`]
pub fn token(bus: &BusAddress, id: &AppId, min_validity: u32) -> Result<Secret, ClientError> {
    ask(bus, async |connection| {
        let reply = of_application(connection, id, "GetToken", min_validity).await?;
        let (token, _): (String, u32) = read(&reply)?;
        Ok(Secret::new(token))
    })
}

/// `GetHeaders`, in the order of their names.
///
/// # Errors
/// [`ClientError`]
pub fn headers(
    bus: &BusAddress,
    id: &AppId,
    min_validity: u32,
) -> Result<Vec<(String, Secret)>, ClientError> {
    ask(bus, async |connection| {
        let reply = of_application(connection, id, "GetHeaders", min_validity).await?;
        let (headers, _): (Map<String, String>, u32) = read(&reply)?;
        Ok(headers.into_iter().map(|(name, value)| (name, Secret::new(value))).collect())
    })
}

/// `GetDeviceInfo`.
///
/// # Errors
/// [`ClientError`]
pub fn device_info(bus: &BusAddress) -> Result<Map<String, InfoValue>, ClientError> {
    ask(bus, async |connection| {
        let reply = call(connection, MANAGER_PATH, MANAGER_INTERFACE, "GetDeviceInfo", &()).await?;
        let fields: Map<String, OwnedVariant> = read(&reply)?;
        fields.into_iter().map(|(key, value)| Ok((key, info(&value)?))).collect()
    })
}

/// `Reload`.
///
/// # Errors
/// [`ClientError`]
pub fn reload(bus: &BusAddress) -> Result<(), ClientError> {
    ask(bus, async |connection| {
        call(connection, MANAGER_PATH, MANAGER_INTERFACE, "Reload", &()).await.map(drop)
    })
}

/// `Forget`.
///
/// # Errors
/// [`ClientError`]
pub fn forget(bus: &BusAddress, id: &AppId) -> Result<(), ClientError> {
    ask(bus, async |connection| {
        call(connection, MANAGER_PATH, MANAGER_INTERFACE, "Forget", &id.as_str()).await.map(drop)
    })
}

/// Connects, does `what` with the connection, and takes [`TIMEOUT`] at most for both.
fn ask<T>(
    bus: &BusAddress,
    what: impl AsyncFnOnce(&Connection) -> Result<T, ClientError>,
) -> Result<T, ClientError> {
    zbus::block_on(within(async {
        let connection = connect(bus).await?;
        let result = what(&connection).await;
        let _ = connection.close().await;
        result
    }))
}

async fn connect(bus: &BusAddress) -> Result<Connection, ClientError> {
    let unreachable = |source| ClientError::NoBus { bus: bus.clone(), source };
    let runtime = SharedRuntime::current().map_err(ClientError::Runtime)?;
    let builder = socket::builder(bus, &runtime).map_err(unreachable)?;
    let broken = |error| unreachable(io::Error::other(error));
    let connection = builder.build().await.map_err(broken)?;
    // zbus says hello in its handshake alone, which is not ours.
    let (bus, path) = ("org.freedesktop.DBus", "/org/freedesktop/DBus");
    connection.call_method(Some(bus), path, Some(bus), "Hello", &()).await.map_err(broken)?;
    Ok(connection)
}

async fn within<T>(asking: impl Future<Output = Result<T, ClientError>>) -> Result<T, ClientError> {
    let runtime = SharedRuntime::current().map_err(ClientError::Runtime)?;
    runtime.timeout(TIMEOUT, asking).await.unwrap_or(Err(ClientError::Silent))
}

async fn of_application(
    connection: &Connection,
    id: &AppId,
    method: &str,
    min_validity: u32,
) -> Result<Message, ClientError> {
    let path = format!("{APPLICATION_PATH}{id}");
    match call(connection, &path, APPLICATION_INTERFACE, method, &min_validity).await {
        Err(ClientError::Refused { name, .. }) if name == UNKNOWN_OBJECT => {
            Err(ClientError::UnknownApplication(id.as_str().to_owned()))
        }
        result => result,
    }
}

async fn call(
    connection: &Connection,
    path: &str,
    interface: &str,
    method: &str,
    body: &(impl Serialize + zbus::DynamicType),
) -> Result<Message, ClientError> {
    let reply = connection.call_method(Some(NAME), path, Some(interface), method, body).await;
    reply.map_err(failed)
}

fn failed(error: zbus::Error) -> ClientError {
    match &error {
        zbus::Error::MethodError(name, message, _) => {
            refused(name.as_str(), message.as_deref().unwrap_or_default())
        }
        zbus::Error::FDO(error) => {
            refused(error.name().as_str(), error.description().unwrap_or_default())
        }
        _ => ClientError::Lost(error),
    }
}

const UNKNOWN_OBJECT: &str = "org.freedesktop.DBus.Error.UnknownObject";

fn refused(name: &str, message: &str) -> ClientError {
    let by_the_bus = ["ServiceUnknown", "NameHasNoOwner", "Spawn.", "TimedOut", "NoReply"];
    let standard = name.strip_prefix("org.freedesktop.DBus.Error.");
    let nobody = standard.is_some_and(|name| by_the_bus.iter().any(|no| name.starts_with(no)));
    let (name, message) = (name.to_owned(), message.to_owned());
    if nobody || name.starts_with("org.freedesktop.systemd1.") {
        return ClientError::NotRunning { message };
    }
    ClientError::Refused { name, message }
}

/// `a{s…}`, in the order of its keys.
impl<V: Type> Type for Map<String, V> {
    const SIGNATURE: &'static Signature = <HashMap<String, V> as Type>::SIGNATURE;
}

fn read<T>(reply: &Message) -> Result<T, ClientError>
where
    T: serde::de::DeserializeOwned + zbus::Type,
{
    reply.body().deserialize().map_err(ClientError::Garbled)
}

fn info(value: &Variant<'_>) -> Result<InfoValue, ClientError> {
    match value {
        Variant::Str(text) => Ok(InfoValue::Text(text.to_string())),
        Variant::U32(number) => Ok(InfoValue::Number(*number)),
        Variant::F64(decimal) => Ok(InfoValue::Decimal(*decimal)),
        Variant::Bool(flag) => Ok(InfoValue::Flag(*flag)),
        _ => Err(ClientError::Garbled(zbus::Error::IncorrectType)),
    }
}

/// Why a command got no answer, or a bad one.
#[derive(Debug)]
pub enum ClientError {
    /// The bus cannot be reached.
    NoBus {
        /// Which bus.
        bus: BusAddress,
        /// What happened.
        source: io::Error,
    },
    /// Nobody owns the name, and the bus could not start anybody.
    NotRunning {
        /// What the bus says.
        message: String,
    },
    /// The bus was lost in the middle.
    Lost(zbus::Error),
    /// The bus has closed the connection of a command that stays on it.
    Closed,
    /// No answer in time.
    Silent,
    /// There is no such application.
    UnknownApplication(String),
    /// tokend, or the bus, has answered with an error.
    Refused {
        /// The name of the error.
        name: String,
        /// What happened.
        message: String,
    },
    /// An answer that is none.
    Garbled(zbus::Error),
    /// `forget` without `--yes`.
    Unconfirmed(String),
    /// The runtime could not be made.
    Runtime(io::Error),
}

impl ClientError {
    /// The exit code, after sysexits.h.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NoBus { .. }
            | Self::NotRunning { .. }
            | Self::Lost(_)
            | Self::Closed
            | Self::Silent => exit::UNAVAILABLE,
            Self::UnknownApplication(_) => exit::DATAERR,
            Self::Garbled(_) => exit::PROTOCOL,
            Self::Unconfirmed(_) => exit::USAGE,
            Self::Runtime(_) => exit::OSERR,
            Self::Refused { name, .. } => match name.as_str() {
                "tv.tokend.Error.Unavailable"
                | "tv.tokend.Error.Throttled"
                | "org.freedesktop.DBus.Error.LimitsExceeded" => exit::TEMPFAIL,
                "tv.tokend.Error.Storage" => exit::IOERR,
                "org.freedesktop.DBus.Error.AccessDenied" => exit::NOPERM,
                "org.freedesktop.DBus.Error.InvalidArgs" | UNKNOWN_OBJECT => exit::DATAERR,
                _ => exit::UNAVAILABLE,
            },
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBus { bus, .. } => write!(f, "cannot connect to {bus}"),
            Self::NotRunning { message } => write!(
                f,
                "tokend is not running ({message}); to see why: systemctl status tokend, \
                 journalctl -u tokend"
            ),
            Self::Lost(_) => f.write_str("the bus was lost before tokend answered"),
            Self::Closed => f.write_str("the bus is gone"),
            Self::Silent => write!(f, "tokend has not answered within {} s", TIMEOUT.as_secs()),
            Self::UnknownApplication(id) => {
                write!(f, "tokend has no application {id}; tokend status lists them")
            }
            Self::Refused { name, message } => write!(f, "{message} ({name})"),
            Self::Garbled(_) => f.write_str("tokend's answer is not what this version expects"),
            Self::Unconfirmed(id) => write!(
                f,
                "forgetting {id} deletes its client credentials, and signs the viewer out of \
                 every TV provider there: to do it, add --yes"
            ),
            Self::Runtime(_) => f.write_str("cannot set up the connection"),
        }
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Lost(source) | Self::Garbled(source) => Some(source),
            Self::NoBus { source, .. } | Self::Runtime(source) => Some(source),
            _ => None,
        }
    }
}
