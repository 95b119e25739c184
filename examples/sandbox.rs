// SPDX-License-Identifier: MIT OR Apache-2.0
//! All of tokend on one machine, for a look: a loopback authorization server over TLS, a private
//! message bus, and the real daemon with one application, `cinema`.
//!
//! `cargo run --example sandbox` shows the headers that a player gets, calls a protected endpoint
//! with them, and stays up until Ctrl-C; with `-- --once` it ends after the call, and with
//! `-- --system-like` it plays scenes for applications that are tried without Adobe. `-- --help` names
//! them, and the other options. Nothing outside temporary directories is written, and nothing is left behind.

use std::collections::BTreeMap;
use std::fs;
use std::process::ExitCode;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::Signal;

#[path = "sandbox/binary.rs"]
mod binary;
#[path = "sandbox/control.rs"]
mod control;
#[path = "sandbox/events.rs"]
mod events;
#[path = "sandbox/options.rs"]
mod options;
#[path = "sandbox/scenes.rs"]
mod scenes;
#[path = "sandbox/stand_in.rs"]
mod stand_in;
#[path = "sandbox/states.rs"]
mod states;
#[path = "../tests/support/mod.rs"]
mod support;
#[path = "sandbox/try_it.rs"]
mod try_it;
#[path = "sandbox/view.rs"]
mod view;

use control::Control;
use events::{Event, Events, Stop, say, show};
use options::Asked;
use scenes::Stage;
use support::authority::{self, Authority};
use support::bus::Bus;
use support::client::Client;
use support::player::Player;
use support::tokend::{Application, Device, ENDED, Tokend};
use support::{BOUND, Failure, statement};

/// The application of the sandbox.
const CINEMA: &str = "cinema";

fn main() -> ExitCode {
    let asked = match options::parse() {
        Ok(Asked::Run(options)) => options,
        Ok(Asked::Help) => {
            show(&(options::HELP.to_owned() + scenes::list().trim_end()));
            return ExitCode::SUCCESS;
        }
        Ok(Asked::Scene(name)) => return control::ask(&name),
        Err(error) => {
            eprintln!("sandbox: {error}");
            return ExitCode::from(64); // EX_USAGE
        }
    };
    // Before any other thread is there.
    let events = match Events::start() {
        Ok(events) => events,
        Err(error) => return failed(&error),
    };
    let outcome = run(&asked, &events);
    view::leave();
    match outcome {
        Ok(()) => {
            say("All has ended. Nothing is left behind.");
            ExitCode::SUCCESS
        }
        Err(Stop::Interrupted) => {
            say("Interrupted. Nothing is left behind.");
            ExitCode::from(130) // as a shell has it after Ctrl-C
        }
        Err(Stop::Failed(error)) => failed(&error),
    }
}

fn failed(error: &Failure) -> ExitCode {
    eprintln!("sandbox: {error}");
    ExitCode::FAILURE
}

/// Everything, from the daemon's binary to the end. What it started ends with it, however it ends.
fn run(options: &options::Options, events: &Events) -> Result<(), Stop> {
    let program = binary::find(options, events)?;

    say("Starting the authorization server: TLS, throttled, as the real one behaves.");
    let authority = Authority::start(authority::Options::default())?;
    options.origins.iter().for_each(|origin| authority.allow_origin(origin));
    authority.lines().listen(events.lines_of("server"));
    show(&format!("It listens at {}.", authority.origin()));

    say("Starting a private message bus.");
    let bus = Bus::start()?;
    show(&format!("Its address is {}.", bus.address()));

    say("Writing a configuration with one application, which this user may call for.");
    let mut device = Device::new(&authority, &bus, program)?;
    device.set_root("/");
    device.set("log", "level", "\"info\"");
    let uid = rustix::process::geteuid().as_raw();
    device.set("", "reload_users", &format!("[{uid}]"));
    let statement = statement::issue(CINEMA);
    device.add(&Application::new(CINEMA, &statement))?;
    show(&format!("It is in {}.", device.config().display()));

    say("Starting tokend. Waiting until it has its name on the bus (READY=1).");
    device.lines().listen(events.lines_of("tokend"));
    let tokend = device.spawn()?;
    let mut stage = Stage {
        events,
        authority: &authority,
        bus: &bus,
        device: &mut device,
        statement,
        tokend: Some(tokend),
        stand_in: None,
        scene: scenes::SERVE.name,
    };
    let outcome = with_daemon(options, &mut stage);
    let outcome = outcome.and_then(|()| stage.close());
    let status = stage.tokend.as_mut().and_then(|tokend| tokend.wait(Duration::ZERO));
    drop(stage);
    device.lines().wait_for_end(BOUND);
    events.drain();
    let Err(Stop::Failed(error)) = outcome else { return outcome };
    let status = status.map_or("ran until now".to_owned(), |status| format!("ended: {status}"));
    let log = device.all_output();
    Err(Failure(format!("{error}\ntokend {status}. Its log:\n{log}")).into())
}

