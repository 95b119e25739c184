// SPDX-License-Identifier: MIT OR Apache-2.0
//! From a name to its addresses: `getaddrinfo`, for each family by itself, so that a name server
//! that loses one kind of question does not hold up the answer to the other.
//!
//! `getaddrinfo` can be neither told a limit nor interrupted: each question is a thread that goes on
//! until the system's resolver gives up. What it brings goes to every try that waits for that name,
//! whichever has asked. The next tries have it too, while their own questions are open: so an answer
//! that comes too late is not lost.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use dns_lookup::{AddrInfoHints, LookupErrorKind, getaddrinfo};
use rustix::event::{EventfdFlags, eventfd};

use super::hosts;
use super::plan::Family;
use crate::common::time::BootTime;
use crate::system::clock;

/// The most questions about one family that may hang.
const MAX_LOOKUPS: usize = 4;
/// For how long an answer is kept: no longer than the longest wait for the next try, since nobody
/// tells how long a name server vouches for it.
const KEPT: Duration = Duration::from_secs(600);
/// The most answers that are kept.
const MAX_KEPT: usize = 8;

/// What became of a question.
#[derive(Debug)]
pub(super) enum Answer {
    /// The addresses, at least one.
    Addresses(Vec<SocketAddr>),
    /// The same, to an earlier try's question; this one's is still open.
    Earlier(Vec<SocketAddr>),
    /// No address, and why. None if the name is known to have none of this family.
    Nothing(Option<io::Error>),
}

/// How a question is put: [`system`], but in tests.
pub(super) type Ask = fn(&str, Family) -> Answer;

/// The names that are asked for, and the latest answers.
pub(super) struct Names {
    ask: Ask,
    state: Mutex<State>,
}

struct State {
    /// Tries so far.
    tries: u64,
    /// The questions that have a thread, by family.
    under_way: [usize; 2],
    waiting: Vec<Waiting>,
    answers: Vec<Kept>,
}

/// A try that waits.
struct Waiting {
    number: u64,
    host: String,
    port: u16,
    /// The questions that it has not put yet, for want of a place.
    unasked: Vec<Family>,
    sender: Sender<(Family, Answer)>,
    wake: Arc<OwnedFd>,
}

struct Kept {
    host: String,
    family: Family,
    addresses: Vec<SocketAddr>,
    at: BootTime,
}

/// The questions of this process.
pub(super) static NAMES: Names = Names::new(system);

impl Names {
    pub(super) const fn new(ask: Ask) -> Self {
        let state = State { tries: 0, under_way: [0; 2], waiting: Vec::new(), answers: Vec::new() };
        Self { ask, state: Mutex::new(state) }
    }

    /// Asks for the addresses of a name. The answers, with this port, come to what this returns.
    ///
    /// # Errors
    /// The kernel has no eventfd for us.
    pub(super) fn ask(&'static self, host: &str, port: u16) -> io::Result<Questions> {
        let wake = wake_up_call()?;
        let (sender, receiver) = mpsc::channel();
        let mut state = self.lock();
        state.tries += 1;
        let number = state.tries;
        state.expire(clock::boot());
        let waiting = Waiting {
            number,
            host: host.to_owned(),
            port,
            unasked: Family::BOTH.to_vec(),
            sender,
            wake: Arc::clone(&wake),
        };
        for kept in state.answers.iter().filter(|kept| kept.host == host) {
            waiting.tell(kept.family, Answer::Earlier(kept.addresses.clone()));
        }
        state.waiting.push(waiting);
        self.put_questions(&mut state);
        Ok(Questions { receiver, wake, asked: Some((self, number)) })
    }

    /// Starts a thread for each question that has none, as far as there are places.
    fn put_questions(&'static self, state: &mut State) {
        for family in Family::BOTH {
            while state.under_way[family as usize] < MAX_LOOKUPS
                && let Some((number, host)) = state.next_question(family)
            {
                let work = move || self.look_up(number, host, family);
                match thread::Builder::new().name("lookup".into()).spawn(work) {
                    Ok(_) => state.under_way[family as usize] += 1,
                    Err(error) => state.tell(number, family, Answer::Nothing(Some(error))),
                }
            }
        }
    }

