// SPDX-License-Identifier: MIT OR Apache-2.0
//! The manager object.

use std::collections::{BTreeMap, HashMap};

use tokend::bus::{Answer, BusCommand, BusEvent, InfoValue};
use zbus::{OwnedVariant, Variant};

use crate::bus_rig::*;

#[test]
fn device_info_has_the_types_of_the_contract() {
    let rig = Rig::start();
    rig.snapshot.set_device_info(BTreeMap::from([
        ("model".into(), InfoValue::Text("X1".into())),
        ("displayWidth".into(), InfoValue::Number(1920)),
        ("diagonalScreenSize".into(), InfoValue::Decimal(54.6)),
        ("connectionSecure".into(), InfoValue::Flag(true)),
    ]));
    let info: HashMap<String, OwnedVariant> =
        rig.client().call(MANAGER, MANAGER1, "GetDeviceInfo", &()).unwrap();
    let info: BTreeMap<_, _> = info.into_iter().map(|(k, v)| (k, Variant::from(v))).collect();
    let expected = [
        ("connectionSecure", Variant::Bool(true)),
        ("diagonalScreenSize", Variant::F64(54.6)),
        ("displayWidth", Variant::U32(1920)),
        ("model", Variant::from("X1")),
    ];
    assert_eq!(info, expected.map(|(k, v)| (k.to_owned(), v)).into());
}

#[test]
fn the_manager_has_version_sealing_clock_faults_and_start() {
    let rig = Rig::start();
    rig.snapshot.set_faults(vec!["a.toml: x: left out".to_owned()]);
    rig.snapshot.set_started_at(1_800_000_000);
    let all = rig.client().get_all(MANAGER, MANAGER1);
    let all: BTreeMap<_, _> = all.into_iter().map(|(k, v)| (k, Variant::from(v))).collect();
    let expected = [
        ("ClockSet", Variant::Bool(false)),
        ("Faults", Variant::from(vec!["a.toml: x: left out".to_owned()])),
        ("Sealing", Variant::from("key-file")),
        ("StartedAt", Variant::U64(1_800_000_000)),
        ("Version", Variant::from("0.1.0")),
    ];
    assert_eq!(all, expected.map(|(k, v)| (k.to_owned(), v)).into());
}

#[test]
fn root_may_reload_and_forget() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not root: root cannot be played");
        return;
    }
    let rig = Rig::start();
    let done = |call| BusCommand::Answer { call, result: Ok(Answer::Done) };

    let reload =
        rig.client().in_background(|client| client.call::<()>(MANAGER, MANAGER1, "Reload", &()));
    let BusEvent::Reload { call, .. } = rig.event() else { panic!() };
    rig.tokend.send(done(call));
    assert_eq!(reload.join().unwrap(), Ok(()));

    let forget = rig
        .client()
        .in_background(|client| client.call::<()>(MANAGER, MANAGER1, "Forget", &"sports"));
    let BusEvent::Forget { call, id } = rig.event() else { panic!() };
    assert_eq!(id.as_str(), "sports");
    rig.tokend.send(done(call));
    assert_eq!(forget.join().unwrap(), Ok(()));

    let (name, message) =
        rig.client().call::<()>(MANAGER, MANAGER1, "Forget", &"../x").unwrap_err();
    assert_eq!(name, "org.freedesktop.DBus.Error.InvalidArgs");
    assert!(message.contains("\"../x\""), "{message}");
    rig.silence();
}
