// SPDX-License-Identifier: MIT OR Apache-2.0
//! A documented refusal: held for five minutes at first, or until a reload by root.

use std::thread;

use super::REJECTED;
use crate::support::authority::{Authority, Endpoint, Fault};
use crate::support::household::Household;
use crate::support::statement;

#[test]
fn a_refusal_is_told_in_the_servers_words_and_held_until_a_reload() {
    let rows = [
        (Endpoint::Token, 400, "access_denied"),
        (Endpoint::Token, 400, "unauthorized_client"),
        (Endpoint::Token, 401, "invalid_request"),
        (Endpoint::Token, 403, "unsupported_grant_type"),
        (Endpoint::Register, 400, "invalid_software_statement"),
        (Endpoint::Register, 400, "unapproved_software_statement"),
        (Endpoint::Register, 400, "invalid_redirect_uri"),
        (Endpoint::Register, 403, "invalid_request"),
    ];
    thread::scope(|scope| {
        for (endpoint, status, error) in rows {
            scope.spawn(move || holds(endpoint, status, error));
        }
    });
}

fn holds(endpoint: Endpoint, status: u16, error: &str) {
    let home = Household::new(Authority::http(), &["cinema"]);
    home.authority.always(endpoint, Fault::refusal(status, error));
    let _tokend = home.device.start();
    let player = home.player();
    let date = home.authority.date();
    for _ in 0..3 {
        let refused = player.get_token("cinema", 0).unwrap_err();
        assert_eq!(refused.name, REJECTED, "{error}: {refused}");
        for told in [error, "as the test asked", &status.to_string(), "next try at 2"] {
            assert!(refused.message.contains(told), "{refused} does not tell {told}");
        }
    }
    assert_eq!(home.authority.count(endpoint), 1, "{error}: no caller shortens a hold");
    let properties = player.properties("cinema");
    assert_eq!((properties.state.as_str(), properties.token_number), ("rejected", 0));
    assert_eq!(properties.last_error.0, REJECTED);
    let held = date + 299..=home.authority.date() + 301;
    assert!(held.contains(&properties.retry_at), "{error}: {properties:?}");

    player.reload().unwrap();
    home.authority.wait_until("a try after the reload", |log| log.count(endpoint) == 2);
    home.authority.end_faults();
    // Another refusal may have come before the end of the faults: that is held as well.
    player.reload().unwrap();
    if player.get_token("cinema", 0).is_err() {
        player.reload().unwrap();
        player.get_token("cinema", 0).unwrap();
    }
    assert_eq!(player.properties("cinema").last_error, Default::default());
    let registered = home.authority.log().answered(Endpoint::Register, 201);
    assert_eq!(registered, 1, "{error}");
}

#[test]
fn a_revoked_statement_is_refused_for_good_and_works_again_once_it_is_approved() {
    let home = Household::new(Authority::http(), &[]);
    let statement = statement::issue("cinema");
    let application = crate::support::tokend::Application::new("cinema", &statement);
    home.device.add(&application).unwrap();
    let _tokend = home.device.start();
    let player = home.player();
    let (token, _) = player.get_token("cinema", 0).unwrap();
    home.authority.revoke(&statement);
    let refused = player.replace_token("cinema", &token, "").unwrap_err();
    assert_eq!(refused.name, REJECTED);
    assert!(refused.message.contains("unauthorized_client"), "{refused}");
    assert!(refused.message.contains("revoked"), "{refused}");

    home.authority.approve(&statement);
    player.reload().unwrap();
    player.get_token("cinema", 0).unwrap();
    assert_eq!(home.authority.count(Endpoint::Register), 1, "the credentials live for ever");
}
