// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a device says of itself, made fit to be sent: no control characters, no placeholders.

use zeroize::Zeroizing;

use super::field::LONGEST;

/// The text without control characters and outer white space, at most 256 characters of it;
/// nothing where nothing is left.
pub(super) fn clean(text: &str) -> Option<String> {
    let kept: String = text.chars().filter(|c| !c.is_control()).collect();
    let short: String = kept.trim().chars().take(LONGEST).collect();
    let short = short.trim_end();
    (!short.is_empty()).then(|| short.to_owned())
}

/// Whether the text is what firmware says where nobody filled the field in.
pub(super) fn is_placeholder(text: &str) -> bool {
    // It may be a serial number: no copy of it stays behind.
    let text = Zeroizing::new(text.trim().to_lowercase());
    let mut solid = Zeroizing::new(String::with_capacity(text.len()));
    solid.extend(text.chars().filter(|c| !matches!(c, ' ' | '-' | ':' | '_')));
    !text.chars().any(char::is_alphanumeric)
        || PLACEHOLDERS.contains(&text.as_str())
        || ["to be filled", "to be set by", "default string"].iter().any(|p| text.starts_with(p))
        || is_repeated(&solid)
        || is_counted(&solid)
}

/// Whether a serial number is none: a placeholder, or one and the same character.
pub(super) fn is_no_identity(text: &str) -> bool {
    let mut characters =
        text.chars().filter(|c| c.is_alphanumeric()).map(|c| c.to_ascii_lowercase());
    let first = characters.next();
    is_placeholder(text) || characters.all(|c| Some(c) == first)
}

/// "0", "xx", "000", "FFFF…": but "11" may be a version.
fn is_repeated(text: &str) -> bool {
    let Some(first) = text.chars().next() else { return true };
    let enough = if matches!(first, '0' | 'x') { 1 } else { 3 };
    text.chars().count() >= enough && text.chars().all(|c| c == first)
}

/// "123456789", "0123456789abcdef".
fn is_counted(text: &str) -> bool {
    const COUNTS: [&str; 3] = ["0123456789abcdef", "123456789abcdef", "1234567890"];
    text.len() >= 6 && COUNTS.iter().any(|count| count.starts_with(text))
}

/// As mainboards and firmware images are shipped; in lower case.
const PLACEHOLDERS: &[&str] = &[
    "all series",
    "base board serial number",
    "chassis serial number",
    "default",
    "empty",
    "invalid",
    "manufacturer",
    "n/a",
    "na",
    "no asset tag",
    "none",
    "not applicable",
    "not available",
    "not defined",
    "not present",
    "not set",
    "not specified",
    "null",
    "o.e.m.",
    "oem",
    "product name",
    "serial number",
    "sku",
    "system manufacturer",
    "system name",
    "system product name",
    "system serial number",
    "system sku",
    "system version",
    "tbd",
    "type1productconfigid",
    "undefined",
    "unknown",
    "unset",
    "version",
    // UUIDs that whole product lines share.
    "00020003-0004-0005-0006-000700080009",
    "01234567-8910-1112-1314-151617181920",
    "03000200-0400-0500-0006-000700080009",
    "03020100-0504-0706-0809-0a0b0c0d0e0f",
    "11111111-2222-3333-4444-555555555555",
    "12345678-1234-1234-1234-123456789012",
    "12345678-1234-5678-90ab-cddeefaabbcc",
    "fefefefe-fefe-fefe-fefe-fefefefefefe",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_no_control_characters_and_at_most_256_characters() {
        assert_eq!(clean(" Pi\u{7} 4\n\0").as_deref(), Some("Pi 4"));
        assert_eq!(clean(&"é".repeat(300)), Some("é".repeat(256)));
        assert_eq!(clean("\n \0\t"), None);
    }

    #[test]
    fn what_nobody_filled_in_is_known_as_such() {
        for text in [
            "",
            "0",
            "0000",
            "00:00:00:00",
            "xx",
            "....",
            "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
            "00000000-0000-0000-0000-000000000000",
            "03000200-0400-0500-0006-000700080009",
            "To be filled by O.E.M.",
            "To Be Filled By O.E.M",
            "Default string",
            "System Product Name",
            "Not Specified",
            " None ",
            "0123456789",
            "123456789",
            "1234567890",
            "0123456789ABCDEF",
        ] {
            assert!(is_placeholder(text), "{text}");
            assert!(is_no_identity(text), "{text}");
        }
    }

    #[test]
    fn a_real_value_is_no_placeholder() {
        for text in ["1", "11", "1.1", "1.0", "OptiPlex 7090", "Raspberry Pi 4", "X00X", "LENOVO"] {
            assert!(!is_placeholder(text), "{text}");
        }
        for text in ["10000000a3b5c7d9", "4c4c4544-0042-4a10-8036-b7c04f4b3233", "C02XL0"] {
            assert!(!is_no_identity(text), "{text}");
        }
        assert!(is_no_identity("11"));
        assert!(is_no_identity("aA-aa"));
    }
}
