// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a software statement says of itself (RFC 7519; RFC 7591, section 2.3), for `tokend check`.
//! Read, never verified: the server alone can do that. Pure, and made for anything.

use std::fmt;

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::common::secret::Secret;

/// The claims that a person can tell a statement by; each is none where it is left out or of
/// another type. Texts are cut to 120 characters, all of them printable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// The header's `alg`.
    pub algorithm: Option<String>,
    /// `sub`.
    pub subject: Option<String>,
    /// `client_name`.
    pub client_name: Option<String>,
    /// `software_id`.
    pub software_id: Option<String>,
    /// `iss`.
    pub issuer: Option<String>,
    /// `iat`, UNIX seconds.
    pub issued_at: Option<i64>,
    /// `exp`, UNIX seconds.
    pub expires_at: Option<i64>,
}

/// Reads the claims of a statement whose white space has been taken out.
///
/// # Errors
/// It is no JWT in the compact form (RFC 7515, section 7.1).
pub fn claims(statement: &Secret) -> Result<Claims, NotAJwt> {
    let parts: Vec<&str> = statement.expose().split('.').collect();
    let [header, payload, signature] = parts[..] else { return Err(NotAJwt::Parts(parts.len())) };
    let header = object(header, NotAJwt::Header)?;
    let payload = object(payload, NotAJwt::Payload)?;
    if signature.is_empty() || BASE64.decode(signature).is_err() {
        return Err(NotAJwt::Signature);
    }
    Ok(Claims {
        algorithm: text(&header, "alg"),
        subject: text(&payload, "sub"),
        client_name: text(&payload, "client_name"),
        software_id: text(&payload, "software_id"),
        issuer: text(&payload, "iss"),
        issued_at: date(&payload, "iat"),
        expires_at: date(&payload, "exp"),
    })
}

/// Whether a text that should be something else has the looks of a JWT.
pub(super) fn looks_like_one(text: &str) -> bool {
    // `{"` in Base64.
    text.trim_start().starts_with("eyJ") && text.contains('.') && !text.ends_with(".jwt")
}

/// Some issuers pad, and some leave stray bits: to tell what a statement says, neither matters.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

fn object(part: &str, error: NotAJwt) -> Result<Map<String, Value>, NotAJwt> {
    let json = Zeroizing::new(BASE64.decode(part).map_err(|_| error)?);
    serde_json::from_slice(&json).map_err(|_| error)
}

fn text(object: &Map<String, Value>, key: &str) -> Option<String> {
    const MOST: usize = 120;
    let text = object.get(key)?.as_str()?;
    Some(text.chars().filter(|c| !crate::common::text::is_hidden(*c)).take(MOST).collect())
}

fn date(object: &Map<String, Value>, key: &str) -> Option<i64> {
    let number = object.get(key)?;
    // A NumericDate may have a fraction (RFC 7519, section 2); `as` saturates.
    number.as_i64().or_else(|| number.as_f64().map(|seconds| seconds.floor() as i64))
}

/// Why a text is no JWT. Nothing of it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAJwt {
    /// It has this many parts.
    Parts(usize),
    /// Its first part is no JSON object in Base64.
    Header,
    /// Its second part is no JSON object in Base64.
    Payload,
    /// Its third part is empty or no Base64.
    Signature,
}

impl fmt::Display for NotAJwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = "a JSON object in Base64 (base64url)";
        match self {
            Self::Parts(1) => f.write_str("no JWT: it has 1 part, and not 3 with dots between"),
            Self::Parts(n) => write!(f, "no JWT: it has {n} parts, and not 3 with dots between"),
            Self::Header => write!(f, "no JWT: its header is not {json}"),
            Self::Payload => write!(f, "no JWT: its claims are not {json}"),
            Self::Signature => f.write_str("no JWT: its signature is empty, or not Base64"),
        }
    }
}

