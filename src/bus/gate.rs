// SPDX-License-Identifier: MIT OR Apache-2.0
//! What becomes of a call: decided in one place, from its header and the snapshot alone.

use super::objects::{INTROSPECTABLE, OBJECT_MANAGER, Object, PEER, PROPERTIES};
use super::request::{Request, excerpt};
use super::snapshot::State;
use super::wire::{CALL, Header, NO_REPLY};
use super::{APPLICATION_INTERFACE, MANAGER_INTERFACE};
use crate::lifecycle::view::{CallError, ErrorName, Property};

/// What becomes of a call.
#[derive(Debug, PartialEq)]
pub(super) enum Fate<'m> {
    /// It is read past.
    Pass,
    /// It is answered with an error, whoever calls.
    Refuse(Refusal),
    /// It is answered at once, whoever calls.
    Answer(Answer<'m>),
    /// It depends on who calls.
    Ask(Request<&'m str>),
}

/// What is open to all.
#[derive(Debug, PartialEq)]
pub(super) enum Answer<'m> {
    Pong,
    MachineId,
    Introspection(Object<'m>),
    /// All properties of the interface that is the object's own, or none: of another one.
    Properties(Option<Object<'m>>),
    Property(Object<'m>, &'m str),
    ManagedObjects,
    DeviceInfo,
}

/// An error for the caller.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) name: &'static str,
    pub(super) message: String,
}

impl From<CallError> for Refusal {
    fn from(error: CallError) -> Self {
        Self { name: error.name.as_str(), message: error.message }
    }
}

pub(super) fn refusal(name: ErrorName, message: impl Into<String>) -> Refusal {
    CallError::new(name, message).into()
}

macro_rules! standard {
    ($name:literal) => {
        concat!("org.freedesktop.DBus.Error.", $name)
    };
}
const UNKNOWN_INTERFACE: &str = standard!("UnknownInterface");
const UNKNOWN_METHOD: &str = standard!("UnknownMethod");
const UNKNOWN_OBJECT: &str = standard!("UnknownObject");
const UNKNOWN_PROPERTY: &str = standard!("UnknownProperty");
const READ_ONLY: &str = standard!("PropertyReadOnly");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    GetToken,
    GetHeaders,
    ReplaceToken,
    GetDeviceInfo,
    Reload,
    Forget,
    Get,
    GetAll,
    Set,
    Introspect,
    GetManagedObjects,
    Ping,
    GetMachineId,
}

/// Every method: its interface, its name, and the types of its arguments.
const METHODS: [(&str, &str, &str, Method); 13] = [
    (APPLICATION_INTERFACE, "GetToken", "u", Method::GetToken),
    (APPLICATION_INTERFACE, "GetHeaders", "u", Method::GetHeaders),
    (APPLICATION_INTERFACE, "ReplaceToken", "ss", Method::ReplaceToken),
    (MANAGER_INTERFACE, "GetDeviceInfo", "", Method::GetDeviceInfo),
    (MANAGER_INTERFACE, "Reload", "", Method::Reload),
    (MANAGER_INTERFACE, "Forget", "s", Method::Forget),
    (PROPERTIES, "Get", "ss", Method::Get),
    (PROPERTIES, "GetAll", "s", Method::GetAll),
    (PROPERTIES, "Set", "ssv", Method::Set),
    (INTROSPECTABLE, "Introspect", "", Method::Introspect),
    (OBJECT_MANAGER, "GetManagedObjects", "", Method::GetManagedObjects),
    (PEER, "Ping", "", Method::Ping),
    (PEER, "GetMachineId", "", Method::GetMachineId),
];

/// Decides over a message that is a call and has come whole.
pub(super) fn decide<'m>(call: &Header<'m>, state: &State) -> Fate<'m> {
    let acts = matches!(call.member, "ReplaceToken" | "Reload" | "Forget");
    let silent = call.flags & NO_REPLY != 0;
    if call.kind != CALL || call.sender.is_empty() || silent && !acts {
        return Fate::Pass;
    }
    match ask(call, state) {
        Ok(fate) => fate,
        Err(_) if silent => Fate::Pass,
        Err(why) => Fate::Refuse(why.refusal(call)),
    }
}

