// SPDX-License-Identifier: MIT OR Apache-2.0
//! Part "calls": round trips and processor time of calls whose answer is there, beside the bus's
//! own limit.
//!
//! In each round every call has its turn on each service, so that whatever else happens on the
//! machine meets all of them; a ratio is of two figures of one round.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use super::client::{Clients, Round};
use super::pin;
use super::programs::Programs;
use super::report::{Bound, Report, Table};
use super::stage::{BARE, BusKind, CINEMA, Case, FLOOR, Stage, TOKEND, message};
use super::stats::{Spread, number, percentile};
use super::support::Failure;
use super::support::process::Process;
use super::support::trace::Trace;

const CLIENTS: [usize; 2] = [1, 8];
const TRACED: usize = 500;

const CASES: [Case; 8] = [
    (FLOOR, "Ping"),
    (BARE, "Ping"),
    (TOKEND, "Ping"),
    (FLOOR, "GetToken"),
    (BARE, "GetToken"),
    (TOKEND, "GetToken"),
    (FLOOR, "GetHeaders"),
    (BARE, "GetHeaders"),
];
const HEADERS: Case = (TOKEND, "GetHeaders");

/// The figures of one call, one for each round.
#[derive(Default)]
pub(crate) struct Figures {
    pub(crate) p50: Vec<f64>,
    p99: Vec<f64>,
    per_second: Vec<f64>,
    pub(crate) processor: Vec<f64>,
    pub(crate) bus: Vec<f64>,
}

pub(crate) fn run(programs: &Programs, quick: bool, report: &mut Report) -> Result<(), Failure> {
    for kind in BusKind::ALL {
        let stage = Stage::new(kind, programs)?;
        // Before anything is bound to a processor, which strace would have to share.
        let system_calls = trace(&stage)?;
        for clients in CLIENTS {
            let figures = measure(&stage, clients, quick)?;
            print(kind, clients, &figures, &system_calls, report);
            judge(kind, clients, &figures, report);
        }
        let own = system_calls[&(TOKEND, "GetToken")];
        let what = format!("{}: system calls of GetToken", kind.name());
        // A wake-up from elsewhere must not count.
        report.goal(&what, own.round(), &format!("{own:.2}"), Bound::firm(3.0), "");
    }
    Ok(())
}

fn cases() -> impl Iterator<Item = Case> {
    CASES.into_iter().chain([HEADERS])
}

/// How many rounds, and how many calls in each turn.
pub(crate) fn rounds(quick: bool) -> (usize, usize) {
    if quick { (5, 400) } else { (21, 1600) }
}

fn measure(stage: &Stage, clients: usize, quick: bool) -> Result<BTreeMap<Case, Figures>, Failure> {
    let (rounds, calls) = rounds(quick);
    for name in [FLOOR, BARE, TOKEND] {
        pin::process(&stage.process(name))?;
    }
    pin::process(&stage.bus())?;
    let address = stage.home.bus.address();
    let bus = [stage.bus()];
    let rounds = move || -> Result<BTreeMap<Case, Figures>, Failure> {
        pin::this_thread()?;
        let connect =
            |case| Ok((case, Clients::connect(clients, address, &message(case, CINEMA))?));
        let mut all: Vec<(Case, Clients)> = cases().map(connect).collect::<Result<_, Failure>>()?;
        let mut figures = BTreeMap::<Case, Figures>::new();
        for (case, clients) in &mut all {
            clients.call(calls / 4).map_err(|error| Failure::new(format!("{case:?}"), error))?;
        }
        for _ in 0..rounds {
            for (case, clients) in &mut all {
                let service = [stage.process(case.0)];
                let figures = figures.entry(*case).or_default();
                turn(&service, &bus, || clients.call(calls), figures)?;
            }
            // Nobody is always the first after somebody else.
            all.rotate_left(2);
        }
        Ok(figures)
    };
    thread::scope(|scope| scope.spawn(rounds).join().expect("the measuring thread does not panic"))
}

