// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who may call, and who may own the name.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokend::bus::{Answer, BusCommand, Snapshot};
use tokend::common::access::{Name, Rules};
use tokend::lifecycle::view::Face;

use crate::bus_rig::*;
use crate::support::raw::Raw;

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

/// What a system bus starts from. On RDK it lets anyone own any name.
const SYSTEM: &str = r#"<policy context="default"><allow user="*"/><allow own="*"/>
    <deny send_type="method_call"/><allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/><allow receive_type="method_return"/>
    <allow receive_type="error"/><allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/></policy>"#;

/// A bus with those defaults and a policy file of ours, in which tokend runs as root and the
/// players are group 1.
fn bus_with(file: &Path) -> PrivateBus {
    let file = fs::read_to_string(file).unwrap();
    let policies = file.split_once("<busconfig>").unwrap().1.split_once("</busconfig>").unwrap().0;
    assert!(policies.contains(r#"user="tokend""#));
    let policies = policies
        .replace(r#"user="tokend""#, r#"user="root""#)
        .replace(r#"group="players""#, r#"group="1""#);
    PrivateBus::start(&format!("{SYSTEM}{policies}"))
}

/// Each bus policy that is installed: the usual one, and those of the platforms.
fn policy_files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let platforms = fs::read_dir(root.join("cross/platforms")).unwrap();
    let of_platforms = platforms.map(|entry| entry.unwrap().path().join("tv.tokend.conf"));
    let mut files: Vec<_> = of_platforms.filter(|file| file.exists()).collect();
    assert!(files.len() > 1, "{files:?}");
    files.push(root.join("systemd/tv.tokend.conf"));
    files
}

#[test]
fn on_a_bus_that_lets_anyone_own_any_name_nobody_but_tokend_ever_owns_its() {
    if !as_root() {
        return;
    }
    let request = |name: &'static str| {
        let bus = "org.freedesktop.DBus";
        // Not to wait in a queue: the name, or a refusal.
        [bus, "/org/freedesktop/DBus", bus, "RequestName", "su", name, "4"]
    };
    for file in policy_files() {
        let bus = bus_with(&file);
        // A stranger, and a player.
        let nobody_can_take_it = |when: &str| {
            for groups in [&[][..], &[NOBODY, 1]] {
                let mut caller = Raw::connect_as(&bus.address, NOBODY, groups).unwrap();
                let (good, text) = caller.call(&request(DEST));
                assert!(
                    !good && text.contains("AccessDenied"),
                    "{when}, {groups:?}: {file:?}: {text}"
                );
            }
        };
        // Or nothing is tried here.
        assert!(bus.call_as(NOBODY, &request("tv.another")).0);
        nobody_can_take_it("before");
        let snapshot = Arc::new(Snapshot::new("0.1.0", "key-file"));
        let (tokend, _events) = start(&bus, &snapshot).unwrap();
        nobody_can_take_it("while");
        let (good, text) = bus.call_as(NOBODY, &[DEST, MANAGER, MANAGER1, "GetDeviceInfo"]);
        assert!(good, "{file:?}: {text}");
        drop(tokend);
        nobody_can_take_it("after");
    }
}

#[test]
fn a_user_whom_the_policy_does_not_name_is_told_so() {
    let bus = PrivateBus::start(r#"<policy context="default"><deny own="*"/></policy>"#);
    let error = start(&bus, &Arc::new(Snapshot::new("0.1.0", "key-file"))).unwrap_err();
    assert!(error.to_string().contains("tv.tokend.conf"), "{error}");
}
