// SPDX-License-Identifier: MIT OR Apache-2.0
//! `org.freedesktop.DBus.ObjectManager` at `/tv/tokend`.
//!
//! zbus has one, which also lists the empty node `/tv/tokend/application`, and announces each object
//! before the name is owned, when nobody can know whose it is. This one lists the applications
//! alone, and announces what comes and goes while tokend serves.

use std::collections::HashMap;
use std::sync::Arc;

use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, ObjectPath, OwnedVariant, interface};

use super::application::path;
use super::desk::Desk;
use super::{APPLICATION_INTERFACE, MANAGER_PATH, signals};
use crate::model::AppId;
use crate::view::AppView;

pub(super) struct ObjectManager {
    desk: Arc<Desk>,
}

impl ObjectManager {
    pub(super) fn new(desk: Arc<Desk>) -> Self {
        Self { desk }
    }
}

type Properties = HashMap<&'static str, OwnedVariant>;
type Interfaces = HashMap<&'static str, Properties>;

/// Tells that an application's object is there.
pub(super) async fn announce(
    connection: &Connection,
    id: &AppId,
    view: &AppView,
) -> zbus::Result<()> {
    let emitter = SignalEmitter::new(connection, MANAGER_PATH)?;
    let interfaces = interfaces(id, view)?;
    ObjectManager::interfaces_added(&emitter, path(id), interfaces).await
}

/// Tells that an application's object has gone.
pub(super) async fn take_back(connection: &Connection, id: &AppId) -> zbus::Result<()> {
    let emitter = SignalEmitter::new(connection, MANAGER_PATH)?;
    ObjectManager::interfaces_removed(&emitter, path(id), &[APPLICATION_INTERFACE]).await
}

fn interfaces(id: &AppId, view: &AppView) -> zbus::Result<Interfaces> {
    Ok(HashMap::from([(APPLICATION_INTERFACE, signals::all(id, view)?)]))
}

#[interface(name = "org.freedesktop.DBus.ObjectManager", introspection_docs = false)]
impl ObjectManager {
    #[zbus(out_args("objpath_interfaces_and_properties"))]
    fn get_managed_objects(
        &self,
        #[zbus(header)] _header: Header<'_>,
    ) -> zbus::fdo::Result<HashMap<ObjectPath<'static>, Interfaces>> {
        let snapshot = &self.desk.snapshot;
        let mut objects = HashMap::new();
        for id in snapshot.ids() {
            if let Some(view) = snapshot.view(&id) {
                objects.insert(path(&id), interfaces(&id, &view)?);
            }
        }
        Ok(objects)
    }

    #[zbus(signal)]
    async fn interfaces_added(
        emitter: &SignalEmitter<'_>,
        object_path: ObjectPath<'_>,
        interfaces_and_properties: Interfaces,
    ) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn interfaces_removed(
        emitter: &SignalEmitter<'_>,
        object_path: ObjectPath<'_>,
        interfaces: &[&str],
    ) -> zbus::Result<()>;
}
