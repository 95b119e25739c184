// SPDX-License-Identifier: MIT OR Apache-2.0
//! `org.freedesktop.DBus.ObjectManager` at `/tv/tokend`.
//!
//! zbus has one, which also lists the empty node `/tv/tokend/application`. This one lists the
//! applications alone. zbus still sends its signals: it goes by the interface's name.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use zbus::message::Header;
use zbus::names::InterfaceName;
use zbus::object_server::SignalEmitter;
use zbus::{ObjectPath, OwnedVariant, Variant, interface};

use super::application::path;
use super::desk::Desk;
use super::{APPLICATION_INTERFACE, signals};

pub(super) struct ObjectManager {
    desk: Arc<Desk>,
}

impl ObjectManager {
    pub(super) fn new(desk: Arc<Desk>) -> Self {
        Self { desk }
    }
}

type Properties = HashMap<&'static str, OwnedVariant>;

#[interface(name = "org.freedesktop.DBus.ObjectManager", introspection_docs = false)]
impl ObjectManager {
    #[zbus(out_args("objpath_interfaces_and_properties"))]
    fn get_managed_objects(
        &self,
        #[zbus(header)] _header: Header<'_>,
    ) -> zbus::fdo::Result<HashMap<ObjectPath<'static>, HashMap<&'static str, Properties>>> {
        let snapshot = &self.desk.snapshot;
        let mut objects = HashMap::new();
        for id in snapshot.ids() {
            if let Some(view) = snapshot.view(&id) {
                let properties = signals::all(&id, &view)?;
                objects.insert(path(&id), HashMap::from([(APPLICATION_INTERFACE, properties)]));
            }
        }
        Ok(objects)
    }

    #[zbus(signal)]
    async fn interfaces_added(
        emitter: &SignalEmitter<'_>,
        object_path: ObjectPath<'_>,
        interfaces_and_properties: HashMap<InterfaceName<'_>, HashMap<&str, Variant<'_>>>,
    ) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn interfaces_removed(
        emitter: &SignalEmitter<'_>,
        object_path: ObjectPath<'_>,
        interfaces: Cow<'_, [InterfaceName<'_>]>,
    ) -> zbus::Result<()>;
}
