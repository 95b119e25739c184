// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether a configured value is legal for its field. Pure.

use std::net::IpAddr;

use super::field::{Field, Kind, Value};

/// Whether `value` is legal for `field`.
///
/// # Errors
/// A sentence that names the legal values, to follow the name of the field: "must be …".
pub fn check(field: Field, value: &Value) -> Result<(), String> {
    match (field.kind(), value) {
        (Kind::Text, Value::Text(text)) => check_text(field, text),
        (Kind::Number, Value::Number(1..)) | (Kind::Flag, Value::Flag(_)) => Ok(()),
        (Kind::Decimal, Value::Decimal(inches)) if (0.1..=1000.0).contains(inches) => Ok(()),
        (Kind::Text, _) => match field.legal() {
            Some(legal) => Err(format!("must be one of the strings {}", listed(legal))),
            None => Err("must be a string".to_owned()),
        },
        (Kind::Number, _) => Err(format!("must be a whole number from 1 to {}", u32::MAX)),
        (Kind::Decimal, _) => Err("must be a number of inches from 0.1 to 1000".to_owned()),
        (Kind::Flag, _) => Err("must be true or false".to_owned()),
    }
}

fn check_text(field: Field, text: &str) -> Result<(), String> {
    if let Some(legal) = field.legal() {
        return if legal.contains(&text) {
            Ok(())
        } else {
            Err(format!("must be one of {}", listed(legal)))
        };
    }
    if text.trim().is_empty() {
        return Err("must not be empty".to_owned());
    }
    let longest = field.longest();
    if text.chars().count() > longest || text.chars().any(char::is_control) {
        return Err(format!("must be at most {longest} characters, none a control character"));
    }
    match field {
        Field::ConnectionIp if text.parse::<IpAddr>().is_err() => {
            Err("must be an IPv4 or IPv6 address".to_owned())
        }
        Field::ConnectionPort if !is_port(text) => {
            Err("must be a string with a port number from 1 to 65535".to_owned())
        }
        _ => Ok(()),
    }
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port != 0)
}

fn listed(legal: &[&str]) -> String {
    let quoted: Vec<_> = legal.iter().map(|value| format!("\"{value}\"")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_not_on_the_published_list_is_refused_with_the_list() {
        assert_eq!(check(Field::OsName, &"webOS".into()), Ok(()));
        let message = check(Field::OsName, &"webos".into()).unwrap_err();
        assert_eq!(
            message,
            "must be one of \"Android\", \"Chrome OS\", \"Linux\", \"Mac OS\", \"OS X\", \
             \"OpenBSD\", \"Roku OS\", \"Windows\", \"iOS\", \"tvOS\", \"webOS\""
        );
        let message = check(Field::PrimaryHardwareType, &Value::Flag(true)).unwrap_err();
        assert!(message.starts_with("must be one of the strings \"Camera\""), "{message}");
    }

    #[test]
    fn a_value_of_another_type_is_refused_with_the_right_type() {
        for (field, value, message) in [
            (Field::Model, Value::Number(3), "must be a string"),
            (Field::DisplayWidth, "1920".into(), "must be a whole number from 1 to 4294967295"),
            (Field::DisplayPpi, Value::Number(0), "must be a whole number from 1 to 4294967295"),
            (
                Field::DiagonalScreenSize,
                Value::Decimal(f64::NAN),
                "must be a number of inches from 0.1 to 1000",
            ),
            (
                Field::DiagonalScreenSize,
                Value::Decimal(-1.0),
                "must be a number of inches from 0.1 to 1000",
            ),
            (Field::ConnectionSecure, "true".into(), "must be true or false"),
        ] {
            assert_eq!(check(field, &value), Err(message.to_owned()), "{field:?} {value:?}");
        }
    }

    #[test]
    fn a_text_is_checked_for_what_it_must_be() {
        for (field, good) in [
            (Field::Model, "X1 Café"),
            (Field::ConnectionIp, "192.0.2.7"),
            (Field::ConnectionIp, "2001:db8::7"),
            (Field::ConnectionPort, "443"),
            (Field::ConnectionType, "5G"),
            (Field::ApplicationId, "REF30"),
            (Field::UserAgent, &"x".repeat(1024)),
        ] {
            assert_eq!(check(field, &good.into()), Ok(()), "{good}");
        }
        for (field, bad) in [
            (Field::Model, ""),
            (Field::Model, "  "),
            (Field::Model, "a\nb"),
            (Field::UserAgent, &"x".repeat(1025)),
            (Field::Model, &"x".repeat(257)),
            (Field::ConnectionIp, "192.0.2"),
            (Field::ConnectionPort, "0"),
            (Field::ConnectionPort, "+1"),
            (Field::ConnectionPort, "65536"),
        ] {
            assert!(check(field, &bad.into()).is_err(), "{field:?} {bad}");
        }
    }
}
