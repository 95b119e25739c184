// SPDX-License-Identifier: MIT OR Apache-2.0
//! Other numbers than the contract's: what they would cost the server, and spare the viewers.
//!
//! The lifecycle has its numbers built in, so these runs follow a rule of the same form; with the
//! contract's numbers it comes to the lifecycle's results (`tests/e2e/fleet.rs` compares them), which
//! are shown beside them.

use crate::sim::rule::{Jitter, Refresh, Retry, Rule};
use crate::sim::scene::{SCENES, Scene};
use crate::sim::{HOUR, Keeper, MINUTE, SECOND, Tally, run};
use crate::study::least;

/// One set of numbers.
pub struct Variant {
    pub name: String,
    /// The middle of the refresh window, in percent, for those that belong to the curve.
    pub point: Option<f64>,
    /// Requests of an ordinary day, as a multiple of the least possible.
    pub load: f64,
    /// Requests of a device in the hour of outage and the hour after it.
    pub then: f64,
    /// An outage of an hour.
    pub outage: Tally,
}

pub fn variants(devices: u64, seed: u64) -> Vec<Variant> {
    let devices = (devices / 5).max(20_000);
    let mut keepers = vec![("tokend".to_owned(), None, Keeper::Tokend)];
    let mut add = |name: &str, point, rule| {
        keepers.push((name.to_owned(), point, Keeper::Rule(rule)));
    };
    for low in [45, 55, 60, 65, 70, 75, 80, 85, 89] {
        let high = low + 10;
        let refresh = Refresh::Between(f64::from(low) / 100.0, f64::from(high) / 100.0);
        let name = match low {
            75 => "75 to 85 % (the contract)".to_owned(),
            _ => format!("{low} to {high} %"),
        };
        add(&name, Some(f64::from(low) + 5.0), Rule { refresh, ..Rule::CONTRACT });
    }
    let refresh = Refresh::Between(0.70, 0.85);
    add("70 to 85 %", None, Rule { refresh, ..Rule::CONTRACT });
    for (name, first, jitter) in [
        ("first wait 15 s", 15 * SECOND, Jitter::Full),
        ("half of each wait fixed", SECOND, Jitter::Equal),
        ("both", 15 * SECOND, Jitter::Equal),
    ] {
        let retry = Retry::Growing { first, factor: 2.0, last: 10 * MINUTE, jitter };
        add(name, None, Rule { retry, ..Rule::CONTRACT });
    }
    let variant = |(name, point, keeper)| {
        let lead = |scene: &Scene| run(scene, keeper, devices, seed);
        let (day, outage) = (&SCENES[0], &SCENES[2]);
        let load = lead(day).each_day() / least(day);
        let counted = lead(outage);
        let then = counted.between(outage.from, outage.to + HOUR) as f64 / devices as f64;
        Variant { name, point, load, then, outage: counted }
    };
    keepers.into_iter().map(variant).collect()
}
