// SPDX-License-Identifier: MIT OR Apache-2.0
//! `tokend status --watch`: what it shows of a real daemon, on a terminal and through a pipe, and how
//! it ends.

use std::collections::HashMap;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;
use std::sync::mpsc;
use std::thread;

use rustix::process::Signal;
use serde_json::Value;
use zbus::export::ordered_stream::OrderedStreamExt as _;

use crate::support::BOUND;
use crate::support::authority::{Endpoint, Fault};
use crate::support::child::{self, Child};
use crate::support::lines::Lines;
use crate::support::scene::{CINEMA, Scene};
use crate::support::terminal::Terminal;

/// `tokend status --watch` on the bus of a scene.
fn command(scene: &Scene, arguments: &[&str]) -> Command {
    let mut command = child::command(scene.device.tokend());
    command.args(["status", "--watch", "--bus", scene.bus.address()]).args(arguments);
    command
}

fn on_a_terminal(scene: &Scene, arguments: &[&str]) -> Terminal {
    let mut command = Command::new(scene.device.tokend());
    command.args(["status", "--watch", "--bus", scene.bus.address()]).args(arguments);
    Terminal::start(&command)
}

/// What a watch writes into a pipe.
struct Piped {
    child: Child,
    lines: Lines,
    read: usize,
}

impl Piped {
    fn start(scene: &Scene, arguments: &[&str]) -> Self {
        let mut command = command(scene, arguments);
        let lines = Lines::default();
        lines.collect(child::capture(&mut command).unwrap(), || {});
        Self { child: Child::spawn(command).unwrap(), lines, read: 0 }
    }

    /// The first line with all of these that was not returned yet, nor any before it.
    fn next(&mut self, words: &[&str]) -> String {
        let wanted = |line: &str| words.iter().all(|word| line.contains(word));
        let Some(line) = self.lines.wait_for(self.read, BOUND, wanted) else {
            panic!("no line with {words:?} has come:\n{}", self.lines.text(0));
        };
        let text = self.lines.text(self.read);
        self.read += text.lines().position(|other| other == line).unwrap() + 1;
        line
    }

    fn code(&mut self) -> Option<i32> {
        self.child.wait(BOUND).unwrap_or_else(|| panic!("it does not end")).code()
    }
}

#[test]
fn through_a_pipe_each_change_is_a_line_until_the_bus_is_gone() {
    let mut scene = Scene::new();
    let mut watch = Piped::start(&scene, &[]);
    watch.next(&["tokend is not on the bus"]);
    let (tokend, player) = scene.start();
    watch.next(&["tokend ", "sealing: generated", "clock: set"]);
    player.get_token(CINEMA, 0).unwrap();
    let line = watch.next(&["cinema: ready, token 1, expires "]);
    assert!(line.contains(", next try 2"), "{line}");
    scene.authority.assert_no_secret_in("watch", &line);

    scene
        .authority
        .always(Endpoint::Register, Fault::refusal(400, "unapproved_software_statement"));
    scene.add("radio");
    player.reload().unwrap();
    watch.next(&["radio: ", "no token"]);
    player.get_token("radio", 0).unwrap_err();
    watch.next(&["radio: rejected, no token", "Rejected: ", "unapproved_software_statement"]);
    scene.device.remove("radio");
    player.reload().unwrap();
    watch.next(&["radio: no longer configured"]);

    tokend.terminate();
    watch.next(&["tokend has left the bus: waiting for it"]);
    let _tokend = scene.device.start();
    watch.next(&["tokend ", "sealing: generated"]);
    scene.bus.kill();
    watch.next(&["tokend: the bus is gone"]);
    assert_eq!(watch.code(), Some(69));
}

#[test]
fn as_json_each_change_is_an_object_on_a_line() {
    let scene = Scene::new();
    let (tokend, player) = scene.start();
    let mut watch = Piped::start(&scene, &["--json", CINEMA]);
    let json = |line: &str| -> Value { serde_json::from_str(line).unwrap() };
    let here = json(&watch.next(&["here"]));
    assert_eq!(here["applications"][0]["id"], CINEMA);
    player.get_token(CINEMA, 0).unwrap();
    let ready = json(&watch.next(&["\"application\"", "\"ready\""]));
    let properties = player.properties(CINEMA);
    assert_eq!(ready["expires_at"], properties.expires_at);
    assert_eq!(ready["token_number"], 1);
    tokend.terminate();
    assert_eq!(json(&watch.next(&["gone"]))["event"], "gone");
    for line in watch.lines.text(0).lines() {
        assert!(json(line)["time"].is_u64(), "{line}");
    }
}

#[test]
fn the_end_of_its_reader_ends_it_quietly_though_nothing_changes() {
    let scene = Scene::new();
    let (_tokend, _player) = scene.start();
    let mut command = command(&scene, &[]);
    let (reader, writer) = std::io::pipe().unwrap();
    let errors = Lines::default();
    let (error_reader, error_writer) = std::io::pipe().unwrap();
    errors.collect(error_reader, || {});
    command.stdout(writer).stderr(error_writer);
    let mut watch = Child::spawn(command).unwrap();
    let output = Lines::default();
    let (first, came) = mpsc::channel();
    output.listen(move |line| drop(first.send(line.to_owned())));
    let copy = reader.try_clone().unwrap();
    thread::spawn(move || {
        use std::io::BufRead as _;
        let mut line = String::new();
        let _ = std::io::BufReader::new(copy).read_line(&mut line);
        output.push(line);
    });
    assert!(came.recv_timeout(BOUND).unwrap().contains("tokend "));
    drop(reader);
    assert_eq!(watch.wait(BOUND).expect("it ends").code(), Some(0));
    errors.wait_for_end(BOUND);
    assert_eq!(errors.text(0), "");
}

