// SPDX-License-Identifier: MIT OR Apache-2.0
//! Small servers on loopback, each for one connection, and certificates for them.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::common::model::Origin;
use crate::oauth::Context;

/// A context for this origin, with far more time than a test takes.
pub(super) fn context(origin: &str) -> Context {
    Context {
        origin: Origin(origin.into()),
        ca_file: None,
        timeout: Duration::from_secs(60),
        user_agent: None,
        device_info: "e30=".into(),
    }
}

/// Talks to the first client on a port of its own.
pub(super) fn serve<T: Send + 'static>(
    talk: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (u16, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (port, thread::spawn(move || talk(listener.accept().unwrap().0)))
}

/// The lines of the request's head, the names of headers in lower case, and its body.
pub(super) fn read_request(stream: &mut impl Read) -> (Vec<String>, Vec<u8>) {
    let mut received = Vec::new();
    let end = loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        received.push(byte[0]);
        if received.ends_with(b"\r\n\r\n") {
            break received.len() - 4;
        }
    };
    let head: Vec<_> = String::from_utf8(received[..end].to_vec())
        .unwrap()
        .split("\r\n")
        .map(|line| match line.split_once(": ") {
            Some((name, value)) => format!("{}: {value}", name.to_lowercase()),
            None => line.to_owned(),
        })
        .collect();
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    (head, body)
}

/// A whole answer.
pub(super) fn ok(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\n");
    format!("{head}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// Writes `start`, then `again` and again, until the client has hung up.
pub(super) fn dribble(mut stream: TcpStream, start: &[u8], again: &[u8]) {
    stream.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
    let mut next = start;
    while stream.write_all(next).is_ok() {
        next = again;
        match stream.read(&mut [0; 1024]) {
            Ok(0) => return,
            Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return,
            _ => {}
        }
    }
}

/// A certificate authority of one's own.
pub(super) struct Pki {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: tempfile::TempDir,
}

impl Pki {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let dir = tempfile::tempdir().unwrap();
        // No two authorities may have one name.
        let name = dir.path().display().to_string();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let issuer = CertifiedIssuer::self_signed(params, key).unwrap();
        let (path, mode) = (dir.path().join("ca.pem"), std::fs::Permissions::from_mode(0o644));
        std::fs::write(&path, issuer.pem()).unwrap();
        std::fs::set_permissions(&path, mode).unwrap();
        Self { issuer, dir }
    }

    /// A context for this origin that trusts this authority.
    pub(super) fn context(&self, origin: &str) -> Context {
        Context { ca_file: Some(self.dir.path().join("ca.pem")), ..context(origin) }
    }

    /// Like [`serve`], over TLS, with a good certificate for `name`.
    pub(super) fn serve<T: Send + 'static>(
        &self,
        name: &str,
        talk: impl FnOnce(StreamOwned<ServerConnection, TcpStream>) -> T + Send + 'static,
    ) -> (u16, JoinHandle<T>) {
        self.serve_as(CertificateParams::new([name.to_owned()]).unwrap(), talk)
    }

    /// Like [`Pki::serve`], with any certificate.
    pub(super) fn serve_as<T: Send + 'static>(
        &self,
        params: CertificateParams,
        talk: impl FnOnce(StreamOwned<ServerConnection, TcpStream>) -> T + Send + 'static,
    ) -> (u16, JoinHandle<T>) {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        serve(move |stream| {
            let tls = ServerConnection::new(Arc::new(config)).unwrap();
            talk(StreamOwned::new(tls, stream))
        })
    }
}
