// SPDX-License-Identifier: MIT OR Apache-2.0
//! Root certificates that are damaged, refused, or no file at all, on a device whose server is
//! otherwise well.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::UNAVAILABLE;
use super::home::{HOST, Home};
use super::hosts::on_its_own_hosts;
use super::support::tls::Certificates;
use super::support::tokend::Ran;

/// Where a system has its bundle; in these tests, each one's own.
const SYSTEM: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A device at home without `ca_file`, and the certificate that it must trust.
fn home() -> (Home, String) {
    let certificates = Certificates::of(HOST).unwrap();
    let mut home = Home::at("[::]:443", &certificates, &["cinema"]);
    home.device.unset("server", "ca_file");
    home.plug("eth0", 2);
    (home, certificates.ca_pem)
}

fn check(home: &Home) -> Ran {
    let options = home.device.options();
    let arguments: Vec<_> =
        ["check"].into_iter().chain(options.iter().map(String::as_str)).collect();
    home.device.run(&arguments)
}

#[test]
fn a_damaged_bundle_of_the_system_is_warned_of_once_and_what_is_readable_of_it_counts() {
    on_its_own_hosts(|| {
        let (home, pem) = home();
        fs::create_dir_all("/etc/ssl/certs").unwrap();
        fs::write(SYSTEM, format!("{pem}-----BEGIN CERTIFICATE-----\nAAAA\n")).unwrap();
        let (tokend, player) = home.start();
        let (token, _) = player.get_token("cinema", 0).unwrap();
        player.replace_token("cinema", &token, "").unwrap();
        let warning = format!("the root certificates in {SYSTEM} are damaged (1 cannot be used)");
        assert_eq!(tokend.output().matches(&warning).count(), 1, "{}", tokend.output());
        let check = check(&home);
        let line = check.stdout.lines().find(|line| line.contains(&warning)).expect("the warning");
        assert!(line.starts_with("warning"), "{line}");
    });
}

#[test]
fn certificates_that_the_environment_names_and_others_can_write_are_refused_by_name() {
    on_its_own_hosts(|| {
        let (mut home, pem) = home();
        fs::create_dir("/etc/own").unwrap();
        fs::write("/etc/own/ca.pem", &pem).unwrap();
        fs::set_permissions("/etc/own/ca.pem", Permissions::from_mode(0o666)).unwrap();
        home.device.set_environment("SSL_CERT_FILE", "/etc/own/ca.pem");
        // What would be trusted must not take its place.
        fs::create_dir_all("/etc/ssl/certs").unwrap();
        fs::write(SYSTEM, &pem).unwrap();
        let (_tokend, player) = home.start();
        let error = player.get_token("cinema", 0).unwrap_err();
        assert_eq!(error.name, UNAVAILABLE);
        let refused = "SSL_CERT_FILE /etc/own/ca.pem is refused";
        assert!(error.message.contains(refused) && error.message.contains("0666"), "{error}");
        let check = check(&home);
        let line = check.stdout.lines().find(|line| line.contains(refused)).expect("the error");
        assert!(line.starts_with("error") && check.code == Some(78), "{line}");
        fs::set_permissions("/etc/own/ca.pem", Permissions::from_mode(0o644)).unwrap();
        let changes = player.watch("cinema");
        while player.get_token("cinema", 0).is_err() {
            changes.next();
        }
    });
}

#[test]
fn a_pipe_in_the_place_of_certificates_holds_no_request() {
    on_its_own_hosts(|| {
        let (mut home, pem) = home();
        let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
        rustix::fs::mknodat(rustix::fs::CWD, "/etc/pipe", kind, mode, 0).unwrap();
        home.device.set_environment("SSL_CERT_FILE", "/etc/pipe");
        let (_tokend, player) = home.start();
        let error = player.get_token("cinema", 0).unwrap_err();
        let expected = "SSL_CERT_FILE /etc/pipe cannot be read: not a regular file";
        assert!(error.message.contains(expected), "{error}");
        fs::write("/etc/file", &pem).unwrap();
        fs::rename("/etc/file", "/etc/pipe").unwrap();
        let changes = player.watch("cinema");
        while player.get_token("cinema", 0).is_err() {
            changes.next();
        }
    });
}
