// SPDX-License-Identifier: MIT OR Apache-2.0
//! What goes along with a token: device data that may change while the daemon runs.

use std::path::Path;
use std::sync::Arc;

use super::Daemon;
use crate::bus::InfoValue;
use crate::common::map::Map;
use crate::config::Application;
use crate::device::{self, Value};
use crate::lifecycle::Event;
use crate::lifecycle::view::Face;

impl Daemon {
    /// The network may be another one: data, and whether it has come back. One that `returned` may
    /// have no line that is new.
    pub(super) fn network_changed(&mut self, returned: bool) {
        self.device_changed();
        let network = device::network_fingerprint(&self.options.root);
        let came = network.iter().any(|line| !self.network.contains(line));
        let returned = returned && !network.is_empty();
        self.network = network;
        if came || returned {
            log::debug!("the network is another one, or is back");
            self.feed(Event::NetworkBack);
        }
    }

    /// Looks at the device again; headers handed out from now on say what it is.
    pub(super) fn device_changed(&mut self) {
        let device = device::collect(&self.options.root, &self.settings.device);
        if device != self.device {
            self.device = device;
            self.refresh_faces();
        }
    }

    pub(super) fn refresh_faces(&mut self) {
        self.snapshot.set_device_info(self.device_info());
        for (id, application) in &self.applications {
            self.snapshot.set_face(id, Arc::new(self.face(application)));
        }
    }

    pub(super) fn face(&self, application: &Application) -> Face {
        let mut headers = vec![(
            "X-Device-Info".to_owned(),
            self.device.header(application.application_id.as_deref()),
        )];
        if let Some(id) = self.storage.identity() {
            headers.push(("AP-Device-Identifier".to_owned(), device::identifier_header(id)));
        }
        if let Some(agent) = &self.settings.server.user_agent {
            headers.push(("User-Agent".to_owned(), agent.clone()));
        }
        Face { access: application.access.clone(), headers }
    }

    fn device_info(&self) -> Map<String, InfoValue> {
        let fields = self.device.0.iter().map(|(field, found)| {
            let value = match &found.value {
                Value::Text(text) => InfoValue::Text(text.clone()),
                Value::Number(number) => InfoValue::Number(*number),
                Value::Decimal(number) => InfoValue::Decimal(*number),
                Value::Flag(flag) => InfoValue::Flag(*flag),
            };
            (field.key().to_owned(), value)
        });
        fields.collect()
    }

    /// One of the files that were asked for has come, gone or changed.
    pub(super) fn file_changed(&mut self, path: &Path) {
        if self.time_sync.0.iter().any(|file| file == path) {
            self.feed(Event::ClockChanged);
        }
        let whose = self.applications.values().filter(|app| app.statement_file == path);
        let ids: Vec<_> = whose.map(|app| app.id.clone()).collect();
        for id in ids {
            self.read_statement(&id);
        }
    }

    pub(super) fn watch_files(&mut self) {
        let statements = self.applications.values().map(|app| app.statement_file.clone());
        let files: Vec<_> = statements.chain(self.time_sync.0.clone()).collect();
        self.watch.set_files(&files);
    }
}
