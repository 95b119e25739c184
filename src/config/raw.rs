// SPDX-License-Identifier: MIT OR Apache-2.0
//! The shape of the two files (contract, section 5): their tables, keys and types. Values are
//! judged in `settings` and `application`.

use super::table::{Document, Entry, Item, Place, RawName, Table};
use crate::device::Field;

/// `tokend.toml`.
pub(super) struct RawSettings<'a> {
    pub(super) reload_users: Option<Vec<Entry<RawName>>>,
    pub(super) server: RawServer,
    pub(super) storage: RawStorage,
    pub(super) device: RawDevice<'a>,
    pub(super) synchronized_files: Option<Vec<Entry<String>>>,
    pub(super) log_target: Option<Entry<String>>,
    pub(super) log_level: Option<Entry<String>>,
}

/// `[server]`
pub(super) struct RawServer {
    pub(super) url: Option<Entry<String>>,
    pub(super) same_server_as: Option<Vec<Entry<String>>>,
    pub(super) ca_file: Option<Entry<String>>,
    pub(super) timeout_seconds: Option<Entry<i64>>,
    pub(super) user_agent: Option<Entry<String>>,
    pub(super) reregister_after_seconds: Option<Entry<i64>>,
}

/// `[storage]`
pub(super) struct RawStorage {
    pub(super) seal: Option<Entry<String>>,
    pub(super) key_file: Option<Entry<String>>,
    pub(super) pkcs11_module: Option<Entry<String>>,
    pub(super) pkcs11_token: Option<Entry<String>>,
    pub(super) pkcs11_key: Option<Entry<String>>,
    pub(super) pkcs11_pin_file: Option<Entry<String>>,
    /// Where `[storage]` stands: a key left out is reported there.
    pub(super) place: Place,
}

/// `[device]`
pub(super) struct RawDevice<'a> {
    pub(super) fields: Vec<(Field, Item<'a>)>,
    pub(super) identity: Option<Entry<String>>,
    pub(super) identity_file: Option<Entry<String>>,
}

/// `applications.d/ID.toml`.
pub(super) struct RawApplication {
    pub(super) software_statement_file: Option<Entry<String>>,
    pub(super) redirect_uri: Option<Entry<String>>,
    pub(super) application_id: Option<Entry<String>>,
    pub(super) allow_users: Option<Vec<Entry<RawName>>>,
    pub(super) allow_groups: Option<Vec<Entry<RawName>>>,
    pub(super) allow_labels: Option<Vec<Entry<String>>>,
}

impl<'a> RawSettings<'a> {
    pub(super) fn read(document: &'a Document<'a>, root_table: &'a toml::de::DeTable<'a>) -> Self {
        let tables = ["reload_users", "server", "storage", "device", "clock", "log"];
        let root = Table::root(document, root_table, &tables);
        let clock = root.table("clock", &["synchronized_file"]);
        let log = root.table("log", &["target", "level"]);
        Self {
            reload_users: root.names("reload_users"),
            server: RawServer::read(&root),
            storage: RawStorage::read(&root),
            device: RawDevice::read(&root),
            synchronized_files: clock.text_or_texts("synchronized_file"),
            log_target: log.text("target"),
            log_level: log.text("level"),
        }
    }
}

impl RawServer {
    fn read(root: &Table<'_>) -> Self {
        let keys = [
            "url",
            "same_server_as",
            "ca_file",
            "timeout_seconds",
            "user_agent",
            "reregister_after_seconds",
        ];
        let server = root.table("server", &keys);
        Self {
            url: server.text("url"),
            same_server_as: server.texts("same_server_as"),
            ca_file: server.text("ca_file"),
            timeout_seconds: server.integer("timeout_seconds"),
            user_agent: server.text("user_agent"),
            reregister_after_seconds: server.integer("reregister_after_seconds"),
        }
    }
}

impl RawStorage {
    fn read(root: &Table<'_>) -> Self {
        let keys =
            ["seal", "key_file", "pkcs11_module", "pkcs11_token", "pkcs11_key", "pkcs11_pin_file"];
        let storage = root.table("storage", &keys);
        Self {
            seal: storage.text("seal"),
            key_file: storage.text("key_file"),
            pkcs11_module: storage.text("pkcs11_module"),
            pkcs11_token: storage.text("pkcs11_token"),
            pkcs11_key: storage.text("pkcs11_key"),
            pkcs11_pin_file: storage.text("pkcs11_pin_file"),
            place: storage.place("seal"),
        }
    }
}

impl<'a> RawDevice<'a> {
    fn read(root: &Table<'a>) -> Self {
        // The application id is each application's own.
        let fields = Field::ALL.into_iter().filter(|field| field.key() != "applicationId");
        let mut keys: Vec<&str> = fields.clone().map(Field::key).collect();
        keys.extend(["identity", "identity_file"]);
        let device = root.table("device", &keys);
        Self {
            fields: fields.filter_map(|f| device.item(f.key()).map(|item| (f, item))).collect(),
            identity: device.text("identity"),
            identity_file: device.text("identity_file"),
        }
    }
}

impl RawApplication {
    pub(super) fn read<'a>(
        document: &'a Document<'a>,
        root_table: &'a toml::de::DeTable<'a>,
    ) -> Self {
        let keys = [
            "software_statement_file",
            "redirect_uri",
            "application_id",
            "allow_users",
            "allow_groups",
            "allow_labels",
        ];
        let root = Table::root(document, root_table, &keys);
        Self {
            software_statement_file: root.text("software_statement_file"),
            redirect_uri: root.text("redirect_uri"),
            application_id: root.text("application_id"),
            allow_users: root.names("allow_users"),
            allow_groups: root.names("allow_groups"),
            allow_labels: root.texts("allow_labels"),
        }
    }
}
