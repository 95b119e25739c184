// SPDX-License-Identifier: MIT OR Apache-2.0
use std::io::Read;

use rcgen::{CertificateParams, date_time_ymd};

use super::*;

/// The reason why a server with this certificate is not talked to; its host is `localhost`.
fn refused(server: &Pki, client: &Pki, params: CertificateParams) -> String {
    let (port, thread) = server.serve_as(params, |mut stream| stream.read(&mut [0]));
    let (reason, tls, sent) =
        unavailable(fetch(&client.context(&format!("https://localhost:{port}"))));
    assert_eq!((tls, sent), (true, false), "{reason}");
    let seen = thread.join().unwrap();
    assert!(seen.is_err(), "not one byte of the request, {seen:?}");
    reason
}

fn good() -> CertificateParams {
    CertificateParams::new(["localhost".to_owned()]).unwrap()
}

#[test]
fn a_certificate_of_another_issuer_is_refused() {
    let client = Pki::new();
    let reason = refused(&Pki::new(), &client, good());
    let file = client.context("").ca_file.unwrap();
    assert!(reason.contains("has an issuer that is not in ca_file"), "{reason}");
    assert!(reason.contains(file.to_str().unwrap()), "{reason}");
}

#[test]
fn the_system_s_roots_do_not_vouch_for_a_throw_away_certificate() {
    let (port, thread) = Pki::new().serve("localhost", |mut stream| stream.read(&mut [0]));
    let (reason, tls, sent) = unavailable(fetch(&context(&format!("https://localhost:{port}"))));
    assert!(reason.contains("an issuer that this device does not trust"), "{reason}");
    assert_eq!((tls, sent), (true, false));
    assert!(thread.join().unwrap().is_err());
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let pki = Pki::new();
    let params = CertificateParams::new(["portal.example".to_owned()]).unwrap();
    let reason = refused(&pki, &pki, params);
    assert!(reason.contains("for another name") && reason.contains("portal.example"), "{reason}");
}

#[test]
fn an_expired_certificate_is_refused_with_both_dates() {
    let pki = Pki::new();
    let mut params = good();
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(2001, 1, 1);
    let reason = refused(&pki, &pki, params);
    assert!(reason.contains("certificate expired at 2001-01-01T00:00:00Z"), "{reason}");
    assert!(reason.contains("the clock says 2"), "{reason}");
}

#[test]
fn a_certificate_of_the_future_is_refused_with_both_dates() {
    let pki = Pki::new();
    let mut params = good();
    params.not_before = date_time_ymd(2999, 1, 1);
    params.not_after = date_time_ymd(3000, 1, 1);
    let reason = refused(&pki, &pki, params);
    assert!(reason.contains("not valid before 2999-01-01T00:00:00Z"), "{reason}");
}

#[test]
fn a_server_that_does_not_speak_tls_gets_nothing() {
    let pki = Pki::new();
    let (port, server) = serve(|mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let result = fetch(&pki.context(&format!("https://127.0.0.1:{port}")));
    let (reason, tls, sent) = unavailable(result);
    assert!(reason.contains("does not speak TLS"), "{reason}");
    assert_eq!((tls, sent), (true, false));
    server.join().unwrap();
}

#[test]
fn a_server_that_hangs_up_during_the_handshake_gets_nothing() {
    let pki = Pki::new();
    let (port, server) = serve(|mut stream| stream.read(&mut [0; 4096]).map(drop));
    let (reason, tls, sent) =
        unavailable(fetch(&pki.context(&format!("https://127.0.0.1:{port}"))));
    assert!(reason.starts_with("no TLS connection to https://127.0.0.1"), "{reason}");
    assert_eq!((tls, sent), (true, false));
    server.join().unwrap().unwrap();
}

#[test]
fn without_usable_root_certificates_no_connection_is_made() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let origin = format!("https://{}", listener.local_addr().unwrap());
    let ca_file = Some("/nowhere/ca.pem".into());
    let context = Context { ca_file, ..context(&origin) };
    let (reason, tls, sent) = unavailable(fetch(&context));
    assert!(reason.starts_with("ca_file /nowhere/ca.pem cannot be read: No such file"), "{reason}");
    assert_eq!((tls, sent), (true, false));
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn a_ca_file_is_read_anew_for_each_request() {
    let (old, new) = (Pki::new(), Pki::new());
    let context = old.context("https://localhost");
    let trusted = |pki: &Pki| {
        let (port, server) = pki.serve("localhost", |mut stream| {
            read_request(&mut stream);
            stream.write_all(&ok("200 OK", TOKEN)).unwrap();
        });
        let origin = crate::common::model::Origin(format!("https://localhost:{port}"));
        let result = fetch(&Context { origin, ..context.clone() });
        (result.is_ok(), server.join().is_ok())
    };
    assert_eq!(trusted(&old), (true, true));
    let file = context.ca_file.as_ref().unwrap();
    std::fs::copy(new.context("").ca_file.unwrap(), file).unwrap();
    assert_eq!(trusted(&new), (true, true));
}
