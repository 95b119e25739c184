// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the bus thread reads and the daemon writes.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::objects::Object;
use super::request::Right;
use super::wire::{InfoValue, Writer};
use super::{APPLICATION_INTERFACE, APPLICATION_PATH, MANAGER_PATH};
use crate::common::access::{Name, Rules};
use crate::common::map::Map;
use crate::common::model::AppId;
use crate::lifecycle::view::{AppView, Face, Property};

/// The present state of everything that is on the bus. The daemon changes it, and then sends the
/// [`BusCommand`](super::BusCommand) that tells the bus of it. What callers ask for often is kept
/// as they get it, and made again when it changes, by the daemon's thread.
#[derive(Debug)]
pub struct Snapshot {
    state: RwLock<State>,
}

/// Rules, and the number that stands for them: others have another.
#[derive(Debug, Default)]
pub(super) struct Numbered {
    pub(super) rules: Rules,
    pub(super) number: RulesNumber,
}

pub(super) type RulesNumber = u32;

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) applications: Map<AppId, Exported>,
    pub(super) reload: Numbered,
    /// The fields of `GetDeviceInfo`: the entries of an `a{sv}`.
    pub(super) device_info: Vec<u8>,
    version: String,
    sealing: String,
    faults: Vec<String>,
    /// UNIX seconds.
    started_at: u64,
    clock_set: bool,
    last_rules: RulesNumber,
}

/// An application on the bus.
#[derive(Debug)]
pub(super) struct Exported {
    pub(super) view: Arc<AppView>,
    pub(super) face: Arc<Face>,
    /// The number of the rules in `face`.
    pub(super) rules: RulesNumber,
    /// All its properties: the entries of an `a{sv}`.
    pub(super) properties: Vec<u8>,
}

impl Snapshot {
    /// A snapshot without applications, the clock not set. `version` and `sealing` are the
    /// constant properties of the manager.
    pub fn new(version: impl Into<String>, sealing: impl Into<String>) -> Self {
        let (version, sealing) = (version.into(), sealing.into());
        Self { state: RwLock::new(State { version, sealing, ..State::default() }) }
    }

    /// Adds an application, or replaces it.
    pub fn insert(&self, id: AppId, view: Arc<AppView>, face: Arc<Face>) {
        let mut state = self.write();
        let (rules, properties) = (state.next_rules(), properties(&id, &view));
        state.applications.insert(id, Exported { view, face, rules, properties });
    }

    /// Takes an application out.
    pub fn remove(&self, id: &AppId) {
        self.write().applications.remove(id);
    }

    /// Replaces the view of an application that is there.
    pub fn set_view(&self, id: &AppId, view: Arc<AppView>) {
        let properties = properties(id, &view);
        if let Some(application) = self.write().applications.get_mut(id) {
            (application.view, application.properties) = (view, properties);
        }
    }

    /// Replaces the access rules and headers of an application that is there.
    pub fn set_face(&self, id: &AppId, face: Arc<Face>) {
        let mut state = self.write();
        let next = state.next_rules();
        if let Some(application) = state.applications.get_mut(id) {
            if application.face.access != face.access {
                application.rules = next;
            }
            application.face = face;
        }
    }

    /// Sets the property `ClockSet`.
    pub fn set_clock_set(&self, set: bool) {
        self.write().clock_set = set;
    }

    /// Sets the property `Faults`.
    pub fn set_faults(&self, faults: Vec<String>) {
        self.write().faults = faults;
    }

    /// Sets the property `StartedAt`, UNIX seconds.
    pub fn set_started_at(&self, at: u64) {
        self.write().started_at = at;
    }

    /// Sets who may call `Reload` besides root.
    pub fn set_reload_users(&self, users: Vec<Name>) {
        let mut state = self.write();
        let number = state.next_rules();
        state.reload = Numbered { rules: Rules { users: Some(users), ..Rules::default() }, number };
    }

