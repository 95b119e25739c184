// SPDX-License-Identifier: MIT OR Apache-2.0
//! Callers that claim to be somebody else.

use crate::hostile_callers::rig::{CINEMA, Rig, SPORTS};
use crate::support::authority::Gate;
use crate::support::bus::{Bus, can_act_as_others};
use crate::support::player::Player;
use crate::support::raw::{ERROR, Message, RETURN, Raw, SIGNAL};
use crate::support::tokend::Device;
use crate::support::{authority::Authority, statement, tokend::Application};

const BUS: &str = "org.freedesktop.DBus";
/// EX_TEMPFAIL of sysexits.
const TEMPORARY_FAILURE: i32 = 75;

fn request_name(flags: u32) -> Message {
    let mut request =
        Message::call("/org/freedesktop/DBus", BUS, "RequestName").with_strings(&["tv.tokend"]);
    request.destination = BUS.into();
    request.signature = "su".into();
    request.body.u32(flags);
    request
}

#[test]
fn nobody_takes_the_name_from_a_running_daemon() {
    let rig = Rig::start();
    // Allow replacement, replace existing, do not queue.
    for (flags, exists_or_queued) in [(0, 2), (3, 2), (7, 3)] {
        let mut squatter = rig.hostile();
        let answer = squatter.ask(&request_name(flags)).unwrap();
        assert_eq!(answer.body, u32::to_le_bytes(exists_or_queued), "{flags}");
        rig.others_are_served();
    }
}

#[test]
fn a_daemon_that_finds_its_name_taken_ends_with_75_and_asks_nothing_of_the_server() {
    let (authority, bus) = (Authority::http(), Bus::start().unwrap());
    let mut squatter = Raw::connect(bus.address()).unwrap();
    let primary_owner = 1;
    assert_eq!(squatter.ask(&request_name(0)).unwrap().body, u32::to_le_bytes(primary_owner));
    let device = Device::of_this_build(&authority, &bus);
    device.add(&Application::new(CINEMA, &statement::issue(CINEMA))).unwrap();
    let ended = device.spawn().unwrap().wait_exit();
    assert_eq!(ended.code(), TEMPORARY_FAILURE, "{}", ended.output);
    assert_eq!(authority.log().connections, 0);
}

/// A signal of the bus's that the bus has not sent.
fn forged(rig: &Rig, member: &str, arguments: &[&str]) -> Message {
    let name = rig.hostile().ask(&{
        let owner = Message::call("/org/freedesktop/DBus", BUS, "GetNameOwner");
        Message { destination: BUS.into(), ..owner.with_strings(&["tv.tokend"]) }
    });
    let mut signal = Message::call("/org/freedesktop/DBus", BUS, member).with_strings(arguments);
    signal.kind = SIGNAL;
    signal.destination = name.unwrap().text();
    signal.sender = Some(BUS.into());
    signal
}

#[test]
fn a_forged_loss_of_the_name_is_not_believed() {
    let rig = Rig::start();
    let mut hostile = rig.hostile();
    hostile.send(&forged(&rig, "NameLost", &["tv.tokend"])).unwrap();
    // Its own call is answered after the signal.
    assert_eq!(hostile.ask(&Message::get_token(CINEMA, 0)).unwrap().kind, RETURN);
    rig.others_are_served();
}

#[test]
fn a_forged_departure_does_not_end_another_callers_wait() {
    let gate = Gate::new();
    let rig = Rig::with_cinema_behind(Bus::start().unwrap(), Some(&gate));
    let victim = Player::connect(rig.bus.address()).unwrap();
    let waiting = victim.start_get_token(1, CINEMA, 0);
    rig.authority.wait_until("the registration", |log| log.requests.len() == 3);
    let mut hostile = rig.hostile();
    let name = victim.unique_name();
    hostile.send(&forged(&rig, "NameOwnerChanged", &[&name, &name, ""])).unwrap();
    let answered = hostile.ask(&Message::get_token(SPORTS, 0)).unwrap();
    assert_eq!(answered.kind, RETURN);
    gate.open();
    assert!(waiting.recv().unwrap().is_ok());
}

#[test]
fn forged_answers_of_the_bus_are_not_delivered() {
    let rig = Rig::start();
    let mut hostile = rig.hostile();
    let mut answer = forged(&rig, "", &["root, on my word"]);
    (answer.kind, answer.path, answer.interface) = (RETURN, String::new(), String::new());
    for serial in 1..200 {
        answer.reply_serial = Some(serial);
        hostile.send(&answer).unwrap();
        answer.kind = if answer.kind == RETURN { ERROR } else { RETURN };
    }
    rig.others_are_served();
    // The bus has let none of them through, and the forger is still there.
    assert_eq!(hostile.ask(&Message::get_token(CINEMA, 0)).unwrap().kind, RETURN);
}

#[test]
fn a_user_who_is_not_listed_is_denied_every_method_and_no_log_or_answer_has_a_token() {
    if !can_act_as_others() {
        eprintln!("not root: nobody else can be played");
        return;
    }
    let rig = Rig::start();
    let path = format!("/tv/tokend/application/{CINEMA}");
    let application = ["tv.tokend", &path, "tv.tokend.Application1"];
    let manager = ["tv.tokend", "/tv/tokend", "tv.tokend.Manager1"];
    for (object, method) in [
        (application, &["GetToken", "u", "0"][..]),
        (application, &["GetToken", "u", "4294967295"]),
        (application, &["GetHeaders", "u", "0"]),
        (application, &["ReplaceToken", "ss", "x", ""]),
        (manager, &["Reload"]),
        (manager, &["Forget", "s", CINEMA]),
    ] {
        for uid in [1, 65534] {
            let (good, text) = rig.bus.call_as(uid, &[], &[&object[..], method].concat());
            assert!(!good, "{method:?}");
            assert!(text.contains("Error.AccessDenied: "), "{method:?}: {text}");
            rig.authority.assert_no_secret_in("the error", &text);
        }
    }
    rig.others_are_served();
    rig.authority.assert_no_secret_in("the log", &rig.device.all_output());
}
