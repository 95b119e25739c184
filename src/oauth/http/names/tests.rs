// SPDX-License-Identifier: MIT OR Apache-2.0
use std::sync::{Condvar, LazyLock};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::*;

/// Bounds a failing test; none that passes waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a test's resolver has been asked, and what it may answer now.
#[derive(Default)]
struct Server {
    asked: Mutex<Vec<(String, Family)>>,
    open: Mutex<Vec<Family>>,
    changed: Condvar,
}

impl Server {
    /// Lets all questions about this family be answered.
    fn open(&self, family: Family) {
        self.open.lock().unwrap().push(family);
        self.changed.notify_all();
    }

    fn asked(&self, wanted: Family) -> usize {
        self.asked.lock().unwrap().iter().filter(|(_, family)| *family == wanted).count()
    }

    /// Waits until so many questions have been put.
    fn wait_for(&self, family: Family, questions: usize) {
        while self.asked(family) < questions {
            thread::yield_now();
        }
    }

    /// One address, whose last byte is that of the name; `nowhere` has none.
    fn answer(&self, host: &str, family: Family) -> Answer {
        self.asked.lock().unwrap().push((host.to_owned(), family));
        let closed = |open: &mut Vec<Family>| !open.contains(&family);
        drop(self.changed.wait_while(self.open.lock().unwrap(), closed).unwrap());
        if host == "nowhere" {
            return Answer::Nothing(Some(io::Error::other("no such name")));
        }
        let last = *host.as_bytes().last().unwrap();
        Answer::Addresses(vec![match family {
            Family::Four => SocketAddr::from(([192, 0, 2, last], 0)),
            Family::Six => SocketAddr::from(([0x2001, 0, 0, 0, 0, 0, 0, u16::from(last)], 0)),
        }])
    }
}

/// A resolver of a test's own: each test needs its own names and server.
macro_rules! names {
    ($names:ident, $server:ident) => {
        static $server: LazyLock<Server> = LazyLock::new(Server::default);
        static $names: Names = Names::new(|host, family| $server.answer(host, family));
    };
}

/// The next answer, waited for as a race waits.
fn next(questions: &Questions) -> (Family, Answer) {
    loop {
        if let Some(answer) = questions.answer() {
            return answer;
        }
        let fd = questions.as_fd();
        let patience = Timespec::try_from(PATIENCE).unwrap();
        let ready = poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&patience)).unwrap();
        assert_eq!(ready, 1, "an answer");
    }
}

fn address(answer: (Family, Answer)) -> (Family, SocketAddr) {
    match answer {
        (family, Answer::Addresses(addresses)) => (family, addresses[0]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_question_that_gets_no_answer_does_not_hold_up_the_other_familys() {
    names!(NAMES, SERVER);
    SERVER.open(Family::Four);
    let questions = NAMES.ask("a", 443).unwrap();
    let expected = SocketAddr::from(([192, 0, 2, b'a'], 443));
    assert_eq!(address(next(&questions)), (Family::Four, expected));
    assert!(questions.answer().is_none());
    SERVER.open(Family::Six);
    assert_eq!(address(next(&questions)).0, Family::Six);
}

#[test]
fn an_answer_that_comes_too_late_serves_the_next_try_of_that_name() {
    names!(NAMES, SERVER);
    drop(NAMES.ask("a", 443).unwrap());
    SERVER.wait_for(Family::Six, 1);
    SERVER.open(Family::Six);
    while NAMES.lock().answers.is_empty() {
        thread::yield_now();
    }
    SERVER.open.lock().unwrap().clear();
    assert!(NAMES.ask("b", 443).unwrap().answer().is_none());
    match next(&NAMES.ask("a", 8443).unwrap()) {
        (Family::Six, Answer::Earlier(addresses)) => assert_eq!(addresses[0].port(), 8443),
        other => panic!("{other:?}"),
    }
    NAMES.lock().expire(clock::boot().after(KEPT));
    assert!(NAMES.ask("a", 443).unwrap().answer().is_none(), "no longer than ten minutes");
}

#[test]
fn no_more_than_four_questions_about_a_family_hang_and_the_next_gets_the_first_free_place() {
    names!(NAMES, SERVER);
    SERVER.open(Family::Four);
    let hung: Vec<_> = (0..MAX_LOOKUPS).map(|_| NAMES.ask("a", 443).unwrap()).collect();
    let questions = NAMES.ask("b", 443).unwrap();
    assert_eq!(address(next(&questions)).0, Family::Four, "the other family has its own places");
    SERVER.wait_for(Family::Six, MAX_LOOKUPS);
    assert_eq!(NAMES.lock().under_way[Family::Six as usize], MAX_LOOKUPS);
    assert!(!questions.are_all_unasked());
    drop(hung);
    SERVER.open(Family::Six);
    assert_eq!(address(next(&questions)).0, Family::Six);
    assert_eq!(SERVER.asked(Family::Six), MAX_LOOKUPS + 1);
    while NAMES.lock().under_way != [0; 2] {
        thread::yield_now();
    }
}

#[test]
fn a_try_without_any_place_of_its_own_knows_it() {
    names!(NAMES, SERVER);
    let _hung: Vec<_> = (0..MAX_LOOKUPS).map(|_| NAMES.ask("a", 443).unwrap()).collect();
    assert!(NAMES.ask("b", 443).unwrap().are_all_unasked());
    SERVER.open(Family::Six);
    SERVER.open(Family::Four);
}

#[test]
fn an_answer_serves_every_try_that_waits_for_the_name_and_a_failure_only_its_own() {
    names!(NAMES, SERVER);
    let tries: Vec<_> = (0..=MAX_LOOKUPS).map(|_| NAMES.ask("a", 443).unwrap()).collect();
    SERVER.wait_for(Family::Four, MAX_LOOKUPS);
    SERVER.open(Family::Four);
    for questions in &tries {
        assert_eq!(address(next(questions)).0, Family::Four);
    }
    assert_eq!(SERVER.asked(Family::Four), MAX_LOOKUPS, "the last one has not had to ask");
    SERVER.open.lock().unwrap().clear();
    let failing = NAMES.ask("nowhere", 443).unwrap();
    SERVER.wait_for(Family::Four, MAX_LOOKUPS + 1);
    SERVER.open(Family::Four);
    assert!(matches!(next(&failing), (Family::Four, Answer::Nothing(Some(_)))));
    SERVER.open(Family::Six);
}

#[test]
fn the_systems_resolver_is_asked_for_each_family_by_itself() {
    assert!(matches!(
        system("192.0.2.1", Family::Four),
        Answer::Addresses(found) if found == [SocketAddr::from(([192, 0, 2, 1], 0))]
    ));
    assert!(matches!(system("192.0.2.1", Family::Six), Answer::Nothing(_)));
    // Too long for any name service, so that nobody is asked.
    assert!(matches!(system(&"x".repeat(70), Family::Four), Answer::Nothing(Some(_))));
}
