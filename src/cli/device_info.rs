//! `tokend device-info`: the fields behind `X-Device-Info`, as the running tokend sends them.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::bus::client::{self, ClientError};
use crate::bus::{BusAddress, InfoValue};
use crate::config;
use crate::daemon::Options;
use crate::device::{self, Overrides, Value};

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
    if json {
        let fields = info.0.iter().map(|(field, found)| {
            let value = serde_json::json!({ "value": found.value, "origin": found.origin });
            (field.key().to_owned(), value)
        });
        return format!("{:#}\n", serde_json::Value::Object(fields.collect()));
    }
    let rows = info.0.iter().map(|(field, found)| {
        let value = match &found.value {
            Value::Text(text) => super::status::printable(text),
            Value::Number(number) => number.to_string(),
            Value::Decimal(decimal) => decimal.to_string(),
            Value::Flag(flag) => flag.to_string(),
        };
        (field.key(), value, found.origin.as_str())
    });
    let rows: Vec<_> = std::iter::once(("KEY", "VALUE".to_owned(), "ORIGIN")).chain(rows).collect();
    let width = rows.iter().map(|row| row.0.len()).max().unwrap_or(0);
    let middle = rows.iter().map(|row| row.1.chars().count().min(40)).max().unwrap_or(0);
    let lines = rows
        .iter()
        .map(|(key, value, origin)| format!("{key:width$}  {value:middle$}  {origin}\n"));
    lines.collect()
}

fn as_table(fields: &BTreeMap<String, InfoValue>) -> String {
    let width = fields.keys().map(String::len).max().unwrap_or(0).max("KEY".len());
    let mut table = format!("{:width$}  VALUE\n", "KEY");
    for (key, value) in fields {
        let value = match value {
            InfoValue::Text(text) => super::status::printable(text),
            InfoValue::Number(number) => number.to_string(),
            InfoValue::Decimal(decimal) => decimal.to_string(),
            InfoValue::Flag(flag) => flag.to_string(),
        };
        let _ = writeln!(table, "{key:width$}  {value}");
    }
    table
}

fn as_json(fields: &BTreeMap<String, InfoValue>) -> String {
    let object: serde_json::Map<_, serde_json::Value> = fields
        .iter()
        .map(|(key, value)| {
            let value = match value {
                InfoValue::Text(text) => text.as_str().into(),
                InfoValue::Number(number) => (*number).into(),
                InfoValue::Decimal(decimal) => (*decimal).into(),
                InfoValue::Flag(flag) => (*flag).into(),
            };
            (key.clone(), value)
        })
        .collect();
    format!("{:#}\n", serde_json::Value::Object(object))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> BTreeMap<String, InfoValue> {
        BTreeMap::from([
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
}
