// SPDX-License-Identifier: MIT OR Apache-2.0
//! Part "growth": how memory, start and calls grow with applications, with connected clients, and
//! with requests that a slow server lets pile up.

use super::client::Clients;
use super::costs::until_owned;
use super::programs::Programs;
use super::report::{Bound, Report, Table};
use super::soak::{LIFETIME, Look};
use super::stage::{BusKind, CINEMA, Home, TOKEND, fetch_all, ids, message};
use super::stats::{number, percentile};
use super::support::Failure;
use super::support::authority::{Endpoint, Fault, Gate, Options};
use super::support::player::Player;
use super::support::process::Process;

const CALLS: usize = 2000;

pub(crate) fn run(programs: &Programs, quick: bool, report: &mut Report) -> Result<(), Failure> {
    applications(programs, quick, report)?;
    clients(programs, quick, report)?;
    requests(programs, quick, report)
}

fn untroubled() -> Options {
    Options { throttle: false, ..Options::default() }
}

/// tokend asks the server once a second after a burst of four: two requests for each application.
fn applications(programs: &Programs, quick: bool, report: &mut Report) -> Result<(), Failure> {
    let counts: &[usize] = if quick { &[1, 5] } else { &[1, 10, 100] };
    let head = ["applications", "anonymous, kB", "started anew", "name owned, ms", "p50, µs"];
    let mut table = Table::new("Growth with applications", &head);
    let mut anonymous = Vec::new();
    for &count in counts {
        let home = Home::new(BusKind::Daemon, &programs.tokend, count, untroubled())?;
        let tokend = home.start()?;
        fetch_all(&home.player()?, count)?;
        let memory = Process(tokend.id()).memory("RssAnon")?;
        tokend.terminate();
        let (owned, tokend) = until_owned(&home, TOKEND, || home.device.spawn())?;
        let last = ids(count).last().unwrap_or_default();
        let one = p50(&home, &last)?;
        let anew = Process(tokend.id()).memory("RssAnon")?;
        tokend.terminate();
        anonymous.push(number(memory) / 1e3);
        table.row([
            count.to_string(),
            format!("{:.0}", number(memory) / 1e3),
            format!("{:.0}", number(anew) / 1e3),
            format!("{owned:.2}"),
            format!("{one:.1}"),
        ]);
    }
    report.print(&table);
    let more = (anonymous[1] - anonymous[0]) / number(counts[1] - counts[0]);
    let what = "anonymous memory of each more application";
    report.goal(what, more, &format!("{more:.1} kB"), Bound { most: 20.0, quick: 60.0 }, " kB");
    Ok(())
}

fn clients(programs: &Programs, quick: bool, report: &mut Report) -> Result<(), Failure> {
    let counts: &[usize] = if quick { &[1, 10] } else { &[1, 10, 100] };
    let home = Home::new(BusKind::Daemon, &programs.tokend, 1, untroubled())?;
    let tokend = home.start()?;
    fetch_all(&home.player()?, 1)?;
    let head = [
        "clients",
        "anonymous, kB",
        "descriptors",
        "all gone, kB",
        "a request later, kB",
        "p50 of one, µs",
        "all call, calls a second",
    ];
    let mut table = Table::new("Growth with connected clients", &head);
    for &count in counts {
        let mut all =
            Clients::connect(count, home.bus.address(), &message((TOKEND, "GetToken"), CINEMA))?;
        let round = all.call(CALLS)?;
        let process = Process(tokend.id());
        let with = (process.memory("RssAnon")?, process.descriptors()?);
        let one = p50(&home, CINEMA)?;
        drop(all);
        // An answer after they have left: what the bus said of it has been read.
        p50(&home, CINEMA)?;
        let gone = process.memory("RssAnon")?;
        replace(&home.player()?)?;
        p50(&home, CINEMA)?;
        let later = process.memory("RssAnon")?;
        table.row([
            count.to_string(),
            format!("{:.0}", number(with.0) / 1e3),
            with.1.to_string(),
            format!("{:.0}", number(gone) / 1e3),
            format!("{:.0}", number(later) / 1e3),
            format!("{one:.1}"),
            format!("{:.0}", number(CALLS) / round.took.as_secs_f64()),
        ]);
    }
    report.print(&table);
    Ok(())
}

/// Each request is a thread, and the C library keeps the stack of one that has ended for the next.
fn requests(programs: &Programs, quick: bool, report: &mut Report) -> Result<(), Failure> {
    let counts: &[usize] = if quick { &[1, 2] } else { &[1, 2, 4, 8] };
    let options = Options { expires_in: LIFETIME, ..untroubled() };
    let home = Home::new(BusKind::Daemon, &programs.tokend, 8, options)?;
    let mut tokend = home.start()?;
    fetch_all(&home.player()?, 8)?;
    let head = [
        "requests at once",
        "threads meanwhile",
        "anonymous meanwhile, kB",
        "anonymous afterwards, kB",
        "address space afterwards, kB",
    ];
    let mut table = Table::new("Growth with requests under way at once", &head);
    for &count in counts {
        let (gate, begun) = (Gate::new(), home.authority.count(Endpoint::Token));
        home.authority.always(Endpoint::Token, Fault::hold(&gate));
        let come = |more| {
            let enough = begun + more;
            home.authority.wait_until("requests", |log| log.count(Endpoint::Token) >= enough);
        };
        come(count);
        let meanwhile = Look::now(&tokend)?;
        home.authority.end_faults();
        gate.open();
        // What comes after those that were held, so that those have ended.
        come(count + 4);
        let afterwards = Look::least(&mut tokend)?;
        table.row([
            count.to_string(),
            meanwhile.threads.to_string(),
            format!("{:.0}", meanwhile.anonymous),
            format!("{:.0}", afterwards.anonymous),
            format!("{:.0}", afterwards.space),
        ]);
    }
    report.print(&table);
    Ok(())
}

/// One request to the server, after which tokend gives memory back.
fn replace(player: &Player) -> Result<(), Failure> {
    let failure = |error| Failure::new("a call failed", error);
    let (token, _) = player.get_token(CINEMA, 0).map_err(failure)?;
    player.replace_token(CINEMA, &token, "").map_err(failure)?;
    Ok(())
}

/// Microseconds of a GetToken.
fn p50(home: &Home, application: &str) -> Result<f64, Failure> {
    let message = message((TOKEND, "GetToken"), application);
    let mut clients = Clients::connect(1, home.bus.address(), &message)?;
    Ok(percentile(&clients.call(CALLS)?.each, 0.5) / 1e3)
}
