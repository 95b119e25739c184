// SPDX-License-Identifier: MIT OR Apache-2.0
//! An HTTP client that is not tokend: the tests of the server use it, and the sandbox in a
//! player's place.

use std::sync::Arc;

use serde_json::Value;
use ureq::http::{self, Request};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::{BOUND, Failure};

/// Talks to one server, whose certificate authority it trusts, and to no other.
pub struct Client(ureq::Agent);

/// What the server answered.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: String,
}

impl Reply {
    /// The body as JSON; `null` where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// The field `error` of the body, or nothing.
    pub fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }

    /// A header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl Client {
    /// Trusts the certificates in `ca_pem` alone.
    ///
    /// # Errors
    /// `ca_pem` holds no certificate.
    pub fn new(ca_pem: &str) -> Result<Self, Failure> {
        let root = Certificate::from_pem(ca_pem.as_bytes())
            .map_err(|error| Failure::new("cannot read the CA file", error))?;
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .root_certs(RootCerts::Specific(Arc::new(vec![root])))
            .build();
        Ok(Self::with(ureq::Agent::config_builder().tls_config(tls)))
    }

    /// For plain HTTP.
    pub fn plain() -> Self {
        Self::with(ureq::Agent::config_builder())
    }

    fn with(config: ureq::config::ConfigBuilder<ureq::typestate::AgentScope>) -> Self {
        let config = config
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .timeout_global(Some(BOUND))
            .build();
        Self(config.new_agent())
    }

    /// One request, without a header but these.
    ///
    /// # Errors
    /// No answer, or half of one.
    pub fn send(
        &self,
        method: &str,
        url: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Result<Reply, Failure> {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let failure = |error: &dyn std::fmt::Display| Failure(format!("{method} {url}: {error}"));
        let request = request.body(body.to_vec()).map_err(|error| failure(&error))?;
        // A request of this kind has no body, and no header about one.
        let answer =
            if method == "GET" { self.0.run(request.map(|_| ())) } else { self.0.run(request) };
        let (head, mut body) = answer.map_err(|error| failure(&error))?.into_parts();
        let body = body.read_to_string().map_err(|error| failure(&error))?;
        Ok(Reply { status: head.status.as_u16(), headers: head.headers, body })
    }
}
