// SPDX-License-Identifier: MIT OR Apache-2.0
//! `tv.tokend.Manager1`: the object at `/tv/tokend` (contract, section 2).

use std::collections::HashMap;
use std::sync::Arc;

use zbus::message::Header;
use zbus::{Connection, OwnedVariant, Variant, interface};

use super::BusEvent;
use super::desk::Desk;
use crate::access::is_root;
use crate::model::AppId;
use crate::view::{CallError, ErrorName};

pub(super) struct Manager {
    desk: Arc<Desk>,
}

impl Manager {
    pub(super) fn new(desk: Arc<Desk>) -> Self {
        Self { desk }
    }
}

#[interface(name = "tv.tokend.Manager1", introspection_docs = false)]
impl Manager {
    /// Open to all: it is what any player tells the server about the device. The header is asked
    /// for so that surplus arguments are refused.
    #[zbus(out_args("fields"))]
    fn get_device_info(
        &self,
        #[zbus(header)] _header: Header<'_>,
    ) -> zbus::fdo::Result<HashMap<String, OwnedVariant>> {
        let info = self.desk.snapshot.device_info();
        let owned = info
            .iter()
            .map(|(key, value)| Ok((key.clone(), OwnedVariant::try_from(Variant::from(value))?)));
        owned.collect::<zbus::Result<_>>().map_err(Into::into)
    }

    async fn reload(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(), CallError> {
        let (name, caller) = self.desk.identify(&header, connection).await?;
        if !self.desk.snapshot.may_reload(&caller) {
            return Err(denied("only root and reload_users may reload"));
        }
        let root = is_root(&caller);
        self.desk.wait(name, None, |call| BusEvent::Reload { call, root }).await.map(drop)
    }

    async fn forget(
        &self,
        id: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(), CallError> {
        let (name, caller) = self.desk.identify(&header, connection).await?;
        if !is_root(&caller) {
            return Err(denied("only root may forget an application's credentials"));
        }
        let id: AppId = id.parse().map_err(|error| {
            CallError::new(ErrorName::InvalidArgs, format!("{id:?} is no name: {error}"))
        })?;
        self.desk.wait(name, None, |call| BusEvent::Forget { call, id }).await.map(drop)
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn version(&self) -> &str {
        self.desk.snapshot.version()
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn sealing(&self) -> &str {
        self.desk.snapshot.sealing()
    }

    #[zbus(property)]
    fn clock_set(&self) -> bool {
        self.desk.snapshot.clock_set()
    }
}

fn denied(message: &str) -> CallError {
    CallError::new(ErrorName::AccessDenied, message)
}
