// SPDX-License-Identifier: MIT OR Apache-2.0
//! A network that is back ends a long backoff, and one that flaps starts no rush.

use std::fs;
use std::sync::mpsc::Receiver;

use zbus::{MatchRule, Message};

use super::UNAVAILABLE;
use super::dns::{Mode, SERVFAIL};
use super::home::{Home, four_alone};
use super::hosts::{ip, on_its_own_hosts};
use super::support::BOUND;
use super::support::authority::Endpoint;
use super::support::lines::Lines;
use super::support::player::Player;

/// Several, so that one of them has a long wait soon: the waits are random.
const APPLICATIONS: [&str; 6] = ["one", "two", "three", "four", "five", "six"];
/// A try that is further off than callers wait, and the time that the test needs besides.
const FAR_OFF: u64 = 40;
const BACK: &str = "the network is another one, or is back";
const AGAIN: &str = "the network came back again within the minute";

/// Fails until one application's next try is far off, and says which.
fn fail_until_far_off(home: &Home, player: &Player) -> &'static str {
    let rule = MatchRule::builder().interface("org.freedesktop.DBus.Properties");
    let changes: Receiver<Message> =
        player.signals(rule.member("PropertiesChanged").build().unwrap());
    for id in APPLICATIONS {
        // Its answer is of no interest: with a caller the first try is at once.
        drop(player.start_get_token(1, id, 0));
    }
    loop {
        changes.recv_timeout(BOUND * 5).expect("a change");
        let far_off = APPLICATIONS.into_iter().find(|id| {
            let properties = player.properties(id);
            properties.retry_at > home.authority.date() + FAR_OFF && properties.state == "waiting"
        });
        if let Some(id) = far_off {
            let error = player.get_token(id, 0).unwrap_err();
            assert_eq!(error.name, UNAVAILABLE, "{error}");
            return id;
        }
    }
}

/// The network goes, is away for long, and comes.
fn comes_back(goes: fn(&Home), comes: fn(&Home)) {
    let home = Home::new(&APPLICATIONS);
    goes(&home);
    let (tokend, player) = home.start();
    let id = fail_until_far_off(&home, &player);
    let planned = || APPLICATIONS.map(|id| player.properties(id).retry_at);
    let before = planned();
    let lines = home.device.lines();
    let seen = lines.len();
    comes(&home);
    wait_for_return(&lines, seen);
    for (before, after) in before.into_iter().zip(planned()) {
        let tried_meanwhile = before <= home.authority.date();
        assert!(after <= before + 1 || tried_meanwhile, "{before} {after}");
    }
    player.get_token(id, 0).unwrap_or_else(|error| panic!("{error}\n{}", tokend.output()));
    let log = home.authority.log();
    let registered =
        |request: &&super::support::authority::Request| request.application.as_deref() == Some(id);
    assert_eq!(log.of(Endpoint::Register).filter(registered).count(), 1);
}

/// Waits until the daemon has seen the network come back, which it then acts upon before it looks
/// at any other call.
fn wait_for_return(lines: &Lines, from: usize) {
    let line = lines.wait_for(from, BOUND, |line| line.contains(BACK));
    assert!(line.is_some(), "the network has not come back; it printed:\n{}", lines.text(0));
}

#[test]
fn an_interface_that_comes_up_ends_a_long_backoff() {
    on_its_own_hosts(|| comes_back(|_| {}, |home| home.plug("eth0", 2)));
}

#[test]
fn a_cable_that_is_put_back_ends_a_long_backoff_though_no_address_has_changed() {
    on_its_own_hosts(|| {
        comes_back(
            |home| {
                home.lay("eth0", 2);
                without_ipv6("eth0");
                home.switch_on("eth0", 2);
                home.world.ip("link set far-eth0 down");
            },
            |home| home.world.ip("link set far-eth0 up"),
        );
    });
}

#[test]
fn an_interface_without_ipv6_that_is_switched_off_and_on_ends_a_long_backoff() {
    on_its_own_hosts(|| {
        comes_back(
            |home| {
                home.lay("eth0", 2);
                without_ipv6("eth0");
                home.switch_on("eth0", 2);
                home.dns.set(Mode::Fails(SERVFAIL));
            },
            |home| {
                home.dns.set(four_alone());
                ip("link set eth0 down");
                home.switch_on("eth0", 2);
            },
        );
    });
}

/// No message about IPv6 may stand in for another.
fn without_ipv6(interface: &str) {
    fs::write(format!("/proc/sys/net/ipv6/conf/{interface}/disable_ipv6"), "1").unwrap();
}

#[test]
fn a_link_that_flaps_twenty_times_brings_one_try_forward_and_no_second_registration() {
    on_its_own_hosts(|| {
        let home = Home::new(&APPLICATIONS);
        home.plug("eth0", 2);
        home.dns.set(Mode::Fails(SERVFAIL));
        let (tokend, player) = home.start();
        let id = fail_until_far_off(&home, &player);
        let lines = home.device.lines();
        let tries = || {
            let output = tokend.output();
            output.matches(&format!("{id}: registering with")).count()
        };
        let before = tries();
        for _ in 0..20 {
            let seen = lines.len();
            ip("link set eth0 down");
            home.switch_on("eth0", 2);
            wait_for_return(&lines, seen);
            let error = player.get_token(id, 0).unwrap_err();
            assert_eq!(error.name, UNAVAILABLE, "{error}");
        }
        // One for the first return, and at most a few whose random wait was short.
        let more = tries() - before;
        assert!((1..=5).contains(&more), "{more} tries:\n{}", tokend.output());

        // The last return was within the minute of the first, and counts at the end of it. Names are
        // found only then, so that there is a backoff for it to end.
        let again = lines.wait_for(0, BOUND * 2, |line| line.contains(AGAIN));
        assert!(again.is_some(), "{}", tokend.output());
        home.dns.set(four_alone());
        player.get_token(id, 0).unwrap_or_else(|error| panic!("{error}\n{}", tokend.output()));
        let log = home.authority.log();
        for id in APPLICATIONS {
            let of = log.of(Endpoint::Register).filter(|r| r.application.as_deref() == Some(id));
            assert!(of.count() <= 1, "{id}");
        }
    });
}
