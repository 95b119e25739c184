// SPDX-License-Identifier: MIT OR Apache-2.0
//! `tokend device-info`: the fields behind `X-Device-Info`, as the running tokend sends them.

use std::fmt::Write;
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::check::user::{self, User};
use crate::bus::{BusAddress, InfoValue};
use crate::client::{self, ClientError};
use crate::common::error::chain;
use crate::common::exit;
use crate::common::map::Map;
use crate::config;
use crate::daemon::Options;
use crate::device::{self, Basis, Overrides, Value};
use crate::seal;
use crate::store::{Inspection, LockError};

/// What goes to standard output: a table of key and value, or with `json` an object whose keys are
/// those of the contract, section 3, with strings, numbers and booleans as there.
///
/// # Errors
/// [`ClientError`]
pub fn run(bus: &BusAddress, json: bool) -> Result<String, ClientError> {
    let fields = client::device_info(bus)?;
    Ok(if json { as_json(&fields) } else { as_table(&fields) })
}

/// What goes to standard output without asking the daemon: each field with its value and origin,
/// as a daemon with this configuration and these files would send it.
#[must_use]
pub fn local(options: &Options, json: bool) -> String {
    let overrides = match config::load(&options.config) {
        Ok(config) => config.settings.device,
        Err(faults) => {
            eprintln!("tokend: without the [device] table of the configuration: {faults}");
            Overrides::default()
        }
    };
    let info = device::collect(&options.root, &overrides);
    let (value, origin) = identity(options, &overrides);
    if json {
        let mut object = serde_json::Map::new();
        for (field, found) in &info.0 {
            let value = serde_json::json!({ "value": found.value, "origin": found.origin });
            object.insert(field.key().to_owned(), value);
        }
        let identity = serde_json::json!({ "value": value, "origin": origin });
        object.insert("identity".to_owned(), identity);
        return format!("{:#}\n", serde_json::Value::Object(object));
    }
    let rows = info.0.iter().map(|(field, found)| {
        let value = match &found.value {
            Value::Text(text) => crate::common::text::printable(text),
            Value::Number(number) => number.to_string(),
            Value::Decimal(decimal) => decimal.to_string(),
            Value::Flag(flag) => flag.to_string(),
        };
        (field.key(), value, found.origin.as_str())
    });
    let rows = rows.chain(std::iter::once(("identity", value.to_owned(), origin.as_str())));
    let rows: Vec<_> = std::iter::once(("KEY", "VALUE".to_owned(), "ORIGIN")).chain(rows).collect();
    let width = rows.iter().map(|row| row.0.len()).max().unwrap_or(0);
    let middle = rows.iter().map(|row| row.1.chars().count().min(40)).max().unwrap_or(0);
    let lines = rows
        .iter()
        .map(|(key, value, origin)| format!("{key:width$}  {value:middle$}  {origin}\n"));
    lines.collect()
}

/// What the identity would rest on if it were decided now, and which sources those are. What they
/// say is not said.
fn identity(options: &Options, overrides: &Overrides) -> (&'static str, String) {
    let reader = user::user(options).reader();
    match device::identity_for(&options.root, overrides, reader) {
        Ok(identity) => {
            let basis = match identity.basis {
                Basis::Configured => "configured",
                Basis::Board => "of the board",
                Basis::MachineId => "of the machine-id",
                Basis::Random => "random",
            };
            (basis, identity.origin())
        }
        Err(error) => ("none", crate::common::text::printable(&chain(&error))),
    }
}

/// The device identifier, on a line of its own: the stored one; while none is stored, the one that
/// would be decided on now.
///
/// # Errors
/// What is wrong, and what to exit with.
pub fn identifier(options: &Options, looks: bool) -> Result<String, (String, u8)> {
    let config = config::load(&options.config).map_err(|faults| (chain(&faults), exit::CONFIG))?;
    let user = user::user(options);
    if looks && let Some(id) = stored(options, &config.settings.seal, user)? {
        return Ok(format!("{id}\n"));
    }
    let decided = device::identity_for(&options.root, &config.settings.device, user.reader());
    let decided = decided.map_err(|error| (chain(&error), exit::CONFIG))?;
    if decided.basis == Basis::Random {
        let message = "no source is there: the device identifier is made up at the first start";
        return Err((message.to_owned(), exit::TEMPFAIL));
    }
    eprintln!("tokend: not stored yet; decided now, it comes from {}", decided.origin());
    Ok(format!("{}\n", decided.id))
}

fn stored(
    options: &Options,
    seal: &config::Seal,
    user: User,
) -> Result<Option<String>, (String, u8)> {
    let look = Inspection::open(&options.state, user.daemon).map_err(|error| {
        let denied = matches!(
            &error,
            LockError::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied
        );
        (chain(&error), if denied { exit::NOPERM } else { exit::IOERR })
    })?;
    let Some(look) = look.filter(Inspection::has_identity) else { return Ok(None) };
    let key = seal::source_with_stderr(seal, &options.state, user.other()).root_key(false);
    let key = key.map_err(|error| (chain(&error), exit::IOERR))?;
    look.identity(&key).map_err(|error| (chain(&error), exit::IOERR))
}

