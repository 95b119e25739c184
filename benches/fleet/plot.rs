// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which curves go into which plot.

use std::fs;
use std::io;
use std::path::Path;

use crate::curve::Variant;
use crate::sim::scene::Scene;
use crate::sim::{DAY, HOUR, MIDNIGHT, MINUTE, SECOND};
use crate::study::{Study, million};
use crate::svg::{Panel, Scale, Series, chart};

/// Points of a curve, about.
const POINTS: u64 = 400;

/// Requests at the server, and devices without a token.
pub fn scene(study: &Study, directory: &Path) -> io::Result<()> {
    let scene = study.scene;
    let (from, to) = window(scene);
    let step = ((to - from) / POINTS / (10 * SECOND)).max(1) * 10 * SECOND;
    let hours = |at: u64| (at - MIDNIGHT) as f64 / HOUR as f64;
    let requests = study.all().map(|(name, tally)| {
        let points = (from..to).step_by(step as usize).map(|at| {
            let rate = tally.between(at, at + step) as f64 / (step / SECOND) as f64;
            (hours(at), rate * million(tally))
        });
        Series { name: name.to_owned(), points: points.collect() }
    });
    let without = study.all().map(|(name, tally)| {
        let bins = tally.without();
        let points = (from..to).step_by(step as usize).map(|at| {
            let count = bins[((at - MIDNIGHT) / (10 * SECOND)) as usize];
            (hours(at), 100.0 * count as f64 / tally.devices as f64)
        });
        Series { name: name.to_owned(), points: points.collect() }
    });
    let mut panels = vec![Panel {
        title: "requests per second at the server, for a million devices".to_owned(),
        scale: Scale::Logarithmic,
        series: requests.collect(),
    }];
    if !scene.is_quiet() {
        panels.push(Panel {
            title: "devices that are on and have no token, %".to_owned(),
            scale: Scale::Linear,
            series: without.collect(),
        });
    }
    let svg = chart(scene.about, (hours(from), hours(to)), clock, &panels);
    write(directory, scene.name, &svg)
}

/// What a refresh point costs, and what it spares.
pub fn refresh_points(variants: &[Variant], directory: &Path) -> io::Result<()> {
    let panel = |title: &str, value: &dyn Fn(&Variant) -> f64| Panel {
        title: title.to_owned(),
        scale: Scale::Linear,
        series: vec![Series {
            name: String::new(),
            points: variants.iter().filter_map(|v| Some((v.point?, value(v)))).collect(),
        }],
    };
    let panels = [
        panel("requests of an ordinary day, times the least possible", &|v| v.load),
        panel("devices ever without a token in an outage of an hour, %", &|v| {
            v.outage.percent(v.outage.lost)
        }),
        panel("programmes of those two hours that missed a token, %", &|v| {
            100.0 * v.outage.spoilt_then as f64 / v.outage.programmes_then as f64
        }),
    ];
    let about = "the middle of a refresh window of 10 %, in percent of the lifetime (6 h); the contract's is 80";
    write(directory, "refresh-point", &chart(about, (50.0, 95.0), |x| format!("{x} %"), &panels))
}

/// What is shown of a scene.
fn window(scene: &Scene) -> (u64, u64) {
    if scene.is_quiet() {
        return (scene.from, scene.to);
    }
    if scene.to - scene.from > 2 * HOUR {
        return (MIDNIGHT, MIDNIGHT + 2 * DAY);
    }
    (scene.from - HOUR / 2, scene.to + HOUR + 30 * MINUTE)
}

fn clock(hour: f64) -> String {
    let minutes = (hour * 60.0).round() as u64;
    format!("{}:{:02}", minutes / 60 % 24, minutes % 60)
}

fn write(directory: &Path, name: &str, svg: &str) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    fs::write(directory.join(format!("{name}.svg")), svg)
}
