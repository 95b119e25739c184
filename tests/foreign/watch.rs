// SPDX-License-Identifier: MIT OR Apache-2.0
//! The daemon's waiting place, with what really wakes it. What needs a network of its own runs in
//! this test program, started again; signals have a program of their own (tests/signals.rs).

use std::process::Command;
use std::time::Duration;

use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, SendFlags, SocketType, sendto, socket};
use tokend::system::clock::boot;
use tokend::system::events::{EventLoop, Wakeup};

use crate::again::{is_child, passes, this_test_by};
use crate::support::child;

const CHANGED: Wakeup = Wakeup::Network { returned: false };
const RETURNED: Wakeup = Wakeup::Network { returned: true };
/// Bounds a failing test; none that passes waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn calls_wake_and_many_are_one() {
    let mut watch = EventLoop::new().unwrap();
    let waker = watch.waker();
    std::thread::spawn(move || waker.wake());
    assert_eq!(watch.wait(None).unwrap(), [Wakeup::Waker]);
    (0..3).for_each(|_| watch.waker().wake());
    assert_eq!(watch.wait(None).unwrap(), [Wakeup::Waker]);
    assert_eq!(watch.wait(Some(boot())).unwrap(), [Wakeup::Deadline]);
}

#[test]
fn a_deadline_never_comes_early() {
    let mut watch = EventLoop::new().unwrap();
    for ahead in [0, 1, 7, 20] {
        let deadline = boot().after(Duration::from_millis(ahead));
        assert_eq!(watch.wait(Some(deadline)).unwrap(), [Wakeup::Deadline]);
        assert!(boot() >= deadline);
    }
}

#[test]
fn a_deadline_that_has_passed_is_reported_at_once_and_each_time() {
    let mut watch = EventLoop::new().unwrap();
    let deadline = boot().before(Duration::from_secs(1));
    for _ in 0..3 {
        assert_eq!(watch.wait(Some(deadline)).unwrap(), [Wakeup::Deadline]);
    }
}

#[test]
fn a_deadline_that_is_moved_counts_as_moved() {
    let mut watch = EventLoop::new().unwrap();
    watch.waker().wake();
    assert_eq!(watch.wait(Some(boot().after(PATIENCE))).unwrap(), [Wakeup::Waker]);
    assert_eq!(watch.wait(Some(boot())).unwrap(), [Wakeup::Deadline]);
}

#[test]
fn the_watchdog_asks_again_and_again_until_it_is_taken_back() {
    let mut watch = EventLoop::new().unwrap();
    watch.set_watchdog(Some(Duration::from_millis(2))).unwrap();
    for _ in 0..3 {
        assert_eq!(watch.wait(None).unwrap(), [Wakeup::Watchdog]);
    }
    watch.set_watchdog(None).unwrap();
    let deadline = boot().after(Duration::from_millis(10));
    assert_eq!(watch.wait(Some(deadline)).unwrap(), [Wakeup::Deadline]);
}

#[test]
fn a_file_that_is_made_by_another_thread_wakes() {
    let dir = crate::support::scratch("tokend-watch-").unwrap();
    let file = dir.path().join("not/yet/there");
    let mut watch = EventLoop::new().unwrap();
    watch.set_files(std::slice::from_ref(&file));
    let made = file.clone();
    std::thread::spawn(move || {
        std::fs::create_dir_all(made.parent().unwrap()).unwrap();
        std::fs::write(made, "").unwrap();
    });
    assert_eq!(watch.wait(None).unwrap(), [Wakeup::File(file)]);
}

#[test]
fn the_network_wakes_when_it_changes_and_not_when_a_lease_is_renewed() {
    if !is_child() {
        return in_a_network_of_its_own();
    }
    let mut watch = EventLoop::new().unwrap();
    ip("link set lo up");
    assert_woken(&mut watch, CHANGED);
    ip("address add 192.0.2.1/24 dev lo valid_lft 1000 preferred_lft 1000");
    assert_woken(&mut watch, CHANGED);
    ip("address change 192.0.2.1/24 dev lo valid_lft 900 preferred_lft 900");
    assert_quiet(&mut watch);
    ip("route add default via 192.0.2.2");
    assert_woken(&mut watch, CHANGED);
    ip("-6 address add 2001:db8::1/64 dev lo nodad");
    assert_woken(&mut watch, CHANGED);
    ip("route del default");
    assert_woken(&mut watch, CHANGED);
    ip("address del 192.0.2.1/24 dev lo");
    assert_woken(&mut watch, CHANGED);
    assert_quiet(&mut watch);
}

