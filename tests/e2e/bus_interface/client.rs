// SPDX-License-Identifier: MIT OR Apache-2.0
//! The client commands against a service.

use std::collections::BTreeMap;
use std::thread;

use tokend::bus::{Answer, BusAddress, BusCommand, BusEvent, InfoValue};
use tokend::cli::{device_info, forget, headers, reload, status, token};
use tokend::client::ClientError;
use tokend::common::time::WallTime;
use tokend::lifecycle::view::{AppView, CallError, ErrorName};

use crate::bus_rig::*;

const NOW: WallTime = WallTime(1_799_996_400_000);

#[test]
fn token_prints_the_token_alone() {
    let rig = Rig::with(ready());
    let printed = token::run(&rig.bus.bus_address(), &app("cinema")).unwrap();
    assert_eq!(printed.expose(), "the-token\n");
}

#[test]
fn headers_prints_a_line_for_each() {
    let rig = Rig::with(ready());
    let printed = headers::run(&rig.bus.bus_address(), &app("cinema")).unwrap();
    assert_eq!(printed.expose(), "Authorization: Bearer the-token\nX-Device-Info: e30=\n");
}

#[test]
fn status_prints_what_the_bus_shows() {
    let error = ("tv.tokend.Error.Unavailable".to_owned(), "no route".to_owned());
    let rig = Rig::with(AppView { last_error: error, ..ready() });
    let bus = rig.bus.bus_address();
    assert_eq!(
        status::run(&bus, None, false, NOW).unwrap(),
        "tokend 0.1.0, sealing: key-file, clock: not set\n\
         ID      STATE          TOKEN  EXPIRES         NEXT TRY\n\
         cinema  ready              1  in 1 h          -\n  \
         Unavailable: no route\n  \
         what to do: run tokend diagnose on this device: it tries name service,\n  \
         network, TLS and server\n"
    );
    let json = status::run(&bus, Some(&app("cinema")), true, NOW).unwrap();
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&json).unwrap(),
        serde_json::json!({
            "version": "0.1.0", "sealing": "key-file", "clock_set": false,
            "faults": [], "started_at": 0,
            "applications": [{
                "id": "cinema", "state": "ready", "token_number": 1,
                "expires_at": 1_800_000_000, "retry_at": 0,
                "last_error": {"name": "tv.tokend.Error.Unavailable", "message": "no route"},
                "scopes": ["api:client:v2"], "redirect_uris": ["adobepass://com.programmer"],
                "client_id_issued_at": 1_600_000_000,
                "counters": {
                    "failing_since": 0, "failures": 0, "last_success": 0, "registrations": 0
                },
                "history": []
            }]
        })
    );
}

#[test]
fn device_info_prints_each_field() {
    let rig = Rig::start();
    let info = BTreeMap::from([
        ("displayWidth".into(), InfoValue::Number(1920)),
        ("model".into(), InfoValue::Text("X1".into())),
    ]);
    rig.snapshot.set_device_info(info);
    let printed = device_info::run(&rig.bus.bus_address(), false).unwrap();
    assert_eq!(printed, "KEY           VALUE\ndisplayWidth  1920\nmodel         X1\n");
}

#[test]
fn an_unknown_application_is_bad_data() {
    let rig = Rig::start();
    let (bus, other) = (rig.bus.bus_address(), app("other"));
    for error in [
        token::run(&bus, &other).unwrap_err(),
        headers::run(&bus, &other).unwrap_err(),
        status::run(&bus, Some(&other), false, NOW).unwrap_err(),
    ] {
        assert_eq!(error.exit_code(), 65);
        assert!(error.to_string().contains("other"), "{error}");
    }
}

#[test]
fn each_error_has_its_exit_code() {
    let rig = Rig::start();
    let codes = [
        (ErrorName::Unavailable, 75),
        (ErrorName::Throttled, 75),
        (ErrorName::LimitsExceeded, 75),
        (ErrorName::Rejected, 69),
        (ErrorName::Storage, 74),
        (ErrorName::AccessDenied, 77),
        (ErrorName::InvalidArgs, 65),
    ];
    for (name, code) in codes {
        let bus = rig.bus.bus_address();
        let asking = thread::spawn(move || token::run(&bus, &app("cinema")));
        let result = Err(CallError::new(name, "because"));
        rig.tokend.send(BusCommand::Answer { call: rig.call(), result });
        let error = asking.join().unwrap().unwrap_err();
        assert_eq!(error.exit_code(), code, "{name:?}");
        assert_eq!(error.to_string(), format!("because ({})", name.as_str()));
    }
}

#[test]
fn without_a_daemon_it_says_so_and_how_to_see_why() {
    let bus = PrivateBus::start("");
    let error = status::run(&bus.bus_address(), None, false, NOW).unwrap_err();
    assert!(matches!(error, ClientError::NotRunning { .. }), "{error:?}");
    assert!(error.to_string().contains("systemctl status tokend"), "{error}");
    assert_eq!(error.exit_code(), 69);
    let nowhere = BusAddress::Explicit("unix:path=/nonexistent/bus".into());
    let error = reload::run(&nowhere).unwrap_err();
    assert!(error.to_string().contains("/nonexistent/bus"), "{error}");
    assert_eq!(error.exit_code(), 69);
}

#[test]
fn forget_asks_for_yes_first() {
    let rig = Rig::start();
    let error = forget::run(&rig.bus.bus_address(), &app("cinema"), false).unwrap_err();
    assert_eq!(error.exit_code(), 64);
    assert!(error.to_string().contains("--yes"), "{error}");
    rig.silence();
}

#[test]
fn reload_and_forget_reach_the_daemon() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not root: root cannot be played");
        return;
    }
    let rig = Rig::start();
    let (bus, done) = (rig.bus.bus_address(), || Ok(Answer::Done));
    let asking = thread::spawn(move || {
        (reload::run(&bus).unwrap(), forget::run(&bus, &app("sports"), true).unwrap())
    });
    rig.tokend.send(BusCommand::Answer { call: rig.call(), result: done() });
    let BusEvent::Forget { call, id } = rig.event() else { panic!() };
    assert_eq!(id.as_str(), "sports");
    rig.tokend.send(BusCommand::Answer { call, result: done() });
    let (reloaded, forgotten) = asking.join().unwrap();
    assert_eq!(reloaded, "");
    assert_eq!(forgotten, "forgot the client credentials and the token of sports\n");
}
