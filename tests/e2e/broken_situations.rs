// SPDX-License-Identifier: MIT OR Apache-2.0
//! A device that does not work: for each situation, what `check`, the journal, `status` and the exit
//! code say, and that the guides have a remedy for every error and warning among it.

mod remedies;
mod situations;

use std::fmt::Write as _;

use crate::support::BOUND;
use crate::support::raw::{Message, Raw};
use crate::support::scene::{CINEMA, Scene};
use remedies::Remedies;
use situations::Situation;

/// What somebody who looks at the device gets to read.
#[derive(Default)]
struct Said {
    check: String,
    check_code: Option<i32>,
    journal: String,
    /// None: the daemon runs.
    exit: Option<i32>,
    status: String,
}

impl Said {
    /// Every line that is an error or a warning, without its level.
    fn troubles(&self) -> impl Iterator<Item = &str> {
        let lines = self.check.lines().chain(self.journal.lines());
        let levels = ["error", "warning"];
        lines.filter_map(move |line| {
            levels.iter().find_map(|level| line.strip_prefix(level)).map(str::trim_start)
        })
    }
}

fn look(situation: &Situation) -> Said {
    let mut scene = Scene::new();
    (situation.breaks)(&mut scene);
    let options = scene.device.options();
    let words: Vec<&str> =
        ["check"].into_iter().chain(options.iter().map(String::as_str)).collect();
    let check = scene.device.run(&words);
    let mut said =
        Said { check: check.stdout + &check.stderr, check_code: check.code, ..Said::default() };
    let mut tokend = scene.device.spawn().unwrap();
    if let Some(code) = situation.exit {
        let ended = tokend.wait_exit();
        assert_eq!(ended.code(), code, "{}: {}", situation.name, ended.output);
        said.exit = Some(ended.code());
        said.journal = ended.output;
    } else {
        tokend.wait_notified("READY=1").unwrap();
        // Who asks lets it begin at once. The answer may take 20 s, and nobody waits for it.
        let mut caller = Raw::connect(scene.bus.address()).unwrap();
        caller.send(&Message::get_token(CINEMA, 0)).unwrap();
        for line in situation.journal {
            tokend.wait_for_line(line);
        }
        said.status = status(&scene, situation);
        said.journal = tokend.terminate().output;
    }
    for wanted in situation.journal {
        assert!(said.journal.contains(wanted), "{}: {wanted}:\n{}", situation.name, said.journal);
    }
    for wanted in situation.check {
        assert!(said.check.contains(wanted), "{}: {wanted}:\n{}", situation.name, said.check);
    }
    let code = i32::from(said.check.lines().any(|line| line.starts_with("error "))) * 78;
    assert_eq!(said.check_code, Some(code), "{}: {}", situation.name, said.check);
    said
}

/// What `status` says, once it says what it should; it may be a moment behind the journal.
#[expect(clippy::disallowed_methods, reason = "the bound of a wait")]
fn status(scene: &Scene, situation: &Situation) -> String {
    let began = std::time::Instant::now();
    loop {
        let status = scene.command(&["status", CINEMA]).stdout + &scene.command(&["status"]).stdout;
        // The lines are broken at 80 columns.
        let flat = status.split_whitespace().collect::<Vec<_>>().join(" ");
        let Some(missing) = situation.status.iter().find(|wanted| !flat.contains(**wanted)) else {
            return status;
        };
        assert!(began.elapsed() < BOUND, "{}: {missing}:\n{status}", situation.name);
    }
}

fn each_has_a_remedy(situations: &[Situation]) {
    let remedies = Remedies::of_the_guides();
    let mut without = String::new();
    for situation in situations {
        for line in look(situation).troubles().filter(|line| !remedies.has_one_for(line)) {
            let _ = writeln!(without, "{}: {line}", situation.name);
        }
    }
    assert!(without.is_empty(), "no remedy in the guides for\n{without}");
}

#[test]
fn a_daemon_that_cannot_start_says_why_and_the_guides_say_what_to_do() {
    each_has_a_remedy(situations::NO_START);
}

#[test]
fn a_faulty_application_or_caller_is_told_and_the_guides_say_what_to_do() {
    each_has_a_remedy(situations::APPLICATIONS);
}

#[test]
fn trouble_with_key_and_state_is_told_and_the_guides_say_what_to_do() {
    each_has_a_remedy(situations::STORAGE);
}

#[test]
fn trouble_with_the_server_is_told_and_the_guides_say_what_to_do() {
    each_has_a_remedy(situations::SERVER);
}

#[test]
fn a_device_that_works_has_no_error_and_each_of_its_warnings_a_remedy() {
    each_has_a_remedy(&[situations::GOOD]);
}

#[test]
fn there_are_thirty_situations_or_more() {
    use situations::{APPLICATIONS, NO_START, SERVER, STORAGE};
    assert!(NO_START.len() + APPLICATIONS.len() + STORAGE.len() + SERVER.len() >= 30);
}
