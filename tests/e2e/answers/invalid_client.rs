// SPDX-License-Identifier: MIT OR Apache-2.0
//! `invalid_client`: a server's bad minutes sign nobody out.

use std::time::Duration;

use super::{REJECTED, UNAVAILABLE, error, next_error};
use crate::support::authority::{Authority, Endpoint, Fault, Log, Request};
use crate::support::household::Household;
use crate::support::player::Change;

fn refusals(log: &Log) -> usize {
    log.answered(Endpoint::Token, 400)
}

fn client_id(request: &Request) -> &str {
    &request.fields["client_id"]
}

#[test]
fn three_refusals_over_the_configured_time_and_only_then_a_registration_anew() {
    let mut home = Household::new(Authority::http(), &["cinema"]);
    home.device.set("server", "reregister_after_seconds", "2");
    let _tokend = home.device.start();
    let player = home.player();
    let (token, _) = player.get_token("cinema", 0).unwrap();
    home.authority.forget_clients();
    let fresh = player.replace_token("cinema", &token, "").unwrap().0;
    assert_ne!(fresh, token);

    let log = home.authority.log();
    assert_eq!(log.count(Endpoint::Register), 2);
    let anew = log.requests.iter().rposition(|r| r.endpoint == Endpoint::Register).unwrap();
    let refused: Vec<_> = log.requests[..anew]
        .iter()
        .filter(|request| request.endpoint == Endpoint::Token)
        .skip(1)
        .collect();
    assert!(refused.len() >= 3, "{} refusals", refused.len());
    let lasted = log.requests[anew].at - refused[0].at;
    assert!(lasted >= Duration::from_secs(2), "{lasted:?}");
    let old = client_id(refused[0]);
    assert!(refused.iter().all(|request| client_id(request) == old));
    assert_ne!(client_id(log.requests.last().unwrap()), old);
    assert_eq!(log.most_at_once(), 1);
}

#[test]
fn by_default_a_few_refusals_register_nothing_and_the_old_credentials_work_again() {
    let home = Household::new(Authority::http(), &["cinema"]);
    let tokend = home.device.start();
    let player = home.player();
    let (token, _) = player.get_token("cinema", 0).unwrap();
    let stored = home.stored();
    home.authority.always(Endpoint::Token, Fault::invalid_client());
    let changes = player.watch("cinema");
    let caller = (player.clone(), token.clone());
    let call = std::thread::spawn(move || caller.0.replace_token("cinema", &caller.1, ""));
    let error = next_error(&changes);
    assert_eq!(error.name, UNAVAILABLE);
    assert!(error.message.contains("invalid_client: as the test asked"), "{error}");
    home.authority.wait_until("four refusals", |log| refusals(log) >= 4);
    // Nor does a restart make more of them than they are.
    tokend.kill();
    assert!(call.join().unwrap().is_err());
    let _tokend = home.device.start();
    let call = player.start_get_token(1, "cinema", 0);
    home.authority.wait_until("six refusals", |log| refusals(log) >= 6);
    home.authority.end_faults();
    assert_ne!(call.recv().unwrap().unwrap().0, token);

    let log = home.authority.log();
    assert_eq!(log.count(Endpoint::Register), 1);
    let first = log.of(Endpoint::Token).next().unwrap();
    assert!(log.of(Endpoint::Token).all(|request| client_id(request) == client_id(first)));
    for (name, content) in stored.iter().filter(|(name, _)| name.ends_with(".a")) {
        assert_eq!(home.stored().get(name), Some(content), "{name} is what it was");
    }
}

#[test]
fn old_credentials_stay_stored_and_are_used_again_where_the_new_ones_are_refused_too() {
    let mut home = Household::new(Authority::http(), &["cinema"]);
    home.device.set("server", "reregister_after_seconds", "1");
    let tokend = home.device.start();
    let player = home.player();
    let (token, _) = player.get_token("cinema", 0).unwrap();
    home.authority.always(Endpoint::Token, Fault::invalid_client());
    let caller = (player.clone(), token);
    let call = std::thread::spawn(move || caller.0.replace_token("cinema", &caller.1, ""));
    let anew = |log: &Log| log.answered(Endpoint::Register, 201) == 2;
    home.authority.wait_until("the registration anew", anew);
    let log = home.authority.wait_until("the new ones' refusal", |log| {
        let ids = log.of(Endpoint::Token).map(client_id);
        ids.collect::<std::collections::BTreeSet<_>>().len() == 2
    });
    let old = client_id(log.of(Endpoint::Token).next().unwrap()).to_owned();
    tokend.kill();
    assert!(call.join().unwrap().is_err());

    // The new ones are asked with first, and refused; then it is the old ones' turn.
    home.authority.end_faults();
    home.authority.next(Endpoint::Token, [Fault::invalid_client()]);
    let before = home.authority.count(Endpoint::Token);
    let _tokend = home.device.start();
    player.get_token("cinema", 0).unwrap();
    let log = home.authority.log();
    let since: Vec<_> = log.of(Endpoint::Token).skip(before).map(client_id).collect();
    assert_eq!(since.len(), 2);
    assert_ne!(since[0], old, "the new ones first");
    assert_eq!(since[1], old, "then the old ones, which were kept");
    assert_eq!(log.count(Endpoint::Register), 2, "and no third registration");
}

#[test]
fn new_credentials_that_are_refused_too_are_rejected_and_lead_to_no_third_registration() {
    let mut home = Household::new(Authority::http(), &["cinema"]);
    home.device.set("server", "reregister_after_seconds", "1");
    let _tokend = home.device.start();
    let player = home.player();
    let (token, _) = player.get_token("cinema", 0).unwrap();
    home.authority.always(Endpoint::Token, Fault::invalid_client());
    let changes = player.watch("cinema");
    let caller = (player.clone(), token);
    let _call = std::thread::spawn(move || caller.0.replace_token("cinema", &caller.1, ""));
    let rejected = |change: &Change| error(change).is_some_and(|error| error.name == REJECTED);
    let error = error(&changes.wait_for(rejected)).unwrap();
    assert!(error.message.contains("invalid_client"), "{error}");
    let refused = refusals(&home.authority.log());
    home.authority.wait_until("one more refusal", |log| refusals(log) > refused);
    assert_eq!(home.authority.count(Endpoint::Register), 2);
}
