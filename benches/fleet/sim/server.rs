// SPDX-License-Identifier: MIT OR Apache-2.0
//! The authorization server, as far as one household sees it.

use fastrand::Rng;

use super::SECOND;
use super::client::{Answer, Output};
use super::scene::{Scene, Trouble};

/// Requests that a household has once; after them it has one each second.
const BURST: u32 = 10;

/// Its mood is the scene's; its memory of a household is the throttle's.
#[derive(Debug)]
pub(super) struct Server {
    throttles: bool,
    burst: u32,
    last: u64,
}

impl Server {
    pub(super) const fn new(scene: &Scene) -> Self {
        Self { throttles: scene.household > 1, burst: BURST, last: 0 }
    }

    /// Whether the household may ask for something now. What is refused costs nothing.
    pub(super) const fn admits(&mut self, at: u64) -> bool {
        if !self.throttles {
            return true;
        }
        if self.burst > 0 {
            self.burst -= 1;
        } else if at < self.last + SECOND {
            return false;
        }
        self.last = at;
        true
    }

    /// The answer to a request, and when it arrives.
    pub(super) fn answer(
        &mut self,
        at: u64,
        request: Output,
        scene: &Scene,
        rng: &mut Rng,
    ) -> (u64, Answer) {
        let arrives = at + rng.u64(80..400);
        let good = if request == Output::Register { Answer::Credentials } else { Answer::Token };
        let trouble = scene.trouble.filter(|_| (scene.from..scene.to).contains(&at));
        let answer = match trouble {
            Some(Trouble::Down) => Answer::Unreachable,
            _ if !self.admits(at) => Answer::Throttled,
            None => good,
            Some(Trouble::ClientError) => Answer::ClientError,
            Some(Trouble::InvalidClient) if request == Output::Fetch => Answer::InvalidClient,
            Some(Trouble::InvalidClient | Trouble::AccessDenied) => Answer::Refused,
        };
        (arrives, answer)
    }
}
