// SPDX-License-Identifier: MIT OR Apache-2.0
//! Name servers that lose or delay the questions about one family of addresses, or about both.

use std::time::Duration;

use super::dns::{Mode, Reply};
use super::home::{FOUR, HOST, Home, RESOLVER, four_alone, name_server, six};
use super::hosts::{ip, on_its_own_hosts, set_resolver};
use super::support::authority::Endpoint;
use super::support::tokend::Tokend;

const AT_ONCE: Duration = Duration::ZERO;

/// How many tries there were to register, and to fetch a token.
pub fn tries(tokend: &Tokend) -> (usize, usize) {
    let output = tokend.output();
    let count = |what| output.matches(what).count();
    (count("cinema: registering with"), count("cinema: fetching a token from"))
}

/// A device whose name server does this, until the first token: each first try succeeds.
fn first_tries_succeed(mode: Mode) {
    on_its_own_hosts(|| {
        let home = Home::new(&["cinema"]);
        home.plug("eth0", 2);
        home.plug_six("eth0", 2);
        home.dns.set(mode);
        let (tokend, player) = home.start();
        player.get_token("cinema", 0).unwrap_or_else(|e| panic!("{e}\n{}", tokend.output()));
        assert_eq!(tries(&tokend), (1, 1), "{}", tokend.output());
        assert_eq!(home.authority.log().connections, 2);
    });
}

#[test]
fn questions_about_ipv6_that_are_lost_delay_nothing() {
    first_tries_succeed(Mode::Each(Reply::After(AT_ONCE, vec![FOUR]), Reply::Dropped));
}

#[test]
fn questions_about_ipv4_that_are_lost_delay_nothing() {
    first_tries_succeed(Mode::Each(Reply::Dropped, Reply::After(AT_ONCE, vec![six(1)])));
}

#[test]
fn answers_that_are_slow_but_in_time_cost_no_try() {
    let late = Duration::from_secs(2);
    let mode = Mode::Each(Reply::After(late, vec![FOUR]), Reply::After(late, vec![six(1)]));
    first_tries_succeed(mode);
}

#[test]
fn answers_that_come_too_late_serve_the_next_try() {
    on_its_own_hosts(|| {
        let mut home = Home::new(&["cinema"]);
        home.device.set("server", "timeout_seconds", "1");
        home.plug("eth0", 2);
        // One try and its wait for the next one are over by then.
        let late = Duration::from_secs(3);
        home.dns.set(Mode::Each(Reply::After(late, vec![FOUR]), Reply::After(late, vec![])));
        let (tokend, player) = home.start();
        let changes = player.watch("cinema");
        while player.get_token("cinema", 0).is_err() {
            changes.next();
        }
        // Without the late answer, no try would ever find the address. It serves the fetch too.
        let (registering, fetching) = tries(&tokend);
        assert!((2..=5).contains(&registering) && fetching == 1, "{}", tokend.output());
        assert_eq!(home.authority.count(Endpoint::Register), 1);
    });
}

#[test]
fn a_first_name_server_that_is_dead_costs_no_try() {
    on_its_own_hosts(|| {
        let home = Home::new(&["cinema"]);
        home.world.ip("route add blackhole 198.51.100.54/32");
        set_resolver(&format!("nameserver 198.51.100.54\n{RESOLVER}options timeout:2\n"));
        home.plug("eth0", 2);
        home.dns.set(four_alone());
        let (tokend, player) = home.start();
        player.get_token("cinema", 0).unwrap_or_else(|e| panic!("{e}\n{}", tokend.output()));
        assert_eq!(tries(&tokend), (1, 1), "{}", tokend.output());
    });
}

#[test]
fn a_network_of_ipv6_alone_with_dns64_needs_one_try_though_the_real_ipv4_address_comes_first() {
    on_its_own_hosts(|| {
        let home = Home::new(&["cinema"]);
        home.lay("eth0", 2);
        ip("address del 192.0.2.2/24 dev eth0");
        ip("link set eth0 up");
        home.plug_six("eth0", 2);
        // What a NAT64 makes of the server's address (RFC 6052).
        let translated = "64:ff9b::cb00:710a".parse().unwrap();
        home.world.ip("-6 address add 64:ff9b::cb00:710a/128 dev lo nodad");
        let slow = Reply::After(Duration::from_secs(1), vec![translated]);
        let mode = Mode::Each(Reply::After(AT_ONCE, vec![FOUR]), slow);
        let dns64 = name_server(&home.world, "[2001:db8:2::1]:53", mode);
        set_resolver("nameserver 2001:db8:2::1\n");
        let (tokend, player) = home.start();
        player.get_token("cinema", 0).unwrap_or_else(|e| panic!("{e}\n{}", tokend.output()));
        assert_eq!(tries(&tokend), (1, 1), "{}", tokend.output());
        assert!(dns64.queries() > 0 && home.dns.queries() == 0);
    });
}

#[test]
fn a_name_that_hosts_gives_an_ipv4_address_is_not_asked_for_by_ipv6() {
    on_its_own_hosts(|| {
        let home = Home::new(&["cinema"]);
        home.plug("eth0", 2);
        home.plug_six("eth0", 2);
        // Another server than the one that the device is to use.
        home.dns.set(Mode::Answers(Vec::new(), vec![six(9)]));
        std::fs::write("/etc/hosts", format!("127.0.0.1 localhost\n{FOUR} {HOST}\n")).unwrap();
        let (_tokend, player) = home.start();
        player.get_token("cinema", 0).unwrap();
        assert_eq!(home.dns.queries(), 0);
    });
}