impl std::error::Error for NotAJwt {}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{URL_SAFE as PADDED, URL_SAFE_NO_PAD};

    use super::*;

    fn jwt(header: &str, payload: &str) -> Secret {
        let (header, payload) = (URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        Secret::new(format!("{header}.{payload}.c2ln"))
    }

    #[test]
    fn a_statement_says_whom_it_names() {
        let statement = jwt(
            r#"{"alg":"RS256","typ":"JWT"}"#,
            r#"{"sub":"0b4b","client_name":"Cinéma","software_id":"s1","iss":"auth.adobe.com",
                "iat":1493379600,"exp":1808912400.9,"more":[1]}"#,
        );
        assert_eq!(
            claims(&statement),
            Ok(Claims {
                algorithm: Some("RS256".into()),
                subject: Some("0b4b".into()),
                client_name: Some("Cinéma".into()),
                software_id: Some("s1".into()),
                issuer: Some("auth.adobe.com".into()),
                issued_at: Some(1_493_379_600),
                expires_at: Some(1_808_912_400),
            })
        );
    }

    #[test]
    fn a_claim_of_another_type_is_as_good_as_none() {
        let statement = jwt("{}", r#"{"sub":5,"client_name":null,"iat":"soon","exp":[]}"#);
        assert_eq!(claims(&statement), Ok(Claims::default()));
        let statement = jwt("{}", r#"{"exp":1e300,"iat":-1e300}"#);
        let read = claims(&statement).unwrap();
        assert_eq!((read.expires_at, read.issued_at), (Some(i64::MAX), Some(i64::MIN)));
    }

    #[test]
    fn a_claim_cannot_write_on_the_terminal_or_fill_it() {
        let long = "x".repeat(5000);
        let statement = jwt("{}", &format!(r#"{{"sub":"\u001b[2Jme\n","iss":"{long}"}}"#));
        let read = claims(&statement).unwrap();
        assert_eq!(read.subject.as_deref(), Some("[2Jme"));
        assert_eq!(read.issuer.map(|issuer| issuer.len()), Some(120));
    }

    #[test]
    fn padding_does_not_matter() {
        let (header, payload) = (PADDED.encode("{}"), PADDED.encode(r#"{"sub":"a"}"#));
        let statement = Secret::new(format!("{header}.{payload}.c2ln"));
        assert_eq!(claims(&statement).unwrap().subject.as_deref(), Some("a"));
    }

    #[test]
    fn what_is_no_jwt_is_told_from_one() {
        for (text, error) in [
            ("", NotAJwt::Parts(1)),
            ("abc", NotAJwt::Parts(1)),
            ("a.b", NotAJwt::Parts(2)),
            ("a.b.c.d.e", NotAJwt::Parts(5)),
            ("..", NotAJwt::Header),
            ("!.e30.c2ln", NotAJwt::Header),
            ("W10.e30.c2ln", NotAJwt::Header),
            ("e30..c2ln", NotAJwt::Payload),
            ("e30.bnVsbA.c2ln", NotAJwt::Payload),
            ("e30.e30.", NotAJwt::Signature),
            ("e30.e30.+/", NotAJwt::Signature),
        ] {
            assert_eq!(claims(&Secret::new(text.into())), Err(error), "{text}");
        }
        let deep = "[".repeat(10_000);
        assert_eq!(claims(&jwt(&deep, "{}")), Err(NotAJwt::Header));
    }

    #[test]
    fn no_text_at_all_makes_it_fail_otherwise() {
        let mut random = fastrand::Rng::with_seed(7);
        let letters = b"eyJhbGci.=_-+/!\"{}[]0";
        for _ in 0..20_000 {
            let length = random.usize(0..40);
            let pick = |_| char::from(letters[random.usize(..letters.len())]);
            let text: String = (0..length).map(pick).collect();
            let _ = claims(&Secret::new(text));
        }
    }

    #[test]
    fn a_statement_where_a_path_should_be_is_noticed() {
        assert!(looks_like_one(jwt("{\"alg\":\"RS256\"}", "{}").expose()));
        for path in ["cinema.jwt", "/etc/tokend/eyJ.jwt", "eyJ", "eyJ.jwt"] {
            assert!(!looks_like_one(path), "{path}");
        }
    }
}
