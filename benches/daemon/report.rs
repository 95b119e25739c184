// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tables, and the goals with their verdicts.

use std::process::ExitCode;

/// What is printed, and what has been missed so far.
pub(crate) struct Report {
    markdown: bool,
    quick: bool,
    goals: Table,
    missed: usize,
}

/// The most that is allowed: on a quiet machine, and in a quick run on a busy one.
#[derive(Clone, Copy)]
pub(crate) struct Bound {
    pub(crate) most: f64,
    pub(crate) quick: f64,
}

impl Bound {
    /// The same in every run: what no other program disturbs.
    pub(crate) fn firm(most: f64) -> Self {
        Self { most, quick: most }
    }

    /// Three times as much in a quick run.
    pub(crate) fn loose(most: f64) -> Self {
        Self { most, quick: 3.0 * most }
    }
}

impl Report {
    pub(crate) fn new(markdown: bool, quick: bool) -> Self {
        let goals = Table::new("Goals", &["", "measured", "at most", ""]);
        Self { markdown, quick, goals, missed: 0 }
    }

    pub(crate) fn print(&self, table: &Table) {
        table.print(self.markdown);
    }

    /// A goal: `value` is compared, `shown` stands in the table, `unit` follows the bound.
    pub(crate) fn goal(&mut self, what: &str, value: f64, shown: &str, bound: Bound, unit: &str) {
        let most = if self.quick { bound.quick } else { bound.most };
        let met = value <= most;
        self.missed += usize::from(!met);
        let verdict = if met { "met" } else { "MISSED" };
        self.goals.row([what, shown, &format!("{}{unit}", short(most)), verdict]);
    }

    /// Prints the verdicts; 1 where a goal was missed.
    pub(crate) fn end(&self) -> ExitCode {
        self.print(&self.goals);
        ExitCode::from(u8::from(self.missed > 0))
    }
}

/// Two decimals, where they are not zero.
fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    text.strip_suffix(".00").map_or_else(|| text.clone(), str::to_owned)
}

/// A table; the first column is text, the others are numbers.
pub(crate) struct Table {
    title: String,
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(title: impl Into<String>, head: &[&str]) -> Self {
        let head = head.iter().map(ToString::to_string).collect();
        Self { title: title.into(), head, rows: Vec::new() }
    }

    pub(crate) fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    fn print(&self, markdown: bool) {
        if self.rows.is_empty() {
            return;
        }
        if markdown {
            println!("\n**{}**\n", self.title);
            println!("| {} |", self.head.join(" | "));
            println!("|---|{}", "--:|".repeat(self.head.len() - 1));
            self.rows.iter().for_each(|row| println!("| {} |", row.join(" | ")));
            return;
        }
        println!("\n{}", self.title);
        let all = || std::iter::once(&self.head).chain(&self.rows);
        let width =
            |column: usize| all().map(|row| row[column].chars().count()).max().unwrap_or_default();
        let widths: Vec<usize> = (0..self.head.len()).map(width).collect();
        for row in all() {
            let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
                if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            });
            println!("  {}", cells.collect::<Vec<_>>().join("  ").trim_end());
        }
    }
}