#[test]
fn a_link_wakes_when_its_carrier_goes_and_comes_though_nothing_else_changes() {
    if !is_child() {
        return in_a_network_of_its_own();
    }
    ip("link add eth0 type veth peer name far");
    // No other message may stand in for the link's.
    for name in ["eth0", "far"] {
        std::fs::write(format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"), "1").unwrap();
    }
    ip("address add 192.0.2.1/24 dev eth0");
    ip("link set eth0 up");
    let mut watch = EventLoop::new().unwrap();
    ip("link set far up");
    wait_for(&mut watch, &RETURNED);
    ip("link set far down");
    wait_for(&mut watch, &CHANGED);
    ip("link set far up");
    wait_for(&mut watch, &RETURNED);
    ip("link set eth0 down");
    wait_for(&mut watch, &CHANGED);
    ip("link set eth0 up");
    wait_for(&mut watch, &RETURNED);
}

#[test]
fn a_flood_of_changes_that_no_buffer_holds_ends_with_a_return() {
    if !is_child() {
        return in_a_network_of_its_own();
    }
    let mut watch = EventLoop::new().unwrap();
    ip("link set lo up");
    let changes: String = (0..4000)
        .map(|n| format!("address add 192.0.{}.{}/32 dev lo\n", n / 250, 1 + n % 250))
        .collect();
    let dir = crate::support::scratch("tokend-watch-").unwrap();
    let file = dir.path().join("changes");
    std::fs::write(&file, changes).unwrap();
    ip(&format!("-batch {}", file.display()));
    assert_woken(&mut watch, RETURNED);
    ip("address del 192.0.0.1/32 dev lo");
    assert_woken(&mut watch, CHANGED);
}

#[test]
fn nobody_but_the_kernel_is_believed() {
    if !is_child() {
        return in_a_network_of_its_own();
    }
    let mut watch = EventLoop::new().unwrap();
    let pretender = socket(AddressFamily::NETLINK, SocketType::RAW, Some(KOBJECT_UEVENT)).unwrap();
    let message = b"change@/devices/drm/card0\0ACTION=change\0SUBSYSTEM=drm\0HOTPLUG=1\0";
    let all = SocketAddrNetlink::new(0, 1);
    sendto(&pretender, message, SendFlags::empty(), &all).unwrap();
    let pretender = socket(AddressFamily::NETLINK, SocketType::RAW, None).unwrap();
    let all = SocketAddrNetlink::new(0, libc::RTMGRP_IPV4_ROUTE.cast_unsigned());
    sendto(&pretender, &[0; 16], SendFlags::empty(), &all).unwrap();
    assert_quiet(&mut watch);
}

/// The limits of a user namespace, whose users no other test shares.
const WATCHES: &str = "/proc/sys/user/max_inotify_watches";
const INSTANCES: &str = "/proc/sys/user/max_inotify_instances";

#[test]
fn a_file_without_an_inotify_watch_is_warned_of_once_and_watched_from_the_next_reload_on() {
    if !is_child() {
        let told = on_limits_of_its_own();
        let warning = "no inotify watch left (fs.inotify.max_user_watches)";
        assert_eq!(told.matches(warning).count(), 1, "{told}");
        assert_eq!(told.matches("statement is watched for changes again").count(), 1, "{told}");
        return;
    }
    tokend::system::logging::start(tokend::system::logging::Target::Stderr, log::LevelFilter::Info);
    let dir = crate::support::scratch("tokend-watch-").unwrap();
    let file = dir.path().join("statement");
    std::fs::write(WATCHES, "0").unwrap();
    let mut watch = EventLoop::new().unwrap();
    for _ in 0..3 {
        watch.set_files(std::slice::from_ref(&file));
    }
    std::fs::write(&file, "1").unwrap();
    assert_quiet(&mut watch);
    std::fs::write(WATCHES, "100").unwrap();
    watch.set_files(std::slice::from_ref(&file));
    std::fs::write(&file, "2").unwrap();
    assert_woken(&mut watch, Wakeup::File(file));
}

#[test]
fn without_an_inotify_instance_the_watch_begins_all_the_same_and_has_one_from_the_next_reload_on() {
    if !is_child() {
        let told = on_limits_of_its_own();
        let warning = "no inotify instance left (fs.inotify.max_user_instances)";
        assert_eq!(told.matches(warning).count(), 1, "{told}");
        assert_eq!(told.matches("watching for changes of files again").count(), 1, "{told}");
        return;
    }
    tokend::system::logging::start(tokend::system::logging::Target::Stderr, log::LevelFilter::Info);
    let dir = crate::support::scratch("tokend-watch-").unwrap();
    let file = dir.path().join("statement");
    std::fs::write(INSTANCES, "0").unwrap();
    let mut watch = EventLoop::new().unwrap();
    watch.set_files(std::slice::from_ref(&file));
    std::fs::write(&file, "1").unwrap();
    assert_quiet(&mut watch);
    std::fs::write(INSTANCES, "10").unwrap();
    watch.set_files(std::slice::from_ref(&file));
    std::fs::write(&file, "2").unwrap();
    assert_woken(&mut watch, Wakeup::File(file));
}

/// Runs the test that calls this in a user namespace, and returns what it has logged.
fn on_limits_of_its_own() -> String {
    let mut unshare = child::command(child::find("unshare", "util-linux").unwrap());
    unshare.args(["--user", "--map-root-user"]);
    passes(this_test_by(unshare))
}

fn in_a_network_of_its_own() {
    let mut unshare = child::command(child::find("unshare", "util-linux").unwrap());
    if !nix::unistd::geteuid().is_root() {
        // As root of a user namespace.
        unshare.arg("--map-root-user");
    }
    unshare.arg("--net");
    passes(this_test_by(unshare));
}

fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status();
    assert!(status.expect("ip runs (package iproute2)").success(), "ip {arguments}");
}

/// The kernel reports before `ip` ends: whatever was to come is there.
fn assert_woken(watch: &mut EventLoop, by: Wakeup) {
    assert_eq!(watch.wait(Some(boot().after(PATIENCE))).unwrap(), [by]);
}

/// A carrier is reported a moment later.
fn wait_for(watch: &mut EventLoop, wanted: &Wakeup) {
    let end = boot().after(PATIENCE);
    loop {
        let woken = watch.wait(Some(end)).unwrap();
        assert!(!woken.contains(&Wakeup::Deadline), "{wanted:?} has not come");
        if woken.contains(wanted) {
            return;
        }
    }
}

fn assert_quiet(watch: &mut EventLoop) {
    watch.waker().wake();
    assert_eq!(watch.wait(None).unwrap(), [Wakeup::Waker]);
}
