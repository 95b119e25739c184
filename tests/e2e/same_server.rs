// SPDX-License-Identifier: MIT OR Apache-2.0
//! One server by two names: `[server] same_server_as`.

use crate::support::authority::{Authority, Endpoint, Fault};
use crate::support::household::Household;
use crate::support::player::Player;

/// A device whose server, on the loopback, has the names `127.0.0.1` and `localhost`.
struct Home {
    home: Household,
    player: Player,
    names: [String; 2],
}

impl Home {
    fn new() -> Self {
        let home = Household::new(Authority::http(), &["cinema"]);
        let name = home.authority.origin();
        let other = name.replace("127.0.0.1", "localhost");
        assert_ne!(name, other);
        Self { player: home.player(), home, names: [name, other] }
    }

    /// Uses the name of this number, and lists these.
    fn configure(&mut self, url: usize, others: &[usize]) {
        let others: Vec<_> = others.iter().map(|n| format!("{:?}", self.names[*n])).collect();
        self.home.device.set("server", "url", &format!("{:?}", self.names[url]));
        self.home.device.set("server", "same_server_as", &format!("[{}]", others.join(", ")));
        self.player.reload().unwrap();
    }

    fn count(&self, endpoint: Endpoint) -> usize {
        self.home.authority.count(endpoint)
    }

    fn replace(&self, token: &str) -> String {
        self.player.replace_token("cinema", token, "").unwrap().0
    }
}

#[test]
fn a_server_that_moves_to_another_name_and_back_costs_no_registration() {
    let mut it = Home::new();
    let tokend = it.home.device.start();
    let (token, _) = it.player.get_token("cinema", 0).unwrap();
    it.configure(1, &[0]);
    assert_eq!(it.player.get_token("cinema", 0).unwrap().0, token, "served on");
    let second = it.replace(&token);
    it.configure(0, &[1]);
    assert_eq!(it.player.get_token("cinema", 0).unwrap().0, second, "served on");
    assert_ne!(it.replace(&second), second);
    assert_eq!((it.count(Endpoint::Register), it.count(Endpoint::Token)), (1, 3));
    assert!(!tokend.output().contains("signs this application's viewers out"));
}

#[test]
fn credentials_of_both_names_are_asked_with_before_any_refusal_counts() {
    let mut it = Home::new();
    let _tokend = it.home.device.start();
    it.player.get_token("cinema", 0).unwrap();
    it.configure(1, &[]);
    let (token, _) = it.player.get_token("cinema", 0).unwrap();
    assert_eq!(it.count(Endpoint::Register), 2, "nothing is listed: another server");
    it.configure(1, &[0]);
    it.home.authority.next(Endpoint::Token, [Fault::invalid_client()]);
    assert_ne!(it.replace(&token), token);
    let log = it.home.authority.log();
    let clients: Vec<_> =
        log.of(Endpoint::Token).map(|request| request.fields["client_id"].clone()).collect();
    assert_eq!(clients.len(), 4);
    assert_eq!(clients[2], clients[1], "first those that url issued");
    assert_eq!(clients[3], clients[0], "then those of the other name");
    assert_eq!(it.count(Endpoint::Register), 2);
}

#[test]
fn a_name_of_another_server_is_found_out_after_the_usual_refusals() {
    let mut it = Home::new();
    it.home.device.set("server", "reregister_after_seconds", "1");
    let tokend = it.home.device.start();
    it.player.get_token("cinema", 0).unwrap();
    let other = Authority::http();
    it.names[1] = other.origin();
    // Its tokens count as this server's, and its credentials are refused.
    it.home.device.set("server", "url", &format!("{:?}", it.names[1]));
    it.home.device.set("server", "same_server_as", &format!("[{:?}]", it.names[0]));
    let stored = it.home.stored();
    assert!(stored.keys().any(|name| name == "cinema.token"));
    it.player.reload().unwrap();
    let (token, _) = it.player.get_token("cinema", 0).unwrap();
    let _ = it.player.replace_token("cinema", &token, "");
    other.wait_until("a registration", |log| log.count(Endpoint::Register) == 1);
    assert!(other.log().of(Endpoint::Token).count() >= 3);
    assert!(tokend.output().contains("registering again, which signs"), "{}", tokend.output());
}

#[test]
fn a_move_that_nobody_lists_is_warned_of_before_it_signs_viewers_out() {
    let mut it = Home::new();
    let tokend = it.home.device.start();
    it.player.get_token("cinema", 0).unwrap();
    it.configure(1, &[]);
    it.player.get_token("cinema", 0).unwrap();
    let output = tokend.output();
    let warning = output.find("signs this application's viewers out").expect(&output);
    let registering = output.rfind("cinema: registering with").expect(&output);
    assert!(warning < registering, "{output}");
}
