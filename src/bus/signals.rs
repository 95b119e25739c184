// SPDX-License-Identifier: MIT OR Apache-2.0
//! What tokend tells everybody: one `PropertiesChanged` for each transition, with what has changed
//! and nothing else; objects that come and go.

use super::link::Link;
use super::objects::{OBJECT_MANAGER, PROPERTIES};
use super::snapshot::Exported;
use super::wire::{NO_REPLY, Outgoing, SIGNAL, Writer};
use super::{APPLICATION_INTERFACE, APPLICATION_PATH, MANAGER_INTERFACE, MANAGER_PATH};
use crate::common::model::AppId;
use crate::lifecycle::view::{AppView, Property};

/// Tells what differs between two views; nothing, if nothing does.
pub(super) fn application_changed(link: &mut Link, id: &AppId, before: &AppView, after: &AppView) {
    let changes = after.changes(before);
    if !changes.is_empty() {
        properties_changed(link, &path(id), APPLICATION_INTERFACE, changes);
    }
}

/// Tells the new value of the manager's `ClockSet`.
pub(super) fn clock_set_changed(link: &mut Link, set: bool) {
    properties_changed(link, MANAGER_PATH, MANAGER_INTERFACE, [("ClockSet", Property::Flag(set))]);
}

/// Tells the new value of the manager's `Faults`.
pub(super) fn faults_changed(link: &mut Link, faults: &[String]) {
    properties_changed(link, MANAGER_PATH, MANAGER_INTERFACE, [("Faults", Property::List(faults))]);
}

/// Tells that an application's object is there.
pub(super) fn added(link: &mut Link, id: &AppId, application: &Exported) {
    emit(link, MANAGER_PATH, OBJECT_MANAGER, "InterfacesAdded", "oa{sa{sv}}", |body| {
        body.string(&path(id));
        application.interfaces(body);
    });
}

/// Tells that an application's object has gone.
pub(super) fn removed(link: &mut Link, id: &AppId) {
    emit(link, MANAGER_PATH, OBJECT_MANAGER, "InterfacesRemoved", "oas", |body| {
        body.string(&path(id));
        body.array(4, |interfaces| interfaces.string(APPLICATION_INTERFACE));
    });
}

fn path(id: &AppId) -> String {
    format!("{APPLICATION_PATH}{id}")
}

fn properties_changed<'p>(
    link: &mut Link,
    path: &str,
    interface: &str,
    changed: impl IntoIterator<Item = (&'p str, Property<'p>)>,
) {
    emit(link, path, PROPERTIES, "PropertiesChanged", "sa{sv}as", |body| {
        body.string(interface);
        body.array(8, |entries| entries.properties(changed));
        // None has changed without its value.
        body.array(4, |_| ());
    });
}

fn emit(
    link: &mut Link,
    path: &str,
    interface: &str,
    member: &str,
    signature: &str,
    body: impl FnOnce(&mut Writer<'_>),
) {
    let kind = SIGNAL;
    let signal = Outgoing {
        kind,
        flags: NO_REPLY,
        path,
        interface,
        member,
        signature,
        ..Outgoing::default()
    };
    link.send(signal, body);
}
