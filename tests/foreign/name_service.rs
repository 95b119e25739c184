// SPDX-License-Identifier: MIT OR Apache-2.0
//! A name service that hangs, as one does whose directory server is gone: in the daemon's mount
//! namespace the user database is a FIFO that nobody writes to, and opening it does not end.

use std::fs::OpenOptions;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::support::bus::can_act_as_others;
use crate::support::child;
use crate::support::process::Process;
use crate::support::raw::{Message, Raw};
use crate::support::scene::{CINEMA, Scene};

/// Whose right depends on a name: every Debian's user `daemon`, with this number.
const SPORTS: &str = "sports";
const DAEMON: u32 = 1;
/// What the daemon may hold more meanwhile, in bytes (contract, section 2, "Limits").
const MEANWHILE: u64 = 2048 * 1024;

#[test]
#[expect(clippy::disallowed_methods, reason = "how long the call waits is what is promised")]
fn a_name_service_that_hangs_keeps_only_those_waiting_whose_name_it_is_asked_for() {
    if !can_act_as_others() {
        eprintln!("not root: another user cannot be played, nor the user database replaced");
        return;
    }
    let mut scene = Scene::new();
    let sports = scene.add(SPORTS).with("allow_users", "[\"daemon\"]");
    scene.device.add(&sports).unwrap();
    scene.device.set_runner(["unshare", "--mount"].map(Into::into).to_vec());
    let (tokend, player) = scene.start();
    let (token, _) = player.get_token(CINEMA, 0).unwrap();
    player.get_token(SPORTS, 0).unwrap();
    let memory = || Process(tokend.id()).memory("RssAnon").unwrap();
    let before = memory();

    let fifo = scene.device.root().join("nobody-writes-here");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
    inside(tokend.id(), &["mount", "--bind", fifo.to_str().unwrap(), "/etc/passwd"]);
    let mut needs_name = Raw::connect_as(scene.bus.address(), DAEMON, &[]).unwrap();
    let asked = Instant::now();
    // As many as may wait of a connection.
    let calls: Vec<u32> =
        (0..64).map(|_| needs_name.send(&Message::get_token(SPORTS, 0)).unwrap()).collect();
    let mut peak = 0;
    for _ in 0..200 {
        assert_eq!(player.get_token(CINEMA, 0).unwrap().0, token);
        peak = peak.max(memory());
    }
    println!("200 cached calls of another took {:?}", asked.elapsed());
    for call in calls {
        let answer = needs_name.answer(call).unwrap();
        assert_eq!(answer.error.as_deref(), Some("tv.tokend.Error.Unavailable"));
        let text = answer.text();
        assert!(text.contains("the name service has not said within 5 s"), "{text}");
        assert!(text.contains("\"daemon\""), "{text}");
    }
    // It is 5 s, and a busy machine's delay; a fetch would be waited for longer.
    let waited = asked.elapsed();
    println!("it was refused after {waited:?}; RssAnon {before} bytes before, {peak} at most");
    assert!(waited < Duration::from_secs(15), "{waited:?}");
    assert!(peak <= before + MEANWHILE, "{before} bytes became {peak}");

    // The service comes back: what hung ends, and the next call is judged by a new answer.
    inside(tokend.id(), &["umount", "--lazy", "/etc/passwd"]);
    ends_the_wait(&fifo);
    let answer = needs_name.ask(&Message::get_token(SPORTS, 0)).unwrap();
    assert_eq!(answer.error, None);
}

/// Runs a command in the daemon's mount namespace.
fn inside(pid: u32, command: &[&str]) {
    let nsenter = child::find("nsenter", "util-linux").unwrap();
    let mut entered = child::command(nsenter);
    entered.args(["--mount", "--target", &pid.to_string()]).args(command);
    assert!(entered.status().unwrap().success(), "{command:?}");
}

/// Who opens a FIFO to read waits for one who opens it to write.
fn ends_the_wait(fifo: &Path) {
    drop(OpenOptions::new().write(true).open(fifo).unwrap());
}
