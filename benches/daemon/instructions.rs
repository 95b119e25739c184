// SPDX-License-Identifier: MIT OR Apache-2.0
//! Part "instructions": what a call and a start take of the processor, counted by callgrind. No
//! other program disturbs that, so that a change of a percent is seen.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use rustix::process::Signal;
use tempfile::TempDir;

use super::client::Clients;
use super::programs::Programs;
use super::report::{Bound, Report, Table};
use super::stage::{BARE, BusKind, CINEMA, FLOOR, Home, TOKEND, answers, fetch_all, message};
use super::stats::number;
use super::support::authority::Options;
use super::support::{BOUND, Failure, child};

/// The difference between a run with few calls and one with many is that of the calls.
const FEW: usize = 100;
const MANY: usize = 1100;
const MEMBERS: [&str; 3] = ["Ping", "GetToken", "GetHeaders"];

pub(crate) fn run(programs: &Programs, report: &mut Report) -> Result<(), Failure> {
    let counter = Counter::new()?;
    let options = Options { throttle: false, ..Options::default() };
    let mut home = Home::new(BusKind::Daemon, &programs.tokend, 1, options)?;
    // It registers, and has its token from its storage in each run that is counted.
    let first = home.start()?;
    let words = {
        let player = home.player()?;
        fetch_all(&player, 1)?;
        answers(&player)?
    };
    first.terminate();
    home.run_through(counter.runner());

    let head = ["", "Ping", "GetToken", "GetHeaders", "start and end"];
    let mut table = Table::new("Instructions of a service in user space, by callgrind", &head);
    let mut get_token = Vec::new();
    for (name, who, program) in [
        (FLOOR, "sd-bus", &programs.floor),
        (BARE, "bare zbus", &programs.bare),
        (TOKEND, "tokend", &programs.tokend),
    ] {
        let counted = |member: &'static str, calls: usize| -> Result<f64, Failure> {
            let call = |calls: usize| -> Result<(), Failure> {
                let address = home.bus.address();
                Clients::connect(1, address, &message((name, member), CINEMA))?
                    .call(calls)
                    .map(drop)
            };
            let process = if name == TOKEND {
                let tokend = home.start()?;
                call(calls)?;
                let process = tokend.id();
                tokend.terminate();
                process
            } else {
                let mut service = home.serve(program, name, &words)?;
                call(calls)?;
                service.signal(Signal::TERM);
                service.wait(BOUND).ok_or_else(|| Failure(format!("{who} does not end")))?;
                service.id()
            };
            counter.instructions(process)
        };
        let mut row = vec![who.to_owned()];
        let mut start = 0.0;
        for member in MEMBERS {
            let few = counted(member, FEW)?;
            let each = (counted(member, MANY)? - few) / number(MANY - FEW);
            start = few - each * number(FEW);
            row.push(format!("{each:.0}"));
            if member == "GetToken" {
                get_token.push(each);
            }
        }
        row.push(format!("{start:.0}"));
        table.row(row);
    }
    report.print(&table);
    let ratio = get_token[2] / get_token[1];
    let bound = Bound::firm(1.60);
    report.goal("instructions of GetToken / bare zbus", ratio, &format!("{ratio:.2}"), bound, "");
    Ok(())
}

/// callgrind, and where it writes.
struct Counter {
    valgrind: PathBuf,
    dir: TempDir,
}

impl Counter {
    fn new() -> Result<Self, Failure> {
        let dir = tempfile::tempdir().map_err(|e| Failure::new("no temporary directory", e))?;
        Ok(Self { valgrind: child::find("valgrind", "valgrind")?, dir })
    }

    /// What starts a program that is counted.
    fn runner(&self) -> Vec<OsString> {
        let mut output = OsString::from("--callgrind-out-file=");
        output.push(self.dir.path().join("out.%p"));
        vec![self.valgrind.clone().into(), "--quiet".into(), "--tool=callgrind".into(), output]
    }

    /// Of a process that has ended.
    fn instructions(&self, process: u32) -> Result<f64, Failure> {
        let path = self.dir.path().join(format!("out.{process}"));
        let text = fs::read_to_string(&path);
        let text = text.map_err(|error| Failure::new("callgrind has written nothing", error))?;
        let totals = text.lines().find_map(|line| line.strip_prefix("totals: "));
        let totals = totals.and_then(|totals| totals.trim().parse::<u64>().ok());
        totals.map(number).ok_or_else(|| Failure("callgrind has counted nothing".into()))
    }
}
