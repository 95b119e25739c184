// SPDX-License-Identifier: MIT OR Apache-2.0
//! One scene, with tokend and with its peers.

use crate::sim::rule::Rule;
use crate::sim::scene::Scene;
use crate::sim::{DAY, HOUR, Keeper, Tally, run};

/// What was counted.
pub struct Study {
    pub scene: &'static Scene,
    pub tokend: Tally,
    /// What the run with tokend took of one core, in seconds.
    pub took: f64,
    /// Smaller fleets: they ask a thousand times as often.
    pub peers: Vec<(Rule, Tally)>,
}

impl Study {
    pub fn of(scene: &'static Scene, devices: u64, seed: u64) -> Self {
        let began = cpu_seconds();
        let tokend = run(scene, Keeper::Tokend, devices, seed);
        let took = cpu_seconds() - began;
        let long = scene.trouble.is_some() && scene.to - scene.from > HOUR;
        let few = if long { devices / 500 } else { devices / 20 };
        let few = few.clamp(200, 50_000);
        let peers = Rule::PEERS.map(|rule| (rule, run(scene, Keeper::Rule(rule), few, seed)));
        Self { scene, tokend, took, peers: peers.into() }
    }

    /// Everybody, tokend first.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, &Tally)> {
        let peers = self.peers.iter().map(|(rule, tally)| (rule.name, tally));
        std::iter::once(("tokend", &self.tokend)).chain(peers)
    }

    /// Seconds of one core for a million devices and a day.
    pub fn speed(&self) -> f64 {
        self.took * 1e6 / (self.tokend.devices * self.scene.days) as f64
    }
}

/// The fewest requests that keep a device in tokens for a day.
pub fn least(scene: &Scene) -> f64 {
    DAY as f64 / 1000.0 / f64::from(scene.lifetime)
}

/// Counts of a fleet as those of a million devices.
pub fn million(tally: &Tally) -> f64 {
    1e6 / tally.devices as f64
}

/// So that a busy machine changes no result.
fn cpu_seconds() -> f64 {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    used.tv_sec as f64 + used.tv_nsec as f64 / 1e9
}