    /// Sets the reply of `GetDeviceInfo`.
    pub fn set_device_info(&self, info: impl IntoIterator<Item = (String, InfoValue)>) {
        let mut entries = Vec::new();
        let mut writer = Writer::new(&mut entries);
        for (key, value) in info {
            writer.align(8);
            writer.string(&key);
            writer.info(&value);
        }
        self.write().device_info = entries;
    }

    /// The property `Sealing`.
    pub fn sealing(&self) -> String {
        self.read().sealing.clone()
    }

    /// The property `ClockSet`.
    pub fn clock_set(&self) -> bool {
        self.read().clock_set
    }

    /// The view of an application; none if there is no such application.
    pub fn view(&self, id: &AppId) -> Option<Arc<AppView>> {
        self.read().applications.get(id).map(|application| Arc::clone(&application.view))
    }

    /// The names of all applications.
    pub(super) fn ids(&self) -> Vec<AppId> {
        self.read().applications.keys().cloned().collect()
    }

    /// To be held for a moment only: the daemon waits meanwhile.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn properties(id: &AppId, view: &AppView) -> Vec<u8> {
    let mut entries = Vec::new();
    let all = [("Id", Property::Text(id.as_str()))].into_iter().chain(view.properties());
    let all = all.chain(view.silent_properties());
    Writer::new(&mut entries).properties(all);
    entries
}

impl State {
    fn next_rules(&mut self) -> RulesNumber {
        self.last_rules += 1;
        self.last_rules
    }

    /// What is at a path.
    pub(super) fn find<'p>(&self, path: &'p str) -> Option<Object<'p>> {
        if let Some(id) = path.strip_prefix(APPLICATION_PATH) {
            return self.applications.contains_key(id).then_some(Object::Application(id));
        }
        match path {
            MANAGER_PATH => Some(Object::Manager),
            "/" => Some(Object::Above("tv")),
            "/tv" => Some(Object::Above("tokend")),
            _ => (path.len() + 1 == APPLICATION_PATH.len() && APPLICATION_PATH.starts_with(path))
                .then_some(Object::Applications),
        }
    }

    /// The rules that a request is judged by, and their number; none for an unknown application.
    pub(super) fn rules(&self, right: Right<'_>) -> Option<(&Rules, RulesNumber)> {
        static ROOT_ALONE: Rules = Rules { users: None, groups: None, labels: None };
        match right {
            Right::Application(id) => {
                let application = self.applications.get(id)?;
                Some((&application.face.access, application.rules))
            }
            Right::Reload => Some((&self.reload.rules, self.reload.number)),
            Right::Root => Some((&ROOT_ALONE, 0)),
        }
    }

    /// The properties of the manager.
    pub(super) fn manager(&self) -> [(&'static str, Property<'_>); 5] {
        [
            ("ClockSet", Property::Flag(self.clock_set)),
            ("Faults", Property::List(&self.faults)),
            ("Sealing", Property::Text(&self.sealing)),
            ("StartedAt", Property::Number(self.started_at)),
            ("Version", Property::Text(&self.version)),
        ]
    }

    /// All properties of an object: the entries of an `a{sv}`.
    pub(super) fn properties(&self, object: Option<Object<'_>>, answer: &mut Writer<'_>) {
        match object {
            Some(Object::Manager) => answer.properties(self.manager()),
            Some(Object::Application(id)) => {
                if let Some(application) = self.applications.get(id) {
                    answer.raw(&application.properties);
                }
            }
            Some(Object::Above(_) | Object::Applications) | None => {}
        }
    }

    /// The answer to `GetManagedObjects`.
    pub(super) fn managed_objects(&self, answer: &mut Writer<'_>) {
        answer.array(8, |objects| {
            for (id, application) in &self.applications {
                objects.align(8);
                objects.strings(&[APPLICATION_PATH, id.as_str()]);
                application.interfaces(objects);
            }
        });
    }
}

impl Exported {
    /// Its interfaces and their properties: `a{sa{sv}}`.
    pub(super) fn interfaces(&self, answer: &mut Writer<'_>) {
        answer.array(8, |interfaces| {
            interfaces.align(8);
            interfaces.string(APPLICATION_INTERFACE);
            interfaces.array(8, |entries| entries.raw(&self.properties));
        });
    }
}
