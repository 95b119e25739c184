// SPDX-License-Identifier: MIT OR Apache-2.0
//! From Wi-Fi to Ethernet. A wireless interface is played: a veth pair, and the mark in /sys that
//! makes it one.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::home::{FOUR, HOST, Home};
use super::hosts::{ip, on_its_own_hosts, run};
use super::support::authority::Endpoint;
use super::support::player::Player;
use super::wait_for_error;

/// `wlan0` with 192.0.2.2, and `eth0`, which lies there with a cable that is not plugged in.
fn at_home() -> Home {
    let mut home = Home::new(&["cinema"]);
    home.device.set("server", "timeout_seconds", "3");
    home.plug("wlan0", 2);
    let directory = fs::canonicalize("/sys/class/net/wlan0").unwrap();
    run("mount", &format!("-t tmpfs none {}", directory.display()));
    fs::create_dir(directory.join("wireless")).unwrap();
    home.lay("eth0", 3);
    home
}

/// The kind of connection in a header. The address is the server's to see, and not in it.
fn connection(header: &str) -> String {
    let info: Value = serde_json::from_slice(&STANDARD.decode(header).unwrap()).unwrap();
    assert_eq!(info.get("connectionIp"), None);
    info["connectionType"].as_str().unwrap().to_owned()
}

fn handed_out(player: &Player) -> String {
    connection(&player.get_headers("cinema", 0).unwrap().0["X-Device-Info"])
}

/// Whether anything on the device has sent a SYN that is not answered yet.
fn is_connecting() -> bool {
    let table = fs::read_to_string("/proc/self/net/tcp").unwrap();
    table.lines().any(|line| line.split_ascii_whitespace().nth(3) == Some("02"))
}

/// The next headers that are not these.
fn next_after(player: &Player, before: &str) -> String {
    (0..100_000).map(|_| handed_out(player)).find(|now| *now != before).expect("another header")
}

#[test]
fn headers_follow_the_device_from_wifi_to_ethernet_and_off_the_network() {
    on_its_own_hosts(|| {
        let home = at_home();
        let (_tokend, player) = home.start();
        assert_eq!(handed_out(&player), "WiFi");
        ip("link set eth0 up");
        ip("route replace default via 192.0.3.1 dev eth0");
        assert_eq!(next_after(&player, "WiFi"), "LAN");
        ip("link set wlan0 down");
        assert_eq!(handed_out(&player), "LAN");
        let number = player.properties("cinema").token_number;
        ip("link set eth0 down");
        assert_eq!(next_after(&player, "LAN"), "notConnected");
        assert_eq!(number, 1, "a change of networks is no reason to fetch a token");
        assert_eq!(home.authority.count(Endpoint::Token), 1);
    });
}

#[test]
fn a_fetch_that_is_stuck_on_the_old_link_is_made_again_on_the_new_one() {
    on_its_own_hosts(|| {
        let home = at_home();
        let (_tokend, player) = home.start();
        let (token, _) = player.get_token("cinema", 0).unwrap();
        home.swallow(&format!("{FOUR}/32"));
        fs::write("/etc/hosts", format!("{FOUR} {HOST}\n")).unwrap();
        let changes = player.watch("cinema");
        let asking = player.clone();
        let call = std::thread::spawn(move || asking.replace_token("cinema", &token, ""));
        (0..1_000_000).find(|_| is_connecting()).expect("a connection that nobody answers");
        // The access point is out of reach, and somebody plugs the cable in.
        ip("link del wlan0");
        home.switch_on("eth0", 3);
        home.deliver(&format!("{FOUR}/32"));
        wait_for_error(&changes, "cannot connect to https://sp.auth.test: timed out after 3s");
        call.join().unwrap().unwrap();
        let log = home.authority.log();
        let last = log.of(Endpoint::Token).last().unwrap();
        assert_eq!(last.peer.ip().to_string(), "::ffff:192.0.3.2");
        assert_eq!(connection(last.head.header("x-device-info").unwrap()), "LAN");
        assert_eq!(log.count(Endpoint::Token), 2);
    });
}
