// SPDX-License-Identifier: MIT OR Apache-2.0
//! `docs/sequences/*.seq` show what the lifecycle does: each line is done or demanded here, in its
//! order, and nothing happens that a picture does not show.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::world::*;
use crate::common::time::BootTime;
use crate::lifecycle::{CallId, Desired, Event, PATIENCE, WriteKind};

/// A picture, as far as it has been walked.
struct Walk {
    world: World,
    /// Calls that wait, by the player's name.
    calls: BTreeMap<String, CallId>,
    /// The token that each player has been handed last.
    holds: BTreeMap<String, String>,
    /// The values of the tokens, by their number.
    tokens: BTreeMap<u64, String>,
    /// `State` and `TokenNumber` as the picture has shown them last.
    shown: (String, u64),
    /// When the last token request was sent.
    fetched_at: BootTime,
    statement: u8,
}

#[test]
fn every_picture_shows_what_the_lifecycle_does() {
    let pictures = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/sequences");
    let mut walked = Vec::new();
    for entry in fs::read_dir(pictures).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "seq") {
            walk(&fs::read_to_string(&path).unwrap(), &path);
            walked.push(path.file_stem().unwrap().to_owned());
        }
    }
    walked.sort();
    assert_eq!(walked, ["first-boot", "refresh", "refused-token", "revoked-statement", "standby"]);
}

#[test]
fn a_picture_that_lies_is_found_out() {
    let true_one = include_str!("../../../docs/sequences/standby.seq");
    for (line, lie) in [
        ("tokend: writes ID.token", "tokend: removes ID.token"),
        ("tokend: writes ID.token\n", ""),
        ("State fetching, TokenNumber 0", "State fetching"),
        ("headers with token 2", "headers with token 1"),
        ("--- standby for 8 h", "--- standby for 1 h"),
    ] {
        assert!(true_one.contains(line), "{line}");
        let picture = true_one.replacen(line, lie, 1);
        let walked = std::panic::catch_unwind(|| walk(&picture, Path::new("a lie")));
        assert!(walked.is_err(), "{lie:?} for {line:?}");
    }
}

fn walk(picture: &str, path: &Path) {
    let mut steps = picture.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    assert!(steps.next().unwrap().starts_with("title "), "{}", path.display());
    assert!(steps.next().unwrap().starts_with("lanes "), "{}", path.display());
    let mut walk = Walk::begin(steps.next().unwrap());
    for step in steps {
        println!("{}: {step}", path.display());
        walk.step(step);
    }
    walk.settled();
}

impl Walk {
    /// The first line says where a picture begins.
    fn begin(line: &str) -> Self {
        let mut walk = Self {
            world: World::cinema(),
            calls: BTreeMap::new(),
            holds: BTreeMap::new(),
            tokens: BTreeMap::new(),
            shown: (String::new(), 0),
            fetched_at: BootTime(0),
            statement: 1,
        };
        if line != "first boot" {
            let lifetime = line.strip_prefix("in use: token 1 for ").expect(line);
            walk.fetched_at = walk.world.now.boot;
            walk.world = World::ready(seconds_of(lifetime));
            walk.tokens.insert(1, walk.world.token().unwrap());
        }
        walk.shown = walk.properties();
        walk.world.done = Some(VecDeque::new());
        walk
    }

    fn step(&mut self, line: &str) {
        if let Some(passing) = line.strip_prefix("--- ") {
            self.settled();
            return self.pass(passing);
        }
        let (who, what) = line.split_once(": ").unwrap_or_else(|| panic!("no step: {line}"));
        if let Some((from, to)) = who.split_once(" => ") {
            assert!(from == "tokend" && to.split(", ").all(|to| to.starts_with("player")));
            return self.signal(what);
        }
        match who.split_once(" -> ") {
            None => self.alone(what),
            Some(("tokend", "Adobe Pass")) => self.request(what),
            Some(("tokend", player)) => self.answer(player, what),
            Some(("Adobe Pass", "tokend")) => self.response(what),
            Some((player, "tokend")) => self.call(player, what),
            Some((player, "Adobe Pass")) => {
                let number = what.strip_prefix("call with token ").expect(line);
                assert_eq!(self.holds[player], self.token(number), "{line}");
            }
            Some(("Adobe Pass", _)) => assert_eq!(what, "401"),
            Some(_) => panic!("between whom? {line}"),
        }
    }

