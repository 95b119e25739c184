// SPDX-License-Identifier: MIT OR Apache-2.0
//! A bus, a server, tokend with its applications, and the two services that it is compared with.

use std::ffi::OsString;
use std::path::Path;

use super::pin;
use super::programs::Programs;
use super::support::authority::{Authority, Options};
use super::support::bus::Bus;
use super::support::child::{self, Child};
use super::support::lines::Lines;
use super::support::player::{Player, path_of};
use super::support::process::Process;
use super::support::raw::{Message, Raw};
use super::support::tokend::{Application, Device, Program, Tokend};
use super::support::{Failure, statement};

/// The application that is called.
pub(crate) const CINEMA: &str = "cinema";
/// For a first token, at most.
const CALLS: usize = 5;
/// Names of equal length, so that all messages have the same.
pub(crate) const TOKEND: &str = "tv.tokend";
pub(crate) const FLOOR: &str = "tv.sd_bus";
pub(crate) const BARE: &str = "tv.zbus_6";

/// Which program passes the messages on.
#[derive(Clone, Copy)]
pub(crate) enum BusKind {
    Daemon,
    Broker,
}

impl BusKind {
    pub(crate) const ALL: [Self; 2] = [Self::Daemon, Self::Broker];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Daemon => "dbus-daemon",
            Self::Broker => "dbus-broker",
        }
    }

    fn start(self) -> Result<Bus, Failure> {
        match self {
            Self::Daemon => Bus::start(),
            Self::Broker => Bus::start_broker(""),
        }
    }
}

/// A server, a bus and a device; no daemon yet.
pub(crate) struct Home {
    pub(crate) device: Device,
    pub(crate) bus: Bus,
    pub(crate) authority: Authority,
    /// What every program is started through.
    runner: Vec<OsString>,
}

impl Home {
    /// With so many applications: [`CINEMA`], and others.
    pub(crate) fn new(
        kind: BusKind,
        tokend: &Path,
        applications: usize,
        options: Options,
    ) -> Result<Self, Failure> {
        Self::with(Authority::start(options)?, kind, tokend, applications)
    }

    /// The same with a server that is there.
    pub(crate) fn with(
        authority: Authority,
        kind: BusKind,
        tokend: &Path,
        applications: usize,
    ) -> Result<Self, Failure> {
        let bus = kind.start()?;
        let program = Program::from(tokend.to_owned());
        let mut device = Device::new(&authority, &bus, program)?;
        device.set("log", "level", "\"info\"");
        device.trust_many(&authority)?;
        for id in ids(applications) {
            let application = Application::new(&id, &statement::issue(&id));
            device.add(&application.with("redirect_uri", "\"adobepass://com.programmer\""))?;
        }
        Ok(Self { device, bus, authority, runner: Vec::new() })
    }

    pub(crate) fn start(&self) -> Result<Tokend, Failure> {
        let mut tokend = self.device.spawn()?;
        tokend.wait_notified("READY=1")?;
        Ok(tokend)
    }

    pub(crate) fn player(&self) -> Result<Player, Failure> {
        Player::connect(self.bus.address())
    }

    /// From now on, whatever starts is bound to one processor from its first instruction on.
    pub(crate) fn bind(&mut self) -> Result<(), Failure> {
        self.run_through(pin::runner()?);
        pin::process(&Process(self.bus.id()))
    }

    /// From now on, whatever starts is started through this.
    pub(crate) fn run_through(&mut self, runner: Vec<OsString>) {
        self.device.set_runner(runner.clone());
        self.runner = runner;
    }

    /// Starts one of the services that answer with these words: a token, and headers.
    pub(crate) fn serve(
        &self,
        program: &Path,
        name: &str,
        words: &[String],
    ) -> Result<Child, Failure> {
        let mut watch = watch_name(self.bus.address(), name)?;
        let service = self.spawn(program, name, words)?;
        owned(&mut watch)?;
        Ok(service)
    }

    /// The same, without waiting for its name.
    pub(crate) fn spawn(
        &self,
        program: &Path,
        name: &str,
        words: &[String],
    ) -> Result<Child, Failure> {
        let mut words_before =
            self.runner.iter().map(OsString::as_os_str).chain([program.as_os_str()]);
        let mut command = child::command(words_before.next().unwrap_or_default());
        command.args(words_before).args([self.bus.address(), name, &path_of(CINEMA)]).args(words);
        Lines::default().collect(child::capture(&mut command)?, || ());
        Child::spawn(command)
    }
}

