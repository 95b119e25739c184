// SPDX-License-Identifier: MIT OR Apache-2.0
//! From an address to a connection: addresses that do not answer, servers out of reach.

use std::time::Duration;

use super::dns::{Mode, Reply};
use super::home::{FOUR, Home, four_alone, six};
use super::hosts::on_its_own_hosts;
use super::support::BOUND;
use super::support::authority::Endpoint;
use super::{UNAVAILABLE, wait_for_error};

/// Less than one address after the other would take.
const TIMEOUT: &str = "8";

#[test]
fn ipv6_that_leads_nowhere_delays_and_fails_nothing() {
    on_its_own_hosts(|| {
        let mut home = Home::new(&["cinema"]);
        home.device.set("server", "timeout_seconds", TIMEOUT);
        home.plug("eth0", 2);
        home.plug_six("eth0", 2);
        let addresses: Vec<_> = (1..=12).map(six).collect();
        home.world.ip(&format!("-6 address del {}/128 dev lo", six(1)));
        home.world.ip(&format!("-6 address del {}/128 dev lo", six(2)));
        for address in &addresses {
            home.world.ip(&format!("-6 route add blackhole {address}/128"));
        }
        home.dns.set(Mode::Answers(vec![FOUR], addresses));
        let (tokend, player) = home.start();
        let (token, _) = player.get_token("cinema", 0).unwrap();
        player.replace_token("cinema", &token, "").unwrap();
        let log = home.authority.log();
        assert_eq!(peers(&home), ["::ffff:192.0.2.2"; 3]);
        assert_eq!(log.connections, 3, "no try has failed");
        assert!(!tokend.output().contains(UNAVAILABLE) && !tokend.output().contains("timed out"));
    });
}

#[test]
fn ipv4_that_leads_nowhere_delays_and_fails_nothing() {
    on_its_own_hosts(|| {
        let mut home = Home::new(&["cinema"]);
        home.device.set("server", "timeout_seconds", TIMEOUT);
        home.plug("eth0", 2);
        home.plug_six("eth0", 2);
        let nowhere =
            (20..32).map(|n| FOUR.octets().map(|octet| if octet == 10 { n } else { octet }));
        let nowhere: Vec<_> = nowhere.map(Into::into).collect();
        // IPv6 is known only when IPv4 is under way.
        let six = Reply::After(Duration::from_secs(1), vec![six(1)]);
        home.dns.set(Mode::Each(Reply::After(Duration::ZERO, nowhere), six));
        let (tokend, player) = home.start();
        player.get_token("cinema", 0).unwrap();
        assert_eq!(peers(&home), ["2001:db8:2::2"; 2]);
        assert!(!tokend.output().contains("timed out"));
    });
}

/// The addresses that the requests came from.
fn peers(home: &Home) -> Vec<String> {
    let log = home.authority.log();
    log.requests.iter().map(|request| request.peer.ip().to_string()).collect()
}

#[test]
fn a_server_out_of_reach_is_a_failed_try_and_found_again_when_it_is_back() {
    on_its_own_hosts(|| {
        let mut home = Home::new(&["refused", "swallowed"]);
        home.device.set("server", "timeout_seconds", "2");
        home.plug("eth0", 2);
        home.dns.set(four_alone());
        let (_tokend, player) = home.start();
        let address = format!("{FOUR}/32");

        // A router on the way says so.
        home.world.run(|| std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap());
        home.world.ip(&format!("address del {address} dev lo"));
        home.world.ip(&format!("route add unreachable {address}"));
        let changes = player.watch("refused");
        let call = player.start_get_token(1, "refused", 0);
        wait_for_error(&changes, "cannot connect to https://sp.auth.test: No route to host");
        home.world.ip(&format!("route del unreachable {address}"));
        home.world.ip(&format!("address add {address} dev lo"));
        call.recv_timeout(BOUND).unwrap().unwrap();

        // Nobody says anything.
        home.swallow(&address);
        let changes = player.watch("swallowed");
        let call = player.start_get_token(1, "swallowed", 0);
        wait_for_error(&changes, "cannot connect to https://sp.auth.test: timed out after 2s");
        home.deliver(&address);
        call.recv_timeout(BOUND).unwrap().unwrap();
        assert_eq!(home.authority.count(Endpoint::Register), 2);
    });
}
