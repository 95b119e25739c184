//! The standard errors.

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
    let call =
        |path, interface, method, body: &dyn Fn(zbus::message::Builder<'_>) -> zbus::Message| {
            let builder = zbus::Message::method_call(path, method)
                .destination("tv.tokend")
                .interface(interface);
            answer_to(&client, &body(builder))
        };
    let invalid = standard("InvalidArgs");
    assert_eq!(call(CINEMA, APPLICATION1, "GetToken", &|b| b.build(&()).unwrap()), invalid);
    assert_eq!(call(CINEMA, APPLICATION1, "GetToken", &|b| b.build(&"0").unwrap()), invalid);
    assert_eq!(call(CINEMA, APPLICATION1, "GetToken", &|b| b.build(&0i32).unwrap()), invalid);
    assert_eq!(
        call(CINEMA, APPLICATION1, "GetToken", &|b| b.build(&(0u32, 0u32)).unwrap()),
        invalid
    );
    assert_eq!(call(CINEMA, APPLICATION1, "GetHeaders", &|b| b.build(&0u64).unwrap()), invalid);
    assert_eq!(call(CINEMA, APPLICATION1, "ReplaceToken", &|b| b.build(&"x").unwrap()), invalid);
    assert_eq!(call(MANAGER, MANAGER1, "GetDeviceInfo", &|b| b.build(&0u32).unwrap()), invalid);
    assert_eq!(call(MANAGER, MANAGER1, "Reload", &|b| b.build(&"now").unwrap()), invalid);
    assert_eq!(call(MANAGER, MANAGER1, "Forget", &|b| b.build(&()).unwrap()), invalid);
    assert_eq!(call(CINEMA, PROPERTIES, "Get", &|b| b.build(&APPLICATION1).unwrap()), invalid);
    rig.silence();
}

/// Sends a call and returns the name of the error.
fn answer_to(client: &Client, message: &zbus::Message) -> String {
    let header = message.header();
    let (path, member) = (header.path().unwrap().clone(), header.member().unwrap().clone());
    let body = message.body();
    let body: zbus::Structure<'_> = match body.signature() {
        zbus::Signature::Unit => {
            let interface = header.interface().unwrap().as_str();
            return client.call::<()>(&path, interface, &member, &()).unwrap_err().0;
        }
        _ => body.deserialize().unwrap(),
    };
    let interface = header.interface().unwrap().as_str();
    client.call::<()>(&path, interface, &member, &body).unwrap_err().0
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
