// SPDX-License-Identifier: MIT OR Apache-2.0
use std::sync::Arc;

use super::super::wire::{Outgoing, Writer, parse};
use super::super::{APPLICATION_PATH, MANAGER_PATH, Snapshot};
use super::*;
use crate::common::access::Rules;
use crate::lifecycle::view::{AppState, AppView, Face};

fn snapshot() -> Snapshot {
    let view = AppView {
        state: AppState::Fetching,
        token: None,
        token_number: 0,
        expires_at: 0,
        retry_at: 0,
        last_error: (String::new(), String::new()),
        scopes: Vec::new(),
        redirect_uris: Vec::new(),
        client_id_issued_at: 0,
        counters: crate::lifecycle::view::Counters::default(),
        history: Arc::default(),
        wall_less_boot: 0,
    };
    let face = Face { access: Rules::default(), headers: Vec::new() };
    let snapshot = Snapshot::new("1", "key-file");
    snapshot.insert("cinema".parse().unwrap(), Arc::new(view), Arc::new(face));
    snapshot
}

const CINEMA: &str = "/tv/tokend/application/cinema";

fn call(path: &'static str, interface: &'static str, member: &'static str) -> Outgoing<'static> {
    // The bus would write the sender; here it goes where the receiver would be.
    Outgoing { kind: CALL, serial: 5, path, interface, member, ..Outgoing::default() }
}

/// The fate, as a text.
fn fate(call: Outgoing<'_>, arguments: impl FnOnce(&mut Writer<'_>)) -> String {
    let mut bytes = Vec::new();
    call.write(&mut bytes, arguments);
    let mut header = parse(&bytes).unwrap();
    header.sender = ":1.7";
    let snapshot = snapshot();
    match decide(&header, &snapshot.read()) {
        Fate::Refuse(error) => error.name.rsplit('.').next().unwrap().to_owned(),
        other => format!("{other:?}"),
    }
}

fn get_token() -> Outgoing<'static> {
    Outgoing { signature: "u", ..call(CINEMA, APPLICATION_INTERFACE, "GetToken") }
}

#[test]
fn what_depends_on_who_calls_is_told_from_what_is_open_to_all() {
    let asks = |text: String| assert!(text.starts_with("Ask("), "{text}");
    asks(fate(get_token(), |body| body.u32(60)));
    asks(fate(Outgoing { member: "GetHeaders", ..get_token() }, |body| body.u32(60)));
    let replace = Outgoing { member: "ReplaceToken", signature: "ss", ..get_token() };
    asks(fate(replace, |body| {
        body.string("x");
        body.string("");
    }));
    asks(fate(call(MANAGER_PATH, MANAGER_INTERFACE, "Reload"), |_| ()));
    let forget = call(MANAGER_PATH, MANAGER_INTERFACE, "Forget");
    asks(fate(Outgoing { signature: "s", ..forget }, |body| body.string("x")));
    for (path, interface, member) in [
        (MANAGER_PATH, MANAGER_INTERFACE, "GetDeviceInfo"),
        (MANAGER_PATH, OBJECT_MANAGER, "GetManagedObjects"),
        (CINEMA, INTROSPECTABLE, "Introspect"),
        ("/", INTROSPECTABLE, "Introspect"),
        ("/nowhere", PEER, "Ping"),
        (CINEMA, PEER, "GetMachineId"),
    ] {
        let text = fate(call(path, interface, member), |_| ());
        assert!(text.starts_with("Answer("), "{member}: {text}");
    }
}

#[test]
fn the_interface_may_be_left_out() {
    let without = |call: Outgoing<'static>| Outgoing { interface: "", ..call };
    let with = fate(get_token(), |body| body.u32(60));
    assert_eq!(fate(without(get_token()), |body| body.u32(60)), with);
    let reload = call(MANAGER_PATH, "", "Reload");
    assert_eq!(fate(reload, |_| ()), "Ask(Reload)");
    assert_eq!(fate(call(CINEMA, "", "Reload"), |_| ()), "UnknownMethod");
    assert_eq!(fate(call(CINEMA, "", "Nonsense"), |_| ()), "UnknownMethod");
    assert_eq!(fate(call("/nowhere", "", "Ping"), |_| ()), "UnknownObject");
}

