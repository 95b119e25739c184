// SPDX-License-Identifier: MIT OR Apache-2.0
//! One device: its power, its viewer, its requests on their way.

use fastrand::Rng;

use super::client::{Answer, Client, Input, Output};
use super::scene::{Power, Scene};
use super::server::Server;
use super::tally::Tally;
use super::viewer::Viewer;
use super::{MIDNIGHT, SECOND};

/// A player that waits longer for its token shows that it waits.
const NOTICED: u64 = 5 * SECOND;
/// What a player asks Adobe Pass itself at the beginning of a programme.
const PLAYERS_CALLS: u32 = 6;

/// The device, and what is remembered of it until it is counted.
#[derive(Debug)]
pub(super) struct Device {
    client: Client,
    viewer: Viewer,
    rng: Rng,
    on: bool,
    off_at: u64,
    boot_at: u64,
    confirm_at: u64,
    answer: Option<(u64, Answer)>,
    asked: Option<u64>,
    /// The programme that is on: when it began, and whether a token was missed.
    programme: Option<(u64, bool)>,
    without_since: Option<u64>,
    failing: bool,
    /// Failing when the trouble ended; asked once, then until it has its token.
    overdue: Option<bool>,
    lost: bool,
    /// It has had a token since the trouble ended.
    back: bool,
    out: Vec<Output>,
}

impl Device {
    pub(super) fn new(client: Client, scene: &Scene, mut rng: Rng) -> Self {
        let mut viewer = Viewer::new(MIDNIGHT, rng.fork());
        let slow = rng.u64(15 * SECOND..40 * SECOND);
        let (off_at, boot_at, confirmed) = match scene.power {
            Power::Always => (u64::MAX, u64::MAX, false),
            Power::Cut { confirmed } => (scene.from, scene.to + slow, confirmed),
            Power::SwitchedOn => (MIDNIGHT, rng.u64(scene.from..scene.to), true),
        };
        if scene.power == Power::SwitchedOn {
            viewer.switch_on(boot_at);
        }
        let confirm_at =
            if confirmed { boot_at + rng.u64(5 * SECOND..30 * SECOND) } else { u64::MAX };
        Self {
            client,
            viewer,
            rng,
            on: true,
            off_at,
            boot_at,
            confirm_at,
            answer: None,
            asked: None,
            programme: None,
            without_since: None,
            failing: false,
            overdue: None,
            lost: false,
            back: false,
            out: Vec::new(),
        }
    }

    /// When something happens to it next.
    pub(super) fn next(&self) -> u64 {
        if !self.on {
            return self.boot_at;
        }
        let answer = self.answer.map_or(u64::MAX, |(at, _)| at);
        let switch = self.off_at.min(self.confirm_at).min(self.boot_at);
        self.client.next().min(self.viewer.next()).min(answer).min(switch)
    }

    /// Leads it through what happens at a moment.
    pub(super) fn step(&mut self, at: u64, scene: &Scene, server: &mut Server, tally: &mut Tally) {
        self.look_back(at, scene, tally);
        if at >= self.boot_at {
            self.boot_at = u64::MAX;
            self.on = true;
            self.without_since = Some(at);
            self.viewer.skip_to(at);
            self.client.handle(at, Input::Boot, &mut self.out);
        } else if at >= self.off_at {
            self.switch_off(at, tally);
            return;
        } else if at >= self.confirm_at {
            self.confirm_at = u64::MAX;
            self.client.handle(at, Input::ClockConfirmed, &mut self.out);
        } else if let Some((_, answer)) = self.answer.take_if(|(arrives, _)| *arrives <= at) {
            self.failing = !matches!(answer, Answer::Token | Answer::Credentials);
            self.client.handle(at, Input::Answered(answer), &mut self.out);
        } else if self.client.next() <= at {
            self.client.handle(at, Input::Tick, &mut self.out);
        } else {
            self.player_asks(at, scene, server, tally);
        }
        self.act(at, scene, server, tally);
        self.look_ahead(at, scene, tally);
    }

    /// The scene is over: what is open is counted as it stands.
    pub(super) fn finish(&mut self, end: u64, tally: &mut Tally) {
        if self.on && self.without_since.is_none() && self.client.valid_until() <= end {
            self.without_since = Some(self.client.valid_until());
        }
        self.close_gap(end, tally);
        self.end_programme(tally);
        tally.devices += 1;
        tally.lost += u64::from(self.lost);
    }

    /// What has come true by itself since the last moment.
    fn look_back(&mut self, at: u64, scene: &Scene, tally: &mut Tally) {
        if self.on && self.without_since.is_none() && self.client.valid_until() <= at {
            self.without_since = Some(self.client.valid_until());
        }
        if self.overdue.is_none() && at >= scene.to {
            self.overdue = Some(self.failing);
            tally.overdue += u64::from(self.failing);
        }
    }

    fn look_ahead(&mut self, at: u64, scene: &Scene, tally: &mut Tally) {
        if self.client.valid_until() <= at {
            return;
        }
        if at >= scene.to && !std::mem::replace(&mut self.back, true) {
            let was_without = self.without_since.is_some_and(|since| since < scene.to);
            if was_without || matches!(scene.power, Power::Cut { .. }) {
                tally.regained(at);
            }
        }
        self.close_gap(at, tally);
        if self.overdue == Some(true) && !self.failing {
            self.overdue = Some(false);
            tally.caught_up(at);
        }
    }

    fn close_gap(&mut self, at: u64, tally: &mut Tally) {
        if let Some(since) = self.without_since.take() {
            self.lost |= tally.gap(since, at);
        }
    }

    fn switch_off(&mut self, at: u64, tally: &mut Tally) {
        self.close_gap(at, tally);
        self.end_programme(tally);
        self.on = false;
        (self.off_at, self.answer, self.asked) = (u64::MAX, None, None);
    }

    /// A cached token costs the lifecycle nothing: the bus serves it.
    fn player_asks(&mut self, at: u64, scene: &Scene, server: &mut Server, tally: &mut Tally) {
        let begins = self.viewer.asked();
        if begins {
            self.end_programme(tally);
            self.programme = Some((at, false));
        }
        if scene.household > 1 {
            let calls = if begins { PLAYERS_CALLS } else { 1 };
            (0..calls).for_each(|_| tally.players_call(server.admits(at)));
        }
        if self.client.valid_until() <= at && self.asked.is_none() {
            self.asked = Some(at);
            self.client.handle(at, Input::Asked, &mut self.out);
        }
    }

    fn end_programme(&mut self, tally: &mut Tally) {
        if let Some((began, spoilt)) = self.programme.take() {
            tally.programme(began, spoilt);
        }
    }

    fn act(&mut self, at: u64, scene: &Scene, server: &mut Server, tally: &mut Tally) {
        let mut out = std::mem::take(&mut self.out);
        for output in out.drain(..) {
            match output {
                Output::Fetch | Output::Register => {
                    let (arrives, answer) = server.answer(at, output, scene, &mut self.rng);
                    tally.request(at, answer);
                    self.answer = Some((arrives, answer));
                }
                Output::Served | Output::Denied => {
                    let waited = self.asked.take().map_or(0, |since| at - since);
                    if output == Output::Denied || waited > NOTICED {
                        self.programme = self.programme.map(|(began, _)| (began, true));
                    }
                }
            }
        }
        self.out = out;
    }
}
