// SPDX-License-Identifier: MIT OR Apache-2.0
//! What has changed goes to the snapshot, the bus, the log and the service manager.

use std::sync::Arc;

use super::Daemon;
use crate::bus::BusCommand;
use crate::common::model::AppId;
use crate::lifecycle::view::{AppState, AppView};

impl Daemon {
    /// Publishes every change since the last time: one signal for each application that changed.
    pub(super) fn publish(&mut self) {
        let now = self.now();
        let ids: Vec<AppId> = self.life.applications().cloned().collect();
        let gone: Vec<_> = self.views.keys().filter(|id| !ids.contains(id)).cloned().collect();
        for id in gone {
            self.views.remove(&id);
            self.snapshot.remove(&id);
            self.send(BusCommand::Removed(id));
        }
        for id in ids {
            if let Some(view) = self.life.view(&id, now) {
                self.publish_one(id, Arc::new(view));
            }
        }
        let clock_set = self.life.clock_set();
        if self.snapshot.clock_set() != clock_set {
            self.snapshot.set_clock_set(clock_set);
            self.send(BusCommand::ClockSet(clock_set));
        }
        self.snapshot.set_started_at(self.life.unix_seconds(self.started));
        let faults = self.faults_now();
        if self.faults.shown != faults {
            self.faults.shown.clone_from(&faults);
            self.snapshot.set_faults(faults.clone());
            self.send(BusCommand::Faults(faults));
        }
        for answer in std::mem::take(&mut self.answers) {
            self.send(answer);
        }
        self.tell_status();
    }

    fn publish_one(&mut self, id: AppId, after: Arc<AppView>) {
        match self.views.insert(id.clone(), Arc::clone(&after)) {
            None => {
                let Some(application) = self.applications.get(&id) else { return };
                let face = Arc::new(self.face(application));
                self.snapshot.insert(id.clone(), after, face);
                self.send(BusCommand::Added(id));
            }
            Some(before) if before != after => {
                self.snapshot.set_view(&id, Arc::clone(&after));
                log_change(&id, &before, &after);
                self.send(BusCommand::Changed { app: id, before, after });
            }
            Some(_) => {}
        }
    }

    fn tell_status(&mut self) {
        let ready = self.views.values().filter(|view| view.state == AppState::Ready).count();
        let status = format!("{ready} of {} applications have a token", self.views.len());
        if status != self.status {
            self.notifier.status(&status);
            self.status = status;
        }
    }
}

/// An operator reads of each new trouble once, of each end of it, and of each new token.
fn log_change(id: &AppId, before: &AppView, after: &AppView) {
    let (error, message) = &after.last_error;
    if before.last_error != after.last_error && !error.is_empty() {
        let level =
            if before.last_error.0 == *error { log::Level::Debug } else { log::Level::Warn };
        log::log!(level, "{id}: {}: {message}", after.state.as_str());
    }
    if before.token_number != after.token_number && after.token_number != 0 {
        log::info!("{id}: token number {}", after.token_number);
    } else if error.is_empty() && !before.last_error.0.is_empty() {
        log::info!("{id}: {}: the trouble is over", after.state.as_str());
    } else if before.state != after.state {
        log::debug!("{id}: {}", after.state.as_str());
    }
}
