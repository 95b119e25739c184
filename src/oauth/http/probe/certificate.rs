// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a certificate says of itself: whose it is, who signed it, and from when to when it holds
//! (RFC 5280, section 4.1). Read for a person to see, and never judged by; whatever is not as it
//! should be reads as `?`.

use std::fmt;

use crate::oauth::wire::untrusted::shown;

/// The most characters of a name that are shown.
const LONGEST: usize = 120;

/// What a certificate says of itself, printable ASCII alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Certificate {
    /// Whose it is.
    pub(crate) subject: String,
    /// Who signed it.
    pub(crate) issuer: String,
    /// Its first and its last day, as `2026-11-30`.
    pub(crate) days: [String; 2],
}

impl Certificate {
    /// Reads DER.
    pub(crate) fn read(der: &[u8]) -> Self {
        let unknown = || "?".to_owned();
        Self::parse(der).unwrap_or_else(|| Self {
            subject: unknown(),
            issuer: unknown(),
            days: [unknown(), unknown()],
        })
    }

    fn parse(der: &[u8]) -> Option<Self> {
        let mut certificate = Der(der).take(SEQUENCE)?;
        let mut body = certificate.take(SEQUENCE)?;
        // The version, which the first one leaves out; serial number; algorithm.
        if body.peek() == Some(VERSION) {
            body.take(VERSION)?;
        }
        body.take(INTEGER)?;
        body.take(SEQUENCE)?;
        let issuer = name(body.take(SEQUENCE)?);
        let mut validity = body.take(SEQUENCE)?;
        let days = [day(&mut validity)?, day(&mut validity)?];
        Some(Self { subject: name(body.take(SEQUENCE)?), issuer, days })
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, last] = &self.days;
        write!(f, "{}, issued by {}, valid {first} to {last}", self.subject, self.issuer)
    }
}

const INTEGER: u8 = 0x02;
const OBJECT: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;

/// What is left of a list of elements.
#[derive(Clone, Copy)]
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn peek(self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The content of the next element, which must have this tag.
    fn take(&mut self, tag: u8) -> Option<Self> {
        if self.peek()? != tag { None } else { Some(self.next()?.1) }
    }

    /// The next element: its tag and its content.
    fn next(&mut self) -> Option<(u8, Self)> {
        let [tag, length, rest @ ..] = self.0 else { return None };
        let (length, rest) = match *length {
            short @ 0..=0x7f => (usize::from(short), rest),
            // No certificate has 4 GiB.
            long @ 0x81..=0x84 => {
                let (digits, rest) = rest.split_at_checked(usize::from(long - 0x80))?;
                let length = digits.iter().fold(0_u64, |sum, d| sum << 8 | u64::from(*d));
                (usize::try_from(length).ok()?, rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*tag, Self(content)))
    }
}

/// The parts of a name that people go by: `CN=…, O=…`.
fn name(mut parts: Der<'_>) -> String {
    let mut said = Vec::new();
    while let Some(mut part) = parts.take(SET) {
        let Some(mut pair) = part.take(SEQUENCE) else { break };
        let (Some(Der(kind)), Some((_, Der(text)))) = (pair.take(OBJECT), pair.next()) else {
            break;
        };
        let kind = match kind {
            [0x55, 4, 3] => "CN",
            [0x55, 4, 10] => "O",
            [0x55, 4, 11] => "OU",
            _ => continue,
        };
        said.push(format!("{kind}={}", String::from_utf8_lossy(text)));
    }
    if said.is_empty() { "nobody".to_owned() } else { shown(&said.join(", "), LONGEST, &[]) }
}

/// `YYMMDD…` or `YYYYMMDD…` as a day.
fn day(times: &mut Der<'_>) -> Option<String> {
    let (tag, Der(text)) = times.next()?;
    let text = str::from_utf8(text).ok().filter(|t| t.bytes().all(|b| b.is_ascii_graphic()))?;
    let (century, text) = match tag {
        GENERALIZED_TIME => ("", text),
        UTC_TIME if text < "50" => ("20", text),
        UTC_TIME => ("19", text),
        _ => return None,
    };
    let year = 4 - century.len();
    let (year, month, day) =
        (text.get(..year)?, text.get(year..year + 2)?, text.get(year + 2..year + 4)?);
    Some(format!("{century}{year}-{month}-{day}"))
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

    use super::*;

    fn signed(years: (i32, i32)) -> Vec<u8> {
        let key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::default();
        ca.distinguished_name.push(DnType::CommonName, "Proxy\u{1b}[2J of a café");
        ca.distinguished_name.push(DnType::OrganizationName, "Hotel");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = Issuer::new(ca, key);
        let mut params = CertificateParams::new(vec!["api.test".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "api.test");
        params.not_before = rcgen::date_time_ymd(years.0, 1, 2);
        params.not_after = rcgen::date_time_ymd(years.1, 11, 30);
        let key = KeyPair::generate().unwrap();
        params.signed_by(&key, &issuer).unwrap().der().to_vec()
    }

    #[test]
    fn it_says_whose_it_is_who_signed_it_and_for_how_long() {
        let read = Certificate::read(&signed((1999, 2049)));
        assert_eq!(read.subject, "CN=api.test");
        assert!(read.issuer.contains("O=Hotel") && read.issuer.contains("CN=Proxy"), "{read}");
        assert!(read.to_string().is_ascii() && !read.to_string().contains('\u{1b}'), "{read}");
        assert_eq!(read.days, ["1999-01-02", "2049-11-30"]);
        // From 2050 on, years have four digits.
        assert_eq!(Certificate::read(&signed((2020, 2050))).days, ["2020-01-02", "2050-11-30"]);
    }

    #[test]
    fn whatever_is_cut_off_or_changed_is_read_without_harm() {
        let der = signed((2020, 2030));
        for end in 0..der.len() {
            Certificate::read(&der[..end]);
        }
        for at in 0..der.len() {
            for value in [0, 0x7f, 0x80, 0x84, 0xff] {
                let mut changed = der.clone();
                changed[at] = value;
                let read = Certificate::read(&changed).to_string();
                assert!(read.chars().all(|c| !c.is_control()), "{read:?}");
            }
        }
        assert_eq!(Certificate::read(b"").subject, "?");
    }
}
