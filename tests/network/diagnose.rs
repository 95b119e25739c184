// SPDX-License-Identifier: MIT OR Apache-2.0
//! `tokend diagnose` in networks that lack something: what is missing is said, and comes first among
//! the causes.

use std::fs;
use std::time::Duration;

use serde_json::Value;

use super::dns::{Mode, NXDOMAIN, Reply};
use super::home::{FOUR, HOST, Home, six};
use super::hosts::on_its_own_hosts;

/// The exit code, and what was said.
fn diagnose(home: &Home) -> (Option<i32>, Value) {
    let options = home.device.options();
    let mut line = vec!["diagnose", "--json", "--bus", home.device.bus()];
    line.extend(options.iter().map(String::as_str));
    let ran = home.device.run(&line);
    assert_eq!(ran.stderr, "");
    (ran.code, serde_json::from_str(&ran.stdout).unwrap())
}

fn step<'a>(said: &'a Value, name: &str) -> &'a Value {
    let mut steps = said["steps"].as_array().unwrap().iter();
    steps.find(|step| step["step"] == name).unwrap_or(&Value::Null)
}

/// Panics where a step has not ended so, or lacks a line that begins with one of these.
fn assert_step(said: &Value, name: &str, result: &str, beginnings: &[&str]) {
    let step = step(said, name);
    assert_eq!(step["result"], result, "{said:#}");
    for beginning in beginnings {
        let mut lines = step["lines"].as_array().unwrap().iter();
        let found = lines.any(|line| line["text"].as_str().unwrap().starts_with(beginning));
        assert!(found, "no {beginning:?} in {said:#}");
    }
}

fn assert_first_cause(said: &Value, words: &str) {
    assert_eq!(said["causes"].as_array().unwrap().len(), 3, "{said:#}");
    assert!(said["causes"][0]["cause"].as_str().unwrap().contains(words), "{said:#}");
}

#[test]
fn without_a_network_or_a_route_that_is_the_first_cause() {
    on_its_own_hosts(|| {
        let home = Home::new(&["cinema"]);
        let _tokend = home.start();
        let (code, said) = diagnose(&home);
        assert_eq!(code, Some(1));
        assert_step(&said, "dns", "failed", &["A: ", "AAAA: "]);
        assert_first_cause(&said, "has no network");

        // A name that is known, and no way there.
        fs::write("/etc/hosts", format!("{FOUR} {HOST}\n")).unwrap();
        let (code, said) = diagnose(&home);
        assert_eq!(code, Some(1));
        assert_step(&said, "dns", "ok", &["A: 203.0.113.10", "AAAA: none"]);
        assert_step(&said, "tcp", "failed", &["IPv4 203.0.113.10: Network is unreachable"]);
        assert_first_cause(&said, "has no network");
    });
}

#[test]
fn a_name_server_that_loses_one_kind_of_question_is_told_by_family() {
    on_its_own_hosts(|| {
        let home = Home::new(&["cinema"]);
        home.plug("eth0", 2);
        home.plug_six("eth0", 2);
        let _tokend = home.start();
        let at_once = Duration::ZERO;
        let lost = "no answer within 7.0 s";
        home.dns.set(Mode::Each(Reply::After(at_once, vec![FOUR]), Reply::Dropped));
        let (code, said) = diagnose(&home);
        assert_step(&said, "dns", "ok", &["A: 203.0.113.10 (", &format!("AAAA: {lost}")]);
        assert_step(&said, "tcp", "ok", &["IPv4 203.0.113.10: connected"]);
        assert_step(&said, "http", "ok", &[]);
        assert_eq!(code, Some(0), "{said:#}");

        home.dns.set(Mode::Each(Reply::Dropped, Reply::After(at_once, vec![six(1)])));
        let (code, said) = diagnose(&home);
        assert_step(&said, "dns", "ok", &[&format!("A: {lost}"), &format!("AAAA: {}", six(1))]);
        assert_step(&said, "tcp", "ok", &[&format!("IPv6 {}: connected", six(1))]);
        assert_eq!(code, Some(0), "{said:#}");
    });
}

#[test]
fn a_name_server_that_is_silent_and_one_that_knows_no_such_name_are_told_apart() {
    on_its_own_hosts(|| {
        let home = Home::new(&["cinema"]);
        home.plug("eth0", 2);
        let _tokend = home.start();
        home.dns.set(Mode::Silent);
        let (code, said) = diagnose(&home);
        assert_eq!(code, Some(1));
        assert_step(&said, "dns", "failed", &["A: no answer", "AAAA: no answer"]);
        assert_first_cause(&said, "name server");

        home.dns.set(Mode::Fails(NXDOMAIN));
        let (code, said) = diagnose(&home);
        assert_eq!(code, Some(1));
        assert_step(&said, "dns", "failed", &["A: ", "AAAA: "]);
        let causes = said["causes"].to_string();
        assert!(causes.contains("[server] url names a wrong server"), "{causes}");
        assert!(!said.to_string().contains(HOST), "{said:#}");
    });
}

#[test]
fn a_path_that_swallows_packets_ends_within_the_limit() {
    on_its_own_hosts(|| {
        let home = Home::new(&["cinema"]);
        home.plug("eth0", 2);
        let _tokend = home.start();
        home.swallow(&format!("{FOUR}/32"));
        let (code, said) = diagnose(&home);
        assert_eq!(code, Some(1));
        assert_step(&said, "tcp", "failed", &["IPv4 203.0.113.10: "]);
        assert_first_cause(&said, "firewall");
        assert!(step(&said, "tcp")["milliseconds"].as_u64().unwrap() < 6_000, "{said:#}");
    });
}
