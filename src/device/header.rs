// SPDX-License-Identifier: MIT OR Apache-2.0
//! The device data as request headers (contract, section 3).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::clean::clean;
use super::{DeviceInfo, Field, Value};
use crate::common::map::Map;

impl DeviceInfo {
    /// The value of `X-Device-Info`: Base64 (standard alphabet, padded) of a JSON object, whose
    /// `applicationId` is the given one, or else the one of the `[device]` table.
    #[must_use]
    pub fn header(&self, application_id: Option<&str>) -> String {
        STANDARD.encode(self.json(application_id))
    }

    /// The JSON object that [`DeviceInfo::header`] encodes; its keys are in the contract's order.
    #[must_use]
    pub fn json(&self, application_id: Option<&str>) -> String {
        let application_id = application_id
            .and_then(|id| clean(id, Field::ApplicationId.longest()))
            .map(Value::Text);
        let mut object: Map<Field, &Value> =
            self.0.iter().map(|(field, found)| (*field, &found.value)).collect();
        if let Some(id) = &application_id {
            object.insert(Field::ApplicationId, id);
        }
        serde_json::to_string(&object).expect("keys are strings, values are plain")
    }
}

/// The value of `AP-Device-Identifier` for the 64 hexadecimal digits of an
/// [`Identity`](super::Identity).
#[must_use]
pub fn identifier_header(id: &str) -> String {
    format!("fingerprint {}", STANDARD.encode(id))
}

#[cfg(test)]
mod tests {
    use super::super::Found;
    use super::*;

    fn info(values: &[(Field, Value)]) -> DeviceInfo {
        let found = |value: &Value| Found { value: value.clone(), origin: "test".into() };
        DeviceInfo(values.iter().map(|(field, value)| (*field, found(value))).collect())
    }

    #[test]
    fn the_object_lists_typed_values_in_the_contracts_order() {
        let info = info(&[
            (Field::ConnectionSecure, Value::Flag(true)),
            (Field::DiagonalScreenSize, Value::Decimal(54.6)),
            (Field::DisplayWidth, Value::Number(3840)),
            (Field::Model, "X \"1\"".into()),
        ]);
        assert_eq!(
            info.json(None),
            r#"{"model":"X \"1\"","displayWidth":3840,"diagonalScreenSize":54.6,"connectionSecure":true}"#
        );
    }

    #[test]
    fn an_applications_own_id_stands_before_the_configured_one() {
        let configured = info(&[(Field::ApplicationId, "all".into())]);
        assert_eq!(configured.json(None), r#"{"applicationId":"all"}"#);
        assert_eq!(configured.json(Some("REF30")), r#"{"applicationId":"REF30"}"#);
        assert_eq!(info(&[]).json(Some("REF30")), r#"{"applicationId":"REF30"}"#);
    }

    #[test]
    fn the_header_is_padded_base64_on_one_line() {
        let header = info(&[(Field::Model, "ü".repeat(200).as_str().into())]).header(Some("a"));
        assert!(header.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b)));
        assert_eq!(header.len() % 4, 0);
        assert_eq!(info(&[]).header(None), "e30=");
    }

    #[test]
    fn the_identifier_is_a_fingerprint_in_base64() {
        assert_eq!(identifier_header("0a1b"), "fingerprint MGExYg==");
    }
}