#[test]
fn what_plain_status_refuses_a_watch_refuses_at_once() {
    let mut scene = Scene::new();
    let (_tokend, _player) = scene.start();
    let mut unknown = Piped::start(&scene, &["radio"]);
    unknown.next(&["tokend has no application radio"]);
    assert_eq!(unknown.code(), Some(65));
    scene.bus.kill();
    let mut nowhere = Piped::start(&scene, &[]);
    nowhere.next(&["cannot connect"]);
    assert_eq!(nowhere.code(), Some(69));
}

#[test]
fn a_terminal_shows_the_changes_in_80_by_24_and_is_given_back_by_ctrl_c() {
    let scene = Scene::new();
    for number in 0..30 {
        scene.add(&format!("radio{number:02}"));
    }
    let (tokend, player) = scene.start();
    let mut terminal = on_a_terminal(&scene, &[]);
    terminal.wait_for_text("… and 10 more");
    player.get_token(CINEMA, 0).unwrap();
    let screen = terminal.wait_for("token of cinema", |screen| {
        screen.contents().lines().any(|line| line.starts_with("cinema") && line.contains("ready"))
    });
    assert!(screen.lines().next().unwrap().starts_with("tokend "), "{screen}");
    assert!(
        terminal.wait_for("other screen", vt100::Screen::alternate_screen).lines().count() <= 24
    );

    terminal.resize(40, 60);
    let screen = terminal.wait_for_text("radio29");
    assert!(!screen.contains("more"), "{screen}");
    tokend.terminate();
    terminal.wait_for_text("tokend has left the bus: waiting for it");
    let _tokend = scene.device.start();
    terminal.wait_for_text("radio29");

    terminal.hit("\x03");
    assert_eq!(terminal.wait_exit().code(), Some(0));
    terminal.assert_given_back();
}

#[test]
fn a_terminal_is_given_back_whatever_ends_the_watch() {
    let mut scene = Scene::new();
    let (_tokend, _player) = scene.start();
    let watch = || {
        let terminal = on_a_terminal(&scene, &[CINEMA]);
        terminal.wait_for_text("redirect URIs: none");
        terminal
    };
    let mut by_a_key = watch();
    by_a_key.hit("q");
    assert_eq!(by_a_key.wait_exit().code(), Some(0));
    by_a_key.assert_given_back();

    let mut by_a_signal = watch();
    by_a_signal.child().signal(Signal::TERM);
    assert_eq!(by_a_signal.wait_exit().signal(), Some(Signal::TERM.as_raw()));
    by_a_signal.assert_given_back();

    let mut by_the_bus = watch();
    scene.bus.kill();
    assert_eq!(by_the_bus.wait_exit().code(), Some(69));
    by_the_bus.assert_given_back();
    by_the_bus.wait_for_text("tokend: the bus is gone");
}

#[test]
fn a_countdown_goes_on_without_a_word_to_the_bus() {
    let scene = Scene::new();
    // Seconds are shown of less than an hour.
    scene.authority.set_expires_in(3000);
    let (_tokend, player) = scene.start();
    player.get_token(CINEMA, 0).unwrap();
    let calls = monitor(&scene);
    let terminal = on_a_terminal(&scene, &[]);
    // Three different countdowns: those of three seconds.
    let mut before = terminal.wait_for_text("in 49 min");
    for _ in 0..2 {
        let shown = before.clone();
        before = terminal.wait_for("new countdown", |screen| screen.contents() != shown);
    }
    drop(terminal);
    let mut count = HashMap::new();
    // Its last sign: the bus says that it has left.
    loop {
        let message = calls.recv_timeout(BOUND).unwrap();
        let header = message.header();
        let member = header.member().map(ToString::to_string).unwrap_or_default();
        if member == "NameOwnerChanged" && !count.is_empty() {
            let (_, _, new): (String, String, String) = message.body().deserialize().unwrap();
            if new.is_empty() {
                break;
            }
        }
        if message.message_type() == zbus::message::Type::MethodCall {
            *count.entry(member).or_insert(0) += 1;
        }
    }
    let wanted = [
        ("Hello", 1),
        ("AddMatch", 2),
        ("GetNameOwner", 1),
        ("GetAll", 1),
        ("GetManagedObjects", 1),
    ];
    assert_eq!(count, HashMap::from(wanted.map(|(name, count)| (name.to_owned(), count))));
}

/// All messages on the bus from now on.
fn monitor(scene: &Scene) -> mpsc::Receiver<zbus::Message> {
    let (sender, receiver) = mpsc::channel();
    let connection = zbus::connection::Builder::address(scene.bus.address()).build();
    let connection = zbus::block_on(connection).unwrap();
    let mut messages = zbus::MessageStream::from(&connection);
    let no_rules: &[&str] = &[];
    let arguments = (no_rules, 0_u32);
    let become_monitor = connection.call_method(
        Some("org.freedesktop.DBus"),
        "/org/freedesktop/DBus",
        Some("org.freedesktop.DBus.Monitoring"),
        "BecomeMonitor",
        &arguments,
    );
    zbus::block_on(become_monitor).unwrap();
    thread::spawn(move || {
        zbus::block_on(async {
            while let Some(Ok(message)) = messages.next().await {
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
    });
    receiver
}
