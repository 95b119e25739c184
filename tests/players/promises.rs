// SPDX-License-Identifier: MIT OR Apache-2.0
//! What every player promises.

use rustix::process::Signal;
use serde_json::json;

use super::show::Show;
use super::support::authority::{Endpoint, Fault};
use super::support::player::Player;
use super::support::scene::CINEMA;
use super::support::statement;
use super::support::tls::Certificates;
use super::support::tokend::{Application, Tokend};

/// Has the current token replaced, by somebody else than the player.
fn replace(other: &Player) {
    let (token, _) = other.get_token(CINEMA, 0).unwrap();
    other.replace_token(CINEMA, &token, "").unwrap();
}

/// A running daemon with a token, and somebody else who may have it.
fn with_token(show: &Show) -> (Tokend, Player) {
    let (tokend, other) = show.scene.start();
    other.get_token(CINEMA, 0).unwrap();
    (tokend, other)
}

/// A code that the vendor documents for a 401.
const CODE: &str = "invalid_access_token_service_provider";

/// 401 as the API answers it.
fn refused() -> Fault {
    Fault::json(401, &json!({ "status": 401, "code": CODE }))
}

pub(crate) fn headers_reach_the_protected_endpoint(show: &mut Show) {
    let (_tokend, other) = show.scene.start();
    show.play();
    show.says("tokend gives headers, good for 86");
    let line = show.says("200 ");
    assert!(line.contains(r#""hello":"cinema""#), "{line}");
    show.waits();

    let (given, _) = other.get_headers(CINEMA, 0).unwrap();
    let log = show.scene.authority.log();
    let request = log.of(Endpoint::Hello).next().unwrap();
    for (name, value) in given {
        assert_eq!(request.head.header(&name.to_lowercase()), Some(value.as_str()), "{name}");
    }
    // The token that came with the first call is no reason for a second one.
    replace(&other);
    show.says("token number 2 is there");
    show.says("200 ");
    assert_eq!(show.answers(), [200, 200]);
}

pub(crate) fn a_401_leads_to_one_replacement_and_then_success(show: &mut Show) {
    let (tokend, other) = with_token(show);
    show.scene.authority.expire_tokens();
    show.play();
    show.says("401 : asking");
    show.says("200 ");
    show.waits();
    assert_eq!(show.count(Endpoint::Token), 2);
    tokend.wait_for_line("reports a refused token (code \"\")");

    // Its own replacement is no new token to it: the next call is that for the next one.
    replace(&other);
    show.says("token number 3 is there");
    show.says("200 ");
    assert_eq!(show.answers(), [401, 200, 200]);
}

pub(crate) fn a_second_401_is_not_followed_by_another_replacement(show: &mut Show) {
    let (_tokend, other) = with_token(show);
    show.scene.authority.always(Endpoint::Hello, refused());
    show.play();
    show.says(&format!("401 {CODE}: asking"));
    show.says(&format!("401 {CODE} again"));
    show.waits();

    show.scene.authority.end_faults();
    replace(&other);
    show.says("token number 3 is there");
    show.says("200 ");
    assert_eq!(
        show.count(Endpoint::Token),
        3,
        "one at first, one each by the player and the other"
    );
    assert_eq!(show.answers(), [401, 401, 200]);
}

pub(crate) fn a_new_token_leads_to_a_new_call(show: &mut Show) {
    let (_tokend, other) = with_token(show);
    show.play();
    for number in [2, 3] {
        show.says("200 ");
        show.waits();
        replace(&other);
        show.says(&format!("token number {number} is there"));
    }
    show.says("200 ");
    assert_eq!(show.answers(), [200, 200, 200]);
}

pub(crate) fn a_throttled_replacement_is_told_and_not_repeated(show: &mut Show) {
    let (_tokend, other) = with_token(show);
    for _ in 0..3 {
        replace(&other);
    }
    show.scene.authority.always(Endpoint::Hello, refused());
    show.play();
    show.says(&format!("401 {CODE}: asking"));
    show.says("patience: ");
    show.says("trying again when there is a new token");
    show.waits();
    assert_eq!(show.answers(), [401]);
    assert_eq!(show.count(Endpoint::Token), 4);
}

pub(crate) fn rejected_is_not_available_until_the_server_thinks_better_of_it(show: &mut Show) {
    let statement = statement::issue(CINEMA);
    show.scene.set_statement(CINEMA, &statement);
    show.scene.authority.revoke(&statement);
    let (_tokend, other) = show.scene.start();
    show.play();
    let line = show.says("not available: ");
    assert!(line.contains("unapproved_software_statement"), "{line}");
    show.waits();

    show.scene.authority.approve(&statement);
    other.reload().unwrap();
    show.says("token number 1 is there");
    show.says("200 ");
}

pub(crate) fn throttled_is_told_and_tried_again_when_it_is_time(show: &mut Show) {
    // Longer than tokend lets a caller wait.
    show.scene.authority.next(Endpoint::Token, [Fault::busy(25)]);
    let (_tokend, _) = show.scene.start();
    show.play();
    show.says("patience: ");
    show.says("trying again in ");
    show.waits();
    show.says("200 ");
    assert_eq!(show.count(Endpoint::Token), 2);
    assert_eq!(show.output().matches("patience: ").count(), 1);
}

pub(crate) fn unavailable_is_told_and_tried_again_when_it_is_time(show: &mut Show) {
    show.scene.authority.always(Endpoint::Register, Fault::html(500));
    let (_tokend, _) = show.scene.start();
    show.play();
    show.says("no token now: ");
    show.says("trying again ");
    show.waits();
    show.scene.authority.end_faults();
    show.says("200 ");
}

pub(crate) fn a_storage_that_does_not_work_is_told(show: &mut Show) {
    // The key file is never written.
    show.scene.device.set("storage", "seal", "\"key-file\"");
    show.scene.device.set("storage", "key_file", "\"seal.key\"");
    let (_tokend, _) = show.scene.start();
    show.play();
    let line = show.says("this device's secure storage does not work: ");
    assert!(line.contains("seal.key"), "{line}");
    show.waits();
}

pub(crate) fn a_user_who_may_not_have_the_token_is_told(show: &mut Show) {
    let cinema = Application::new(CINEMA, &statement::issue(CINEMA));
    show.scene.device.add(&cinema.with("allow_users", "[\"root\"]")).unwrap();
    let (_tokend, _) = show.scene.start();
    show.play_as_nobody();
    show.says("this user may not have this token: ");
    show.waits();
    assert_eq!(show.count(Endpoint::Hello), 0);
}

pub(crate) fn an_unknown_application_is_told(show: &mut Show) {
    let (_tokend, _) = show.scene.start();
    show.play_for("theatre");
    show.says("no such application: ");
    show.waits();
}

pub(crate) fn a_daemon_that_is_not_there_is_told_and_waited_for(show: &mut Show) {
    show.play();
    show.says("tokend is not there: ");
    show.waits();
    let _tokend = show.scene.device.start();
    show.says("tokend is there: calling again");
    show.says("200 ");
}

pub(crate) fn a_daemon_that_leaves_is_told_and_waited_for(show: &mut Show) {
    let (tokend, _) = with_token(show);
    show.play();
    show.says("200 ");
    show.waits();
    assert_eq!(tokend.terminate().code(), 0);
    show.says("tokend has left the bus");
    let _tokend = show.scene.device.start();
    show.says("tokend is there: calling again");
    show.says("200 ");
}

/// Its name has an owner all the time, who says nothing for as long as the player can wait.
pub(crate) fn a_daemon_that_does_not_answer_is_told_and_asked_again(show: &mut Show) {
    let (tokend, other) = with_token(show);
    tokend.stop();
    show.play();
    show.says("tokend does not answer");
    show.waits();
    // Nothing changes at tokend: that it goes on is nothing that the bus tells.
    tokend.signal(Signal::CONT);
    show.says("tokend gives headers, good for 86");
    show.says("200 ");
    show.waits();

    // It still hears of a new token.
    replace(&other);
    show.says("token number 2 is there");
    show.says("200 ");
    assert_eq!(show.answers(), [200, 200]);
    assert_eq!(show.output().matches("tokend does not answer").count(), 1);
}

pub(crate) fn a_bus_that_goes_ends_the_player(show: &mut Show) {
    let _tokend = with_token(show);
    show.play();
    show.says("200 ");
    show.waits();
    show.scene.bus.kill();
    assert!(!show.ends().success());
    show.says("the bus is gone");
}

pub(crate) fn without_a_bus_it_says_so_and_ends_with_an_error(show: &mut Show) {
    show.scene.bus.kill();
    show.play();
    show.says("no system bus: ");
    assert_eq!(show.ends().code(), Some(1));
}

pub(crate) fn an_api_without_an_answer_is_told(show: &mut Show) {
    let (_tokend, other) = with_token(show);
    // As often as it is asked: some HTTP clients ask again by themselves.
    show.scene.authority.always(Endpoint::Hello, Fault::Close);
    show.play();
    show.says("the API cannot be reached: ");
    show.waits();
    show.scene.authority.end_faults();
    replace(&other);
    show.says("200 ");
}

pub(crate) fn a_server_that_is_not_trusted_gets_no_request(show: &mut Show) {
    let (_tokend, _) = with_token(show);
    show.scene.authority.use_certificates(&Certificates::new().unwrap());
    show.play();
    show.says("the API cannot be reached: ");
    show.waits();
    assert_eq!(show.count(Endpoint::Hello), 0);
}

pub(crate) fn a_redirect_is_not_followed(show: &mut Show) {
    let (_tokend, _) = with_token(show);
    let elsewhere = format!("{}/elsewhere", show.scene.authority.origin());
    show.scene.authority.next(Endpoint::Hello, [Fault::redirect(&elsewhere)]);
    show.play();
    show.says("302 ");
    show.waits();
    assert_eq!(show.count(Endpoint::Unknown), 0);
}
