// SPDX-License-Identifier: MIT OR Apache-2.0
//! The configuration, read again: whatever is faulty leaves what runs in force.

use super::{Daemon, policy};
use crate::common::error::chain;
use crate::common::model::AppId;
use crate::config::{self, Application, Config, Settings};
use crate::lifecycle::Event;
use crate::lifecycle::view::{CallError, ErrorName};
use crate::system::clock::TimeSync;
use crate::system::logging;

impl Daemon {
    /// Reads the configuration again and puts in force what is good of it.
    /// One that root asks for ends waits; any other only those of an application whose files have
    /// changed.
    pub(super) fn reload(&mut self, root: bool) -> Result<(), CallError> {
        self.notifier.reloading();
        log::info!("reloading");
        let done = self.try_reload(root);
        self.notifier.ready();
        done
    }

    fn try_reload(&mut self, root: bool) -> Result<(), CallError> {
        let config = config::load(&self.options.config).map_err(|faults| {
            for fault in &faults.0 {
                log::error!("{fault}");
            }
            self.faults.configured(&faults.0);
            let message = format!("nothing was reloaded: {}", chain(&faults));
            CallError { name: ErrorName::InvalidArgs, message }
        })?;
        let Config { settings, applications, faults, faulty, warnings, file } = config;
        for warning in &warnings {
            log::warn!("{warning}");
        }
        for fault in &faults {
            log::error!("{fault}; what runs of the application stays in force");
        }
        self.faults.configured(&faults);
        self.faults.file = file;
        self.reload_settings(settings);
        self.reload_applications(
            applications.into_iter().map(|(_, application)| application).collect(),
            &faulty,
        );
        self.storage.set_faulty(faulty);
        if root {
            self.feed(Event::Reloaded);
        }
        if faults.is_empty() {
            return Ok(());
        }
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        let message = format!("reloaded but for what is faulty: {}", faults.join("; "));
        Err(CallError { name: ErrorName::InvalidArgs, message })
    }

    fn reload_settings(&mut self, mut settings: Settings) {
        if settings.seal != self.settings.seal {
            log::warn!("a change of [storage] takes a restart");
            settings.seal = self.settings.seal.clone();
        }
        if settings.log.target != self.settings.log.target {
            log::warn!("a change of [log] target takes a restart");
        }
        logging::set_level(settings.log.level);
        self.settings = settings;
        self.time_sync = TimeSync(self.settings.synchronized_files.clone());
        self.snapshot.set_reload_users(self.settings.reload_users.clone());
        self.device = crate::device::collect(&self.options.root, &self.settings.device);
        self.judge_roots();
        self.storage.judge_configured(&self.options.root, &self.settings.device);
        self.feed(Event::PolicyChanged(policy(&self.settings)));
    }

    fn reload_applications(&mut self, good: Vec<Application>, faulty: &[AppId]) {
        let ids: Vec<_> = good.iter().map(|application| application.id.clone()).collect();
        let gone: Vec<_> = self
            .applications
            .keys()
            .filter(|id| !ids.contains(id) && !faulty.contains(id))
            .cloned()
            .collect();
        for id in gone {
            log::info!("{id}: configured no longer; its client credentials stay stored");
            self.applications.remove(&id);
            self.statements.remove(&id);
            self.faults.statements.remove(&id);
            self.feed(Event::Removed { app: id });
        }
        let mut changed = Vec::new();
        for application in good {
            let id = application.id.clone();
            let before = self.applications.insert(id.clone(), application);
            if before.is_some() && before.as_ref() != self.applications.get(&id) {
                changed.push(id);
            }
        }
        self.watch_files();
        self.refresh_faces();
        for id in ids {
            self.read_statement(&id);
        }
        for app in changed {
            self.feed(Event::FilesChanged { app });
        }
    }
}
