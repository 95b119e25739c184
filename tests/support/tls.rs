// SPDX-License-Identifier: MIT OR Apache-2.0
//! Throw-away certificates: made anew for each server, valid nowhere else.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;

use super::Failure;

/// A certificate authority and the certificate of one server that it signed.
pub struct Certificates {
    /// The authority's own certificate: what goes into `ca_file`.
    pub ca_pem: String,
    /// The server's side.
    pub server: Arc<ServerConfig>,
}

impl Certificates {
    /// For `127.0.0.1` and `localhost`, valid now.
    pub fn new() -> Result<Self, Failure> {
        Self::make(&["127.0.0.1", "localhost"], (1975, 4096)).map_err(failure)
    }

    /// For this host, valid now.
    ///
    /// # Errors
    /// No key or no certificate can be made.
    pub fn of(host: &str) -> Result<Self, Failure> {
        Self::make(&[host], (1975, 4096)).map_err(failure)
    }

    /// For this host, and so large that no packet holds the server's part of a handshake.
    ///
    /// # Errors
    /// No key or no certificate can be made.
    pub fn large_of(host: &str) -> Result<Self, Failure> {
        let names: Vec<String> = (0..60).map(|n| format!("host-{n}.of-a-cdn.invalid")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).chain([host]).collect();
        Self::make(&names, (1975, 4096)).map_err(failure)
    }

    /// For another host: a client must refuse it.
    pub fn of_another_host() -> Result<Self, Failure> {
        Self::make(&["elsewhere.invalid"], (1975, 4096)).map_err(failure)
    }

    /// For the right host, but out of date since 2001: a client must refuse it.
    pub fn expired() -> Result<Self, Failure> {
        Self::make(&["127.0.0.1", "localhost"], (2000, 2001)).map_err(failure)
    }

    fn make(names: &[&str], years: (i32, i32)) -> Result<Self, Box<dyn std::error::Error>> {
        let ca_key = KeyPair::generate()?;
        let mut ca = CertificateParams::default();
        ca.distinguished_name.push(DnType::CommonName, "tokend sandbox authority");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let ca_pem = ca.self_signed(&ca_key)?.pem();
        let issuer = Issuer::new(ca, ca_key);

        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, "tokend sandbox");
        params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &issuer)?;

        let key = PrivateKeyDer::try_from(key.serialize_der())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)?;
        Ok(Self { ca_pem, server: Arc::new(server) })
    }
}

fn failure(source: Box<dyn std::error::Error>) -> Failure {
    Failure::new("cannot make a certificate", source)
}
