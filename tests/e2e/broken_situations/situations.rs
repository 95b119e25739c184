// SPDX-License-Identifier: MIT OR Apache-2.0
//! Broken situations: what is broken, and what is said of it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use crate::support::authority::{Endpoint, Fault};
use crate::support::scene::{CINEMA, Scene};
use crate::support::statement;
use crate::support::tls::Certificates;
use crate::support::tokend::Application;

pub(super) struct Situation {
    pub(super) name: &'static str,
    pub(super) breaks: fn(&mut Scene),
    /// Where the daemon does not start.
    pub(super) exit: Option<i32>,
    pub(super) check: &'static [&'static str],
    pub(super) journal: &'static [&'static str],
    pub(super) status: &'static [&'static str],
}

const NOTHING: Situation =
    Situation { name: "", breaks: |_| (), exit: None, check: &[], journal: &[], status: &[] };

pub(super) const GOOD: Situation = Situation {
    name: "nothing is broken",
    journal: &["token number 1"],
    status: &["ready"],
    ..NOTHING
};

/// The daemon as it was before something broke: registered, with a token.
fn served(scene: &Scene) {
    let (tokend, player) = scene.start();
    player.get_token(CINEMA, 0).unwrap();
    player.leave();
    assert_eq!(tokend.terminate().code(), 0);
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn settings(scene: &Scene, add: &str) {
    let file = scene.device.config().join("tokend.toml");
    let text = fs::read_to_string(&file).unwrap() + add;
    fs::write(file, text).unwrap();
}

fn key_file(scene: &mut Scene) {
    scene.device.set("storage", "seal", "\"key-file\"");
    scene.device.set("storage", "key_file", "\"seal.key\"");
}

fn always(scene: &Scene, fault: &Fault) {
    for endpoint in [Endpoint::Register, Endpoint::Token] {
        scene.authority.always(endpoint, fault.clone());
    }
}

pub(super) const NO_START: &[Situation] = &[
    Situation {
        name: "no tokend.toml",
        breaks: |scene| fs::remove_file(scene.device.config().join("tokend.toml")).unwrap(),
        exit: Some(78),
        check: &["found no such file"],
        journal: &["tokend.toml", "found no such file"],
        ..NOTHING
    },
    Situation {
        name: "tokend.toml that everybody may write",
        breaks: |scene| set_mode(&scene.device.config().join("tokend.toml"), 0o666),
        exit: Some(78),
        check: &["has mode 0666"],
        journal: &["has mode 0666", "not writable by group or others"],
        ..NOTHING
    },
    Situation {
        name: "no seal",
        breaks: |scene| scene.device.unset("storage", "seal"),
        exit: Some(78),
        check: &["storage.seal"],
        journal: &["storage.seal", "key-file", "pkcs11", "generated"],
        ..NOTHING
    },
    Situation {
        name: "no TOML",
        breaks: |scene| scene.device.write_settings("[storage]\nseal = generated\n").unwrap(),
        exit: Some(78),
        check: &["tokend.toml:2"],
        journal: &["tokend.toml:2", "no TOML"],
        ..NOTHING
    },
    Situation {
        name: "an unknown key",
        breaks: |scene| settings(scene, "[clock]\nsync_file = \"x\"\n"),
        exit: Some(78),
        check: &["clock.sync_file: unknown key"],
        journal: &["clock.sync_file: unknown key", "synchronized_file"],
        ..NOTHING
    },
    Situation {
        name: "a value of the wrong type",
        breaks: |scene| scene.device.set("server", "timeout_seconds", "\"15\""),
        exit: Some(78),
        check: &["server.timeout_seconds: found a string"],
        journal: &["server.timeout_seconds: found a string"],
        ..NOTHING
    },
    Situation {
        name: "http to another machine",
        breaks: |scene| scene.device.set("server", "url", "\"http://192.0.2.1\""),
        exit: Some(78),
        check: &["192.0.2.1"],
        journal: &["server.url", "which is no loopback address"],
        ..NOTHING
    },
    Situation {
        name: "a seal without its key file",
        breaks: |scene| scene.device.set("storage", "seal", "\"key-file\""),
        exit: Some(78),
        check: &["storage.key_file"],
        journal: &["storage.key_file", "left out"],
        ..NOTHING
    },
    Situation {
        name: "a state directory that is a link",
        breaks: |scene| {
            let (state, there) = (scene.device.state(), scene.device.root().join("there"));
            fs::rename(&state, &there).unwrap();
            symlink(there, state).unwrap();
        },
        exit: Some(73),
        check: &["is a symbolic link"],
        journal: &["is a symbolic link; name the directory that it leads to"],
        ..NOTHING
    },
    Situation {
        name: "a file in the place of the state directory",
        breaks: |scene| {
            fs::remove_dir_all(scene.device.state()).unwrap();
            fs::write(scene.device.state(), "").unwrap();
        },
        exit: Some(73),
        check: &["is not a directory"],
        journal: &["is not a directory"],
        ..NOTHING
    },
    Situation {
        name: "the bus is not there",
        breaks: |scene| scene.bus.kill(),
        exit: Some(75),
        journal: &["bus"],
        ..NOTHING
    },
];

pub(super) const APPLICATIONS: &[Situation] = &[
    Situation {
        name: "an application with an unknown key",
        breaks: |scene| {
            let faulty = "software_statement_file = \"cinema.jwt\"\nallow_user = [\"cinema\"]\n";
            scene.device.write_config("applications.d/radio.toml", faulty);
        },
        check: &["radio.toml:2: allow_user: unknown key"],
        journal: &["radio.toml:2: allow_user: unknown key"],
        status: &["fault:", "radio.toml:2: allow_user"],
        ..NOTHING
    },
    Situation {
        name: "no application",
        breaks: |scene| scene.device.remove(CINEMA),
        check: &["no application is configured"],
        journal: &["no application is configured"],
        ..NOTHING
    },
    Situation {
        name: "no statement",
        breaks: |scene| fs::remove_file(scene.statement_file(CINEMA)).unwrap(),
        check: &["cinema.jwt is not there; if cinema.jwt is a credential of the unit"],
        journal: &["cinema.jwt: cannot be read"],
        status: &["fault:", "cinema.jwt"],
        ..NOTHING
    },
    Situation {
        name: "an empty statement",
        breaks: |scene| scene.set_statement(CINEMA, ""),
        check: &["found nothing in it"],
        journal: &["found nothing in it"],
        status: &["fault:"],
        ..NOTHING
    },
    Situation {
        name: "a statement that is a page of a portal",
        breaks: |scene| scene.set_statement(CINEMA, "<html>Please sign in</html>"),
        check: &["no JWT"],
        journal: &["no JWT"],
        status: &["fault:", "no JWT"],
        ..NOTHING
    },
    Situation {
        name: "a statement of UTF-16",
        breaks: |scene| scene.set_statement(CINEMA, "\u{feff}e\0y\0"),
        check: &["found what is no visible ASCII"],
        journal: &["found what is no visible ASCII"],
        status: &["fault:"],
        ..NOTHING
    },
    Situation {
        name: "users who are not there",
        breaks: |scene| {
            let nobody = Application::new(CINEMA, &statement::issue(CINEMA))
                .with("allow_users", "[\"no-such-user\"]");
            scene.device.add(&nobody).unwrap();
        },
        check: &["no-such-user", "matches nobody"],
        journal: &["no-such-user", "matches nobody"],
        ..NOTHING
    },
    Situation {
        name: "no list of callers",
        breaks: |scene| {
            let list = Application::new(CINEMA, &statement::issue(CINEMA)).without("allow_users");
            scene.device.add(&list).unwrap();
        },
        check: &["root only: none of allow_users"],
        ..NOTHING
    },
];

pub(super) const STORAGE: &[Situation] = &[
    Situation {
        name: "no key",
        breaks: key_file,
        check: &["is probably a credential of the unit"],
        journal: &["storage error, so nothing is registered", "cannot read the root key"],
        status: &["storage-error", "cannot read the root key"],
        ..NOTHING
    },
    Situation {
        name: "a short key",
        breaks: |scene| {
            key_file(scene);
            scene.device.write_config("seal.key", "0123456789");
        },
        check: &["has 10 bytes; legal is 32 or more"],
        journal: &["has 10 bytes; legal is 32 or more"],
        status: &["storage-error"],
        ..NOTHING
    },
    Situation {
        name: "a blank key",
        breaks: |scene| {
            key_file(scene);
            scene.device.write_config("seal.key", &"\0".repeat(32));
        },
        check: &["is one byte, repeated"],
        journal: &["is one byte, repeated"],
        status: &["storage-error"],
        ..NOTHING
    },
    Situation {
        name: "another device's key",
        breaks: |scene| {
            key_file(scene);
            scene.write_key(b'a');
            served(scene);
            scene.write_key(b'b');
        },
        check: &["is wrong: it opens none of the files"],
        journal: &["is wrong: it opens none of the files"],
        status: &["storage-error", "is wrong"],
        ..NOTHING
    },
    Situation {
        name: "the generated key is gone",
        breaks: |scene| {
            served(scene);
            fs::remove_file(scene.device.state().join("generated-key")).unwrap();
        },
        check: &["is gone"],
        journal: &["the generated root key", "is gone"],
        status: &["storage-error"],
        ..NOTHING
    },
    Situation {
        name: "one copy of the credentials is damaged",
        breaks: |scene| {
            served(scene);
            let [a, _] = scene.copies(CINEMA);
            fs::write(a, "worn").unwrap();
        },
        journal: &["was damaged: repaired from"],
        status: &["ready"],
        ..NOTHING
    },
    Situation {
        name: "both copies of the credentials are damaged",
        breaks: |scene| {
            served(scene);
            for copy in scene.copies(CINEMA) {
                fs::write(copy, "worn").unwrap();
            }
        },
        journal: &["with no copy to repair it from: kept as"],
        status: &["ready"],
        ..NOTHING
    },
    Situation {
        name: "an identity that is a placeholder",
        breaks: |scene| scene.device.set("device", "identity", "\"Default string\""),
        check: &["found a placeholder, which many devices share"],
        journal: &["found a placeholder, which many devices share"],
        status: &["storage-error"],
        ..NOTHING
    },
    Situation {
        name: "an identity file that is not there",
        breaks: |scene| scene.device.set("device", "identity_file", "\"/factory/serial\""),
        check: &["[device] identity_file", "cannot be used"],
        journal: &["[device] identity_file"],
        status: &["storage-error"],
        ..NOTHING
    },
];

pub(super) const SERVER: &[Situation] = &[
    Situation {
        name: "the server does not answer",
        breaks: |scene| scene.authority.set_down(true),
        journal: &["cinema: waiting: registration failed: no TLS connection"],
        status: &["waiting", "Unavailable"],
        ..NOTHING
    },
    Situation {
        name: "the server throttles",
        breaks: |scene| always(scene, &Fault::throttled()),
        journal: &["cinema: waiting", "throttle"],
        status: &["Throttled"],
        ..NOTHING
    },
    Situation {
        name: "the server refuses the statement",
        breaks: |scene| {
            let file = scene.statement_file(CINEMA);
            scene.authority.revoke(&fs::read_to_string(file).unwrap());
        },
        journal: &["cinema: ", "unapproved_software_statement"],
        status: &["rejected", "unapproved_software_statement"],
        ..NOTHING
    },
    Situation {
        name: "the server has lost its mind",
        breaks: |scene| always(scene, &Fault::html(500)),
        journal: &["500"],
        status: &["waiting", "500"],
        ..NOTHING
    },
    Situation {
        name: "a firewall answers for the server",
        breaks: |scene| always(scene, &Fault::html(403)),
        journal: &["403"],
        status: &["waiting", "403"],
        ..NOTHING
    },
    Situation {
        name: "a certificate that has expired",
        breaks: |scene| {
            let expired = Certificates::expired().unwrap();
            scene.authority.use_certificates(&expired);
            scene.authority.trust(&expired).unwrap();
        },
        journal: &["expired"],
        status: &["waiting", "Unavailable"],
        ..NOTHING
    },
    Situation {
        name: "a proxy that intercepts TLS",
        breaks: |scene| scene.authority.use_certificates(&Certificates::new().unwrap()),
        journal: &["certificate"],
        status: &["waiting", "Unavailable"],
        ..NOTHING
    },
    Situation {
        name: "no file of root certificates",
        breaks: |scene| scene.device.set("server", "ca_file", "\"/no/such.pem\""),
        check: &["ca_file", "cannot be read"],
        journal: &["/no/such.pem", "cannot be read"],
        status: &["waiting", "/no/such.pem"],
        ..NOTHING
    },
    Situation {
        name: "another statement than the one with credentials",
        breaks: |scene| {
            served(scene);
            scene.set_statement(CINEMA, &statement::issue("Cinema 2"));
        },
        check: &["left behind: another statement is configured", "tokend will register"],
        journal: &["signs this application's viewers out"],
        ..NOTHING
    },
    Situation {
        name: "another server than the one with credentials",
        breaks: |scene| {
            served(scene);
            let other = scene.authority.origin().replace("127.0.0.1", "localhost");
            scene.device.set("server", "url", &format!("{other:?}"));
        },
        check: &["left behind: neither [server] url nor same_server_as names this origin"],
        journal: &["signs this application's viewers out"],
        ..NOTHING
    },
    Situation {
        name: "the server refuses the credentials",
        breaks: |scene| {
            scene.device.set("server", "reregister_after_seconds", "1");
            served(scene);
            fs::remove_file(scene.device.state().join("cinema.token")).unwrap();
            scene.authority.forget_clients();
        },
        journal: &["the server keeps refusing the client credentials: registering again"],
        ..NOTHING
    },
];