    /// Puts this question, then those that wait for a place.
    fn look_up(&self, mut number: u64, mut host: String, family: Family) {
        loop {
            let answer = (self.ask)(&host, family);
            let mut state = self.lock();
            state.answered(number, &host, family, answer);
            let Some(next) = state.next_question(family) else {
                state.under_way[family as usize] -= 1;
                return;
            };
            (number, host) = next;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn expire(&mut self, now: BootTime) {
        self.answers.retain(|kept| now.since(kept.at) < KEPT);
    }

    fn answered(&mut self, number: u64, host: &str, family: Family, answer: Answer) {
        // Another's failure may be that of a network that is gone: it ends no question but its own.
        let Answer::Addresses(addresses) = answer else {
            return self.tell(number, family, answer);
        };
        for waiting in self.waiting.iter_mut().filter(|waiting| waiting.host == host) {
            waiting.unasked.retain(|unasked| *unasked != family);
            waiting.tell(family, Answer::Addresses(addresses.clone()));
        }
        self.answers.retain(|kept| kept.host != host || kept.family != family);
        if self.answers.len() == MAX_KEPT {
            self.answers.remove(0);
        }
        self.answers.push(Kept { host: host.to_owned(), family, addresses, at: clock::boot() });
    }

    /// Takes the question that has waited longest for a place: whose it is, and about which name.
    fn next_question(&mut self, family: Family) -> Option<(u64, String)> {
        let waiting = self.waiting.iter_mut().find(|w| w.unasked.contains(&family))?;
        waiting.unasked.retain(|unasked| *unasked != family);
        Some((waiting.number, waiting.host.clone()))
    }

    fn tell(&self, number: u64, family: Family, answer: Answer) {
        if let Some(waiting) = self.waiting.iter().find(|waiting| waiting.number == number) {
            waiting.tell(family, answer);
        }
    }
}

impl Waiting {
    fn tell(&self, family: Family, mut answer: Answer) {
        if let Answer::Addresses(addresses) | Answer::Earlier(addresses) = &mut answer {
            addresses.iter_mut().for_each(|address| address.set_port(self.port));
        }
        // Nobody listens if the try has just ended.
        let _ = self.sender.send((family, answer));
        let _ = rustix::io::write(&*self.wake, &1_u64.to_ne_bytes());
    }
}

/// The questions of one try, until it is dropped.
pub(super) struct Questions {
    receiver: Receiver<(Family, Answer)>,
    wake: Arc<OwnedFd>,
    asked: Option<(&'static Names, u64)>,
}

impl Questions {
    /// Of a try whose addresses are known.
    ///
    /// # Errors
    /// The kernel has no eventfd for us.
    pub(super) fn answered(addresses: &[SocketAddr]) -> io::Result<Self> {
        let (wake, (sender, receiver)) = (wake_up_call()?, mpsc::channel());
        for family in Family::BOTH {
            let of_family = |a: &&SocketAddr| a.is_ipv6() == (family == Family::Six);
            let addresses: Vec<_> = addresses.iter().filter(of_family).copied().collect();
            let answer = match addresses.is_empty() {
                true => Answer::Nothing(None),
                false => Answer::Addresses(addresses),
            };
            // It is received below.
            let _ = sender.send((family, answer));
        }
        Ok(Self { receiver, wake, asked: None })
    }

    /// The next answer, if there is one.
    pub(super) fn answer(&self) -> Option<(Family, Answer)> {
        let answer = self.receiver.try_recv().ok();
        if answer.is_none() {
            // So that it is readable no longer. An answer that comes meanwhile is found before the
            // next wait: who waits asks for answers first, and sleeps only while it is unreadable.
            let _ = rustix::io::read(&*self.wake, &mut [0_u8; 8]);
            return self.receiver.try_recv().ok();
        }
        answer
    }

    /// Whether not even one question could be put.
    pub(super) fn are_all_unasked(&self) -> bool {
        self.asked.is_some_and(|(names, number)| {
            let state = names.lock();
            let waiting = state.waiting.iter().find(|waiting| waiting.number == number);
            waiting.is_some_and(|waiting| waiting.unasked.len() == Family::BOTH.len())
        })
    }
}

/// Readable as long as an answer may be there.
impl AsFd for Questions {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

impl Drop for Questions {
    fn drop(&mut self) {
        if let Some((names, number)) = self.asked {
            names.lock().waiting.retain(|waiting| waiting.number != number);
        }
    }
}

impl fmt::Debug for Questions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Questions")
    }
}

fn wake_up_call() -> io::Result<Arc<OwnedFd>> {
    Ok(Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
}

/// The system's resolver.
fn system(host: &str, family: Family) -> Answer {
    if !hosts::leaves_open(host, family) {
        return Answer::Nothing(None);
    }
    let address = match family {
        Family::Six => libc::AF_INET6,
        Family::Four => libc::AF_INET,
    };
    let hints = AddrInfoHints { address, socktype: libc::SOCK_STREAM, ..AddrInfoHints::default() };
    let found = match getaddrinfo(Some(host), None, Some(hints)) {
        Ok(found) => found.flatten().map(|info| info.sockaddr).collect::<Vec<_>>(),
        // What the other family's answer says in such words is the whole truth.
        Err(error) if matches!(error.kind(), LookupErrorKind::NoData) => Vec::new(),
        Err(error) => return Answer::Nothing(Some(error.into())),
    };
    if found.is_empty() { Answer::Nothing(None) } else { Answer::Addresses(found) }
}

#[cfg(test)]
mod tests;
