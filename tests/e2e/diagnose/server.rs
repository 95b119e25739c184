// SPDX-License-Identifier: MIT OR Apache-2.0
//! The way to the server: where it ends is said, and what that most likely comes from.

use std::net::TcpListener;
use std::time::Duration;

use super::{Diagnosis, healthy, run, without_tls};
use crate::support::authority::{Endpoint, Fault, Outcome};
use crate::support::scene::Scene;
use crate::support::tls::Certificates;

#[test]
fn a_right_server_is_asked_for_nothing_but_its_root_and_told_nothing() {
    let (scene, _tokend) = healthy();
    let before = scene.authority.log().requests.len();
    let diagnosis = Diagnosis::of(&scene.device);
    assert_eq!(diagnosis.code, 0, "{diagnosis}");
    diagnosis.blames(&[]);
    for step in ["check", "status", "tcp", "tls", "http"] {
        assert_eq!(diagnosis.result(step), "ok", "{diagnosis}");
    }
    diagnosis.says("tls", "ok TLSv1_3, verified");
    diagnosis.says("tls", "1 root certificates: ca_file ([server] ca_file)");
    diagnosis
        .says("tls", "CN=tokend sandbox, issued by CN=tokend sandbox authority, valid 1975-01-01");
    diagnosis.says("http", "ok GET / was answered with 404, HTML");

    let requests = scene.authority.log().requests.split_off(before);
    assert_eq!(requests.len(), 1, "{requests:?}");
    let head = &requests[0].head;
    assert_eq!((head.method.as_str(), head.target.as_str()), ("GET", "/"));
    assert!(requests[0].body.is_empty());
    for header in ["x-device-info", "authorization", "ap-device-identifier", "cookie"] {
        assert_eq!(head.header(header), None, "{head:?}");
    }
    assert_eq!(scene.registrations(), 1);
}

#[test]
fn the_text_ends_with_the_causes_in_their_order() {
    let mut scene = Scene::new();
    let (_tokend, _player) = scene.start();
    scene.device.set("server", "url", &format!("\"{}\"", nobody()));
    let ran = run(&scene.device, &[]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), ""));
    let last: Vec<_> = ran.stdout.lines().rev().take(4).collect();
    for (line, beginning) in last.iter().rev().zip([
        "likeliest causes:",
        "1. the server is down",
        "2. [server] url names a wrong server or port: ",
        "3. a firewall",
    ]) {
        assert!(line.starts_with(beginning), "{}", ran.stdout);
    }
}

#[test]
fn a_port_that_nobody_listens_on_is_a_refused_connection() {
    let mut scene = Scene::new();
    let (_tokend, _player) = scene.start();
    scene.device.set("server", "url", &format!("\"{}\"", nobody()));
    let diagnosis = Diagnosis::of(&scene.device);
    assert_eq!((diagnosis.code, diagnosis.result("tcp")), (1, "failed"), "{diagnosis}");
    diagnosis.says("tcp", "Connection refused");
    assert_eq!((diagnosis.result("tls"), diagnosis.result("http")), ("", ""));
    diagnosis.blames(&["down", "url", "firewall"]);
}

/// A port that is nobody's: it was ours a moment ago.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("https://{}", listener.local_addr().unwrap())
}

#[test]
fn certificates_that_are_refused_are_shown_with_the_reason() {
    let trusted = |certificates: Certificates| {
        let scene = Scene::new();
        scene.authority.use_certificates(&certificates);
        scene.authority.trust(&certificates).unwrap();
        scene
    };
    let of_another_authority = Scene::new();
    of_another_authority.authority.use_certificates(&Certificates::new().unwrap());
    let mut of_a_stranger = Scene::new();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut roots = rcgen::CertificateParams::default();
    roots.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    roots.distinguished_name.push(rcgen::DnType::CommonName, "another root");
    of_a_stranger.device.write_config("roots.pem", &roots.self_signed(&key).unwrap().pem());
    of_a_stranger.device.set("server", "ca_file", "\"roots.pem\"");
    for (scene, why, causes) in [
        (
            of_another_authority,
            "the server's certificate is not valid: BadSignature",
            ["a proxy", "a captive portal", "root certificates of this device are too old"],
        ),
        (
            of_a_stranger,
            "an issuer that is not in ca_file",
            ["a proxy", "a captive portal", "root certificates of this device are too old"],
        ),
        (
            trusted(Certificates::of_another_host().unwrap()),
            "for another name",
            ["a captive portal", "url", "a proxy"],
        ),
        (
            trusted(Certificates::expired().unwrap()),
            "expired at 2001-01-01",
            ["certificate of the server itself", "the clock", "a captive portal"],
        ),
    ] {
        let _tokend = scene.device.start();
        let diagnosis = Diagnosis::of(&scene.device);
        assert_eq!((diagnosis.code, diagnosis.result("tls")), (1, "failed"), "{diagnosis}");
        diagnosis.says("tls", why);
        diagnosis.says("tls", "issued by CN=tokend sandbox authority");
        diagnosis.blames(&causes);
        assert_eq!(scene.authority.log().requests.len(), 0, "nothing is asked without trust");
    }
}