    /// Nothing has happened that the picture has not shown.
    fn settled(&self) {
        assert_eq!(self.world.done, Some(VecDeque::new()), "the picture leaves this out");
        assert_eq!(self.shown, self.properties(), "the picture shows no signal of this");
    }

    fn next(&mut self) -> Option<Done> {
        self.world.done.as_mut().unwrap().pop_front()
    }

    fn properties(&self) -> (String, u64) {
        let view = self.world.view();
        (view.state.as_str().to_owned(), view.token_number)
    }

    fn token(&self, number: &str) -> &str {
        &self.tokens[&number.parse().expect(number)]
    }

    // What tokend does.

    fn alone(&mut self, what: &str) {
        if what == "reads a new statement" {
            self.settled();
            self.statement += 1;
            let statement = Ok(digest(self.statement));
            self.world.statements.insert(app("cinema"), statement.clone());
            let desired = Desired { statement };
            return self.world.handle(Event::Configured { app: app("cinema"), desired });
        }
        let Some(Done::Written(written)) = self.next() else { panic!("not done: {what}") };
        let stored = self.world.disk[&app("cinema")].clone();
        let attempts = || {
            let origin = &self.world.policy.servers.url;
            stored.record.attempts[&digest(self.statement)][origin].clone()
        };
        let slot = self.world.slot(self.statement);
        let right = match (what, written) {
            ("writes ID.token", WriteKind::Token) => stored.token.is_some(),
            ("removes ID.token", WriteKind::NoToken) => stored.token.is_none(),
            ("writes ID.DIGEST: credentials, pending", WriteKind::Credentials(_)) => {
                slot.pending.is_some()
            }
            ("writes ID.DIGEST: credentials, current", WriteKind::Credentials(_)) => {
                slot.current.is_some() && slot.pending.is_none()
            }
            ("writes ID.record: one more attempt", WriteKind::Record(_)) => {
                attempts().unanswered > 0
            }
            ("writes ID.record: the attempt is answered", WriteKind::Record(_)) => {
                attempts().unanswered == 0
            }
            ("writes ID.record: one more refusal", WriteKind::Record(_)) => attempts().refusals > 0,
            ("writes ID.record: this statement is in use", WriteKind::Record(_)) => {
                stored.record.active == Some(digest(self.statement))
            }
            _ => false,
        };
        assert!(right, "{what}, says the picture; it was {written:?}");
    }

    fn request(&mut self, what: &str) {
        let done = match what {
            "registration" => Done::Registering,
            "token request" => Done::Fetching,
            _ => panic!("no request: {what}"),
        };
        assert_eq!(self.next(), Some(done), "{what}");
        self.fetched_at = self.world.now.boot;
    }

    fn signal(&mut self, what: &str) {
        let (before, now) = (self.shown.clone(), self.properties());
        let mut changes = Vec::new();
        if before.0 != now.0 {
            changes.push(format!("State {}", now.0));
        }
        if before.1 != now.1 {
            changes.push(format!("TokenNumber {}", now.1));
        }
        assert_eq!(what, changes.join(", "));
        self.shown = now;
    }

    fn answer(&mut self, player: &str, what: &str) {
        assert_eq!(self.shown, self.properties(), "the signal comes before the answer");
        let call = self.calls.remove(player).expect("a call that waits");
        assert_eq!(self.next(), Some(Done::Answered(call)), "{what}");
        if let Some(error) = self.world.error_of(call) {
            assert_eq!(error.as_str(), format!("tv.tokend.Error.{what}"));
            return;
        }
        let number = what.trim_start_matches("headers with ").strip_prefix("token ").expect(what);
        let got = self.world.got(call).unwrap();
        assert_eq!(got, self.token(number), "{what}");
        self.holds.insert(player.to_owned(), got);
    }

    // What is done to it.

