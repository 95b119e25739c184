// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who may call, and who may own the name.

use std::fs;
use std::sync::Arc;

use tokend::access::{Name, Rules};
use tokend::bus::{Answer, BusCommand, Snapshot};
use tokend::view::Face;

use crate::bus_rig::*;

const NOBODY: u32 = 65534;
const DEST: &str = "tv.tokend";

fn as_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("not root: nobody else can be played");
    }
    root
}

#[test]
fn a_caller_without_the_right_is_denied_whether_or_not_there_is_a_token() {
    if !as_root() {
        return;
    }
    for view in [view(), ready()] {
        let rig = Rig::with(view);
        let calls: [&[&str]; 4] = [
            &[DEST, CINEMA, APPLICATION1, "GetToken", "u", "0"],
            // InvalidArgs, for one who may.
            &[DEST, CINEMA, APPLICATION1, "GetToken", "u", "4294967295"],
            &[DEST, CINEMA, APPLICATION1, "GetHeaders", "u", "0"],
            &[DEST, CINEMA, APPLICATION1, "ReplaceToken", "ss", "x", ""],
        ];
        for call in calls {
            let (good, text) = rig.bus.call_as(NOBODY, call);
            assert!(!good && text.contains("DBus.Error.AccessDenied"), "{call:?}: {text}");
            assert!(text.contains("uid 65534"), "{text}");
            assert!(!text.contains("the-token"), "{text}");
        }
        rig.silence();
    }
}

#[test]
fn a_caller_without_the_right_may_read_all_properties_and_the_device_info() {
    if !as_root() {
        return;
    }
    let rig = Rig::with(ready());
    let all = [DEST, CINEMA, PROPERTIES, "GetAll", "s", APPLICATION1];
    let (good, text) = rig.bus.call_as(NOBODY, &all);
    assert!(good && text.contains("api:client:v2"), "{text}");
    assert!(!text.contains("the-token"), "{text}");
    let (good, text) = rig.bus.call_as(NOBODY, &[DEST, MANAGER, MANAGER1, "GetDeviceInfo"]);
    assert!(good, "{text}");
}

#[test]
fn reload_and_forget_are_denied_to_strangers() {
    if !as_root() {
        return;
    }
    let rig = Rig::start();
    for call in [
        &[DEST, MANAGER, MANAGER1, "Reload"][..],
        &[DEST, MANAGER, MANAGER1, "Forget", "s", "cinema"][..],
        &[DEST, MANAGER, MANAGER1, "Forget", "s", "no name"][..],
    ] {
        let (good, text) = rig.bus.call_as(NOBODY, call);
        assert!(!good && text.contains("DBus.Error.AccessDenied"), "{call:?}: {text}");
    }
    rig.silence();
}

fn only(user: &str) -> Arc<Face> {
    // The number that a name had when the configuration was read decides nothing.
    let name = Name { text: user.into(), id: Some(NOBODY) };
    let access = Rules { users: Some(vec![name]), groups: None, labels: None };
    Arc::new(Face { access, ..face() })
}

#[test]
fn a_name_means_whoever_has_it_when_the_caller_is_identified() {
    if !as_root() {
        return;
    }
    let rig = Rig::with(ready());
    let call = [DEST, CINEMA, APPLICATION1, "GetToken", "u", "0"];
    let daemon = 1;
    rig.snapshot.set_face(&app("cinema"), only("daemon"));
    let (good, text) = rig.bus.call_as(daemon, &call);
    assert!(good && text.contains("the-token"), "{text}");
    let (good, text) = rig.bus.call_as(NOBODY, &call);
    assert!(!good && text.contains("DBus.Error.AccessDenied"), "{text}");
    rig.snapshot.set_face(&app("cinema"), only("nobody"));
    assert!(rig.bus.call_as(NOBODY, &call).0);
    assert!(!rig.bus.call_as(daemon, &call).0);
    rig.snapshot.set_face(&app("cinema"), only("no-such-name-here"));
    assert!(!rig.bus.call_as(NOBODY, &call).0);
}

#[test]
fn who_may_reload_is_judged_by_the_users_in_force() {
    if !as_root() {
        return;
    }
    let rig = Rig::start();
    rig.snapshot.set_reload_users(vec![Name { text: "nobody".into(), id: None }]);
    let reload = [DEST, MANAGER, MANAGER1, "Reload"];
    let (bus, calls) = (&rig.bus, reload);
    std::thread::scope(|scope| {
        let reloading = scope.spawn(move || bus.call_as(NOBODY, &calls));
        let result = Ok(Answer::Done);
        rig.tokend.send(BusCommand::Answer { call: rig.call(), result });
        assert!(reloading.join().unwrap().0);
    });
    rig.snapshot.set_reload_users(Vec::new());
    assert!(!rig.bus.call_as(NOBODY, &reload).0);
}

#[test]
fn the_policy_file_lets_everyone_send_and_only_the_services_user_own_the_name() {
    if !as_root() {
        return;
    }
    // What the system bus starts from, and then the file, for a user who exists here.
    let system = r#"<policy context="default"><allow user="*"/><deny own="*"/>
        <deny send_type="method_call"/><allow send_type="signal"/>
        <allow send_requested_reply="true" send_type="method_return"/>
        <allow send_requested_reply="true" send_type="error"/>
        <allow receive_type="method_call"/><allow receive_type="method_return"/>
        <allow receive_type="error"/><allow receive_type="signal"/>
        <allow send_destination="org.freedesktop.DBus"/></policy>"#;
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/systemd/tv.tokend.conf");
    let file = fs::read_to_string(file).unwrap();
    let policies = file.split_once("<busconfig>").unwrap().1.split_once("</busconfig>").unwrap().0;
    assert!(policies.contains(r#"user="tokend""#));
    // Whatever the bus allows by default.
    let system = system.replace(r#"<deny own="*"/>"#, r#"<allow own="*"/>"#);
    let policy = format!("{system}{}", policies.replace(r#"user="tokend""#, r#"user="root""#));
    let bus = PrivateBus::start(&policy);

    let request = [
        "org.freedesktop.DBus",
        "/org/freedesktop/DBus",
        "org.freedesktop.DBus",
        "RequestName",
        "su",
        "tv.tokend",
        "4",
    ];
    let (good, text) = bus.call_as(NOBODY, &request);
    assert!(!good && text.contains("AccessDenied"), "{text}");

    let snapshot = Arc::new(Snapshot::new("0.1.0", "key-file"));
    let (_tokend, _events) = start(&bus, &snapshot).unwrap();
    let (good, text) = bus.call_as(NOBODY, &[DEST, MANAGER, MANAGER1, "GetDeviceInfo"]);
    assert!(good, "{text}");
}

#[test]
fn a_user_whom_the_policy_does_not_name_is_told_so() {
    let bus = PrivateBus::start(r#"<policy context="default"><deny own="*"/></policy>"#);
    let error = start(&bus, &Arc::new(Snapshot::new("0.1.0", "key-file"))).unwrap_err();
    assert!(error.to_string().contains("tv.tokend.conf"), "{error}");
}
