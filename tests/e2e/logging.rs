// SPDX-License-Identifier: MIT OR Apache-2.0
//! What reaches stderr. Each case is a process of its own: this test, started again.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use log::LevelFilter;
use rustix::fs::fstat;
use tokend::system::logging::{Target, set_level, start};

use crate::again::{is_child, this_test};

#[test]
fn plain_lines_on_stderr_have_their_level_before_them() {
    if is_child() {
        start(Target::Stderr, LevelFilter::Info);
        log::error!(target: "tokend::store", "a\nb");
        log::warn!(target: "rustls::conn", "odd");
        log::info!(target: "rustls::conn", "SECRET");
        log::info!(target: "tokend", "c");
        log::debug!(target: "tokend", "unwanted");
        set_level(LevelFilter::Trace);
        log::debug!(target: "tokend::bus", "d");
        log::debug!(target: "ureq", "SECRET");
        return;
    }
    let output = this_test().env_remove("JOURNAL_STREAM").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, "error: a\\nb\nwarning: rustls: odd\ninfo: c\ndebug: d\n");
}

#[test]
fn the_journal_gets_priorities_instead_of_words() {
    if is_child() {
        start(Target::Auto, LevelFilter::Debug);
        log::error!(target: "tokend", "a");
        log::warn!(target: "tokend", "b");
        log::info!(target: "tokend", "c");
        log::debug!(target: "tokend", "d");
        // The same place under another name.
        start(Target::Stderr, LevelFilter::Debug);
        log::info!(target: "tokend", "e");
        return;
    }
    let (mut journal, ours) = UnixStream::pair().unwrap();
    let stat = fstat(&ours).unwrap();
    let status = this_test()
        .env("JOURNAL_STREAM", format!("{}:{}", stat.st_dev, stat.st_ino))
        .stdout(Stdio::null())
        .stderr(OwnedFd::from(ours))
        .status()
        .unwrap();
    assert!(status.success());
    let mut said = String::new();
    journal.read_to_string(&mut said).unwrap();
    assert_eq!(said, "<3>a\n<4>b\n<6>c\n<7>d\n<6>e\n");
}

#[test]
fn lines_of_threads_never_mix() {
    if is_child() {
        start(Target::Stderr, LevelFilter::Info);
        std::thread::scope(|scope| {
            for letter in ["a", "b", "c", "d"] {
                scope.spawn(move || {
                    (0..200).for_each(|_| log::info!(target: "tokend", "{}", letter.repeat(3000)));
                });
            }
        });
        return;
    }
    let output = this_test().output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.ends_with('\n'));
    for line in said.lines() {
        let text = line.strip_prefix("info: ").expect(line);
        assert_eq!(text, text[..1].repeat(3000));
    }
}

#[test]
fn a_log_that_nobody_reads_stops_nobody() {
    if is_child() {
        start(Target::Stderr, LevelFilter::Info);
        (0..1000).for_each(|_| log::info!(target: "tokend", "{}", "x".repeat(3000)));
        return;
    }
    let (reader, full) = std::io::pipe().unwrap();
    assert!(this_test().stdout(Stdio::null()).stderr(full).status().unwrap().success());
    drop(reader);
    let (reader, closed) = std::io::pipe().unwrap();
    drop(reader);
    assert!(this_test().stdout(Stdio::null()).stderr(closed).status().unwrap().success());
}
