// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the daemon costs while nothing happens, and what a cached token costs: three applications
//! on a private bus, with a token each from the loopback authorization server over TLS.
//!
//! `cross/measure` builds the release and runs this with it. Every line is a measurement, with its
//! bound beside it where there is one; exit code 1 where a bound is missed. Needs `strace`, and
//! root: tokend lets nobody else look into its memory or trace it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

#[path = "measure/report.rs"]
mod report;
#[path = "../tests/support/mod.rs"]
mod support;

use report::Report;
use support::authority::{self, Authority};
use support::bus::Bus;
use support::player::Player;
use support::process::Process;
use support::tokend::{Application, Device, Program, Tokend};
use support::trace::{self, Trace};
use support::{Failure, statement};

const APPLICATIONS: [&str; 3] = ["cinema", "sports", "news"];
const IDLE: Duration = Duration::from_secs(30);
/// Something beside tokend may wake it: the machine's network, a device that is plugged in. What
/// tokend does by itself shows in each of these periods.
const PERIODS: usize = 3;
const CALLS: usize = 1000;
const MAX_THREADS: u64 = 2;
const MAX_ANONYMOUS: u64 = 1_000_000;

fn main() -> ExitCode {
    let Some(tokend) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: measure PATH-OF-TOKEND (cross/measure knows it)");
        return ExitCode::from(64); // EX_USAGE
    };
    match run(tokend) {
        Ok(report) => report.exit_code(),
        Err(error) => {
            eprintln!("measure: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(tokend: PathBuf) -> Result<Report, Failure> {
    let authority = Authority::start(authority::Options::default())?;
    let bus = Bus::start()?;
    let program = Program::from(tokend);
    let mut device = Device::new(&authority, &bus, program)?;
    device.set("log", "level", "\"info\"");
    device.trust_many(&authority)?;
    for id in APPLICATIONS {
        device.add(&Application::new(id, &statement::issue(id)))?;
    }
    let mut report = Report::default();
    let mut tokend = ready(&device, &mut report)?;
    let player = Player::connect(bus.address())?;
    for id in APPLICATIONS {
        get_token(&player, id)?;
    }
    idle(&mut tokend, &mut report)?;
    cached(&tokend, &player, &mut report)?;
    match tokend.terminate().code() {
        0 => Ok(report),
        code => Err(Failure(format!("tokend ended with exit code {code}"))),
    }
}

#[expect(clippy::disallowed_methods, reason = "a measurement of real time, which decides nothing")]
fn ready(device: &Device, report: &mut Report) -> Result<Tokend, Failure> {
    let started = Instant::now();
    let mut tokend = device.spawn()?;
    tokend.wait_notified("READY=1")?;
    let took = started.elapsed();
    report.print("from start to READY=1", &format!("{:.1} ms", took.as_secs_f64() * 1e3));
    Ok(tokend)
}

/// Threads, memory and wake-ups while nobody calls.
fn idle(tokend: &mut Tokend, report: &mut Report) -> Result<(), Failure> {
    let process = Process(tokend.id());
    let mut fewest = u64::MAX;
    for _ in 0..PERIODS {
        let before = process.sleeps()?;
        if let Some(status) = tokend.wait(IDLE) {
            return Err(Failure(format!("tokend has ended by itself: {status}")));
        }
        fewest = fewest.min(process.sleeps()?.saturating_sub(before));
        if fewest == 0 {
            break;
        }
    }
    let what = format!("wake-ups in {} s without a call", IDLE.as_secs());
    report.check(&what, &fewest.to_string(), "0", fewest == 0);

    let threads = process.threads()?;
    let good = threads <= MAX_THREADS;
    report.check("threads", &threads.to_string(), &format!("{MAX_THREADS}"), good);

    let anonymous = process.memory("RssAnon")?;
    let good = anonymous < MAX_ANONYMOUS;
    report.check("anonymous memory (RssAnon)", &kilobytes(anonymous), "under 1000 kB", good);
    report.print("resident memory (VmRSS)", &kilobytes(process.memory("VmRSS")?));
    report.print("of it private (smaps_rollup)", &kilobytes(process.private()?));
    report.print("address space (VmSize)", &kilobytes(process.memory("VmSize")?));
    Ok(())
}

/// System calls of the whole process for tokens that it has.
fn cached(tokend: &Tokend, player: &Player, report: &mut Report) -> Result<(), Failure> {
    let trace = Trace::start(tokend.id())?;
    for _ in 0..CALLS {
        get_token(player, APPLICATIONS[0])?;
    }
    let calls = trace.end()?;
    let total: usize = calls.values().sum();
    if total < CALLS {
        return Err(Failure(format!("strace has seen {total} system calls only")));
    }
    let each: Vec<_> = calls.iter().map(|(name, count)| format!("{name} {count}")).collect();
    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    let average = total as f64 / CALLS as f64;
    report.print("system calls for a cached GetToken", &format!("{average:.1}"));
    report.print(&format!("of {CALLS} of them"), &each.join(", "));
    for (what, names) in [("files opened", trace::OPENS), ("connections made", trace::CONNECTS)] {
        let count: usize = names.iter().filter_map(|name| calls.get(*name)).sum();
        report.check(&format!("{what} by {CALLS} of them"), &count.to_string(), "0", count == 0);
    }
    Ok(())
}

fn get_token(player: &Player, id: &str) -> Result<(), Failure> {
    player.get_token(id, 0).map(drop).map_err(|error| Failure::new("GetToken failed", error))
}

fn kilobytes(bytes: u64) -> String {
    format!("{} kB", bytes.div_ceil(1000))
}
