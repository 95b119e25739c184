// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every method with arguments that a seeded generator makes up.

use fastrand::Rng;

use crate::hostile_callers::rig::{CINEMA, Rig};
use crate::support::authority::Endpoint;
use crate::support::raw::{Bytes, ERROR, Message, RETURN, Raw};

const SEED: u64 = 20;

const APPLICATION: &str = "tv.tokend.Application1";
const MANAGER: &str = "tv.tokend.Manager1";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const INTROSPECTABLE: &str = "org.freedesktop.DBus.Introspectable";
const PEER: &str = "org.freedesktop.DBus.Peer";
const OBJECT_MANAGER: &str = "org.freedesktop.DBus.ObjectManager";

/// Every method, with the signature that it has.
const METHODS: [(&str, &str, &str); 15] = [
    (APPLICATION, "GetToken", "u"),
    (APPLICATION, "GetHeaders", "u"),
    (APPLICATION, "ReplaceToken", "ss"),
    (APPLICATION, "NoSuchMethod", ""),
    (MANAGER, "GetDeviceInfo", ""),
    (MANAGER, "Reload", ""),
    (MANAGER, "Forget", "s"),
    (PROPERTIES, "Get", "ss"),
    (PROPERTIES, "GetAll", "s"),
    (PROPERTIES, "Set", "ssv"),
    (INTROSPECTABLE, "Introspect", ""),
    (PEER, "Ping", ""),
    (PEER, "GetMachineId", ""),
    (OBJECT_MANAGER, "GetManagedObjects", ""),
    ("no.such.Interface", "Ping", ""),
];

const WORDS: [&str; 13] = [
    APPLICATION,
    MANAGER,
    PROPERTIES,
    "State",
    "LastError",
    "TokenNumber",
    "Version",
    "",
    "\u{1}\u{7f}",
    "../../etc/passwd",
    "%s%n",
    "\u{1F4FA}",
    "a.b",
];

/// A complete type, at most so deep.
fn signature(rng: &mut Rng, depth: usize) -> String {
    let basic = ["y", "b", "n", "q", "i", "u", "x", "t", "d", "s", "o", "g"];
    let basic = |rng: &mut Rng| basic[rng.usize(..basic.len())];
    match rng.u32(..if depth == 0 { 5 } else { 9 }) {
        5 => format!("a{}", signature(rng, depth - 1)),
        6 => format!("a{{{}{}}}", basic(rng), signature(rng, depth - 1)),
        7 => {
            let fields: String = (0..rng.u32(1..4)).map(|_| signature(rng, depth - 1)).collect();
            format!("({fields})")
        }
        8 => "v".into(),
        _ => basic(rng).into(),
    }
}

/// The length of the first complete type.
fn first(signature: &str) -> usize {
    match signature.as_bytes()[0] {
        b'a' => 1 + first(&signature[1..]),
        b'(' | b'{' => {
            let mut end = 1;
            while !matches!(signature.as_bytes()[end], b')' | b'}') {
                end += first(&signature[end..]);
            }
            end + 1
        }
        _ => 1,
    }
}

/// A value of every type of the signature.
fn values(rng: &mut Rng, signature: &str, body: &mut Bytes) {
    let mut rest = signature;
    while !rest.is_empty() {
        let (one, others) = rest.split_at(first(rest));
        value(rng, one, body);
        rest = others;
    }
}

fn value(rng: &mut Rng, one: &str, body: &mut Bytes) {
    match one.as_bytes()[0] {
        b'y' => body.0.push(rng.u8(..)),
        b'b' => body.u32(rng.u32(..2)),
        b'n' | b'q' => {
            body.align(2);
            body.0.extend(rng.u16(..).to_le_bytes());
        }
        b'i' | b'u' => body.u32(if rng.bool() { rng.u32(..) } else { rng.u32(..10) }),
        b'x' | b't' | b'd' => {
            body.align(8);
            body.0.extend(rng.u64(..).to_le_bytes());
        }
        b's' if rng.u32(..20) == 0 => body.string(&"long ".repeat(rng.usize(..10_000))),
        b's' => body.string(WORDS[rng.usize(..WORDS.len())]),
        b'o' => body.string(if rng.bool() { "/" } else { "/tv/tokend" }),
        b'g' => body.signature(if rng.bool() { "" } else { "a{sv}" }),
        b'v' => {
            let inner = self::signature(rng, 2);
            body.signature(&inner);
            value(rng, &inner, body);
        }
        b'a' => {
            let inner = &one[1..];
            body.u32(0);
            let length = body.0.len() - 4;
            body.align(if matches!(inner.as_bytes()[0], b'x' | b't' | b'd' | b'(' | b'{') {
                8
            } else {
                1
            });
            let start = body.0.len();
            (0..rng.u32(..4)).for_each(|_| value(rng, inner, body));
            let len = u32::try_from(body.0.len() - start).unwrap();
            body.0[length..length + 4].copy_from_slice(&len.to_le_bytes());
        }
        _ => {
            body.align(8);
            values(rng, &one[1..one.len() - 1], body);
        }
    }
}