fn with_daemon(options: &options::Options, stage: &mut Stage<'_>) -> Result<(), Stop> {
    let (events, authority) = (stage.events, stage.authority);
    if let Some(tokend) = &stage.tokend {
        tokend.notified().listen(events.notifications());
    }
    events.wait_notified("READY=1")?;

    say("Calling GetHeaders for the application cinema. tokend registers it and fetches a token.");
    let address = stage.bus.address().to_owned();
    let served = events.run(move || {
        let player = Player::connect(&address)?;
        player.get_headers(CINEMA, 0).map_err(|error| Failure::new("GetHeaders failed", error))
    })?;
    let (headers, expires_in) = served?;
    say(&format!("A player gets these headers, valid for {expires_in} s:"));
    headers.iter().for_each(|(name, value)| show(&format!("{name}: {value}")));
    if let Some(info) = device_info(&headers) {
        show(&format!("(X-Device-Info says {info})"));
    }

    let url = format!("{}/api/v2/hello", authority.origin());
    say(&format!("Calling the protected endpoint {url} with exactly these headers."));
    let ca_file = authority.ca_file();
    let reply = events.run(move || {
        let ca = fs::read_to_string(ca_file).map_err(|e| Failure::new("cannot read ca.pem", e))?;
        let headers: Vec<(String, String)> = headers.into_iter().collect();
        Client::new(&ca)?.send("GET", &url, &headers, b"")
    })??;
    show(&format!("It answers {}: {}", reply.status, reply.body));
    if reply.status != 200 {
        return Err(Failure("the protected endpoint refused the headers".into()).into());
    }

    if options.once {
        return Ok(());
    }
    say("The sandbox is up. To try in another terminal, as this user:");
    try_it::lines(options, stage.device, authority).iter().for_each(|line| show(line));
    if options.system_like {
        return play(stage);
    }
    say("Log lines and requests follow as they come. Ctrl-C ends it.");
    match events.wait_notified(ENDED) {
        Err(Stop::Interrupted) => Ok(()),
        Err(other) => Err(other),
        Ok(()) => Err(Failure("tokend has ended by itself".into()).into()),
    }
}

/// Plays scenes until Ctrl-C.
fn play(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let events = stage.events;
    let _control = Control::start(events)?;
    states::follow(stage.bus.address(), events)?;
    view::enter(try_it::connect(stage.device, stage.authority));
    say("Scenes may begin. Ctrl-C ends it.");
    loop {
        view::draw(stage.scene, stage.authority.date());
        match events.next(Some(Duration::from_secs(1))) {
            None => {}
            Some(Event::Signal) => return Ok(()),
            Some(Event::Notified(state)) if state == ENDED => {
                // Of one that was told to end, the news may come late.
                if let Some(how) = stage.ended() {
                    return Err(Failure(how).into());
                }
            }
            Some(Event::Scene { name, answer }) => match stage.play(&name) {
                Ok(line) => answer(&line),
                Err(Stop::Interrupted) => return Ok(()),
                Err(stop) => return Err(stop),
            },
            Some(other) => other.show(),
        }
    }
}

/// What the header says, in the clear.
fn device_info(headers: &BTreeMap<String, String>) -> Option<String> {
    let json = STANDARD.decode(headers.get("X-Device-Info")?).ok()?;
    String::from_utf8(json).ok()
}

/// SIGTERM to the daemon, and its end.
fn end(tokend: &mut Tokend) -> Result<(), Stop> {
    say("Ending tokend (SIGTERM).");
    tokend.signal(Signal::TERM);
    match tokend.wait(Duration::from_secs(10)) {
        Some(status) if status.success() => Ok(()),
        Some(status) => {
            Err(Failure(format!("tokend ended with {status} instead of exit code 0")).into())
        }
        None => Err(Failure("tokend has not ended within 10 s of SIGTERM".into()).into()),
    }
}
