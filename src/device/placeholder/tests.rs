// SPDX-License-Identifier: MIT OR Apache-2.0
use super::*;

/// Everyday spellings of a text that mean the same.
fn spellings(text: &str, random: &mut fastrand::Rng) -> Vec<String> {
    let capital = |text: &str| {
        let mut letters = text.chars();
        let first = letters.next().map(char::to_uppercase);
        first.into_iter().flatten().chain(letters).collect::<String>()
    };
    let mut all = vec![
        text.to_owned(),
        text.to_uppercase(),
        capital(text),
        text.replace(' ', "_"),
        text.replace(' ', "-"),
        text.replace(' ', ""),
        format!(" {text}\n"),
        format!("{text}."),
        format!("<{text}>"),
        format!("[{text}]"),
        format!("({text})"),
        format!("\"{text}\""),
        format!("__{text}__"),
    ];
    for _ in 0..20 {
        let mut spelling = String::new();
        for c in text.chars() {
            if random.bool() {
                spelling.extend(c.to_uppercase());
            } else {
                spelling.push(c);
            }
            if random.u8(..4) == 0 {
                spelling.push(random.choice([' ', '_', '-', '.', '/', ':']).unwrap());
            }
        }
        all.push(spelling);
    }
    all
}

/// The entries of a section that are a whole value each.
fn entries(section: &str) -> Vec<&'static str> {
    let head = format!("[{section}]");
    let lines = LIST.lines().skip_while(|line| *line != head).skip(1);
    lines
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.is_empty() && !line.starts_with("# ") && !line.contains('*'))
        .collect()
}

#[test]
fn the_list_has_its_sections_and_no_entry_of_them_is_empty() {
    let heads: Vec<_> = LIST.lines().filter(|line| line.starts_with('[')).collect();
    assert_eq!(heads, ["[any source]", "[osVersion]", "[serial numbers]"]);
    assert!(Field::from_key("osVersion").is_some());
    for section in ["any source", "osVersion", "serial numbers"] {
        assert!(!entries(section).is_empty(), "{section}");
        for entry in entries(section) {
            assert!(entry.chars().any(char::is_alphanumeric), "{entry}");
            assert_eq!(entry, entry.trim().to_ascii_lowercase());
            assert!(entry.is_ascii(), "{entry}");
        }
    }
}

#[test]
fn each_placeholder_of_the_list_is_known_in_any_spelling() {
    let mut random = fastrand::Rng::with_seed(17);
    for entry in entries("any source") {
        for text in spellings(entry, &mut random) {
            assert!(is_placeholder(&text), "{text}");
            assert!(is_placeholder_of(Field::Model, &text), "{text}");
            assert!(is_no_serial(text.as_bytes()), "{text}");
        }
    }
    for entry in entries("serial numbers") {
        for text in spellings(entry, &mut random) {
            assert!(is_no_serial(text.as_bytes()), "{text}");
        }
    }
    for text in spellings("rolling", &mut random) {
        assert!(is_placeholder_of(Field::OsVersion, &text), "{text}");
        let template = text.starts_with('<');
        assert_eq!(is_placeholder_of(Field::Model, &text), template, "{text}");
    }
}

#[test]
fn what_nobody_filled_in_is_known_as_such() {
    for text in [
        "",
        " \n",
        "...",
        "-",
        "?",
        "N/A",
        "None",
        "To be filled by O.E.M.",
        "To Be Filled By O.E.M. by More String",
        "Default_string",
        "TBD",
        "$(DEFAULT_STRING)",
        "${MODEL}",
        "@MODEL@",
        "%MODEL%",
        "<model>",
        "{{ model }}",
        "xxxxxxxx",
    ] {
        assert!(is_placeholder(text), "{text}");
        assert!(is_no_serial(text.as_bytes()), "{text}");
    }
}

#[test]
fn a_value_is_a_placeholder_only_as_a_whole() {
    for text in [
        "Unknown Pleasures",
        "None of Your Business",
        "NAD T778",
        "Default Electronics",
        "OEM Systems",
        "ModelX",
        "X00X",
        "Stringray",
        "$5 Box",
        "Rolling Stone TV",
        "日本",
        "Version 2",
        "LENOVO",
    ] {
        assert!(!is_placeholder(text), "{text}");
        assert!(!is_placeholder_of(Field::OsVersion, text), "{text}");
    }
}

