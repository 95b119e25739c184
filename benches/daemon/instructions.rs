// SPDX-License-Identifier: MIT OR Apache-2.0
//! Part "instructions": what a call and a start take of the processor, here and on devices. No
//! other program disturbs that, so that a change of a percent is seen.

use std::path::Path;

use rustix::process::Signal;

use super::client::Clients;
use super::counter::{Counter, Emulator};
use super::programs::{Programs, target};
use super::report::{Bound, Report, Table};
use super::stage::{BARE, BusKind, CINEMA, FLOOR, Home, TOKEND, answers, fetch_all, message};
use super::stats::number;
use super::support::authority::Options;
use super::support::{BOUND, Failure};

/// The difference between a run with few calls and one with many is that of the calls.
const FEW: usize = 100;
const MANY: usize = 1100;
const MEMBERS: [&str; 3] = ["Ping", "GetToken", "GetHeaders"];
const HEAD: [&str; 5] = ["", "Ping", "GetToken", "GetHeaders", "start and end"];

pub(crate) fn run(programs: &Programs, report: &mut Report) -> Result<(), Failure> {
    let counter = Counter::callgrind()?;
    let (home, words) = settled(&programs.tokend, &counter)?;
    let mut table = Table::new("Instructions of a service in user space, by callgrind", &HEAD);
    let [floor, bare] = [(FLOOR, "sd-bus", &programs.floor), (BARE, "bare zbus", &programs.bare)]
        .map(|(name, who, program)| {
            Counted::new(&counter, |member, calls| {
                let mut service = home.serve(program, name, &words)?;
                call(&home, (name, member), calls)?;
                service.signal(Signal::TERM);
                service.wait(BOUND).ok_or_else(|| Failure(format!("{who} does not end")))?;
                Ok(())
            })
        });
    let (floor, bare, own) = (floor?, bare?, tokend(&home, &counter)?);
    for (who, counted) in [("sd-bus", &floor), ("bare zbus", &bare), ("tokend", &own)] {
        table.row(counted.row(who));
    }
    report.print(&table);
    let mut goal = |what: &str, value: f64, most: f64| {
        report.goal(what, value, &format!("{value:.0}"), Bound::firm(most), "");
    };
    let [_, token, headers] = own.each;
    goal("instructions of GetToken", token, 8_000.0);
    goal("instructions of GetHeaders", headers, 10_000.0);
    for (connected, most) in [(250, 8_000.0), (1000, 10_000.0)] {
        let (each, first) = in_turn(&home, &counter, connected)?;
        goal(&format!("instructions of GetToken, {connected} clients in turn"), each, most);
        goal(&format!("instructions of a first call, {connected} clients"), first, 120_000.0);
    }
    devices(report)
}

/// The same of the programs that `cross/build` has left.
fn devices(report: &Report) -> Result<(), Failure> {
    let mut table = Table::new("Instructions of tokend on a device, by QEMU", &HEAD);
    for emulator in &Emulator::ALL {
        let program = target().join(emulator.target).join("release/tokend");
        if !program.exists() {
            let target = emulator.target;
            eprintln!("daemon: {target} is not counted: make it by cross/build {target}");
            continue;
        }
        let counter = Counter::emulated(emulator)?;
        let (home, _) = settled(&program, &counter)?;
        table.row(tokend(&home, &counter)?.row(emulator.target));
    }
    report.print(&table);
    Ok(())
}

/// A device whose tokend has its token from its storage in each run that is counted; what it
/// answers with.
pub(crate) fn settled(tokend: &Path, counter: &Counter) -> Result<(Home, Vec<String>), Failure> {
    let options = Options { throttle: false, ..Options::default() };
    let mut home = Home::new(BusKind::Daemon, tokend, 1, options)?;
    home.run_through(counter.plain.clone());
    let first = home.start()?;
    let words = {
        let player = home.player()?;
        fetch_all(&player, 1)?;
        answers(&player)?
    };
    first.terminate();
    home.run_through(counter.runner.clone());
    Ok((home, words))
}

fn tokend(home: &Home, counter: &Counter) -> Result<Counted, Failure> {
    Counted::new(counter, |member, calls| run_tokend(home, member, calls))
}

/// A run of tokend with so many calls.
pub(crate) fn run_tokend(home: &Home, member: &'static str, calls: usize) -> Result<(), Failure> {
    let tokend = home.start()?;
    call(home, (TOKEND, member), calls)?;
    tokend.terminate();
    Ok(())
}

fn call(home: &Home, case: (&'static str, &'static str), calls: usize) -> Result<(), Failure> {
    Clients::connect(1, home.bus.address(), &message(case, CINEMA))?.call(calls).map(drop)
}

/// What a call takes when so many clients call in turn, each after its first; and its first call.
fn in_turn(home: &Home, counter: &Counter, clients: usize) -> Result<(f64, f64), Failure> {
    let rounds = |rounds: usize| {
        let tokend = home.start()?;
        let message = message((TOKEND, "GetToken"), CINEMA);
        let mut clients = Clients::connect(clients, home.bus.address(), &message)?;
        for _ in 0..rounds {
            clients.call_in_turn()?;
        }
        tokend.terminate();
        counter.instructions()
    };
    let (none, one, few) = (rounds(0)?, rounds(1)?, rounds(4)?);
    Ok(((few - one) / (3.0 * number(clients)), (one - none) / number(clients)))
}

/// What one call takes, and what a run takes without them; `run` makes so many calls.
pub(crate) fn difference(
    counter: &Counter,
    run: impl Fn(usize) -> Result<(), Failure>,
) -> Result<(f64, f64), Failure> {
    run(FEW)?;
    let few = counter.instructions()?;
    run(MANY)?;
    let each = (counter.instructions()? - few) / number(MANY - FEW);
    Ok((each, few - each * number(FEW)))
}

/// The instructions of one service.
struct Counted {
    each: [f64; 3],
    /// Its start and its end, with the first call of a connection.
    start: f64,
}

impl Counted {
    /// `run` starts the service, makes so many calls of a member, and ends the service.
    fn new(
        counter: &Counter,
        run: impl Fn(&'static str, usize) -> Result<(), Failure>,
    ) -> Result<Self, Failure> {
        let mut counted = Self { each: [0.0; 3], start: 0.0 };
        for (member, each) in MEMBERS.into_iter().zip(&mut counted.each) {
            (*each, counted.start) = difference(counter, |calls| run(member, calls))?;
        }
        Ok(counted)
    }

    fn row(&self, who: &str) -> Vec<String> {
        let numbers = self.each.iter().chain([&self.start]).map(|number| format!("{number:.0}"));
        std::iter::once(who.to_owned()).chain(numbers).collect()
    }
}
