// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a device shows whose clock is not set, on tokend's name: its objects, its properties and
//! its error, and nothing behind them.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use zbus::{Connection, DBusError, ObjectPath, OwnedVariant, Variant, interface};

use super::support::Failure;
use super::support::player::path_of;

/// Dropped: leaves the bus.
pub(crate) struct StandIn(Connection);

impl StandIn {
    pub(crate) fn start(address: &str, id: &str, version: &str) -> Result<Self, Failure> {
        #[expect(clippy::disallowed_methods, reason = "this is not tokend")]
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let manager = Manager { version: version.to_owned(), started_at: now.as_secs() };
        let start = async {
            let connection = zbus::connection::Builder::address(address)
                .serve_at("/tv/tokend", manager)
                .serve_at("/tv/tokend", ObjectManager { id: id.to_owned() })
                .serve_at(path_of(id), Application { id: id.to_owned() })
                .name("tv.tokend")
                .build()
                .await?;
            zbus::Result::Ok(connection)
        };
        let started = zbus::block_on(start);
        started.map(Self).map_err(|error| Failure::new("the stand-in does not start", error))
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        // A connection that broke before has left too.
        let _ = zbus::block_on(self.0.clone().close());
    }
}

#[derive(Debug, DBusError)]
#[zbus(prefix = "tv.tokend.Error")]
enum Error {
    #[zbus(error)]
    ZBus(zbus::Error),
    Unavailable(String),
}

const NAME: &str = "tv.tokend.Error.Unavailable";
const WHY: &str = "the clock is not set, so the server's certificate cannot be checked; \
                   work goes on the moment it is set";

fn unset<T>() -> Result<T, Error> {
    Err(Error::Unavailable(WHY.to_owned()))
}

struct Application {
    id: String,
}

#[interface(name = "tv.tokend.Application1")]
impl Application {
    fn get_token(&self, _min_validity: u32) -> Result<(String, u32), Error> {
        unset()
    }

    fn get_headers(&self, _min_validity: u32) -> Result<(HashMap<String, String>, u32), Error> {
        unset()
    }

    fn replace_token(&self, _rejected: &str, _code: &str) -> Result<(String, u32), Error> {
        unset()
    }

    #[zbus(property)]
    fn id(&self) -> &str {
        &self.id
    }

    #[zbus(property)]
    fn state(&self) -> &str {
        "clock-unset"
    }

    #[zbus(property)]
    fn token_number(&self) -> u64 {
        0
    }

    #[zbus(property)]
    fn expires_at(&self) -> u64 {
        0
    }

    #[zbus(property)]
    fn retry_at(&self) -> u64 {
        0
    }

    #[zbus(property)]
    fn last_error(&self) -> (String, String) {
        (NAME.to_owned(), WHY.to_owned())
    }

    #[zbus(property)]
    fn scopes(&self) -> Vec<String> {
        Vec::new()
    }

    #[zbus(property)]
    fn redirect_uris(&self) -> Vec<String> {
        Vec::new()
    }

    #[zbus(property)]
    fn client_id_issued_at(&self) -> u64 {
        0
    }

    #[zbus(property(emits_changed_signal = "false"))]
    fn counters(&self) -> HashMap<String, u64> {
        let names = ["failing_since", "failures", "last_success", "registrations"];
        names.map(|name| (name.to_owned(), 0)).into()
    }

    #[zbus(property(emits_changed_signal = "false"))]
    fn history(&self) -> Vec<(u64, String, String)> {
        Vec::new()
    }
}

/// zbus's own announces each object, so tokend does without that feature of zbus.
struct ObjectManager {
    id: String,
}

type Interfaces = HashMap<&'static str, HashMap<&'static str, OwnedVariant>>;

#[interface(name = "org.freedesktop.DBus.ObjectManager")]
impl ObjectManager {
    fn get_managed_objects(&self) -> zbus::fdo::Result<HashMap<ObjectPath<'static>, Interfaces>> {
        let application = Application { id: self.id.clone() };
        let properties: [(_, Variant<'_>); 11] = [
            ("Id", application.id().into()),
            ("State", application.state().into()),
            ("TokenNumber", application.token_number().into()),
            ("ExpiresAt", application.expires_at().into()),
            ("RetryAt", application.retry_at().into()),
            ("LastError", application.last_error().into()),
            ("Scopes", application.scopes().into()),
            ("RedirectUris", application.redirect_uris().into()),
            ("ClientIdIssuedAt", application.client_id_issued_at().into()),
            ("Counters", application.counters().into()),
            ("History", application.history().into()),
        ];
        let mut owned = HashMap::new();
        for (name, value) in properties {
            owned.insert(name, value.try_into()?);
        }
        let path = ObjectPath::try_from(path_of(&self.id))?;
        Ok(HashMap::from([(path, HashMap::from([("tv.tokend.Application1", owned)]))]))
    }
}

struct Manager {
    version: String,
    /// UNIX seconds.
    started_at: u64,
}

#[interface(name = "tv.tokend.Manager1")]
impl Manager {
    fn get_device_info(&self) -> HashMap<String, OwnedVariant> {
        HashMap::new()
    }

    fn reload(&self) {}

    fn forget(&self, _id: &str) {}

    #[zbus(property)]
    fn version(&self) -> &str {
        &self.version
    }

    #[zbus(property)]
    fn sealing(&self) -> &str {
        "generated"
    }

    #[zbus(property)]
    fn clock_set(&self) -> bool {
        false
    }

    #[zbus(property)]
    fn faults(&self) -> Vec<String> {
        Vec::new()
    }

    #[zbus(property(emits_changed_signal = "false"))]
    fn started_at(&self) -> u64 {
        self.started_at
    }
}
