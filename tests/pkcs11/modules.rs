// SPDX-License-Identifier: MIT OR Apache-2.0
//! Modules that crash, hang, print and lie; and what is no module at all.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::mpsc;
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, FileType, mknodat};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::hsm::{Hsm, PIN, assert_storage_error, wait_until_well};
use crate::support::BOUND;
use crate::support::scene::CINEMA;

impl Hsm {
    /// Waits until a module hangs, and returns its process.
    fn hanging(&self) -> Pid {
        let fifo = self.dir.path().join("misbehaviour.hangs");
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let mut text = String::new();
            fs::File::open(fifo).unwrap().read_to_string(&mut text).unwrap();
            let _ = sender.send(text);
        });
        let text = receiver.recv_timeout(BOUND).expect("the module hangs");
        Pid::from_raw(text.trim().parse().unwrap()).unwrap()
    }

    fn expect_hanging(&self) {
        let fifo = self.dir.path().join("misbehaviour.hangs");
        mknodat(CWD, fifo, FileType::Fifo, 0o600.into(), 0).unwrap();
    }
}

/// Waits until a process is gone, or a zombie that its new parent has not reaped. Panics after
/// [`BOUND`].
fn wait_for_end(process: Pid) {
    let Ok(handle) = pidfd_open(process, PidfdFlags::empty()) else { return };
    let bound = Timespec::try_from(BOUND).unwrap();
    let ready = poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&bound)).unwrap();
    assert_eq!(ready, 1, "{process:?} still runs");
}

#[test]
fn whatever_a_module_does_nothing_is_registered_or_overwritten_and_it_works_again_once_mended() {
    // At once, for some of them take their 10 s.
    thread::scope(|scope| {
        for (misbehaviour, words) in [
            ("crash", "crashed (signal 11, a memory fault)"),
            ("exit", "ended its process without an answer (exit code 3)"),
            ("hang", "gave no answer within 10 s and was ended"),
            ("fork hang", "gave no answer within 10 s and was ended"),
            ("garbage", "left an answer that nobody understands"),
            ("short", "gives 16 bytes for an HMAC-SHA256; right is 32"),
            ("fickle", "signs the same text differently each time"),
            ("no-keys", "import an HMAC-SHA256 key of 32 random bytes under that label"),
        ] {
            scope.spawn(move || misbehaves_for_a_while(misbehaviour, words));
        }
    });
}

fn misbehaves_for_a_while(misbehaviour: &str, words: &str) {
    let hsm = Hsm::with_odd_module();
    hsm.misbehave(misbehaviour);
    let (tokend, player) = hsm.scene.start();
    let changes = player.watch(CINEMA);
    assert_storage_error(&player, &[words]);
    assert!(hsm.scene.stored().is_empty(), "{misbehaviour}");
    assert_eq!(hsm.scene.authority.log().connections, 0, "{misbehaviour}");

    hsm.misbehave("");
    wait_until_well(&player, &changes);
    let (token, _) = player.get_token(CINEMA, 0).unwrap();
    assert_eq!(tokend.terminate().code(), 0, "{misbehaviour}");

    // The key that is there needs no making, and is believed.
    if ["no-keys", "fickle"].contains(&misbehaviour) {
        return;
    }
    let stored = hsm.scene.stored();
    hsm.misbehave(misbehaviour);
    let (_tokend, player) = hsm.scene.start();
    let changes = player.watch(CINEMA);
    assert_storage_error(&player, &[words]);
    assert_eq!(hsm.scene.stored(), stored, "{misbehaviour}");
    hsm.misbehave("");
    wait_until_well(&player, &changes);
    assert_eq!(player.get_token(CINEMA, 0).unwrap().0, token, "{misbehaviour}");
    assert_eq!(hsm.scene.registrations(), 1, "{misbehaviour}");
}

#[test]
fn a_module_that_prints_or_fails_on_its_way_out_gives_its_key_all_the_same() {
    for misbehaviour in ["chatter", "end-crash", "end-hang", "fork"] {
        let hsm = Hsm::with_odd_module();
        hsm.misbehave(misbehaviour);
        let token = hsm.register();
        assert_eq!(hsm.register(), token, "{misbehaviour}");
        assert_eq!(hsm.scene.registrations(), 1, "{misbehaviour}");
        assert!(!hsm.scene.device.all_output().contains("chatter of the module"));
        let ran = hsm.check();
        assert_eq!(ran.code, Some(0), "{misbehaviour}: {ran:?}");
        assert_eq!(misbehaviour == "chatter", ran.stderr.contains("chatter of the module"));
    }
}

/// Processes that have the environment of this device's modules.
fn running(hsm: &Hsm) -> Vec<String> {
    let mark = hsm.dir.path().join("misbehaviour");
    let mark = format!("MISBEHAVIOUR={}", mark.display());
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let names = processes.map(|process| process.file_name().into_string().unwrap());
    let marked = |pid: &String| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
    };
    names.filter(|pid| pid.parse::<u32>().is_ok() && marked(pid)).collect()
}