#[test]
fn what_speaks_no_tls_is_taken_for_a_portal() {
    let (portal, mut scene) = (without_tls(), Scene::new());
    let _tokend = scene.device.start();
    let url = portal.authority.origin().replace("http:", "https:");
    scene.device.set("server", "url", &format!("{url:?}"));
    let diagnosis = Diagnosis::of(&scene.device);
    assert_eq!((diagnosis.code, diagnosis.result("tls")), (1, "failed"), "{diagnosis}");
    diagnosis.says("tls", "does not speak TLS");
    diagnosis.blames(&["a captive portal", "url", "a proxy"]);
}

#[test]
fn without_tls_a_redirect_and_a_page_are_a_portals_and_nothing_else_is() {
    for (answer, suspected) in [
        (Fault::redirect("http://portal.invalid/login"), true),
        (Fault::html(200), true),
        (Fault::json(404, &serde_json::json!({ "error": "no such page" })), false),
        (Fault::throttled(), false),
    ] {
        let home = without_tls();
        let _tokend = home.device.start();
        home.authority.always(Endpoint::Unknown, answer.clone());
        let diagnosis = Diagnosis::of(&home.device);
        let result = if suspected { "failed" } else { "ok" };
        assert_eq!(diagnosis.result("http"), result, "{answer:?}: {diagnosis}");
        assert_eq!(diagnosis.code, i32::from(suspected));
        assert_eq!(diagnosis.result("tls"), "");
        if suspected {
            diagnosis.blames(&["a captive portal", "url", "a proxy"]);
        }
    }
}

#[test]
fn over_tls_the_status_is_shown_and_proves_the_way_whatever_it_is() {
    let (scene, _tokend) = healthy();
    for (answer, status, causes) in [
        (Fault::throttled(), "429", &["throttles"][..]),
        (Fault::redirect("https://elsewhere.invalid/"), "302", &[]),
        (Fault::html(500), "500", &[]),
    ] {
        scene.authority.next(Endpoint::Unknown, [answer]);
        let diagnosis = Diagnosis::of(&scene.device);
        assert_eq!((diagnosis.code, diagnosis.result("http")), (0, "ok"), "{diagnosis}");
        diagnosis.says("http", &format!("answered with {status}"));
        diagnosis.blames(causes);
    }
}

#[test]
fn while_the_daemon_is_throttled_nothing_is_asked_for() {
    let scene = Scene::new();
    scene.authority.always(Endpoint::Register, Fault::throttled());
    let (_tokend, player) = scene.start();
    let changes = player.watch("cinema");
    let call = player.start_get_token(1, "cinema", 0);
    changes.wait_for(|change| {
        change
            .get::<(String, String)>("LastError")
            .is_some_and(|(name, _)| name == "tv.tokend.Error.Throttled")
    });
    let _ = call.recv();
    // With each try the pause doubles, so that it lasts longer than a diagnosis by now.
    let diagnosis = Diagnosis::of(&scene.device);
    assert_eq!(diagnosis.result("http"), "skipped", "{diagnosis}");
    assert_eq!(diagnosis.result("tls"), "ok", "{diagnosis}");
    diagnosis.blames(&["throttles"]);
    assert_eq!(scene.authority.count(Endpoint::Unknown), 0);
}

#[test]
fn a_server_that_says_nothing_is_waited_for_within_the_limit_of_the_step() {
    // Before TLS.
    let mut scene = Scene::new();
    let _tokend = scene.device.start();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let right = scene.authority.origin();
    let url = format!("\"https://{}\"", silent.local_addr().unwrap());
    scene.device.set("server", "url", &url);
    let diagnosis = Diagnosis::of(&scene.device);
    assert_eq!((diagnosis.code, diagnosis.result("tls")), (1, "failed"), "{diagnosis}");
    diagnosis.says("tls", "the server said nothing within 6.0 s");
    diagnosis.blames(&["down", "firewall", "captive"]);

    // After it.
    scene.device.set("server", "url", &format!("{right:?}"));
    scene.authority.always(Endpoint::Unknown, Fault::Hang);
    let diagnosis = Diagnosis::of(&scene.device);
    assert_eq!((diagnosis.code, diagnosis.result("http")), (1, "failed"), "{diagnosis}");
    diagnosis.says("http", "timed out");
    diagnosis.blames(&["down", "firewall", "slow"]);
    let log = scene.authority.log();
    let asked = log.of(Endpoint::Unknown).last().unwrap().connection;
    scene.authority.wait_until("the connection is given up", |log| {
        log.of(Endpoint::Unknown).any(|r| r.connection == asked && r.outcome == Outcome::Dropped)
    });
}

#[test]
fn a_slow_server_is_a_remark_and_no_failure() {
    let (scene, _tokend) = healthy();
    scene.authority.next(Endpoint::Unknown, [Fault::Late(Duration::from_millis(2500))]);
    let diagnosis = Diagnosis::of(&scene.device);
    assert_eq!((diagnosis.code, diagnosis.result("http")), (0, "ok"), "{diagnosis}");
    diagnosis.says("http", "warning GET / was answered with 404");
    diagnosis.blames(&["slow", "down"]);
}
