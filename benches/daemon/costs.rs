// SPDX-License-Identifier: MIT OR Apache-2.0
//! Part "costs": what there is to pay while nothing happens, at start, and for each refresh.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::pin;
use super::programs::Programs;
use super::report::{Bound, Report, Table};
use super::stage::{
    BARE, BusKind, CINEMA, FLOOR, Home, Stage, TOKEND, answers, fetch_all, owned, watch_name,
};
use super::stats::{Spread, number};
use super::support::authority::Options;
use super::support::child::{self, Child};
use super::support::process::Process;
use super::support::trace::Trace;
use super::support::{BOUND, Failure};
use super::wire;

/// Refreshes a day of a token that lives 24 h, at 80 % of its life.
const REFRESHES_A_DAY: f64 = 1.25;
/// Something beside tokend may wake it: the machine's network, a device that is plugged in. What
/// tokend does by itself shows in each of these periods.
const PERIODS: usize = 3;
const TEN: &str = "tokend with ten applications, name owned";
/// What asks for a file to be on the disk.
const SYNCS: [&str; 2] = ["fsync", "fdatasync"];

pub(crate) fn run(programs: &Programs, quick: bool, report: &mut Report) -> Result<(), Failure> {
    idle(programs, quick, report)?;
    start(programs, quick, report)?;
    refresh(programs, report)
}

/// Memory and wake-ups while nobody calls.
fn idle(programs: &Programs, quick: bool, report: &mut Report) -> Result<(), Failure> {
    let minute = Duration::from_secs(if quick { 10 } else { 60 });
    let mut stage = Stage::new(BusKind::Daemon, programs)?;
    let who = [(FLOOR, "sd-bus"), (BARE, "bare zbus"), (TOKEND, "tokend")];
    let process = who.map(|(name, _)| stage.process(name));
    let mut woken;
    let mut periods = 0;
    loop {
        let before = sleeps(&process)?;
        if let Some(status) = stage.tokend.wait(minute) {
            return Err(Failure(format!("tokend has ended by itself: {status}")));
        }
        let after = sleeps(&process)?;
        woken = [0, 1, 2].map(|at| after[at] - before[at]);
        periods += 1;
        if woken[2] == 0 || periods == PERIODS {
            break;
        }
    }

    let wake_ups = format!("wake-ups in {} s", minute.as_secs());
    let head =
        ["", "PSS, kB", "private", "anonymous", "resident", "address space", "threads", &wake_ups];
    let mut table = Table::new("Memory and wake-ups while nobody calls, one application", &head);
    let mut resident = BTreeMap::new();
    let kilobytes = |bytes: u64| bytes.div_ceil(1000).to_string();
    for (at, (name, shown)) in who.into_iter().enumerate() {
        let process = &process[at];
        resident.insert(name, number(process.memory("VmRSS")?));
        table.row([
            shown.to_owned(),
            kilobytes(process.proportional()?),
            kilobytes(process.private()?),
            kilobytes(process.memory("RssAnon")?),
            kilobytes(process.memory("VmRSS")?),
            kilobytes(process.memory("VmSize")?),
            process.threads()?.to_string(),
            woken[at].to_string(),
        ]);
    }
    report.print(&table);

    let anonymous = number(stage.process(TOKEND).memory("RssAnon")?) / 1e3;
    let shown = format!("{anonymous:.0} kB");
    let bound = Bound { most: 500.0, quick: 700.0 };
    report.goal("anonymous memory, one application", anonymous, &shown, bound, " kB");
    let ratio = resident[TOKEND] / resident[BARE];
    let what = "resident memory / bare zbus";
    report.goal(what, ratio, &format!("{ratio:.2}"), Bound { most: 1.25, quick: 3.0 }, "");
    let woken = number(woken[2]);
    let bound = Bound { most: 0.0, quick: 2.0 };
    report.goal("wake-ups while nothing is due", woken, &woken.to_string(), bound, "");
    Ok(())
}

/// How often each of them was put to sleep so far.
fn sleeps(processes: &[Process; 3]) -> Result<[u64; 3], Failure> {
    let [first, second, third] = processes;
    Ok([first.sleeps()?, second.sleeps()?, third.sleeps()?])
}

/// From the start of a process to its name, and to its first token.
fn start(programs: &Programs, quick: bool, report: &mut Report) -> Result<(), Failure> {
    let rounds = if quick { 3 } else { 21 };
    let untroubled = Options { throttle: false, ..Options::default() };
    let homes: Vec<Home> = [1, 10]
        .into_iter()
        .map(|count| {
            let mut home = Home::new(BusKind::Daemon, &programs.tokend, count, untroubled)?;
            let tokend = home.start()?;
            fetch_all(&home.player()?, count)?;
            tokend.terminate();
            home.bind()?;
            Ok(home)
        })
        .collect::<Result<_, Failure>>()?;
    let words = {
        let tokend = homes[0].start()?;
        let words = answers(&homes[0].player()?)?;
        tokend.terminate();
        words
    };
    let rounds = || start_rounds(programs, rounds, &homes, &words, untroubled);
    let took = thread::scope(|scope| scope.spawn(rounds).join().expect("it does not panic"))?;
    let mut table = Table::new("Start, from exec, in ms", &["", "median (least to most)"]);
    for (what, times) in &took {
        table.row([(*what).to_owned(), Spread::of(times.iter().copied()).to_string()]);
    }
    report.print(&table);
    let ten = Spread::of(took[TEN].iter().copied());
    // A busy machine is slow without end.
    let bound = Bound { most: 5.0, quick: 1000.0 };
    report.goal("name owned with ten applications", ten.median, &format!("{ten} ms"), bound, " ms");
    Ok(())
}

