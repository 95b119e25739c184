// SPDX-License-Identifier: MIT OR Apache-2.0
//! One HTTP/1.1 exchange; the only user of ureq. Each request has an agent of its own, dropped
//! after it: nothing is kept between two of them, no connection, no cookie, no root certificate.
//!
//! ureq-proto logs headers and bodies, in the clear, at `trace` under the target
//! `ureq_proto::util`: a logger must never let that through.

use std::error::Error;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use ureq::Agent;
use ureq::http::header::{ACCEPT, CONNECTION, CONTENT_TYPE, DATE, RETRY_AFTER, USER_AGENT};
use ureq::http::{HeaderName, Response};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::transport::Connector;
use zeroize::Zeroizing;

use super::roots::{self, Roots};
use super::{Context, wire};
use crate::common::answer::Failure;
use crate::system::clock;

mod connect;
mod hosts;
mod names;
mod places;
mod plan;
pub(crate) mod probe;
mod provider;
mod race;
mod reason;
mod status_line;

#[cfg(test)]
mod tests;

use places::Places;
use plan::Suspects;
use status_line::StatusLine;

/// The header that carries the device data.
const DEVICE_INFO: HeaderName = HeaderName::from_static("x-device-info");
const OWN_USER_AGENT: &str = concat!("tokend/", env!("CARGO_PKG_VERSION"));

/// The largest header of an answer, in bytes, and the buffers around it (which must be larger).
const MAX_HEADER: usize = 16 * 1024;
const BUFFER: usize = 2 * MAX_HEADER;

/// An answer, as received.
pub(super) struct Received {
    status: u16,
    content_type: Option<String>,
    retry_after: Option<String>,
    date: Option<String>,
    /// The error says how it broke off.
    body: Result<Zeroizing<Vec<u8>>, String>,
}

impl Received {
    pub(super) fn answer(&self) -> wire::Answer<'_> {
        wire::Answer {
            status: self.status,
            content_type: self.content_type.as_deref(),
            retry_after: self.retry_after.as_deref(),
            date: self.date.as_deref(),
            body: self.body.as_ref().map(|body| body.as_slice()).map_err(String::as_str),
        }
    }
}

/// The addresses that earlier tries have failed on.
static SUSPECTS: Mutex<Suspects> = Mutex::new(Suspects::new());

/// Sends one POST and receives its answer, whatever the status, and whatever becomes of its body.
pub(super) fn post(
    context: &Context,
    path: &'static str,
    content_type: &'static str,
    body: &[u8],
) -> Result<Received, Failure> {
    let connected = Arc::new(OnceLock::new());
    let received = exchange(context, path, content_type, body, Arc::clone(&connected));
    if let Some(address) = connected.get() {
        let good = received.as_ref().is_ok_and(|received| received.body.is_ok());
        suspects().note(*address, good);
    }
    received
}

fn exchange(
    context: &Context,
    path: &'static str,
    content_type: &'static str,
    body: &[u8],
    connected: Arc<OnceLock<SocketAddr>>,
) -> Result<Received, Failure> {
    let explain = |error| reason::failure(error, context);
    let user_agent = context.user_agent.as_deref().unwrap_or(OWN_USER_AGENT);
    let line = StatusLine::default();
    let response = agent(context, connected, &line)?
        .post(format!("{}{path}", context.origin))
        .header(CONTENT_TYPE, content_type)
        .header(ACCEPT, wire::JSON)
        .header(USER_AGENT, user_agent)
        .header(DEVICE_INFO, &context.device_info)
        .header(CONNECTION, "close")
        .send(body);
    match (response, line.status()) {
        (Ok(response), _) => Ok(receive(response, context)),
        // Its header broke off, and its status says what it may have done.
        (Err(error), Some(status)) if wire::body_matters(status) => {
            let body = Err(explain(error).to_string());
            Ok(Received { status, content_type: None, retry_after: None, date: None, body })
        }
        (Err(error), _) => Err(explain(error)),
    }
}

fn suspects() -> MutexGuard<'static, Suspects> {
    SUSPECTS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn receive(mut response: Response<ureq::Body>, context: &Context) -> Received {
    let header = |name| {
        let value = response.headers().get(name)?;
        Some(value.to_str().unwrap_or_default().to_owned())
    };
    let status = response.status().as_u16();
    let (content_type, retry_after, date) =
        (header(CONTENT_TYPE), header(RETRY_AFTER), header(DATE));
    let mut body = Zeroizing::new(Vec::new());
    if wire::body_matters(status) {
        // Room for all that is read, so that no copy stays behind in freed memory.
        body.reserve_exact(wire::MAX_BODY + 1);
        let mut reader = response.body_mut().as_reader().take(wire::MAX_BODY as u64 + 1);
        if let Err(error) = reader.read_to_end(&mut body) {
            let broke_off = reason::failure(error.into(), context).to_string();
            return Received { status, content_type, retry_after, date, body: Err(broke_off) };
        }
    }
    Received { status, content_type, retry_after, date, body: Ok(body) }
}

fn agent(
    context: &Context,
    connected: Arc<OnceLock<SocketAddr>>,
    line: &StatusLine,
) -> Result<Agent, Failure> {
    let begun = clock::monotonic_usec();
    let tls = match context.origin.0.starts_with("https:") {
        true => Some(tls(context)?),
        false => None,
    };
    let spent = u64::try_from(clock::monotonic_usec() - begun).unwrap_or_default();
    let mut config = Agent::config_builder()
        .timeout_global(Some(context.timeout.saturating_sub(Duration::from_micros(spent))))
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .accept_encoding("")
        .max_idle_connections(0)
        .max_response_header_size(MAX_HEADER)
        .input_buffer_size(BUFFER)
        .output_buffer_size(BUFFER);
    if let Some(tls) = tls {
        config = config.https_only(true).tls_config(tls);
    }
    let tcp = connect::Tcp::new(suspects().list(), connected);
    let connector = ().chain(tcp).chain(connect::Tls::default()).chain(line.clone());
    Ok(Agent::with_parts(config.build(), connector, connect::NoResolver))
}

/// Places for the reading of root certificates, which hangs on a file server that is gone.
static ROOTS: Places = Places::new("roots", 2);

fn tls(context: &Context) -> Result<TlsConfig, Failure> {
    let none = |reason| Failure::Unavailable { reason, tls: true, sent: false };
    let ca_file = context.ca_file.clone();
    let loaded = ROOTS.work(context.timeout, move || roots::load(ca_file.as_deref()));
    let loaded = loaded.map_err(|undone| none(format!("no root certificates: {undone}")))?;
    let loaded = loaded.map_err(|error| {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        none(format!("{error}{cause}"))
    })?;
    tell_once(loaded.damage);
    let roots = match loaded.roots {
        Roots::Found(found) => found.iter().map(|c| Certificate::from_der(c).to_owned()).into(),
        Roots::CompiledIn => RootCerts::WebPki,
    };
    let provider = provider::provider();
    Ok(TlsConfig::builder().root_certs(roots).unversioned_rustls_crypto_provider(provider).build())
}

/// Warns of damage to the system's certificates, when it comes and not at each request.
fn tell_once(damage: Option<String>) {
    static TOLD: Mutex<Option<String>> = Mutex::new(None);
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    if *told != damage {
        if let Some(damage) = &damage {
            log::warn!("{damage}");
        }
        *told = damage;
    }
}
