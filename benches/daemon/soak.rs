// SPDX-License-Identifier: MIT OR Apache-2.0
//! Part "soak": many calls and many refreshes, after which nothing may have grown.
//!
//! tokend asks its server at most once a second, whatever the lifetime of tokens: that sets the
//! pace of the refreshes.

use std::time::Duration;

use super::client::Clients;
use super::programs::Programs;
use super::report::{Bound, Report, Table};
use super::stage::{BusKind, CINEMA, Home, TOKEND, fetch_all, message};
use super::stats::number;
use super::support::Failure;
use super::support::authority::{Authority, Endpoint, Options};
use super::support::process::Process;
use super::support::tokend::Tokend;

const APPLICATIONS: usize = 8;
const CLIENTS: usize = 8;
/// The least that tokend takes.
pub(crate) const LIFETIME: u64 = 10;
/// Refreshes that are waited for at a time: at one a second, well within the bound of a wait.
const STEP: usize = 20;
/// Where a figure moves up and down, the least of so many looks is what stays.
const LOOKS: usize = 20;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
/// What memory may differ by: where the pages of the heap lie, and the stacks of requests that were
/// once under way at the same time, four at most, of which the C library keeps some 30 kB each (part
/// "growth"). A leak of one byte a call would be 900 kB.
const SLACK: f64 = 128.0;

pub(crate) fn run(
    programs: &Programs,
    quick: bool,
    fewer: Option<usize>,
    report: &mut Report,
) -> Result<(), Failure> {
    let (calls, refreshes) = if quick { (20_000, 20) } else { (1_000_000, 10_000) };
    let refreshes = fewer.unwrap_or(refreshes);
    let options = Options { expires_in: LIFETIME, throttle: false, ..Options::default() };
    let home = Home::new(BusKind::Daemon, &programs.tokend, APPLICATIONS, options)?;
    let mut tokend = home.start()?;
    fetch_all(&home.player()?, APPLICATIONS)?;
    let message = message((TOKEND, "GetToken"), CINEMA);
    let mut clients = Clients::connect(CLIENTS, home.bus.address(), &message)?;

    let head = ["after", "anonymous, kB", "address space", "descriptors", "threads"];
    let mut table = Table::new("Soak", &head);
    let mut seen = Vec::new();
    let mut look = |tokend: &mut Tokend, what: String| -> Result<(), Failure> {
        let least = Look::least(tokend)?;
        table.row([
            what,
            format!("{:.0}", least.anonymous),
            format!("{:.0}", least.space),
            least.descriptors.to_string(),
            least.threads.to_string(),
        ]);
        seen.push(least);
        Ok(())
    };
    let mut made = 0;
    for part in [10, 2, 1] {
        let goal = calls / part;
        clients.call(goal - made)?;
        made = goal;
        look(&mut tokend, format!("{goal} calls"))?;
    }
    let begun = home.authority.count(Endpoint::Token);
    for part in [10, 2, 1] {
        let goal = refreshes / part;
        wait(&home.authority, begun + goal);
        clients.call(calls / 100)?;
        look(&mut tokend, format!("{goal} refreshes"))?;
    }
    report.print(&table);
    for (what, from, to) in [("calls", 0, 2), ("refreshes", 3, 5)] {
        let (from, to): (&Look, &Look) = (&seen[from], &seen[to]);
        let grown = to.anonymous - from.anonymous;
        let what_grows = format!("anonymous memory, from a tenth of the {what} to all");
        report.goal(&what_grows, grown, &format!("{grown:+.0} kB"), Bound::firm(SLACK), " kB");
        let grown = number(to.descriptors) - number(from.descriptors);
        let what_grows = format!("descriptors, from a tenth of the {what} to all");
        report.goal(&what_grows, grown, &format!("{grown:+.0}"), Bound::firm(0.0), "");
    }
    Ok(())
}

fn wait(authority: &Authority, goal: usize) {
    loop {
        let next = goal.min(authority.count(Endpoint::Token) + STEP);
        authority.wait_until("a refresh", |log| log.count(Endpoint::Token) >= next);
        if next == goal {
            return;
        }
    }
}

/// What a process holds.
pub(crate) struct Look {
    pub(crate) anonymous: f64,
    pub(crate) space: f64,
    pub(crate) descriptors: usize,
    pub(crate) threads: u64,
}

impl Look {
    pub(crate) fn now(tokend: &Tokend) -> Result<Self, Failure> {
        let process = Process(tokend.id());
        Ok(Self {
            anonymous: number(process.memory("RssAnon")?) / 1e3,
            space: number(process.memory("VmSize")?) / 1e3,
            descriptors: process.descriptors()?,
            threads: process.threads()?,
        })
    }

    /// The least of each of many looks.
    pub(crate) fn least(tokend: &mut Tokend) -> Result<Self, Failure> {
        let mut looks = Vec::new();
        for _ in 0..LOOKS {
            if let Some(status) = tokend.wait(BETWEEN_LOOKS) {
                return Err(Failure(format!("tokend has ended by itself: {status}")));
            }
            looks.push(Self::now(tokend)?);
        }
        let least = |of: fn(&Self) -> f64| looks.iter().map(of).fold(f64::INFINITY, f64::min);
        Ok(Self {
            anonymous: least(|look| look.anonymous),
            space: least(|look| look.space),
            descriptors: looks.iter().map(|look| look.descriptors).min().unwrap_or_default(),
            threads: looks.iter().map(|look| look.threads).min().unwrap_or_default(),
        })
    }
}
