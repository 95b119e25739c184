// SPDX-License-Identifier: MIT OR Apache-2.0
//! A handshake, judged as that of a request is, whose certificates can be looked at even if they
//! are refused.

use std::error::Error as _;
use std::io;
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme,
};

use super::super::{ROOTS, provider, reason};
use super::{Certificate, Stopwatch, Target};
use crate::oauth::Context;
use crate::oauth::roots::{self, Roots};

/// What became of a handshake.
pub(crate) struct Handshake {
    /// Where the root certificates come from, and how many they are.
    pub(crate) roots: Result<(String, usize), String>,
    /// What the server has shown, its own first.
    pub(crate) chain: Vec<Certificate>,
    /// How long it took.
    pub(crate) took: Duration,
    /// The version of TLS.
    pub(crate) version: Option<&'static str>,
    /// Why there is no connection: what kind of reason, and the reason for a person.
    pub(crate) fault: Option<(TlsFault, String)>,
}

/// The kinds of reasons why there is no TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TlsFault {
    /// There are no root certificates.
    NoRoots,
    /// The server said nothing in time.
    Silent,
    /// The connection broke off.
    Closed,
    /// What answers speaks something else.
    NotTls,
    /// The certificate has expired, by this device's clock.
    Expired,
    /// The certificate is not valid yet, by this device's clock.
    NotYetValid,
    /// The issuer is not among the roots.
    UnknownIssuer,
    /// The certificate is for another name.
    WrongName,
    /// Anything else.
    Other,
}

/// Agrees on TLS over this connection, and on nothing else. `context` has the file of root
/// certificates and the limit, their reading included.
pub(crate) fn handshake(target: &Target, context: &Context, stream: TcpStream) -> Handshake {
    let watch = Stopwatch::start();
    let mut shaken = Handshake {
        roots: Err(String::new()),
        chain: Vec::new(),
        took: Duration::ZERO,
        version: None,
        fault: None,
    };
    match trusted(context) {
        Ok((from, store)) => {
            shaken.roots = Ok((from, store.len()));
            agree(target, context, stream, store, &watch, &mut shaken);
        }
        Err(why) => {
            shaken.fault = Some((TlsFault::NoRoots, format!("no root certificates: {why}")));
            shaken.roots = Err(why);
        }
    }
    shaken.took = watch.read();
    shaken
}

/// Where the roots come from, and the roots.
fn trusted(context: &Context) -> Result<(String, RootCertStore), String> {
    let ca_file = context.ca_file.clone();
    let loaded = ROOTS.work(context.timeout, move || roots::load(ca_file.as_deref()));
    let loaded = loaded.map_err(|undone| undone.to_string())?;
    let loaded = loaded.map_err(|error| {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        format!("{error}{cause}")
    })?;
    let mut store = RootCertStore::empty();
    match loaded.roots {
        Roots::Found(found) => {
            store.add_parsable_certificates(found);
        }
        #[cfg(feature = "roots")]
        Roots::CompiledIn => store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        #[cfg(not(feature = "roots"))]
        Roots::CompiledIn => {}
    }
    Ok((loaded.from, store))
}

fn agree(
    target: &Target,
    context: &Context,
    stream: TcpStream,
    store: RootCertStore,
    watch: &Stopwatch,
    shaken: &mut Handshake,
) {
    let other = |error: &dyn std::fmt::Display| Some((TlsFault::Other, error.to_string()));
    let shown = Arc::new(Mutex::new(Vec::new()));
    let connection = recording(store, Arc::clone(&shown)).and_then(|config| {
        let name = ServerName::try_from(target.host.clone());
        let name = name.map_err(|error| Error::General(error.to_string()))?;
        ClientConnection::new(Arc::new(config), name)
    });
    let mut connection = match connection {
        Ok(connection) => connection,
        Err(error) => {
            shaken.fault = other(&error);
            return;
        }
    };
    let mut stream = Limited { stream, watch, limit: context.timeout };
    while connection.is_handshaking() && shaken.fault.is_none() {
        if let Err(error) = connection.complete_io(&mut stream) {
            shaken.fault = Some(fault(&error, context));
        }
    }
    if shaken.fault.is_none() {
        shaken.version = connection.protocol_version().and_then(|version| version.as_str());
        connection.send_close_notify();
        // It has told us all that we want to know.
        let _ = connection.write_tls(&mut stream);
    }
    shaken.chain = std::mem::take(&mut *shown.lock().unwrap_or_else(PoisonError::into_inner));
}

fn fault(error: &io::Error, context: &Context) -> (TlsFault, String) {
    use CertificateError as E;
    let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                let limit = super::seconds(context.timeout);
                (TlsFault::Silent, format!("the server said nothing within {limit}"))
            }
            _ => (TlsFault::Closed, format!("the connection broke off: {error}")),
        };
    };
    let kind = match error {
        Error::InvalidMessage(_) => TlsFault::NotTls,
        Error::InvalidCertificate(E::Expired | E::ExpiredContext { .. }) => TlsFault::Expired,
        Error::InvalidCertificate(E::NotValidYet | E::NotValidYetContext { .. }) => {
            TlsFault::NotYetValid
        }
        // A bad signature: the issuer has the name of a root, and another key.
        Error::InvalidCertificate(E::UnknownIssuer | E::BadSignature) => TlsFault::UnknownIssuer,
        Error::InvalidCertificate(E::NotValidForName | E::NotValidForNameContext { .. }) => {
            TlsFault::WrongName
        }
        _ => TlsFault::Other,
    };
    (kind, reason::tls_words(error, context))
}

/// A connection of which each read and write ends by the limit.
struct Limited<'a> {
    stream: TcpStream,
    watch: &'a Stopwatch,
    limit: Duration,
}

impl Limited<'_> {
    fn left(&self) -> io::Result<Duration> {
        let left = self.limit.saturating_sub(self.watch.read());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

impl io::Read for Limited<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        self.stream.read(buffer)
    }
}

impl io::Write for Limited<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

fn recording(
    store: RootCertStore,
    shown: Arc<Mutex<Vec<Certificate>>>,
) -> Result<ClientConfig, Error> {
    let provider = provider::provider();
    let general = |error: &dyn std::fmt::Display| Error::General(error.to_string());
    let judge = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider.clone())
        .build()
        .map_err(|error| general(&error))?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Recorder { judge, shown }))
        .with_no_client_auth();
    Ok(config)
}

/// Keeps what the server shows. The judgement is rustls's own.
#[derive(Debug)]
struct Recorder {
    judge: Arc<WebPkiServerVerifier>,
    shown: Arc<Mutex<Vec<Certificate>>>,
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        /// More are not worth a line each.
        const MOST: usize = 6;
        let chain = std::iter::once(end_entity).chain(intermediates).take(MOST);
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) =
            chain.map(|certificate| Certificate::read(certificate)).collect();
        self.judge.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.judge.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.judge.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.judge.supported_verify_schemes()
    }
}
