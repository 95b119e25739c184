// SPDX-License-Identifier: MIT OR Apache-2.0
//! A fleet of devices over days of simulated time, one household after another: memory does not
//! grow with the number of devices, since all that stays of a device is counted in bins.
//!
//! A run follows from its seed: each device has a random stream of its own, whatever others do.

mod client;
mod device;
mod real;
/// When to refresh and when to try again.
pub mod rule;
/// The stories.
pub mod scene;
mod server;
mod tally;
mod viewer;

pub use tally::Tally;

use client::Client;
use device::Device;
use fastrand::Rng;
use real::Real;
use rule::{Follower, Rule};
use scene::Scene;
use server::Server;

/// Milliseconds, as everything here counts.
pub const SECOND: u64 = 1_000;
/// The same.
pub const MINUTE: u64 = 60 * SECOND;
/// The same.
pub const HOUR: u64 = 60 * MINUTE;
/// The same.
pub const DAY: u64 = 24 * HOUR;

/// Midnight of the first day that counts. What is before it gives each device a token of its own
/// age.
pub const MIDNIGHT: u64 = 2 * DAY;

/// Who keeps the tokens fresh.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Keeper {
    /// The lifecycle of tokend itself.
    Tokend,
    /// A rule that others follow.
    Rule(Rule),
}

/// Leads a fleet through a scene.
pub fn run(scene: &Scene, keeper: Keeper, devices: u64, seed: u64) -> Tally {
    let mut tally = Tally::new(scene);
    let mut first = 0;
    while first < devices {
        let size = u64::from(scene.household).min(devices - first);
        household(scene, keeper, first..first + size, seed, &mut tally);
        first += size;
    }
    tally
}

/// The devices behind one address, moment by moment.
fn household(
    scene: &Scene,
    keeper: Keeper,
    numbers: std::ops::Range<u64>,
    seed: u64,
    tally: &mut Tally,
) {
    let mut server = Server::new(scene);
    let mut house: Vec<_> = numbers.map(|number| device(scene, keeper, seed, number)).collect();
    let end = scene.end();
    loop {
        let next = house.iter_mut().map(|device| (device.next(), device)).min_by_key(|(at, _)| *at);
        let Some((at, device)) = next.filter(|(at, _)| *at < end) else { break };
        device.step(at, scene, &mut server, tally);
    }
    house.iter_mut().for_each(|device| device.finish(end, tally));
}

fn device(scene: &Scene, keeper: Keeper, seed: u64, number: u64) -> Device {
    let mut rng = Rng::with_seed(mixed(seed ^ mixed(number)));
    // A token of any age, as in a fleet that has been running for years: the first one is fetched
    // at a moment spread over one mean interval before midnight.
    let lifetime = u64::from(scene.lifetime) * SECOND;
    let interval = match keeper {
        Keeper::Tokend => lifetime * 8 / 10,
        Keeper::Rule(rule) => rule.refresh.mean(lifetime),
    };
    let issued = MIDNIGHT - rng.u64(0..interval);
    let client = match keeper {
        Keeper::Tokend => Client::Real(Box::new(Real::new(scene.lifetime, issued, rng.u64(..)))),
        Keeper::Rule(rule) => Client::Follower(Follower::new(rule, lifetime, issued, rng.fork())),
    };
    Device::new(client, scene, rng)
}

/// SplitMix64: neighbouring numbers become seeds that have nothing in common.
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
