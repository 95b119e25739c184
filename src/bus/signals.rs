// SPDX-License-Identifier: MIT OR Apache-2.0
//! `PropertiesChanged`: one for each transition, with what has changed and nothing else.

use std::collections::HashMap;

use zbus::names::BusName;
use zbus::{Connection, ObjectPath, OwnedVariant, Variant};

use super::application::path;
use super::{APPLICATION_INTERFACE, MANAGER_INTERFACE, MANAGER_PATH};
use crate::model::AppId;
use crate::view::AppView;

/// Tells what differs between two views; nothing, where nothing does.
pub(super) async fn application_changed(
    connection: &Connection,
    id: &AppId,
    before: &AppView,
    after: &AppView,
) -> zbus::Result<()> {
    let changes = after.changes(before);
    if changes.is_empty() {
        return Ok(());
    }
    let changed = changes.into_iter().map(|(name, value)| (name, value.into())).collect();
    properties_changed(connection, path(id), APPLICATION_INTERFACE, changed).await
}

/// Tells the new value of the manager's `ClockSet`.
pub(super) async fn clock_set_changed(connection: &Connection, set: bool) -> zbus::Result<()> {
    let path = ObjectPath::from_static_str_unchecked(MANAGER_PATH);
    let changed = HashMap::from([("ClockSet", set.into())]);
    properties_changed(connection, path, MANAGER_INTERFACE, changed).await
}

/// All properties of an application.
pub(super) fn all(id: &AppId, view: &AppView) -> zbus::Result<HashMap<&'static str, OwnedVariant>> {
    let mut all = HashMap::from([("Id", OwnedVariant::try_from(Variant::from(id.as_str()))?)]);
    for (name, value) in view.properties() {
        all.insert(name, Variant::from(value).try_into()?);
    }
    Ok(all)
}

async fn properties_changed(
    connection: &Connection,
    path: ObjectPath<'_>,
    interface: &str,
    changed: HashMap<&str, Variant<'_>>,
) -> zbus::Result<()> {
    let invalidated: &[&str] = &[];
    connection
        .emit_signal(
            None::<BusName<'_>>,
            path,
            "org.freedesktop.DBus.Properties",
            "PropertiesChanged",
            &(interface, changed, invalidated),
        )
        .await
}