#[test]
fn nothing_that_a_module_has_started_outlives_its_answer_or_its_end_whatever_session_it_is_in() {
    let hsm = Hsm::with_odd_module();
    hsm.misbehave("");
    hsm.register();
    for misbehaviour in ["leave", "leave exit", "leave crash"] {
        hsm.misbehave(misbehaviour);
        for _ in 0..100 {
            let ran = hsm.check();
            assert_eq!(ran.code == Some(0), misbehaviour == "leave", "{ran:?}");
            assert_eq!(running(&hsm), [""; 0], "{misbehaviour}");
        }
    }
    hsm.misbehave("leave");
    let (tokend, player) = hsm.scene.start();
    player.get_token(CINEMA, 0).unwrap();
    assert_eq!(running(&hsm), [tokend.id().to_string()]);
}

#[test]
fn while_a_module_hangs_the_daemon_answers_feeds_its_watchdog_and_ends_when_asked() {
    let mut hsm = Hsm::with_odd_module();
    hsm.expect_hanging();
    hsm.misbehave("hang");
    hsm.scene.device.set_environment("WATCHDOG_USEC", "2000000");
    let (tokend, player) = hsm.scene.start();
    let child = hsm.hanging();
    assert_eq!(player.device_info().unwrap()["osName"].to_string(), "\"Linux\"");
    let notified = tokend.notified();
    let from = notified.len();
    assert!(notified.wait_for(from, BOUND, |line| line.contains("WATCHDOG=1")).is_some());
    let begun = pidfd_open(child, PidfdFlags::empty()).expect("the module still hangs");
    assert_eq!(tokend.terminate().code(), 0);
    drop(begun);
    wait_for_end(child);
}

#[test]
fn a_daemon_that_is_killed_takes_its_child_along() {
    let hsm = Hsm::with_odd_module();
    hsm.expect_hanging();
    hsm.misbehave("hang");
    let (tokend, _player) = hsm.scene.start();
    let child = hsm.hanging();
    rustix::process::kill_process(
        Pid::from_raw(tokend.id().cast_signed()).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    wait_for_end(child);
}

#[test]
fn the_pin_is_neither_in_the_childs_arguments_nor_in_its_environment() {
    let hsm = Hsm::with_odd_module();
    hsm.expect_hanging();
    hsm.misbehave("hang");
    let (_tokend, _player) = hsm.scene.start();
    let child = hsm.hanging().as_raw_nonzero();
    for file in ["cmdline", "environ"] {
        let text = fs::read(format!("/proc/{child}/{file}")).unwrap();
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(text.contains(if file == "cmdline" { "pkcs11-child" } else { "SOFTHSM2_CONF" }));
        assert!(!text.contains(PIN), "{file}: {text}");
    }
    let limits = fs::read_to_string(format!("/proc/{child}/limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
}

#[test]
fn what_is_no_module_or_could_be_anybodys_is_refused_by_name() {
    let mut hsm = Hsm::with_odd_module();
    let odd = hsm.dir.path().join("odd.so");
    let path = |name: &str| hsm.dir.path().join(name);
    fs::write(path("text.so"), "no shared object").unwrap();
    fs::copy(&odd, path("open.so")).unwrap();
    fs::set_permissions(path("open.so"), fs::Permissions::from_mode(0o777)).unwrap();
    let cases = [
        (path("none.so"), "none.so cannot be had: No such file or directory"),
        (path("text.so"), "the PKCS#11 module cannot be loaded: "),
        (path("open.so"), "has mode 0777; legal: not writable by group or others"),
        ("/lib/x86_64-linux-gnu/libc.so.6".into(), "is no PKCS#11 module: "),
    ];
    for (module, words) in cases {
        if !module.exists() && !words.contains("No such file") {
            continue;
        }
        hsm.scene.device.set("storage", "pkcs11_module", &format!("{module:?}"));
        let (_tokend, player) = hsm.scene.start();
        assert_storage_error(&player, &[words]);
        let ran = hsm.check();
        assert_eq!(ran.code, Some(78), "{ran:?}");
        assert!(ran.stdout.contains(words), "{ran:?}");
    }
    assert!(hsm.scene.stored().is_empty());
}

#[test]
fn the_child_does_nothing_for_anybody_else() {
    let hsm = Hsm::new();
    let ran = hsm.scene.device.run(&["pkcs11-child"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(64), ""));
    assert!(ran.stderr.contains("pkcs11-child is what tokend runs itself"), "{ran:?}");
    let help = hsm.scene.device.run(&["--help"]);
    assert!(!help.stdout.contains("pkcs11-child"));
}