/// The same, of the running daemon.
///
/// # Errors
/// [`ClientError`], of the last application if none gives headers.
pub fn identifier_of_the_daemon(bus: &BusAddress) -> Result<String, ClientError> {
    let mut refused = ClientError::UnknownApplication("any".to_owned());
    for application in client::overview(bus)?.applications {
        let Ok(id) = application.id.parse() else { continue };
        match client::headers(bus, &id, 0) {
            Ok(headers) => {
                let header = headers.iter().find(|(name, _)| name == "AP-Device-Identifier");
                if let Some(id) = header.and_then(|(_, value)| decoded(value.expose())) {
                    return Ok(format!("{id}\n"));
                }
            }
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

/// What the header says in Base64.
fn decoded(header: &str) -> Option<String> {
    let bytes = STANDARD.decode(header.strip_prefix("fingerprint ")?).ok()?;
    String::from_utf8(bytes).ok()
}

fn as_table(fields: &Map<String, InfoValue>) -> String {
    let width = fields.keys().map(String::len).max().unwrap_or(0).max("KEY".len());
    let mut table = format!("{:width$}  VALUE\n", "KEY");
    for (key, value) in fields {
        let value = match value {
            InfoValue::Text(text) => crate::common::text::printable(text),
            InfoValue::Number(number) => number.to_string(),
            InfoValue::Decimal(decimal) => decimal.to_string(),
            InfoValue::Flag(flag) => flag.to_string(),
        };
        let _ = writeln!(table, "{key:width$}  {value}");
    }
    table
}

fn as_json(fields: &Map<String, InfoValue>) -> String {
    let mut object = serde_json::Map::new();
    for (key, value) in fields {
        let value = match value {
            InfoValue::Text(text) => text.as_str().into(),
            InfoValue::Number(number) => (*number).into(),
            InfoValue::Decimal(decimal) => (*decimal).into(),
            InfoValue::Flag(flag) => (*flag).into(),
        };
        object.insert(key.clone(), value);
    }
    format!("{:#}\n", serde_json::Value::Object(object))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> Map<String, InfoValue> {
        Map::from([
            ("model".into(), InfoValue::Text("X1".into())),
            ("displayWidth".into(), InfoValue::Number(1920)),
            ("diagonalScreenSize".into(), InfoValue::Decimal(54.6)),
            ("connectionSecure".into(), InfoValue::Flag(true)),
        ])
    }

    #[test]
    fn the_table_has_a_line_for_each_field() {
        assert_eq!(
            as_table(&fields()),
            "KEY                 VALUE\n\
             connectionSecure    true\n\
             diagonalScreenSize  54.6\n\
             displayWidth        1920\n\
             model               X1\n"
        );
    }

    #[test]
    fn json_keeps_the_types() {
        let json: serde_json::Value = serde_json::from_str(&as_json(&fields())).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "model": "X1", "displayWidth": 1920, "diagonalScreenSize": 54.6,
                "connectionSecure": true
            })
        );
    }

    /// What is said of the RDK device among the test trees, without `[device]` in the settings.
    fn of_rdk(json: bool) -> String {
        use std::os::unix::fs::PermissionsExt;
        let config = tempfile::tempdir().unwrap();
        let file = config.path().join("tokend.toml");
        std::fs::write(&file, "[storage]\nseal = \"generated\"\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        let options = Options {
            config: config::Source { directory: Some(config.path().to_owned()), credentials: None },
            state: "/nonexistent".into(),
            root: concat!(env!("CARGO_MANIFEST_DIR"), "/tests/trees/rdk").into(),
            bus: BusAddress::default(),
        };
        local(&options, json)
    }

    #[test]
    fn without_the_daemon_each_field_has_its_origin() {
        let table = of_rdk(false);
        let row = |key: &str| -> Vec<String> {
            let line = table.lines().find(|line| line.starts_with(&format!("{key} ")));
            let cells = line.unwrap_or_else(|| panic!("{key} in {table}")).split("  ");
            cells.map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect()
        };
        assert_eq!(row("KEY"), ["KEY", "VALUE", "ORIGIN"]);
        let origin = "/etc/device.properties FRIENDLY_ID";
        assert_eq!(row("model"), ["model", "Streaming Box 4K", origin]);
        assert_eq!(row("version"), ["version", "SCXI55BEI", "/etc/device.properties MODEL_NUM"]);
        assert_eq!(row("identity")[1], "of the board");
        assert_eq!(row("osVersion"), ["osVersion", "17.3", "/version.txt SDK_VERSION"]);
        let modes = "/sys/class/drm/card0-HDMI-A-1/modes";
        assert_eq!(row("displayWidth"), ["displayWidth", "3840", modes]);
    }

    #[test]
    fn without_the_daemon_json_has_value_and_origin() {
        let json: serde_json::Value = serde_json::from_str(&of_rdk(true)).unwrap();
        let origin = "/etc/device.properties FRIENDLY_ID";
        let model = serde_json::json!({ "value": "Streaming Box 4K", "origin": origin });
        assert_eq!(json["model"], model);
        assert_eq!(json["displayWidth"]["value"], 3840);
        let origin = json["identity"]["origin"].as_str().unwrap();
        assert!(origin.starts_with("/sys/firmware/devicetree/base/serial-number"), "{origin}");
        assert_eq!(json["diagonalScreenSize"]["value"], 54.6);
    }
}