/// One call's turn: the calls of it, and who serves them.
pub(crate) fn turn(
    service: &[Process],
    bus: &[Process],
    call: impl FnOnce() -> Result<Round, Failure>,
    figures: &mut Figures,
) -> Result<(), Failure> {
    let spent = |who: &[Process]| who.iter().map(Process::processor).sum::<Result<Duration, _>>();
    let before = (spent(service)?, spent(bus)?);
    let round = call()?;
    let made = number(round.each.len());
    let each = |spent: Duration| spent.as_secs_f64() * 1e6 / made;
    figures.processor.push(each(spent(service)? - before.0));
    figures.bus.push(each(spent(bus)? - before.1));
    figures.p50.push(percentile(&round.each, 0.5) / 1e3);
    figures.p99.push(percentile(&round.each, 0.99) / 1e3);
    figures.per_second.push(made / round.took.as_secs_f64());
    Ok(())
}

/// System calls of the service for each call.
fn trace(stage: &Stage) -> Result<BTreeMap<Case, f64>, Failure> {
    let mut counts = BTreeMap::new();
    for case in cases() {
        let address = stage.home.bus.address();
        let mut client = Clients::connect(1, address, &message(case, CINEMA))?;
        // The first call of a connection is another matter: who calls is asked then.
        client.call(1)?;
        let trace = Trace::start(stage.process(case.0).0)?;
        client.call(TRACED)?;
        let total: usize = trace.end()?.values().sum();
        counts.insert(case, number(total) / number(TRACED));
    }
    Ok(counts)
}

fn print(
    kind: BusKind,
    clients: usize,
    figures: &BTreeMap<Case, Figures>,
    system_calls: &BTreeMap<Case, f64>,
    report: &Report,
) {
    let many = if clients == 1 { "one client".into() } else { format!("{clients} clients") };
    let head = [
        "",
        "p50, µs",
        "p99, µs",
        "calls a second",
        "service, µs",
        "bus, µs",
        "system calls",
        "p50 / sd-bus",
        "service / sd-bus",
    ];
    let mut table = Table::new(format!("Calls through {}, {many}", kind.name()), &head);
    for member in ["Ping", "GetToken", "GetHeaders"] {
        for (service, who) in [(FLOOR, "sd-bus"), (BARE, "bare zbus"), (TOKEND, "tokend")] {
            let case = (service, member);
            let (own, floor) = (&figures[&case], &figures[&(FLOOR, member)]);
            let median = |values: &[f64], decimals: usize| {
                format!("{:.decimals$}", Spread::of(values.iter().copied()).median)
            };
            table.row([
                format!("{member}, {who}"),
                median(&own.p50, 1),
                median(&own.p99, 1),
                median(&own.per_second, 0),
                median(&own.processor, 1),
                median(&own.bus, 1),
                format!("{:.2}", system_calls[&case]),
                Spread::of_ratios(&own.p50, &floor.p50).to_string(),
                Spread::of_ratios(&own.processor, &floor.processor).to_string(),
            ]);
        }
    }
    report.print(&table);
}

fn judge(kind: BusKind, clients: usize, figures: &BTreeMap<Case, Figures>, report: &mut Report) {
    let [own, ping, floor] =
        [(TOKEND, "GetToken"), (TOKEND, "Ping"), (FLOOR, "GetToken")].map(|case| &figures[&case]);
    let bus = kind.name();
    let mut goal = |what: String, own: &[f64], to: &[f64], most: f64| {
        let ratio = Spread::of_ratios(own, to);
        report.goal(&what, ratio.median, &ratio.to_string(), Bound::loose(most), "");
    };
    if clients == 1 {
        let what = format!("{bus}: GetToken p50 / its own Ping");
        goal(what, &own.p50, &ping.p50, 1.10);
        let what = format!("{bus}: GetToken p50 / sd-bus");
        goal(what, &own.p50, &floor.p50, 1.00);
    } else {
        let what = format!("{bus}: GetToken p50 / sd-bus, {clients} at once");
        goal(what, &own.p50, &floor.p50, 0.95);
    }
    let what = format!("{bus}: processor time of GetToken / sd-bus, {clients} at once");
    goal(what, &own.processor, &floor.processor, if clients == 1 { 0.80 } else { 0.55 });
}