#[test]
fn a_call_that_wants_no_reply_is_read_past_unless_it_acts() {
    let silent = |call: Outgoing<'static>| Outgoing { flags: NO_REPLY, ..call };
    assert_eq!(fate(silent(get_token()), |body| body.u32(0)), "Pass");
    for (path, interface, member) in [
        (MANAGER_PATH, OBJECT_MANAGER, "GetManagedObjects"),
        (CINEMA, INTROSPECTABLE, "Introspect"),
        (CINEMA, APPLICATION_INTERFACE, "Nonsense"),
        ("/nowhere", MANAGER_INTERFACE, "Reload"),
        (MANAGER_PATH, MANAGER_INTERFACE, "Forget"),
    ] {
        assert_eq!(fate(silent(call(path, interface, member)), |_| ()), "Pass", "{member}");
    }
    let reload = call(MANAGER_PATH, MANAGER_INTERFACE, "Reload");
    assert_eq!(fate(silent(reload), |_| ()), "Ask(Reload)");
    let forget = Outgoing { signature: "s", ..call(MANAGER_PATH, MANAGER_INTERFACE, "Forget") };
    let fate = fate(silent(forget), |body| body.string("x"));
    assert!(fate.starts_with("Ask(Forget"), "{fate}");
}

#[test]
fn what_is_not_there_has_its_own_error() {
    let at = |path, interface, member| fate(call(path, interface, member), |_| ());
    for path in ["/tv/tokend/application/other", "/tv/tokend/application/cinema/x", "/elsewhere"] {
        assert_eq!(at(path, APPLICATION_INTERFACE, "GetToken"), "UnknownObject");
    }
    assert!(snapshot().read().find(APPLICATION_PATH).is_none());
    assert_eq!(at(CINEMA, MANAGER_INTERFACE, "Reload"), "UnknownInterface");
    assert_eq!(at(CINEMA, APPLICATION_INTERFACE, "Nonsense"), "UnknownMethod");
    assert_eq!(at(CINEMA, PEER, "GetToken"), "UnknownMethod");
    assert_eq!(at(CINEMA, APPLICATION_INTERFACE, "GetToken"), "InvalidArgs");
    let property = |member, signature, interface: &str, name: &str| {
        let call = Outgoing { signature, ..call(CINEMA, PROPERTIES, member) };
        fate(call, |body| {
            body.string(interface);
            if signature != "s" {
                body.string(name);
            }
            if signature == "ssv" {
                body.signature("u");
                body.u32(1);
            }
        })
    };
    let own = APPLICATION_INTERFACE;
    assert!(property("Get", "ss", own, "State").starts_with("Answer("));
    assert!(property("Get", "ss", "", "Id").starts_with("Answer("));
    assert_eq!(property("Get", "ss", own, "Nonsense"), "UnknownProperty");
    assert_eq!(property("Get", "ss", PEER, "State"), "UnknownProperty");
    assert_eq!(property("Get", "ss", MANAGER_INTERFACE, "Version"), "UnknownInterface");
    assert_eq!(property("Set", "ssv", own, "State"), "PropertyReadOnly");
    assert_eq!(property("Set", "ssv", own, "Nonsense"), "UnknownProperty");
    assert!(property("GetAll", "s", own, "").starts_with("Answer("));
    assert_eq!(property("GetAll", "s", PEER, ""), "Answer(Properties(None))");
    assert_eq!(property("GetAll", "s", "a.b", ""), "UnknownInterface");
}

#[test]
fn arguments_that_are_not_what_their_types_say_are_refused() {
    assert_eq!(fate(get_token(), |_| ()), "InvalidArgs");
    let surplus = |body: &mut Writer<'_>| [0, 0].iter().for_each(|n| body.u32(*n));
    assert_eq!(fate(get_token(), surplus), "InvalidArgs");
    let wrong = Outgoing { signature: "i", ..get_token() };
    assert_eq!(fate(wrong, |body| body.u32(0)), "InvalidArgs");
    let replace = Outgoing { member: "ReplaceToken", signature: "ss", ..get_token() };
    assert_eq!(fate(replace, |body| body.string("x")), "InvalidArgs");
    let get = Outgoing { signature: "ss", ..call(CINEMA, PROPERTIES, "Get") };
    assert_eq!(fate(get, |body| body.raw(b"\x04\0\0\0\xff\xff\xff\xff\0")), "InvalidArgs");
}

#[test]
fn only_a_call_of_somebody_has_a_fate() {
    let mut bytes = Vec::new();
    get_token().write(&mut bytes, |body| body.u32(0));
    let mut header = parse(&bytes).unwrap();
    let snapshot = snapshot();
    assert_eq!(decide(&header, &snapshot.read()), Fate::Pass, "nobody has sent it");
    header.sender = ":1.7";
    for kind in [2, 3, 4] {
        header.kind = kind;
        assert_eq!(decide(&header, &snapshot.read()), Fate::Pass);
        assert_eq!(decide_large(&header), Fate::Pass);
    }
    header.kind = CALL;
    let Fate::Refuse(error) = decide_large(&header) else { panic!("a large call is answered") };
    assert_eq!(error.name, ErrorName::LimitsExceeded.as_str());
    header.flags = NO_REPLY;
    assert_eq!(decide_large(&header), Fate::Pass);
}
