// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the bus thread reads and the daemon writes.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::access::{Caller, Name, may_reload};
use crate::map::Map;
use crate::model::AppId;
use crate::view::{AppView, Face};

/// One field of `GetDeviceInfo`.
#[derive(Clone, Debug, PartialEq)]
pub enum InfoValue {
    /// `s`
    Text(String),
    /// `u`
    Number(u32),
    /// `d`
    Decimal(f64),
    /// `b`
    Flag(bool),
}

/// The present state of everything that is on the bus. The daemon changes it, and then sends the
/// [`BusCommand`](super::BusCommand) that tells the bus of it. Locks are held for a copy only.
#[derive(Debug)]
pub struct Snapshot {
    version: String,
    sealing: String,
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    applications: Map<AppId, (Arc<AppView>, Arc<Face>)>,
    clock_set: bool,
    reload_users: Vec<Name>,
    device_info: Map<String, InfoValue>,
}

impl Snapshot {
    /// A snapshot without applications, the clock not set. `version` and `sealing` are the
    /// constant properties of the manager.
    pub fn new(version: impl Into<String>, sealing: impl Into<String>) -> Self {
        Self { version: version.into(), sealing: sealing.into(), state: RwLock::default() }
    }

    /// Adds an application, or replaces it.
    pub fn insert(&self, id: AppId, view: Arc<AppView>, face: Arc<Face>) {
        self.write().applications.insert(id, (view, face));
    }

    /// Takes an application out.
    pub fn remove(&self, id: &AppId) {
        self.write().applications.remove(id);
    }

    /// Replaces the view of an application that is there.
    pub fn set_view(&self, id: &AppId, view: Arc<AppView>) {
        if let Some(application) = self.write().applications.get_mut(id) {
            application.0 = view;
        }
    }

    /// Replaces the access rules and headers of an application that is there.
    pub fn set_face(&self, id: &AppId, face: Arc<Face>) {
        if let Some(application) = self.write().applications.get_mut(id) {
            application.1 = face;
        }
    }

    /// Sets the property `ClockSet`.
    pub fn set_clock_set(&self, set: bool) {
        self.write().clock_set = set;
    }

    /// Sets who may call `Reload` besides root.
    pub fn set_reload_users(&self, users: Vec<Name>) {
        self.write().reload_users = users;
    }

    /// Sets the reply of `GetDeviceInfo`.
    pub fn set_device_info(&self, info: impl IntoIterator<Item = (String, InfoValue)>) {
        self.write().device_info = info.into_iter().collect();
    }

    /// The property `Version`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The property `Sealing`.
    pub fn sealing(&self) -> &str {
        &self.sealing
    }

    /// The property `ClockSet`.
    pub fn clock_set(&self) -> bool {
        self.read().clock_set
    }

    /// The reply of `GetDeviceInfo`.
    pub fn device_info(&self) -> Map<String, InfoValue> {
        self.read().device_info.clone()
    }

    /// The names of all applications.
    pub fn ids(&self) -> Vec<AppId> {
        self.read().applications.keys().cloned().collect()
    }

    /// The view of an application; none where there is no such application.
    pub fn view(&self, id: &AppId) -> Option<Arc<AppView>> {
        self.read().applications.get(id).map(|(view, _)| Arc::clone(view))
    }

    /// The face of an application; none where there is no such application.
    pub fn face(&self, id: &AppId) -> Option<Arc<Face>> {
        self.read().applications.get(id).map(|(_, face)| Arc::clone(face))
    }

    /// Whether `caller` may call `Reload`.
    pub fn may_reload(&self, caller: &Caller) -> bool {
        may_reload(&self.read().reload_users, caller)
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}