/// A call with arguments of its own types, of others, or with a body that its signature belies.
fn call(rng: &mut Rng) -> (Message, bool) {
    let (interface, member, own) = METHODS[rng.usize(..METHODS.len())];
    let paths = ["/tv/tokend", "/tv/tokend/application", "/", "/no/such/object"];
    let cinema = format!("/tv/tokend/application/{CINEMA}");
    let right = if interface == MANAGER { "/tv/tokend" } else { &cinema };
    let path = if rng.u32(..4) > 0 { right } else { paths[rng.usize(..paths.len())] };
    let mut call = Message::call(path, interface, member);
    call.signature = match rng.u32(..3) {
        0 => (0..rng.u32(..4)).map(|_| signature(rng, 3)).collect(),
        _ => own.into(),
    };
    let types = call.signature.clone();
    values(rng, &types, &mut call.body);
    let belied = rng.u32(..8) == 0;
    if belied {
        // Cut, changed or lengthened.
        match rng.u32(..3) {
            0 => call.body.0.truncate(rng.usize(..=call.body.0.len())),
            1 => call.body.0.iter_mut().for_each(|byte| *byte ^= rng.u8(..) & rng.u8(..)),
            _ => call.body.0.extend((0..rng.usize(1..64)).map(|_| rng.u8(..))),
        }
    }
    (call, belied)
}

/// So many calls; prints what became of them.
pub fn storm(seed: u64, calls: usize) {
    let rig = Rig::start();
    let before = rig.memory();
    let mut rng = Rng::with_seed(seed);
    let mut hostile = rig.hostile();
    let (mut good, mut refused, mut thrown_out) = (0, 0, 0);
    for i in 0..calls {
        let (call, belied) = call(&mut rng);
        match hostile.ask(&call) {
            Ok(answer) if answer.kind == RETURN => good += 1,
            Ok(answer) => {
                assert_eq!(answer.kind, ERROR);
                let error = answer.error.unwrap_or_default();
                assert!(error.starts_with("org.freedesktop.DBus.Error."), "{error}: {call:?}");
                refused += 1;
            }
            // The bus itself throws out who sends what is no message.
            Err(error) => {
                assert!(belied, "{error} after {call:?}");
                thrown_out += 1;
                hostile = Raw::connect(rig.bus.address()).unwrap();
            }
        }
        if i % 20 == 0 {
            rig.others_are_served();
        }
    }
    println!("seed {seed}: {good} answered, {refused} refused, {thrown_out} thrown out by the bus");
    assert!(good > 0 && refused > 0);
    rig.memory_has_returned(before, 8192);
    let log = rig.authority.log();
    assert_eq!((log.count(Endpoint::Register), log.count(Endpoint::Token)), (2, 2));
    rig.authority.assert_no_secret_in("the log", &rig.device.all_output());
}

#[test]
fn whatever_arguments_a_call_has_it_is_answered_and_others_are_served() {
    storm(SEED, 2000);
}

#[test]
fn no_property_can_be_written() {
    let rig = Rig::start();
    let mut hostile = rig.hostile();
    let properties = rig.bystander.properties(CINEMA);
    let application = format!("/tv/tokend/application/{CINEMA}");
    for (path, interface, names) in [
        (
            application.as_str(),
            APPLICATION,
            &[
                "Id",
                "State",
                "TokenNumber",
                "ExpiresAt",
                "RetryAt",
                "LastError",
                "Scopes",
                "Counters",
                "History",
            ][..],
        ),
        ("/tv/tokend", MANAGER, &["Version", "Sealing", "ClockSet", "Faults", "StartedAt"]),
    ] {
        for name in names {
            for kind in ["s", "t", "b", "as", "(ss)", "v"] {
                let mut set = Message::call(path, PROPERTIES, "Set");
                set = set.with_strings(&[interface, name]);
                set.signature = "ssv".into();
                set.body.signature(kind);
                value(&mut Rng::with_seed(SEED), kind, &mut set.body);
                let refused = hostile.ask(&set).unwrap();
                let read_only = "org.freedesktop.DBus.Error.PropertyReadOnly";
                assert_eq!(refused.error.as_deref(), Some(read_only), "{name} {kind}");
            }
        }
    }
    assert_eq!(rig.bystander.properties(CINEMA), properties);
    rig.others_are_served();
}

#[test]
fn a_thousand_introspections_keep_nobody_waiting() {
    let rig = Rig::start();
    let before = rig.memory();
    let mut hostile = rig.hostile();
    let cinema = format!("/tv/tokend/application/{CINEMA}");
    for i in 0..1000 {
        let path = ["/", "/tv", "/tv/tokend", "/tv/tokend/application", &cinema][i % 5];
        hostile.send(&Message::call(path, INTROSPECTABLE, "Introspect")).unwrap();
        if i % 100 == 0 {
            rig.others_are_served();
        }
    }
    drop(hostile);
    rig.memory_has_returned(before, 8192);
}
