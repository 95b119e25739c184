// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the player does besides D-Bus: a GET over https.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// A client that trusts what `SSL_CERT_FILE` names, else the system's bundle, and follows no
/// redirect: the token is for one host alone.
pub(crate) struct Http(ureq::Agent);

impl Http {
    pub(crate) fn new() -> Self {
        let roots = rustls_native_certs::load_native_certs().certs;
        let roots = roots.iter().map(|root| Certificate::from_der(root).to_owned()).collect();
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .root_certs(RootCerts::Specific(Arc::new(roots)))
            .build();
        let config = ureq::Agent::config_builder()
            .tls_config(tls)
            .https_only(true)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(Duration::from_secs(30)));
        Self(config.build().new_agent())
    }

    /// Status and body.
    pub(crate) fn get(
        &self,
        url: &str,
        headers: &HashMap<String, String>,
    ) -> Result<(u16, String), ureq::Error> {
        let mut request = self.0.get(url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let mut reply = request.call()?;
        Ok((reply.status().as_u16(), reply.body_mut().read_to_string()?))
    }
}

/// The API's error code, where the body has one.
pub(crate) fn code_of(body: &str) -> String {
    let body: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    body["code"].as_str().unwrap_or_default().to_owned()
}