#[test]
fn rules_about_digits_hold_for_serial_numbers_alone() {
    for text in ["0", "000", "1", "11", "1.1", "12345", "0123456789abcdef", "ff:ff"] {
        assert!(!is_placeholder(text), "{text}");
        assert!(!is_placeholder_of(Field::Version, text), "{text}");
        assert!(is_no_serial(text.as_bytes()) || text.len() < 3, "{text}");
    }
}

/// A number in the forms in which firmware, kernel and factories write it.
fn written(digits: &str) -> Vec<Vec<u8>> {
    let pairs: Vec<_> =
        digits.as_bytes().chunks(2).map(|pair| String::from_utf8(pair.to_vec()).unwrap()).collect();
    let mut forms = vec![
        digits.to_owned(),
        digits.to_uppercase(),
        format!("0x{digits}"),
        format!("0X{}", digits.to_uppercase()),
        format!("  {digits}\n"),
        format!("{digits}\0\0"),
        pairs.join(":"),
        pairs.join("-"),
        pairs.join(" "),
        pairs.iter().map(|pair| format!("0x{pair}")).collect::<Vec<_>>().join(" "),
    ];
    if digits.len() == 32 {
        let part = |range: std::ops::Range<usize>| &digits[range];
        forms.push([part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)].join("-"));
    }
    forms.into_iter().map(String::into_bytes).collect()
}

#[test]
fn the_same_byte_or_digit_throughout_is_no_serial_number_of_any_length_and_in_any_form() {
    for length in (1..=17).chain([32]) {
        for byte in 0..=255_u8 {
            assert!(is_no_serial(&vec![byte; length]), "{length} x {byte:#x} as bytes");
            let pairs = format!("{byte:02x}").repeat(length);
            for form in if length == 1 { Vec::new() } else { written(&pairs) } {
                assert!(is_no_serial(&form), "{}", form.escape_ascii());
            }
        }
        for digit in "0123456789abcdefxyz".chars() {
            for form in written(&digit.to_string().repeat(length)) {
                assert!(is_no_serial(&form), "{}", form.escape_ascii());
            }
        }
    }
}

#[test]
fn digits_that_count_are_no_serial_number_with_or_without_wrap_and_prefix() {
    for cycle in ["0123456789", "0123456789abcdef", "1234567890abcdef"] {
        for down in [false, true] {
            let endless: Vec<char> = cycle.chars().collect::<Vec<_>>().repeat(8);
            for start in 0..cycle.len() {
                for length in [4, 5, 8, 10, 11, 16, 17, 32] {
                    let mut digits: String = endless[start..start + length].iter().collect();
                    if down {
                        digits = digits.chars().rev().collect();
                    }
                    for form in written(&digits) {
                        assert!(is_no_serial(&form), "{}", form.escape_ascii());
                    }
                    if cycle.len() == 10 {
                        for prefix in ["SN", "SYS-", "MB_", "S/N ", "serial:"] {
                            let text = format!("{prefix}{digits}");
                            assert!(is_no_serial(text.as_bytes()), "{text}");
                        }
                    }
                }
            }
        }
    }
    for text in [
        "SYS-0000000000",
        "00010203-0405-0607-0809-0a0b0c0d0e0f",
        "00112233-4455-6677-8899-aabbccddeeff",
        "00:11:22:33:44:55",
        "\u{1}\u{2}\u{3}\u{4}\u{5}\u{6}\u{7}\u{8}",
    ] {
        assert!(is_no_serial(text.as_bytes()), "{text}");
    }
}

#[test]
fn a_real_serial_number_is_one() {
    for text in [
        "10000000a3b5c7d9",
        "4c4c4544-0042-4a10-8036-b7c04f4b3233",
        "C02XL0GTJGH5",
        "208MAXW1",
        "F-778",
        "SN-0815-4711",
        "A1B2C3",
        "M12017TD4711",
        "d4:81:d7:11:22:33",
        "150100424a544434520a6b1c9f2b7a00",
        "0000000000000000000000000000001a",
        "100000001",
        "12345679",
    ] {
        assert!(!is_no_serial(text.as_bytes()), "{text}");
    }
    assert!(!is_no_serial(b"\xfe\xff\x00\x91"));
    let mut random = fastrand::Rng::with_seed(9);
    for length in 8..=32 {
        for _ in 0..20 {
            let bytes: Vec<u8> = (0..length).map(|_| random.alphanumeric() as u8).collect();
            assert!(!is_no_serial(&bytes), "{}", bytes.escape_ascii());
            let bytes: Vec<u8> = (0..length).map(|_| random.u8(1..)).collect();
            assert!(!is_no_serial(&bytes), "{}", bytes.escape_ascii());
        }
    }
}
