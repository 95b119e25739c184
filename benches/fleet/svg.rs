// SPDX-License-Identifier: MIT OR Apache-2.0
//! A line chart as SVG that a light and a dark page can both show: the crates that draw charts write
//! colours into each element, where no style can reach them.

use std::fmt::Write as _;

/// Curves over one axis of time or share.
pub struct Panel {
    pub title: String,
    pub scale: Scale,
    pub series: Vec<Series>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    Linear,
    /// From one upwards; less is drawn at the bottom.
    Logarithmic,
}

/// One curve; without a name it is alone and needs no legend.
pub struct Series {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 820.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const HEAD: f64 = 66.0;
const PANEL: f64 = 200.0;
const BETWEEN: f64 = 58.0;

const STYLE: &str = "\
    .paper { fill: #ffffff } text { fill: #1b2733 } .small { font-size: 12px; fill: #45535f }
    .grid { stroke: #d5dde4; fill: none } .frame { stroke: #5b6b7a; fill: none }
    .curve { fill: none; stroke-width: 1.6; stroke-linejoin: round }
    .c0 { stroke: #1c5d99; stroke-width: 2.4 } .c1 { stroke: #b3261e; stroke-dasharray: 6 3 }
    .c2 { stroke: #6a3fa0; stroke-dasharray: 2 2 } .c3 { stroke: #8a5a00; stroke-dasharray: 8 2 2 2 }
    @media (prefers-color-scheme: dark) {
      .paper { fill: #14191f } text { fill: #e6edf3 } .small { fill: #b3c0cc }
      .grid { stroke: #2f3a45 } .frame { stroke: #8a9aa9 }
      .c0 { stroke: #6db3f2 } .c1 { stroke: #ff8a80 } .c2 { stroke: #c9a6ff } .c3 { stroke: #e3b341 }
    }";

/// All panels, one below the other, over the same axis.
pub fn chart(
    about: &str,
    x: (f64, f64),
    label: impl Fn(f64) -> String,
    panels: &[Panel],
) -> String {
    let height = HEAD + panels.len() as f64 * (PANEL + BETWEEN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-labelledby=\"title\"\n     font-family=\"system-ui, sans-serif\" font-size=\"14\">\n  \
         <title id=\"title\">{about}</title>\n  <style>\n{STYLE}\n  </style>\n  \
         <rect class=\"paper\" width=\"{WIDTH}\" height=\"{height}\" rx=\"8\"/>\n  \
         <text x=\"{LEFT}\" y=\"24\">{about}</text>\n"
    );
    if let Some(panel) = panels.first() {
        legend(&mut svg, panel);
    }
    for (number, panel) in panels.iter().enumerate() {
        let top = HEAD + number as f64 * (PANEL + BETWEEN);
        draw(&mut svg, panel, top, x, &label);
    }
    svg.push_str("</svg>\n");
    svg
}

fn legend(svg: &mut String, panel: &Panel) {
    let named = panel.series.iter().filter(|series| !series.name.is_empty());
    for (number, series) in named.enumerate() {
        let x = LEFT + number as f64 * 120.0;
        let _ = writeln!(
            svg,
            "  <path class=\"curve c{number}\" d=\"M{x} 42h28\"/><text class=\"small\" x=\"{}\" y=\"46\">{}</text>",
            x + 34.0,
            series.name
        );
    }
}

fn draw(svg: &mut String, panel: &Panel, top: f64, x: (f64, f64), label: &impl Fn(f64) -> String) {
    let values = panel.series.iter().flat_map(|series| series.points.iter().map(|(_, y)| *y));
    let most = values.fold(0.0, f64::max);
    let (ticks, up): (Vec<f64>, Box<dyn Fn(f64) -> f64>) = match panel.scale {
        Scale::Linear => {
            let step = step(most.max(1e-3), 4.0);
            let last = (most / step).ceil().max(1.0);
            (ticks(0.0, last * step, step), Box::new(move |y| y / (last * step)))
        }
        Scale::Logarithmic => {
            let decades = most.max(10.0).log10().ceil();
            let ticks = (0..=decades as i32).map(|power| 10_f64.powi(power)).collect();
            (ticks, Box::new(move |y| y.max(1.0).log10() / decades))
        }
    };
    let bottom = top + PANEL;
    let across = |value: f64| LEFT + (value - x.0) / (x.1 - x.0) * (WIDTH - LEFT - RIGHT);
    let height = |value: f64| bottom - up(value) * PANEL;
    let _ = writeln!(
        svg,
        "  <text class=\"small\" x=\"{LEFT}\" y=\"{}\">{}</text>",
        top - 6.0,
        panel.title
    );
    for tick in ticks {
        let y = height(tick);
        let _ = writeln!(
            svg,
            "  <path class=\"grid\" d=\"M{LEFT} {y:.1}H{}\"/><text class=\"small\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 8.0,
            y + 4.0,
            number(tick)
        );
    }
    for tick in self::ticks(x.0, x.1, step(x.1 - x.0, 9.0)) {
        let _ = writeln!(
            svg,
            "  <path class=\"grid\" d=\"M{0:.1} {top}V{bottom}\"/><text class=\"small\" x=\"{0:.1}\" y=\"{1}\" text-anchor=\"middle\">{2}</text>",
            across(tick),
            bottom + 18.0,
            label(tick)
        );
    }
    for (number, series) in panel.series.iter().enumerate() {
        let points =
            series.points.iter().map(|(x, y)| format!("{:.1} {:.1}", across(*x), height(*y)));
        let path = points.collect::<Vec<_>>().join("L");
        let _ = writeln!(svg, "  <path class=\"curve c{number}\" d=\"M{path}\"/>");
    }
    let _ =
        writeln!(svg, "  <path class=\"frame\" d=\"M{LEFT} {top}V{bottom}H{}\"/>", WIDTH - RIGHT);
}

/// A step of 1, 2, 2.5, 3, 5 or 6 times a power of ten that divides a span into so many parts at the most.
fn step(span: f64, parts: f64) -> f64 {
    let least = span / parts;
    let power = 10_f64.powf(least.log10().floor());
    let steps = [1.0, 2.0, 2.5, 3.0, 5.0, 6.0, 10.0].map(|factor| factor * power);
    steps.into_iter().find(|step| *step >= least * 0.999).unwrap_or(10.0 * power)
}

fn ticks(from: f64, to: f64, step: f64) -> Vec<f64> {
    let (first, last) = ((from / step - 1e-9).ceil() as i64, (to / step + 1e-9).floor() as i64);
    (first..=last).map(|number| number as f64 * step).collect()
}

/// As short as it can be: 0.25, 100, 10k, 1M.
fn number(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{}M", v / 1e6),
        v if v >= 1e4 => format!("{}k", v / 1e3),
        v => ((v * 1e4).round() / 1e4).to_string(),
    }
}
