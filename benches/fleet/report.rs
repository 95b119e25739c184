// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tables, in Markdown.

use crate::curve::Variant;
use crate::sim::Tally;
use crate::study::{Study, million};

/// A table whose columns line up.
pub fn markdown(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let head = head.iter().map(|cell| (*cell).to_owned()).collect();
    let mut lines: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max();
    let widths: Vec<_> = (0..lines[0].len()).map(|column| width(column).unwrap_or(0)).collect();
    lines.insert(1, widths.iter().map(|width| "-".repeat(*width)).collect());
    let mut text = String::new();
    for line in &lines {
        for (cell, width) in line.iter().zip(&widths) {
            text.push_str(&format!("| {cell:width$} "));
        }
        text.push_str("|\n");
    }
    text.push('\n');
    text
}

pub fn scene(study: &Study) -> String {
    let scene = study.scene;
    let rows = study.all().map(|(name, tally)| {
        let peak = |seconds| {
            let from = if scene.is_quiet() { scene.from } else { scene.to };
            format!("{:.0}", tally.peak(from, scene.end(), seconds) * million(tally))
        };
        let mut row = vec![
            name.to_owned(),
            tally.devices.to_string(),
            format!("{:.2}", tally.each_day()),
            peak(10),
            peak(1),
            format!("{:.3}", tally.percent(tally.lost)),
            share(tally.spoilt_then, tally.programmes_then),
        ];
        if !scene.is_quiet() {
            row.push(time(tally.regained.within(0.5)));
            row.push(time(tally.regained.within(0.99)));
            row.push(format!("{:.3}", tally.percent(tally.registered)));
        }
        if scene.household > 1 {
            row.push(share(tally.throttled, tally.asked));
            row.push(share(tally.players_throttled, tally.players_called));
        }
        row
    });
    let mut head = vec![
        "client",
        "devices",
        "requests a day",
        "peak/s, 10 s",
        "1 s",
        "without, %",
        "spoilt, %",
    ];
    if !scene.is_quiet() {
        head.extend(["half back after", "99 % back", "anew, %"]);
    }
    if scene.household > 1 {
        head.extend(["429, %", "players' 429, %"]);
    }
    let mut text = format!("{}: {}\n\n{}", scene.name, scene.about, markdown(&head, rows));
    let tally = &study.tokend;
    if tally.overdue > 0 {
        text.push_str(&format!(
            "tokend: {:.1} % were failing when it ended; half of them had a token {} later, 99 % {}. \
             Times the even rate of 10 min: {:.2} in the busiest 10 s, {:.2} in the busiest second; \
             times that of the overdue alone: {:.2} and {:.2}.\n\n",
            tally.percent(tally.overdue),
            time(tally.caught_up.within(0.5)),
            time(tally.caught_up.within(0.99)),
            tally.rush(10),
            tally.rush(1),
            tally.strict_rush(10),
            tally.strict_rush(1),
        ));
    }
    text.push_str(&format!(
        "{:.1} s of one core for a million devices and a day\n\n",
        study.speed()
    ));
    text
}

pub fn variants(variants: &[Variant]) -> String {
    let rows = variants.iter().map(|variant| {
        let tally: &Tally = &variant.outage;
        vec![
            variant.name.clone(),
            format!("{:.3}", variant.load),
            format!("{:.2}", variant.then),
            format!("{:.2}", tally.rush(10)),
            time(tally.caught_up.within(0.5)),
            time(tally.caught_up.within(0.99)),
            format!("{:.3}", tally.percent(tally.lost)),
            share(tally.spoilt_then, tally.programmes_then),
        ]
    });
    let head = [
        "numbers",
        "load",
        "requests then",
        "rush",
        "half recovered",
        "99 %",
        "without, %",
        "spoilt, %",
    ];
    let about = "other numbers, in an outage of an hour with tokens of 6 h";
    format!("{about}\n\n{}", markdown(&head, rows))
}

fn share(part: u64, whole: u64) -> String {
    format!("{:.3}", 100.0 * part as f64 / whole.max(1) as f64)
}

fn time(seconds: Option<u64>) -> String {
    match seconds {
        None => "–".to_owned(),
        Some(seconds) if seconds < 6000 => format!("{seconds} s"),
        Some(seconds) => format!("{:.1} h", seconds as f64 / 3600.0),
    }
}
