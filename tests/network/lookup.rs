// SPDX-License-Identifier: MIT OR Apache-2.0
//! From a name to an address: no network, no name server, one that fails, hangs, moves.

use std::fs;

use super::dns::{Mode, NXDOMAIN, REFUSED, SERVFAIL};
use super::home::{FOUR, HOST, Home, four_alone, name_server};
use super::hosts::{on_its_own_hosts, set_resolver};
use super::support::BOUND;
use super::support::authority::Endpoint;
use super::{UNAVAILABLE, wait_for_error};

#[test]
fn without_any_network_callers_learn_why_and_are_served_once_it_is_there() {
    on_its_own_hosts(|| {
        let home = Home::new(&["cinema"]);
        let (_tokend, player) = home.start();
        let before = player.properties("cinema");
        assert_eq!((before.state.as_str(), before.token_number), ("waiting", 0));
        assert_eq!(before.last_error, Default::default(), "nothing was tried, as nobody asked");
        let date = home.authority.date();
        assert!(before.retry_at >= date - 60 && before.retry_at <= date + 300, "{before:?}");

        let changes = player.watch("cinema");
        let call = player.start_get_token(1, "cinema", 0);
        wait_for_error(&changes, "cannot find the address of https://sp.auth.test");
        home.plug("eth0", 2);
        let (_, expires_in) = call.recv_timeout(BOUND).unwrap().unwrap();
        assert!(expires_in > 0);
        let log = home.authority.log();
        assert_eq!((log.connections, log.count(Endpoint::Register)), (2, 1), "{log:?}");
    });
}

#[test]
fn a_caller_who_waits_in_vain_gets_the_reason() {
    on_its_own_hosts(|| {
        let home = Home::new(&["cinema"]);
        let (_tokend, player) = home.start();
        let error = player.get_token("cinema", 0).unwrap_err();
        assert_eq!(error.name, UNAVAILABLE);
        for part in
            ["cannot find the address of https://sp.auth.test", "; since ", "; next try at "]
        {
            assert!(error.message.contains(part), "{error}");
        }
        assert_eq!((home.dns.queries(), home.authority.log().connections), (0, 0));
    });
}

#[test]
fn a_name_server_that_fails_at_first_is_asked_again() {
    on_its_own_hosts(|| {
        let answers = [("failing", SERVFAIL), ("unknown", NXDOMAIN), ("refusing", REFUSED)];
        let home = Home::new(&answers.map(|(id, _)| id));
        home.plug("eth0", 2);
        let (_tokend, player) = home.start();
        for (id, code) in answers {
            home.dns.set(Mode::Fails(code));
            let changes = player.watch(id);
            let call = player.start_get_token(1, id, 0);
            wait_for_error(&changes, "cannot find the address of https://sp.auth.test");
            home.dns.set(four_alone());
            call.recv_timeout(BOUND).unwrap().unwrap_or_else(|error| panic!("{id}: {error}"));
        }
        assert_eq!(home.authority.count(Endpoint::Register), 3);
    });
}

#[test]
fn at_most_eight_lookups_hang_and_none_of_them_holds_a_caller() {
    on_its_own_hosts(|| {
        let names: Vec<_> = (0..12).map(|n| format!("app{n}")).collect();
        let ids: Vec<_> = names.iter().map(String::as_str).collect();
        let mut home = Home::new(&ids);
        home.device.set("server", "timeout_seconds", "1");
        home.plug("eth0", 2);
        // Longer than the test needs to have them all hang.
        set_resolver("nameserver 198.51.100.53\noptions timeout:12 attempts:2\n");
        home.dns.set(Mode::Silent);
        let (tokend, player) = home.start();
        let calls: Vec<_> = ids.iter().map(|id| player.start_get_token(1, id, 0)).collect();
        // At debug level, each failure is a line.
        let hung = "cannot find the address of https://sp.auth.test: timed out after 1s";
        tokend.wait_for_line(hung);
        tokend.wait_for_line("earlier name lookups still hang");
        assert_eq!(lookups(tokend.id()), 8);
        for (id, call) in ids.iter().zip(calls) {
            let error = call.recv_timeout(BOUND).unwrap().unwrap_err();
            assert_eq!(error.name, UNAVAILABLE, "{id}: {error}");
            assert!(lookups(tokend.id()) <= 8);
        }
        home.dns.set(four_alone());
        // The address that is asked for last has an answer as soon as its place is free.
        let changes = player.watch("app0");
        while player.get_token("app0", 0).is_err() {
            changes.next();
        }
        assert_eq!(home.authority.log().most_at_once(), 1);
    });
}

/// How many lookups are under way.
fn lookups(process: u32) -> usize {
    let threads = fs::read_dir(format!("/proc/{process}/task")).unwrap().flatten();
    let name = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("comm"));
    threads.filter_map(|t| name(t).ok()).filter(|n| n.trim() == "lookup").count()
}

#[test]
fn a_name_server_at_another_address_and_a_name_in_hosts_are_seen_by_a_daemon_that_runs_on() {
    on_its_own_hosts(|| {
        let home = Home::new(&["cinema"]);
        home.world.ip("address add 198.51.100.54/32 dev lo");
        let other = name_server(&home.world, "198.51.100.54:53", four_alone());
        home.plug("eth0", 2);
        let (_tokend, player) = home.start();
        let (first, _) = player.get_token("cinema", 0).unwrap();
        let asked = home.dns.queries();
        assert!(asked > 0 && other.queries() == 0);

        home.dns.set(Mode::Silent);
        set_resolver("nameserver 198.51.100.54\n");
        let (second, _) = player.replace_token("cinema", &first, "").unwrap();
        assert!(other.queries() > 0);
        assert_eq!(home.dns.queries(), asked);

        other.set(Mode::Silent);
        fs::write("/etc/hosts", format!("127.0.0.1 localhost\n{FOUR} {HOST}\n")).unwrap();
        player.replace_token("cinema", &second, "").unwrap();
    });
}
