// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a test can make the server do.

use std::net::TcpStream;
use std::thread;

use serde_json::{Value, json};

use crate::authority::device::{Device, Headers};
use crate::support::authority::{Authority, Endpoint, Fault, Gate, Outcome};
use crate::support::client::{Client, Reply};
use crate::support::statement;
use crate::support::tls::Certificates;

#[test]
fn a_scripted_fault_befalls_one_request_and_then_the_server_does_its_duty() {
    let authority = Authority::http();
    let device = Device::at(&authority);
    authority.next(
        Endpoint::Register,
        [
            Fault::throttled(),
            Fault::busy(7),
            Fault::access_denied(),
            Fault::html(200),
            Fault::redirect("http://elsewhere.invalid/"),
            Fault::oversized(70_000),
            Fault::None,
            Fault::Patch(json!({ "scopes": null, "scope": "a b" })),
        ],
    );
    let replies: Vec<Reply> = (0..9).map(|_| device.register(&statement::issue("a"))).collect();
    let statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
    assert_eq!(statuses, [429, 503, 400, 200, 302, 201, 201, 201, 201]);
    assert_eq!(replies[1].header("retry-after"), "7");
    assert_eq!(replies[2].error(), "access_denied");
    assert_eq!(replies[5].body.len(), 70_002);
    let patched = replies[7].json();
    assert_eq!((&patched["scopes"], &patched["scope"]), (&Value::Null, &json!("a b")));

    authority.always(Endpoint::Register, Fault::invalid_client());
    assert_eq!(device.register(&statement::issue("a")).error(), "invalid_client");
    assert_eq!(device.register(&statement::issue("a")).error(), "invalid_client");
    authority.end_faults();
    assert_eq!(device.register(&statement::issue("a")).status, 201);
}

#[test]
fn a_lost_answer_has_its_effect_and_a_request_that_was_dropped_has_none() {
    let authority = Authority::https();
    let device = Device::at(&authority);
    let faults = [Fault::Close, Fault::CloseAfter(0), Fault::CloseAfter(100)];
    authority.next(Endpoint::Register, faults);
    let issued: Vec<usize> = (0..3)
        .map(|_| {
            device.try_register(&statement::issue("cinema")).unwrap_err();
            authority.secrets().len()
        })
        .collect();
    assert_eq!(issued[0], 2, "the statement, raw and encoded");
    assert!(issued[1] > issued[0] + 2 && issued[2] > issued[1] + 2, "and an id and a secret");
    let outcomes: Vec<Outcome> = authority.log().requests.iter().map(|r| r.outcome).collect();
    assert_eq!(outcomes, [Outcome::Dropped, Outcome::Answered(201), Outcome::Answered(201)]);
}

#[test]
fn requests_wait_behind_a_gate_until_the_test_opens_it_and_are_counted_at_once() {
    let authority = Authority::https();
    let device = Device::at(&authority);
    let gate = Gate::new();
    authority.next(Endpoint::Register, [Fault::hold(&gate), gate.then(Fault::access_denied())]);
    let statement = statement::issue("cinema");
    thread::scope(|scope| {
        let requests = [0, 1].map(|_| scope.spawn(|| device.register(&statement).status));
        let both = authority.wait_until("two requests", |log| log.count(Endpoint::Register) == 2);
        assert!(both.requests.iter().all(|request| request.outcome == Outcome::UnderWay));
        assert_eq!(both.most_at_once(), 2);
        gate.open();
        let mut statuses = requests.map(|request| request.join().unwrap());
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 400]);
    });
}

#[test]
fn requests_of_different_applications_or_one_after_the_other_are_never_at_once() {
    let authority = Authority::http();
    let device = Device::at(&authority);
    let gate = Gate::new();
    authority.next(Endpoint::Register, [Fault::hold(&gate), Fault::hold(&gate)]);
    thread::scope(|scope| {
        scope.spawn(|| device.register(&statement::issue("cinema")));
        scope.spawn(|| device.register(&statement::issue("sports")));
        authority.wait_until("both", |log| log.count(Endpoint::Register) == 2);
        gate.open();
    });
    for _ in 0..20 {
        device.access_token("cinema");
    }
    assert_eq!(authority.log().most_at_once(), 1);
}

#[test]
fn a_client_that_gave_up_is_not_counted_as_a_request_under_way() {
    use std::io::Write as _;
    let authority = Authority::http();
    let device = Device::at(&authority);
    authority.next(Endpoint::Register, [Fault::Hang]);
    let body = json!({ "software_statement": statement::issue("cinema") }).to_string();
    let address = authority.origin().replace("http://", "");
    let mut impatient = TcpStream::connect(&address).unwrap();
    let length = body.len();
    write!(impatient, "POST /o/client/register HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{body}")
        .unwrap();
    authority.wait_until("the request", |log| log.count(Endpoint::Register) == 1);
    drop(impatient);
    authority.wait_until("its end", |log| log.requests[0].outcome == Outcome::Dropped);
    assert_eq!(device.register(&statement::issue("cinema")).status, 201);
    assert_eq!(authority.log().most_at_once(), 1);
}

#[test]
fn a_server_with_the_wrong_certificate_gets_no_request() {
    let authority = Authority::https();
    let device = Device::at(&authority);
    let strangers = [
        Certificates::new().unwrap(),
        Certificates::expired().unwrap(),
        Certificates::of_another_host().unwrap(),
    ];
    for (number, certificates) in strangers.iter().enumerate() {
        authority.use_certificates(certificates);
        let trusting = Client::new(&certificates.ca_pem).unwrap();
        let url = format!("{}/api/v2/hello", authority.origin());
        let reply = if number == 0 {
            device.client.send("GET", &url, &Headers::new(), b"")
        } else {
            trusting.send("GET", &url, &Headers::new(), b"")
        };
        assert!(reply.unwrap_err().to_string().contains("certificate"));
    }
    let log = authority.wait_until("three failures", |log| log.fruitless == 3);
    assert!(log.requests.is_empty());

    // Renewed, and its authority made known.
    authority.use_certificates(&strangers[0]);
    authority.trust(&strangers[0]).unwrap();
    assert_eq!(Device::at(&authority).register(&statement::issue("cinema")).status, 201);
}

#[test]
fn a_server_that_is_down_answers_nobody_and_comes_back() {
    let authority = Authority::https();
    let device = Device::at(&authority);
    authority.set_down(true);
    device.try_register(&statement::issue("cinema")).unwrap_err();
    authority.set_down(false);
    assert_eq!(device.register(&statement::issue("cinema")).status, 201);
    assert_eq!(authority.log().connections, 2);
}

#[test]
fn a_server_that_ends_leaves_nobody_hanging() {
    let authority = Authority::https();
    let device = Device::at(&authority);
    authority
        .next(Endpoint::Register, [Fault::Hang, Fault::HangAfter(20), Fault::hold(&Gate::new())]);
    let ca_file = authority.ca_file();
    thread::scope(|scope| {
        let statement = statement::issue("cinema");
        let requests = [0, 1, 2].map(|_| {
            let (device, statement) = (&device, statement.clone());
            scope.spawn(move || device.try_register(&statement).unwrap_err())
        });
        authority.wait_until("three", |log| log.count(Endpoint::Register) == 3);
        drop(authority);
        for request in requests {
            request.join().unwrap();
        }
    });
    assert!(!ca_file.exists(), "its directory is gone");
}
