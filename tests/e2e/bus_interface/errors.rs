// SPDX-License-Identifier: MIT OR Apache-2.0
//! The standard errors.

use std::fs;
use std::os::fd::AsFd as _;

use crate::bus_rig::*;

fn standard(name: &str) -> String {
    format!("org.freedesktop.DBus.Error.{name}")
}

#[test]
fn an_application_that_is_not_configured_is_an_unknown_object() {
    let rig = Rig::start();
    let client = rig.client();
    for path in ["/tv/tokend/application/other", "/tv/tokend/application/cinema/x", "/elsewhere"] {
        let refused = client.call::<()>(path, APPLICATION1, "GetToken", &0u32).unwrap_err();
        assert_eq!(refused.0, standard("UnknownObject"), "{path}");
    }
    let other = "/tv/tokend/application/other";
    let refused = client.call::<()>(other, PROPERTIES, "GetAll", &APPLICATION1).unwrap_err();
    assert_eq!(refused.0, standard("UnknownObject"));
}

#[test]
fn a_method_that_is_not_there_is_an_unknown_method() {
    let rig = Rig::start();
    let client = rig.client();
    for (path, interface) in [(CINEMA, APPLICATION1), (MANAGER, MANAGER1)] {
        let refused = client.call::<()>(path, interface, "Nonsense", &()).unwrap_err();
        assert_eq!(refused.0, standard("UnknownMethod"));
    }
    let refused = client.call::<()>(CINEMA, MANAGER1, "Reload", &()).unwrap_err();
    assert_eq!(refused.0, standard("UnknownInterface"));
}

#[test]
fn arguments_of_the_wrong_types_are_invalid() {
    let rig = Rig::with(ready());
    let client = rig.client();
    let invalid = |method: &str, body: &dyn Fn(&str) -> Result<(), Refusal>| {
        assert_eq!(body(method).unwrap_err().0, standard("InvalidArgs"), "{method}");
    };
    invalid("GetToken", &|method| client.call(CINEMA, APPLICATION1, method, &()));
    invalid("GetToken", &|method| client.call(CINEMA, APPLICATION1, method, &"0"));
    invalid("GetToken", &|method| client.call(CINEMA, APPLICATION1, method, &0i32));
    invalid("GetToken", &|method| client.call(CINEMA, APPLICATION1, method, &(0u32, 0u32)));
    invalid("GetHeaders", &|method| client.call(CINEMA, APPLICATION1, method, &0u64));
    invalid("ReplaceToken", &|method| client.call(CINEMA, APPLICATION1, method, &"x"));
    invalid("GetDeviceInfo", &|method| client.call(MANAGER, MANAGER1, method, &0u32));
    invalid("Reload", &|method| client.call(MANAGER, MANAGER1, method, &"now"));
    invalid("Forget", &|method| client.call(MANAGER, MANAGER1, method, &()));
    invalid("Get", &|method| client.call(CINEMA, PROPERTIES, method, &APPLICATION1));
    rig.silence();
}

#[test]
fn an_unknown_interface_or_property_is_told_apart() {
    let rig = Rig::start();
    let client = rig.client();
    let get = |interface: &str, property: &str| {
        client.call::<()>(CINEMA, PROPERTIES, "Get", &(interface, property)).unwrap_err().0
    };
    assert_eq!(get("tv.tokend.Nonsense", "State"), standard("UnknownInterface"));
    assert_eq!(get(APPLICATION1, "Nonsense"), standard("UnknownProperty"));
}

#[test]
fn descriptors_that_callers_send_are_closed() {
    let rig = Rig::start();
    let client = rig.client();
    let dir = crate::support::scratch("tokend-test-").unwrap();
    let file = fs::File::create(dir.path().join("own")).unwrap();
    // The bus thread is one of this process.
    let own = dir.path().join("own");
    let open = || {
        let entries = fs::read_dir("/proc/self/fd").unwrap().flatten();
        entries.filter(|entry| fs::read_link(entry.path()).is_ok_and(|to| to == own)).count()
    };
    let before = open();
    for _ in 0..50 {
        let body = (zbus::Fd::from(file.as_fd()), 0u32);
        let refused = client.call::<()>(CINEMA, APPLICATION1, "GetToken", &body).unwrap_err();
        assert_eq!(refused.0, standard("InvalidArgs"));
    }
    rig.silence();
    assert_eq!(open(), before, "they are open here");
}
