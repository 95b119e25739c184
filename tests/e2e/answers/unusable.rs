// SPDX-License-Identifier: MIT OR Apache-2.0
//! A 2xx that breaks the rules is a failed try, and nothing of it is stored.

use std::thread;

use serde_json::{Value, json};

use super::{UNAVAILABLE, next_error};
use crate::support::authority::{Authority, Endpoint, Fault};
use crate::support::household::Household;

#[test]
fn a_token_that_breaks_a_rule_is_neither_served_nor_stored() {
    each(
        &[
            json!({ "access_token": "two words" }),
            json!({ "access_token": "line\r\nX-Injected: 1" }),
            json!({ "access_token": "\u{e9}t\u{e9}" }),
            json!({ "access_token": "" }),
            json!({ "access_token": null }),
            json!({ "access_token": 5 }),
            json!({ "access_token": "x".repeat(8 * 1024 + 1) }),
            json!({ "expires_in": 5 }),
            json!({ "expires_in": 9 }),
            json!({ "expires_in": -60 }),
            json!({ "expires_in": "an hour" }),
            json!({ "expires_in": 3600.5 }),
            json!({ "expires_in": null }),
            json!({ "token_type": "mac" }),
            json!({ "token_type": 1 }),
        ],
        |patch| fails(Endpoint::Token, patch, "cinema.token"),
    );
}

#[test]
fn credentials_that_break_a_rule_are_neither_used_nor_stored() {
    each(
        &[
            json!({ "client_id": null }),
            json!({ "client_id": "" }),
            json!({ "client_id": 5 }),
            json!({ "client_secret": null }),
            json!({ "client_secret": ["x"] }),
            json!({ "client_secret": "" }),
            json!({ "client_secret": 5 }),
        ],
        |patch| fails(Endpoint::Register, patch, ".a"),
    );
}

/// A few at once: each waits most of its time.
fn each(patches: &[Value], check: impl Fn(&Value) + Sync) {
    for some in patches.chunks(9) {
        thread::scope(|scope| some.iter().for_each(|patch| drop(scope.spawn(|| check(patch)))));
    }
}

fn fails(endpoint: Endpoint, patch: &Value, file: &str) {
    let home = Household::new(Authority::http(), &["cinema"]);
    home.authority.always(endpoint, Fault::Patch(patch.clone()));
    let _tokend = home.device.start();
    let player = home.player();
    let changes = player.watch("cinema");
    let call = player.start_get_token(1, "cinema", 0);
    let error = next_error(&changes);
    assert_eq!(error.name, UNAVAILABLE, "{patch}: {error}");
    let stored = home.stored();
    let names: Vec<_> = stored.keys().filter(|name| name.starts_with("cinema")).collect();
    assert!(!names.iter().any(|name| name.ends_with(file)), "{patch}: {names:?}");
    if endpoint == Endpoint::Register {
        assert_eq!(home.authority.count(Endpoint::Token), 0, "{patch}");
    }
    home.authority.end_faults();
    if endpoint == Endpoint::Register {
        // It may have made a client: nobody but root has it tried again at once.
        assert_eq!(call.recv().unwrap().unwrap_err().name, UNAVAILABLE, "{patch}");
        assert_eq!(home.authority.count(Endpoint::Register), 1, "{patch}");
        player.reload().unwrap();
        player.get_token("cinema", 0).unwrap_or_else(|error| panic!("{patch}: {error}"));
        return;
    }
    call.recv().unwrap().unwrap_or_else(|error| panic!("{patch}: {error}"));
}

#[test]
fn odd_decoration_costs_no_registration_and_one_warning_that_names_it() {
    let home = Household::new(Authority::http(), &["cinema"]);
    let patch = json!({
        "redirect_uris": [null], "scopes": "a b", "client_id_issued_at": "1700000000",
    });
    home.authority.always(Endpoint::Register, Fault::Patch(patch));
    let tokend = home.device.start();
    home.player().get_token("cinema", 0).unwrap();
    assert_eq!(home.authority.count(Endpoint::Register), 1);
    let warning = tokend.wait_for_line("counts as absent");
    for member in ["redirect_uris", "scopes", "client_id_issued_at", "cinema"] {
        assert!(warning.contains(member), "{warning}");
    }
}

#[test]
fn a_lifetime_in_digits_or_with_a_point_is_a_lifetime() {
    for lifetime in [json!("21600"), json!(21600.0)] {
        let home = Household::new(Authority::http(), &["cinema"]);
        let patch = json!({ "expires_in": lifetime, "token_type": null });
        home.authority.always(Endpoint::Token, Fault::Patch(patch));
        let _tokend = home.device.start();
        let (_, expires_in) = home.player().get_token("cinema", 0).unwrap();
        assert!((21_500..=21_600).contains(&expires_in), "{lifetime}: {expires_in}");
    }
}

#[test]
fn an_endless_lifetime_is_capped_at_one_year_and_spelling_does_not_matter() {
    let year = 31_536_000;
    for lifetime in [json!(year + 1), json!(4_294_967_296_000_u64), json!(1e300)] {
        let home = Household::new(Authority::http(), &["cinema"]);
        let patch = json!({ "expires_in": lifetime, "token_type": "BeArEr", "created_at": 0 });
        home.authority.always(Endpoint::Token, Fault::Patch(patch));
        let _tokend = home.device.start();
        let (_, expires_in) = home.player().get_token("cinema", 0).unwrap();
        assert!(expires_in <= year && expires_in > year - 60, "{lifetime}: {expires_in}");
    }
}

#[test]
fn fields_that_are_absent_or_spelled_as_in_rfc_7591_are_accepted() {
    let home = Household::new(Authority::http(), &["cinema"]);
    let patch = json!({
        "scopes": null, "scope": "api:client:v2 other", "redirect_uris": null,
        "grant_types": null, "client_id_issued_at": null, "extra": { "a": [1] },
    });
    home.authority.always(Endpoint::Register, Fault::Patch(patch));
    let _tokend = home.device.start();
    let player = home.player();
    player.get_token("cinema", 0).unwrap();
    let properties = player.properties("cinema");
    assert_eq!(properties.scopes, ["api:client:v2", "other"]);
    assert_eq!((properties.redirect_uris.len(), properties.client_id_issued_at), (0, 0));
}
