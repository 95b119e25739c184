// SPDX-License-Identifier: MIT OR Apache-2.0
//! Servers that must not get a request, because they cannot show who they are.

use std::sync::Arc;

use crate::hostile_servers::rig::{Bad, Endpoint, Opening, Server, refused, sends, trial};
use crate::support::bus::Bus;
use crate::support::tls::Certificates;

/// The first connection opens as `first`, all others are good: no request may have come before.
fn is_not_trusted(first: Opening, ca_of_first: Option<&str>) -> String {
    let bus = Bus::start().unwrap();
    let good = Certificates::new().unwrap();
    let ca = format!("{}{}", good.ca_pem, ca_of_first.unwrap_or_default());
    let openings = vec![first, Opening::Tls(good.server)];
    // The hook looks at what is stored when the first request comes.
    let server = Server::start(openings, Endpoint::Register, None);
    let shown = trial(&bus, server, Some(&ca));
    assert_eq!(shown.server.requests(Endpoint::Register), 1, "{}", shown.output);
    assert_eq!(shown.server.connections(), 3, "{}", shown.output);
    refused(Endpoint::Register, &shown.stored.expect("a request"));
    shown.output
}

#[test]
fn an_expired_certificate_is_not_trusted() {
    let expired = Certificates::expired().unwrap();
    let log = is_not_trusted(Opening::Tls(expired.server), Some(&expired.ca_pem));
    assert!(log.contains("expired"), "{log}");
}

#[test]
fn a_certificate_of_another_host_is_not_trusted() {
    let other = Certificates::of_another_host().unwrap();
    is_not_trusted(Opening::Tls(other.server), Some(&other.ca_pem));
}

#[test]
fn an_unknown_authority_is_not_trusted() {
    is_not_trusted(Opening::Tls(Certificates::new().unwrap().server), None);
}

/// ServerHello of TLS 1.0 with TLS_RSA_WITH_AES_128_CBC_SHA (RFC 2246, section 7.4.1.3).
fn server_hello_of_tls_1_0() -> Vec<u8> {
    let mut hello = vec![0x02, 0, 0, 38, 0x03, 0x01];
    hello.extend([7; 32]);
    hello.extend([0, 0x00, 0x2f, 0]);
    let mut record = vec![0x16, 0x03, 0x01, 0, u8::try_from(hello.len()).unwrap()];
    record.extend(hello);
    record
}

#[test]
fn a_server_that_speaks_only_tls_1_0_gets_no_request() {
    is_not_trusted(Opening::Raw(sends(server_hello_of_tls_1_0())), None);
    // The alert protocol_version, as such a server answers a newer client.
    is_not_trusted(Opening::Raw(sends(b"\x15\x03\x01\x00\x02\x02\x46".to_vec())), None);
}

#[test]
fn what_is_no_tls_gets_no_request() {
    let page: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    for bytes in [page, b"SSH-2.0-x\r\n", b"", b"\x16\x03\x03\xff\xff", &[0x16; 4096]] {
        is_not_trusted(Opening::Raw(sends(bytes)), None);
    }
}

#[test]
fn a_handshake_that_hangs_is_given_up() {
    let hangs: Bad = Arc::new(|wire| {
        // Until the daemon hangs up.
        while wire.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {}
    });
    is_not_trusted(Opening::Raw(hangs), None);
}