/// A method of a service.
pub(crate) type Case = (&'static str, &'static str);

/// The call of it, on an application's object.
pub(crate) fn message((service, member): Case, application: &str) -> Message {
    let path = path_of(application);
    let mut message = if member == "Ping" {
        Message::call(&path, "org.freedesktop.DBus.Peer", member)
    } else {
        let mut message = Message::call(&path, "tv.tokend.Application1", member);
        message.signature = "u".into();
        message.body.u32(0);
        message
    };
    message.destination = service.into();
    message
}

/// The names of so many applications.
pub(crate) fn ids(count: usize) -> impl Iterator<Item = String> {
    let others = (1..count).map(|number| format!("application_{number}"));
    std::iter::once(CINEMA.to_owned()).chain(others)
}

/// Waits for each application's first token. A busy machine may take longer than one call waits.
pub(crate) fn fetch_all(player: &Player, applications: usize) -> Result<(), Failure> {
    for id in ids(applications) {
        let mut last = player.get_token(&id, 0);
        for _ in 1..CALLS {
            last = last.or_else(|_| player.get_token(&id, 0));
        }
        last.map_err(|error| Failure::new("GetToken failed", error))?;
    }
    Ok(())
}

/// What tokend answers with now: the token, then each header's name and value.
pub(crate) fn answers(player: &Player) -> Result<Vec<String>, Failure> {
    let failure = |error| Failure::new("GetHeaders failed", error);
    let (token, _) = player.get_token(CINEMA, 0).map_err(failure)?;
    let (headers, _) = player.get_headers(CINEMA, 0).map_err(failure)?;
    let headers = headers.into_iter().flat_map(|(name, value)| [name, value]);
    Ok(std::iter::once(token).chain(headers).collect())
}

/// A connection that is told when the name has an owner.
pub(crate) fn watch_name(address: &str, name: &str) -> Result<Raw, Failure> {
    let failure = |error| Failure::new("cannot watch a name", error);
    let bus = "org.freedesktop.DBus";
    let mut raw = Raw::connect(address).map_err(failure)?;
    // Its own name, which is told without being asked for.
    raw.next_signal().map_err(failure)?;
    let mut call = Message::call("/org/freedesktop/DBus", bus, "AddMatch");
    call.destination = bus.into();
    let rule = format!("type='signal',sender='{bus}',member='NameOwnerChanged',arg0='{name}'");
    raw.ask(&call.with_strings(&[&rule])).map_err(failure)?;
    Ok(raw)
}

/// Waits until the name that is watched has an owner.
pub(crate) fn owned(watch: &mut Raw) -> Result<(), Failure> {
    watch.next_signal().map(drop).map_err(|error| Failure::new("the name has no owner", error))
}

/// Everything that takes part in calls.
pub(crate) struct Stage {
    // In this order they end.
    pub(crate) tokend: Tokend,
    floor: Child,
    bare: Child,
    pub(crate) home: Home,
}

impl Stage {
    /// tokend with one application, whose token is there, and both services with its answers.
    pub(crate) fn new(kind: BusKind, programs: &Programs) -> Result<Self, Failure> {
        let home = Home::new(kind, &programs.tokend, 1, Options::default())?;
        let tokend = home.start()?;
        let player = home.player()?;
        fetch_all(&player, 1)?;
        let words = answers(&player)?;
        player.leave();
        let floor = home.serve(&programs.floor, FLOOR, &words)?;
        let bare = home.serve(&programs.bare, BARE, &words)?;
        Ok(Self { tokend, floor, bare, home })
    }

    /// The process behind a name.
    pub(crate) fn process(&self, name: &str) -> Process {
        Process(match name {
            FLOOR => self.floor.id(),
            BARE => self.bare.id(),
            _ => self.tokend.id(),
        })
    }

    /// The process that passes the messages on.
    pub(crate) fn bus(&self) -> Process {
        let first = Process(self.home.bus.id());
        first.child().unwrap_or(first)
    }
}
