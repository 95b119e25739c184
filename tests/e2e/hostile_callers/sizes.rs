// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages as large as the bus lets them be.

use crate::hostile_callers::rig::{CINEMA, Rig};
use crate::support::raw::Message;

const APPLICATION: &str = "tv.tokend.Application1";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
/// The default limit of dbus-daemon's system bus is 32 MiB.
const LARGE: usize = 20 << 20;
/// What the daemon may hold more afterwards.
const BOUND_KIB: u64 = 1024;

fn cinema() -> String {
    format!("/tv/tokend/application/{CINEMA}")
}

/// The daemon refuses it for its size, while the others are served.
fn survives(message: &Message) {
    let rig = Rig::start();
    let before = rig.memory();
    let mut hostile = rig.hostile();
    let answer = hostile.ask(message).unwrap();
    assert!(answer.body.len() < 4096, "the answer has {} bytes", answer.body.len());
    rig.others_are_served();
    rig.memory_has_returned(before, BOUND_KIB);
    let limits = "org.freedesktop.DBus.Error.LimitsExceeded";
    assert_eq!(answer.error.as_deref(), Some(limits));
}

#[test]
fn a_property_name_of_20_mib_does_not_come_back() {
    // Quoted with escapes, it would be longer than any message may be.
    let name = "\u{1}".repeat(LARGE);
    let call = Message::call(&cinema(), PROPERTIES, "Get");
    survives(&call.with_strings(&[APPLICATION, &name]));
}

#[test]
fn a_property_name_of_20_mib_cannot_be_set() {
    let mut call = Message::call(&cinema(), PROPERTIES, "Set")
        .with_strings(&[APPLICATION, &"\u{1}".repeat(LARGE)]);
    call.signature = "ssv".into();
    call.body.signature("u");
    call.body.u32(1);
    survives(&call);
}

/// A call with a path that no answer could quote gets none.
fn is_dropped(interface: &str, member: &str) {
    let rig = Rig::start();
    let before = rig.memory();
    let mut hostile = rig.hostile();
    let path = format!("/{}", "x".repeat(LARGE));
    let dropped = hostile.send(&Message::call(&path, interface, member)).unwrap();
    let answered = hostile.send(&Message::get_token(CINEMA, 0)).unwrap();
    let first = hostile.next_answer().unwrap();
    assert_ne!(first.reply_serial, Some(dropped));
    assert_eq!(first.reply_serial, Some(answered));
    rig.memory_has_returned(before, BOUND_KIB);
}

#[test]
fn a_call_of_an_object_path_of_20_mib_is_dropped() {
    is_dropped(APPLICATION, "GetToken");
}

#[test]
fn a_path_of_20_mib_is_not_introspected() {
    is_dropped("org.freedesktop.DBus.Introspectable", "Introspect");
}

#[test]
fn a_name_of_20_mib_cannot_be_forgotten() {
    let call = Message::call("/tv/tokend", "tv.tokend.Manager1", "Forget");
    survives(&call.with_strings(&[&"\u{1}".repeat(LARGE)]));
}

#[test]
fn a_rejected_token_of_20_mib_is_answered() {
    let call = Message::call(&cinema(), APPLICATION, "ReplaceToken");
    survives(&call.with_strings(&[&"x".repeat(LARGE), &"y".repeat(1 << 20)]));
}