/// Decides over a message that is too large, of which only the header has come.
pub(super) fn decide_large(call: &Header<'_>) -> Fate<'static> {
    if call.kind != CALL || call.sender.is_empty() || call.flags & NO_REPLY != 0 {
        return Fate::Pass;
    }
    let message = "the message is longer than 64 KiB, the most that tokend reads";
    Fate::Refuse(refusal(ErrorName::LimitsExceeded, message))
}

/// Why a call is refused, whoever calls. The message is made only if somebody gets it.
enum Wrong<'m> {
    Object,
    Interface(&'m str),
    Method,
    Arguments(&'static str),
    Property(&'m str),
    ReadOnly(&'m str),
}

fn ask<'m>(call: &Header<'m>, state: &State) -> Result<Fate<'m>, Wrong<'m>> {
    let object = state.find(call.path);
    let interfaces = match object {
        Some(object) => object.interfaces(),
        // Whatever the path is (D-Bus Specification, section "Standard Interfaces").
        None if call.interface == Some(PEER) => &[PEER],
        None => return Err(Wrong::Object),
    };
    if let Some(interface) = call.interface
        && !interfaces.contains(&interface)
    {
        return Err(Wrong::Interface(interface));
    }
    let fits = |(interface, member, ..): &&(&str, &str, &str, Method)| {
        *member == call.member
            && call.interface.map_or_else(|| interfaces.contains(interface), |i| i == *interface)
    };
    let &(_, _, signature, method) = METHODS.iter().find(fits).ok_or(Wrong::Method)?;
    if call.signature != signature {
        return Err(Wrong::Arguments(signature));
    }
    let arguments = call.body.clone();
    // Only `Peer` is answered without an object.
    let object = object.unwrap_or(Object::Applications);
    method.fate(object, arguments, state).unwrap_or(Err(Wrong::Arguments(signature)))
}

impl Method {
    /// What becomes of it; none if the arguments are not what their types say.
    fn fate<'m>(
        self,
        object: Object<'m>,
        mut arguments: super::wire::Reader<'m>,
        state: &State,
    ) -> Option<Result<Fate<'m>, Wrong<'m>>> {
        let app = if let Object::Application(id) = object { id } else { "" };
        let fate = match self {
            Self::GetToken | Self::GetHeaders => {
                let (headers, min_validity) = (self == Self::GetHeaders, arguments.u32()?);
                Fate::Ask(Request::Token { app, headers, min_validity })
            }
            Self::ReplaceToken => {
                Fate::Ask(Request::replace(app, arguments.string()?, arguments.string()?))
            }
            Self::Reload => Fate::Ask(Request::Reload),
            Self::Forget => Fate::Ask(Request::Forget { id: arguments.string()? }),
            Self::GetDeviceInfo => Fate::Answer(Answer::DeviceInfo),
            Self::GetManagedObjects => Fate::Answer(Answer::ManagedObjects),
            Self::Introspect => Fate::Answer(Answer::Introspection(object)),
            Self::Ping => Fate::Answer(Answer::Pong),
            Self::GetMachineId => Fate::Answer(Answer::MachineId),
            Self::GetAll => match own(object, arguments.string()?) {
                Ok(own) => Fate::Answer(Answer::Properties(own.then_some(object))),
                Err(wrong) => return Some(Err(wrong)),
            },
            Self::Get | Self::Set => {
                let (interface, name) = (arguments.string()?, arguments.string()?);
                let wrong = match own(object, interface) {
                    Ok(true) if property(object, name, state).is_none() => Wrong::Property(name),
                    Ok(true) if self == Self::Get => {
                        let fate = Fate::Answer(Answer::Property(object, name));
                        return arguments.is_over().then_some(Ok(fate));
                    }
                    Ok(true) => Wrong::ReadOnly(name),
                    Ok(false) => Wrong::Property(name),
                    Err(wrong) => wrong,
                };
                return Some(Err(wrong));
            }
        };
        arguments.is_over().then_some(Ok(fate))
    }
}

/// Whether the interface is the one with the object's properties: it may be left out.
fn own<'m>(object: Object<'_>, interface: &'m str) -> Result<bool, Wrong<'m>> {
    let interfaces = object.interfaces();
    if interface.is_empty() || interfaces[0] == interface {
        return Ok(true);
    }
    if interfaces.contains(&interface) { Ok(false) } else { Err(Wrong::Interface(interface)) }
}

/// The value of a property; none if the object does not have it.
pub(super) fn property<'s>(
    object: Object<'s>,
    name: &str,
    state: &'s State,
) -> Option<Property<'s>> {
    let named = |(own, value): (&str, Property<'s>)| (own == name).then_some(value);
    match object {
        Object::Manager => state.manager().into_iter().find_map(named),
        Object::Application(id) if name == "Id" => Some(Property::Text(id)),
        Object::Application(id) => {
            let view = &state.applications.get(id)?.view;
            let silent = view.silent_properties().into_iter();
            view.properties().into_iter().chain(silent).find_map(named)
        }
        Object::Above(_) | Object::Applications => None,
    }
}

impl Wrong<'_> {
    fn refusal(&self, call: &Header<'_>) -> Refusal {
        let (name, message) = match self {
            Self::Object => {
                (UNKNOWN_OBJECT, format!("there is no object at {}", excerpt(call.path)))
            }
            Self::Interface(interface) => {
                (UNKNOWN_INTERFACE, format!("the object has no interface {}", excerpt(interface)))
            }
            Self::Method => {
                (UNKNOWN_METHOD, format!("the object has no method {}", excerpt(call.member)))
            }
            Self::Arguments(signature) => {
                let message = format!(
                    "{} takes arguments of the types \"{signature}\", not {}",
                    call.member,
                    excerpt(call.signature)
                );
                (ErrorName::InvalidArgs.as_str(), message)
            }
            Self::Property(name) => {
                (UNKNOWN_PROPERTY, format!("there is no property {}", excerpt(name)))
            }
            Self::ReadOnly(name) => {
                (READ_ONLY, format!("the property {} is read-only", excerpt(name)))
            }
        };
        Refusal { name, message }
    }
}

#[cfg(test)]
#[path = "gate/tests.rs"]
mod tests;