    fn call(&mut self, player: &str, what: &str) {
        let (method, argument) = what.trim_end_matches(')').split_once('(').expect(what);
        let call = match method {
            "GetHeaders" => self.world.want(argument.parse().unwrap()),
            "ReplaceToken" => {
                let number = argument.strip_prefix("token ").expect(what);
                assert_eq!(self.holds[player], self.token(number), "{what}");
                self.world.replace(&self.holds[player].clone())
            }
            _ => panic!("no method: {what}"),
        };
        self.calls.insert(player.to_owned(), call);
    }

    fn response(&mut self, what: &str) {
        self.settled();
        match what {
            "201, client credentials" => self.world.register_ok(),
            "400 invalid_client" => self.world.answer_token(Err(invalid_client())),
            "400 unapproved_software_statement" => self.world.answer_registration(Err(refused())),
            _ => {
                let token = what.strip_prefix("201, token ").expect(what);
                let (number, lifetime) = token.split_once(" for ").expect(what);
                let value = self.world.token_ok(seconds_of(lifetime));
                self.tokens.insert(number.parse().unwrap(), value);
            }
        }
    }

    // Time.

    fn pass(&mut self, what: &str) {
        let now = self.world.now.boot;
        if let Some(lifetime) = what.strip_prefix("75 to 85 % of ") {
            let lifetime = seconds(u64::from(seconds_of(lifetime)));
            assert!(self.world.run_to_request(lifetime));
            let part =
                self.world.now.boot.since(self.fetched_at).as_secs_f64() / lifetime.as_secs_f64();
            assert!((0.75..=0.85).contains(&part), "{part}");
        } else if let Some(time) = what.strip_prefix("standby for ") {
            self.world.pass(seconds(u64::from(seconds_of(time))));
            self.world.handle(Event::Tick);
        } else if let Some(answered) = what.strip_prefix("30 min and more: ") {
            assert_eq!(answered, "every token request is answered with 400 invalid_client");
            assert!(refuse_until_registration(&mut self.world, DAY));
            assert!(self.world.now.boot.since(now) >= MINUTE * 30);
            self.forget_all_but_the_registration();
        } else if let Some(number) = what.strip_prefix("the end of token ") {
            let (number, answered) = number.split_once(": ").unwrap();
            assert_eq!(answered, "every request meanwhile is answered as before");
            self.run_to_the_end_of(number);
        } else {
            panic!("no time: {what}");
        }
    }

    /// The record is written with each refusal, which the picture says in one line; what follows
    /// is the last attempt.
    fn forget_all_but_the_registration(&mut self) {
        let done = self.world.done.as_mut().unwrap();
        while done.len() > 2 {
            let one = done.pop_front().unwrap();
            assert!(matches!(one, Done::Fetching | Done::Written(WriteKind::Record(_))), "{one:?}");
        }
    }

    fn run_to_the_end_of(&mut self, number: &str) {
        let token = self.world.view().token.unwrap();
        assert_eq!(token.value.expose(), self.token(number));
        // A call would wait for a try that is due soon; the picture shows the time between tries.
        let soon = |world: &World| {
            let due = world.life.deadline(world.now);
            !world.sent.is_empty() || due.is_some_and(|at| at <= world.now.boot.after(PATIENCE))
        };
        while self.world.token().is_some() || soon(&self.world) {
            let now = self.world.now.boot;
            if self.world.run_to_request(token.expires.since(now).max(PATIENCE)) {
                if self.world.sent[0].registers() {
                    self.world.answer_registration(Err(refused()));
                } else {
                    self.world.answer_token(Err(invalid_client()));
                }
            }
        }
        // The tries come close together towards the token's end; the governor has permits again.
        self.world.pass(seconds(4));
        let one_of = |done: &Done| {
            matches!(done, Done::Fetching | Done::Registering | Done::Written(WriteKind::Record(_)))
        };
        let done = self.world.done.as_mut().unwrap();
        assert!(done.drain(..).all(|done| one_of(&done)));
    }
}

/// `24 h` in seconds.
fn seconds_of(time: &str) -> u32 {
    let (number, unit) = time.split_once(' ').expect(time);
    let unit = match unit {
        "h" => Duration::from_secs(HOUR),
        "min" => MINUTE,
        _ => panic!("no time: {time}"),
    };
    number.parse::<u32>().unwrap() * u32::try_from(unit.as_secs()).unwrap()
}
