// SPDX-License-Identifier: MIT OR Apache-2.0
//! Answers, as they go out.

use super::gate::{self, Answer, Refusal, refusal};
use super::link::Link;
use super::request::{Request, Right};
use super::snapshot::State;
use super::waiting::To;
use super::wire::{ERROR, NO_REPLY, Outgoing, RETURN, Writer};
use crate::common::model::AppId;
use crate::common::time::BootTime;
use crate::lifecycle::view::{ErrorName, Face, Served};

pub(super) fn reply(
    link: &mut Link,
    to: To<'_>,
    signature: &str,
    body: impl FnOnce(&mut Writer<'_>),
) {
    if to.silent {
        return;
    }
    let (kind, flags) = (RETURN, NO_REPLY);
    let (reply_serial, destination) = (to.serial, to.sender);
    let message =
        Outgoing { kind, flags, reply_serial, destination, signature, ..Outgoing::default() };
    link.send(message, body);
}

pub(super) fn refuse(link: &mut Link, to: To<'_>, error: &Refusal) {
    if to.silent {
        return;
    }
    let (kind, flags, signature) = (ERROR, NO_REPLY, "s");
    let (reply_serial, destination, name) = (to.serial, to.sender, error.name);
    let message = Outgoing {
        kind,
        flags,
        reply_serial,
        destination,
        signature,
        error: name,
        ..Outgoing::default()
    };
    link.send(message, |body| body.string(&error.message));
}

pub(super) fn unknown(right: Right<'_>) -> Refusal {
    let id = if let Right::Application(id) = right { id } else { "" };
    refusal(ErrorName::UnknownObject, format!("the application {id} is no longer configured"))
}

/// Answers what needs no more than the snapshot, of a caller who may: whether it has.
pub(super) fn answer_cached(
    link: &mut Link,
    state: &State,
    request: Request<&str>,
    to: To<'_>,
    now: BootTime,
) -> bool {
    let Request::Token { app, headers, min_validity } = request else { return false };
    let Some(application) = state.applications.get(app) else {
        refuse(link, to, &unknown(request.right()));
        return true;
    };
    match application.view.serve(min_validity, now) {
        Served::Token { value, expires_in } => {
            let face = headers.then_some(&*application.face);
            send_token(link, to, face, value.expose(), expires_in);
        }
        Served::InvalidArgs(why) => refuse(link, to, &refusal(ErrorName::InvalidArgs, why)),
        Served::Ask => return false,
    }
    true
}

/// The answer to `GetToken`; with headers, that to `GetHeaders`.
pub(super) fn send_token(
    link: &mut Link,
    to: To<'_>,
    face: Option<&Face>,
    token: &str,
    expires_in: u32,
) {
    reply(link, to, if face.is_some() { "a{ss}u" } else { "su" }, |body| {
        match face {
            None => body.string(token),
            Some(face) => body.array(8, |headers| {
                for (name, value) in &face.headers {
                    headers.align(8);
                    headers.string(name);
                    headers.string(value);
                }
                headers.align(8);
                headers.string("Authorization");
                headers.strings(&["Bearer ", token]);
            }),
        }
        body.u32(expires_in);
    });
}

/// Answers what is open to all.
pub(super) fn answer_open(
    link: &mut Link,
    to: To<'_>,
    answer: Answer<'_>,
    state: &State,
    machine_id: &mut Option<String>,
) {
    match answer {
        Answer::Pong => reply(link, to, "", |_| ()),
        Answer::MachineId => {
            if machine_id.is_none() {
                *machine_id = read_machine_id();
            }
            match machine_id {
                Some(id) => reply(link, to, "s", |body| body.string(id)),
                None => {
                    let message = "/etc/machine-id cannot be read";
                    refuse(link, to, &refusal(ErrorName::Unavailable, message));
                }
            }
        }
        Answer::Introspection(object) => {
            let applications = state.applications.keys().map(AppId::as_str);
            reply(link, to, "s", |body| object.introspect(applications, body));
        }
        Answer::Properties(object) => {
            reply(link, to, "a{sv}", |body| body.array(8, |all| state.properties(object, all)));
        }
        Answer::Property(object, name) => {
            if let Some(value) = gate::property(object, name, state) {
                reply(link, to, "v", |body| body.property(&value));
            }
        }
        Answer::ManagedObjects => {
            reply(link, to, "a{oa{sa{sv}}}", |body| state.managed_objects(body));
        }
        Answer::DeviceInfo => {
            reply(link, to, "a{sv}", |body| body.array(8, |all| all.raw(&state.device_info)));
        }
    }
}

fn read_machine_id() -> Option<String> {
    let read = |path| std::fs::read_to_string(path).ok();
    let id = read("/etc/machine-id").or_else(|| read("/var/lib/dbus/machine-id"))?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}