/// The times of each kind of start, one for each round.
fn start_rounds(
    programs: &Programs,
    rounds: usize,
    homes: &[Home],
    words: &[String],
    untroubled: Options,
) -> Result<BTreeMap<&'static str, Vec<f64>>, Failure> {
    pin::this_thread()?;
    let mut took = BTreeMap::<&str, Vec<f64>>::new();
    for _ in 0..rounds {
        let mut note = |what, time: f64| took.entry(what).or_default().push(time);
        note("an empty program, to its end", empty()?);
        for (name, program, what) in [
            (FLOOR, &programs.floor, "sd-bus, name owned"),
            (BARE, &programs.bare, "bare zbus, name owned"),
        ] {
            let start = || homes[0].spawn(program, name, words);
            note(what, until_owned(&homes[0], name, start)?.0);
        }
        for (home, what) in homes.iter().zip(["tokend, name owned", TEN]) {
            let (owned, tokend) = until_owned(home, TOKEND, || home.device.spawn())?;
            note(what, owned);
            tokend.terminate();
        }
        note("tokend, to a token from its storage", until_token(&homes[0])?);
        let mut fresh = Home::new(BusKind::Daemon, &programs.tokend, 1, untroubled)?;
        fresh.bind()?;
        note("tokend's first start, to the first token", until_token(&fresh)?);
    }
    Ok(took)
}

/// Milliseconds.
#[expect(clippy::disallowed_methods, reason = "a measurement, which decides nothing")]
fn timed<T>(what: impl FnOnce() -> Result<T, Failure>) -> Result<(f64, T), Failure> {
    let begun = Instant::now();
    let result = what()?;
    Ok((begun.elapsed().as_secs_f64() * 1e3, result))
}

fn empty() -> Result<f64, Failure> {
    let program = child::find("true", "coreutils")?;
    let run = || {
        let words = pin::runner()?;
        let mut command = child::command(&words[0]);
        command.args(&words[1..]).arg(&program);
        let mut child = Child::spawn(command)?;
        child.wait(BOUND).ok_or_else(|| Failure("true does not end".into()))
    };
    Ok(timed(run)?.0)
}

pub(crate) fn until_owned<T>(
    home: &Home,
    name: &str,
    start: impl FnOnce() -> Result<T, Failure>,
) -> Result<(f64, T), Failure> {
    let mut watch = watch_name(home.bus.address(), name)?;
    timed(|| {
        let started = start()?;
        owned(&mut watch)?;
        Ok(started)
    })
}

fn until_token(home: &Home) -> Result<f64, Failure> {
    let player = home.player()?;
    let mut watch = watch_name(home.bus.address(), TOKEND)?;
    let (took, tokend) = timed(|| {
        let tokend = home.device.spawn()?;
        owned(&mut watch)?;
        fetch_all(&player, 1)?;
        Ok(tokend)
    })?;
    tokend.terminate();
    Ok(took)
}

/// What one refresh writes and sends.
fn refresh(programs: &Programs, report: &mut Report) -> Result<(), Failure> {
    // 10 s is the least that tokend takes: the refresh comes after 7.5 to 8.5 s.
    let options = Options { expires_in: 10, throttle: false, ..Options::default() };
    let (authority, counted) = wire::counted(options)?;
    let home = Home::with(authority, BusKind::Daemon, &programs.tokend, 1)?;
    let tokend = home.start()?;
    let player = home.player()?;
    let changes = player.watch(CINEMA);
    fetch_all(&player, 1)?;
    // Everything that a first token brings with it is past with the second.
    for number in [1, 2] {
        changes.wait_for(|change| change.get::<u64>("TokenNumber") == Some(number));
    }
    let files = files(&home.device.state())?;
    let (process, sent) = (Process(tokend.id()), counted.bytes());
    let written = process.written()?;
    let trace = Trace::start(tokend.id())?;
    changes.wait_for(|change| change.get::<u64>("TokenNumber") == Some(3));
    let written = process.written()? - written;
    let calls = trace.end()?;
    let (up, down) = counted.bytes();
    let after = self::files(&home.device.state())?;
    let changed: Vec<&String> = after
        .iter()
        .filter(|(name, id)| files.get(*name) != Some(id))
        .map(|(name, _)| name)
        .collect();
    let size = fs::metadata(home.device.state().join("cinema.token")).map_or(0, |m| m.len());
    let syncs: usize = SYNCS.iter().filter_map(|name| calls.get(*name)).sum();

    let mut table = Table::new("One refresh", &["", "each", "a day, tokens of 24 h"]);
    for (what, count) in [
        ("files written", number(changed.len())),
        ("bytes of them", number(size)),
        ("bytes handed to write(2), files, wake-ups of threads and log", number(written)),
        ("fsync", number(syncs)),
        ("bytes to the server, TCP's payload", number(up - sent.0)),
        ("bytes from the server", number(down - sent.1)),
    ] {
        let day = count * REFRESHES_A_DAY;
        table.row([what.to_owned(), format!("{count:.0}"), format!("{day:.1}")]);
    }
    report.print(&table);
    let shown = changed.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
    report.goal("files written for a refresh", number(changed.len()), &shown, Bound::firm(1.0), "");
    Ok(())
}

/// Which files are there: a file that is written anew is another one.
fn files(dir: &Path) -> Result<BTreeMap<String, (u64, i64)>, Failure> {
    let failure = |error| Failure::new("cannot look into the state directory", error);
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).map_err(failure)? {
        let entry = entry.map_err(failure)?;
        let about = entry.metadata().map_err(failure)?;
        let id = (about.ino(), about.mtime_nsec() + about.mtime() * 1_000_000_000);
        files.insert(entry.file_name().to_string_lossy().into_owned(), id);
    }
    Ok(files)
}
