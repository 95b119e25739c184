// SPDX-License-Identifier: MIT OR Apache-2.0
//! Part "oidc-agent": the same token from Debian's oidc-agent, which keeps tokens on a desktop and
//! hands them out over a socket of its own.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;
use std::{env, io, thread};

use rustix::process::Signal;
use serde_json::json;
use tempfile::TempDir;

use super::calls::{Figures, rounds, turn};
use super::client::{Clients, Round};
use super::counter::Counter;
use super::instructions::{difference, run_tokend, settled};
use super::pin;
use super::programs::Programs;
use super::report::{Report, Table};
use super::stage::{BusKind, CINEMA, Stage, TOKEND, answers, message};
use super::stats::{Spread, number};
use super::support::authority::{Authority, Endpoint, Fault, Options, Response};
use super::support::child::{self, Child};
use super::support::lines::Lines;
use super::support::process::Process;
use super::support::{BOUND, Failure};

const SOCKET: &str = "socket";
/// Larger than any answer here.
const ROOM: usize = 4096;
/// The plain form. Its own library encrypts each request, which costs more.
const REQUEST: &[u8] = br#"{"request":"access_token","account":"cinema","min_valid_period":0,"application_hint":"bench"}"#;
/// It does not know `client_credentials`: an account begins with a refresh token.
const ACCOUNT: &str = "--client-id=bench --client-secret=bench --scope=openid --rt=bench";
/// It says nothing once it listens: so often it is tried, unless it ends meanwhile.
const LOOKS: usize = 6000;
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// What is summed up over the processes of each, and the unit of the table.
type Look = (&'static str, f64, fn(&Process) -> Result<u64, Failure>);
const LOOK_AT: [Look; 5] = [
    ("PSS, kB", 1e3, Process::proportional),
    ("private, kB", 1e3, Process::private),
    ("anonymous, kB", 1e3, |process| process.memory("RssAnon")),
    ("processes", 1.0, |_| Ok(1)),
    ("threads", 1.0, Process::threads),
];

pub(crate) fn run(programs: &Programs, quick: bool, report: &mut Report) -> Result<(), Failure> {
    let stage = Stage::new(BusKind::Daemon, programs)?;
    let player = stage.home.player()?;
    let token = answers(&player)?.swap_remove(0);
    player.leave();
    let server = serve(&token)?;
    let agent = Agent::start(&server, &token, &[])?;

    let head = ["a cached token, one application", "oidc-agent", "tokend", "tokend / oidc-agent"];
    let mut table = Table::new("tokend beside oidc-agent", &head);
    // While nobody calls.
    let looks = LOOK_AT.map(|(_, _, look)| {
        let sum = |of: &[Process]| of.iter().map(look).sum::<Result<u64, _>>();
        Ok::<_, Failure>((sum(&agent.processes)?, sum(&[stage.process(TOKEND)])?))
    });
    let [theirs, own] = measure(&stage, &agent, quick)?;
    let counter = Counter::callgrind()?;
    let (counted, _) = difference(&counter, |calls| {
        let agent = Agent::start(&server, &token, &counter.runner)?;
        agent.ask(calls)?;
        agent.end()
    })?;
    let (home, _) = settled(&programs.tokend, &counter)?;
    let (own_counted, _) = difference(&counter, |calls| run_tokend(&home, "GetToken", calls))?;

    row(&mut table, "instructions in user space", 0, &[counted], &[own_counted]);
    row(&mut table, "p50, µs", 1, &theirs.p50, &own.p50);
    row(&mut table, "processor time, µs", 1, &theirs.processor, &own.processor);
    // It has no bus: its socket is its own.
    let with_bus: Vec<f64> =
        own.processor.iter().zip(&own.bus).map(|(own, bus)| own + bus).collect();
    row(&mut table, "processor time with the bus's, µs", 1, &theirs.processor, &with_bus);
    for ((what, unit, _), look) in LOOK_AT.into_iter().zip(looks) {
        let (theirs, own) = look?;
        row(&mut table, what, 0, &[number(theirs) / unit], &[number(own) / unit]);
    }
    report.print(&table);
    Ok(())
}

/// A server whose every answer says where it is, and gives out this token.
fn serve(token: &str) -> Result<Authority, Failure> {
    let server = Authority::start(Options { throttle: false, ..Options::default() })?;
    let origin = server.origin();
    let answer = json!({
        "issuer": format!("{origin}/"),
        "authorization_endpoint": format!("{origin}/authorize"),
        "token_endpoint": format!("{origin}/o/client/token"),
        "scopes_supported": ["openid", "offline_access"],
        "access_token": token,
        "token_type": "bearer",
        "expires_in": 86_400,
    });
    // What tokend's server does not know is /.well-known/openid-configuration.
    for endpoint in [Endpoint::Unknown, Endpoint::Token] {
        server.always(endpoint, Fault::Answer(Response::json(200, &answer)));
    }
    Ok(server)
}

/// The figures of oidc-agent, and those of tokend, which take turns.
fn measure(stage: &Stage, agent: &Agent, quick: bool) -> Result<[Figures; 2], Failure> {
    let (rounds, calls) = rounds(quick);
    let (tokend, bus) = ([stage.process(TOKEND)], [stage.bus()]);
    for process in agent.processes.iter().chain(&tokend).chain(&bus) {
        pin::process(process)?;
    }
    let rounds = || -> Result<[Figures; 2], Failure> {
        pin::this_thread()?;
        let message = message((TOKEND, "GetToken"), CINEMA);
        let mut clients = Clients::connect(1, stage.home.bus.address(), &message)?;
        clients.call(calls / 4)?;
        agent.ask(calls / 4)?;
        let (mut theirs, mut own) = (Figures::default(), Figures::default());
        for _ in 0..rounds {
            turn(&agent.processes, &[], || agent.ask(calls), &mut theirs)?;
            turn(&tokend, &bus, || clients.call(calls), &mut own)?;
        }
        Ok([theirs, own])
    };
    thread::scope(|scope| scope.spawn(rounds).join().expect("the measuring thread does not panic"))
}

/// Medians, and the ratio: with its spread, where there were several rounds.
fn row(table: &mut Table, what: &str, decimals: usize, theirs: &[f64], own: &[f64]) {
    let median =
        |values: &[f64]| format!("{:.decimals$}", Spread::of(values.iter().copied()).median);
    let ratio = Spread::of_ratios(own, theirs);
    let ratio = if own.len() > 1 { ratio.to_string() } else { format!("{:.2}", ratio.median) };
    table.row([what.to_owned(), median(theirs), median(own), ratio]);
}

/// An oidc-agent with one account. Dropped: killed, and its directory removed.
struct Agent {
    // In this order: the processes end before their directory goes.
    child: Child,
    output: Lines,
    /// The one that clients talk to, and the one that has the tokens.
    processes: [Process; 2],
    socket: String,
    /// What a request is answered with, as long as the token is the same.
    answer: String,
    _dir: TempDir,
}

impl Agent {
    /// Started through `runner`, with an account that has this token from this server.
    fn start(server: &Authority, token: &str, runner: &[OsString]) -> Result<Self, Failure> {
        let dir = tempfile::Builder::new().prefix("tokend-oidc-").tempdir();
        let dir = dir.map_err(|error| Failure::new("no temporary directory", error))?;
        let socket = dir.path().join(SOCKET).display().to_string();
        // On the console: as a daemon it would leave the process group with which it is ended.
        let words = ["--console", "--socket-path", &socket];
        let (mut child, output) = launch("oidc-agent", runner, dir.path(), &words)?;
        let failure = |why: &str| Failure::new(format!("oidc-agent {why}"), output.text(0));
        let mut looks = 0..LOOKS;
        while UnixStream::connect(&socket).is_err() {
            if looks.next().is_none() || child.wait(BETWEEN_LOOKS).is_some() {
                return Err(failure("does not listen"));
            }
        }
        let second = Process(child.id()).child().ok_or_else(|| failure("has one process"))?;
        let processes = [Process(child.id()), second];

        let issuer = format!("--iss={}/", server.origin());
        let ca_file = format!("--cp={}", server.ca_file().display());
        let mut words: Vec<&str> =
            ACCOUNT.split(' ').chain(["--pw-env", "--prompt=none"]).collect();
        words.extend([&*issuer, &ca_file, CINEMA]);
        let (mut generator, said) = launch("oidc-gen", &[], dir.path(), &words)?;
        let made = generator.wait(BOUND).is_some_and(|status| status.success());
        drop(generator);
        if !made {
            said.wait_for_end(BOUND);
            return Err(Failure::new("oidc-gen makes no account", said.text(0)));
        }
        let answer = exchange(&socket).unwrap_or_else(|error| error.to_string());
        if !answer.contains(token) {
            return Err(failure(&format!("gives no token: {answer}")));
        }
        Ok(Self { child, output, processes, socket, answer, _dir: dir })
    }

    /// So many requests, each over a connection of its own, as it wants them.
    fn ask(&self, count: usize) -> Result<Round, Failure> {
        Round::of(count, || match exchange(&self.socket) {
            Ok(answer) if answer == self.answer => Ok(()),
            other => Err(Failure(format!("oidc-agent has answered {other:?}"))),
        })
    }

    /// Ends it, so that what counts its instructions writes them down.
    fn end(mut self) -> Result<(), Failure> {
        // Both at once: one that is left complains to the system's log.
        self.child.signal_group(Signal::TERM);
        let ended = self.child.wait(BOUND).is_some() && self.output.wait_for_end(BOUND);
        if ended { Ok(()) } else { Err(Failure("oidc-agent does not end".into())) }
    }
}

/// One of its programs, with an environment of its own: no other agent, no proxy.
fn launch(
    program: &str,
    runner: &[OsString],
    dir: &Path,
    words: &[&str],
) -> Result<(Child, Lines), Failure> {
    let mut all = runner.to_vec();
    all.push(child::find(program, "oidc-agent-cli")?.into());
    let mut command = child::command(&all[0]);
    command.args(&all[1..]).args(words).env_clear();
    command.envs(env::var_os("PATH").map(|path| ("PATH", path)));
    command.env("HOME", dir).env("OIDC_CONFIG_DIR", dir).env("OIDC_SOCK", dir.join(SOCKET));
    command.env("OIDC_ENCRYPTION_PW", "bench");
    let output = Lines::default();
    output.collect(child::capture(&mut command)?, || ());
    Ok((Child::spawn(command)?, output))
}

/// One request; its answer ends with the connection.
fn exchange(socket: &str) -> io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(BOUND))?;
    stream.write_all(REQUEST)?;
    let mut answer = String::with_capacity(ROOM);
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
