// SPDX-License-Identifier: MIT OR Apache-2.0
//! What went wrong, for a person who has a TV and perhaps a log before them.

use std::io;
use std::time::{Duration, UNIX_EPOCH};

use rustls::CertificateError;
use rustls::pki_types::UnixTime;

use super::MAX_HEADER;
use super::connect::Unsent;
use crate::common::answer::Failure;
use crate::oauth::Context;
use crate::oauth::wire::untrusted::shown;

/// What an exchange that ended without an answer means.
pub(super) fn failure(error: ureq::Error, context: &Context) -> Failure {
    let (what, error, sent) = match unsent(error) {
        Ok(Unsent::NotLoopback) => {
            let origin = &context.origin;
            let reason = format!("nothing is sent to {origin}: {}", Unsent::NotLoopback);
            return Failure::Unavailable { reason, tls: false, sent: false };
        }
        Ok(Unsent::Lookup(error)) => ("cannot find the address of", error, false),
        Ok(Unsent::Connect(error)) => ("cannot connect to", error, false),
        Ok(Unsent::Handshake(error)) => return handshake(&error, context),
        // The request could not even be put together.
        Err(error @ (ureq::Error::Http(_) | ureq::Error::BadUri(_))) => {
            ("no request can be made to", error, false)
        }
        Err(error) => ("no usable answer from", error, true),
    };
    let reason = format!("{what} {}: {}", context.origin, words(&error, context));
    Failure::Unavailable { reason, tls: rustls_error(&error).is_some(), sent }
}

/// A silent server is no TLS failure; one that hangs up in the middle is.
fn handshake(error: &ureq::Error, context: &Context) -> Failure {
    let reason = format!("no TLS connection to {}: {}", context.origin, words(error, context));
    Failure::Unavailable { reason, tls: !matches!(error, ureq::Error::Timeout(_)), sent: false }
}

fn unsent(error: ureq::Error) -> Result<Unsent, ureq::Error> {
    match error {
        ureq::Error::Other(other) => {
            other.downcast::<Unsent>().map(|unsent| *unsent).map_err(ureq::Error::Other)
        }
        other => Err(other),
    }
}

fn rustls_error(error: &ureq::Error) -> Option<&rustls::Error> {
    match error {
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => error.get_ref()?.downcast_ref(),
        _ => None,
    }
}

fn words(error: &ureq::Error, context: &Context) -> String {
    if let Some(error) = rustls_error(error) {
        return tls_words(error, context);
    }
    match error {
        ureq::Error::Timeout(_) => {
            format!("timed out after {}", humantime::format_duration(context.timeout))
        }
        ureq::Error::HostNotFound => "there is none".into(),
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the connection was closed too early".into()
        }
        ureq::Error::BodyStalled => "the connection was closed too early".into(),
        ureq::Error::Io(error) => plain(&error.to_string()),
        ureq::Error::Protocol(error) => {
            format!("it is no proper HTTP: {}", plain(&error.to_string()))
        }
        ureq::Error::LargeResponseHeader(..) => {
            format!("its header is larger than {} KiB", MAX_HEADER / 1024)
        }
        other => plain(&other.to_string()),
    }
}

pub(super) fn tls_words(error: &rustls::Error, context: &Context) -> String {
    match error {
        rustls::Error::InvalidCertificate(error) => certificate_words(error, context),
        rustls::Error::InvalidMessage(_) => "what answers there does not speak TLS".into(),
        rustls::Error::AlertReceived(alert) => format!("the server ended it: {alert:?}"),
        other => plain(&other.to_string()),
    }
}

fn certificate_words(error: &CertificateError, context: &Context) -> String {
    use CertificateError as E;
    match error {
        E::Expired => "the server's certificate has expired".into(),
        E::ExpiredContext { time, not_after } => format!(
            "the server's certificate expired at {}; the clock says {}",
            date(not_after),
            date(time)
        ),
        E::NotValidYet => "the server's certificate is not valid yet".into(),
        E::NotValidYetContext { time, not_before } => format!(
            "the server's certificate is not valid before {}; the clock says {}",
            date(not_before),
            date(time)
        ),
        E::UnknownIssuer => match &context.ca_file {
            Some(file) => format!(
                "the server's certificate has an issuer that is not in ca_file {}",
                file.display()
            ),
            None => "the server's certificate has an issuer that this device does not trust".into(),
        },
        // The names are the other side's text.
        E::NotValidForNameContext { presented, .. } => format!(
            "the server's certificate is for another name ({})",
            shown(&presented.join(", "), 120, &[])
        ),
        E::NotValidForName => "the server's certificate is for another name".into(),
        other => format!("the server's certificate is not valid: {}", plain(&other.to_string())),
    }
}

fn date(time: &UnixTime) -> String {
    // The last second of the year 9999: no certificate goes further, and no date either.
    let seconds = time.as_secs().min(253_402_300_799);
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}

fn plain(text: &str) -> String {
    shown(text, 200, &[])
}
