// SPDX-License-Identifier: MIT OR Apache-2.0
//! argv to a command; each client command in its own file.

/// `tokend check`.
pub mod check;
/// `tokend device-info`.
pub mod device_info;
/// `tokend diagnose`.
pub mod diagnose;
/// `tokend forget ID --yes`.
pub mod forget;
/// `tokend headers ID`.
pub mod headers;
/// `tokend reload`.
pub mod reload;
/// `tokend reseal --from DIR`.
pub mod reseal;
/// `tokend status [ID]`.
pub mod status;
/// `tokend token ID`.
pub mod token;

use std::ffi::OsString;
use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use lexopt::{Arg, Parser, ValueExt};

use crate::bus::BusAddress;
use crate::client::ClientError;
use crate::common::error::chain;
use crate::common::exit;
use crate::common::model::AppId;
use crate::config::Source;
use crate::daemon::Options;

/// Where the state is kept unless `$STATE_DIRECTORY` or `--state` says otherwise.
const STATE_DIRECTORY: &str = "/var/lib/tokend";

const HELP: &str = "\
tokend keeps Adobe Pass client credentials and access tokens for the player
applications of this device, and serves them over D-Bus.

Usage: tokend COMMAND [OPTIONS]

Commands:
  run               run the daemon in the foreground
  check             check configuration, statements, seal and device data, offline
  status [ID]       show what the daemon has for each application
                    (with --watch: and whatever changes, until Ctrl-C or q)
  token ID          print an access token
  headers ID        print the request headers, one \"Name: value\" a line
  device-info       show each field of X-Device-Info with its origin
                    (with --bus: as the running daemon sends it;
                    with --id: the device identifier alone)
  diagnose          for support, without secrets: all of that, the files of tokend,
                    and the way to the server, step by step, with likely causes
  reload            let the daemon read its configuration again
  forget ID --yes   delete the client credentials and the token of an application;
                    its viewers are signed out of every TV provider
  reseal            while tokend is stopped: move all that is stored to the root
                    key of the configuration, from that of the one in --from

Options:
  --config DIR      read the configuration from DIR alone   (run, check, device-info,
                    default: /usr/lib/tokend, /etc/tokend,   diagnose, reseal)
                    /run/tokend
  --from DIR        the directory of the old tokend.toml    (reseal)
  --state DIR       keep the state in DIR                   (run, check, reseal,
                    default: $STATE_DIRECTORY, else          device-info, diagnose)
                    /var/lib/tokend
  --root DIR        look for device data under DIR          (run, check, device-info,
                                                             diagnose)
  --bus BUS         system, session or a D-Bus address      (all but check, reseal)
                    default: system
  --id              print the device identifier             (device-info)
  --json            print JSON                              (check, status, device-info,
                                                             diagnose)
  --strict          exit with 78 on a warning too           (check)
  --watch           stay, and show each change              (status)
  --help            print this
  --version         print the version

Exit codes are those of sysexits.h: 0 success, 64 wrong usage, 65 unknown application,
69 tokend does not run or the server refuses, 74 storage, 75 try again later,
77 no permission, 78 faulty configuration. diagnose: 1 for an error or a failed step.
";

/// What the command line asks for.
#[derive(Debug)]
pub enum Command {
    /// `--help`
    Help,
    /// `--version`
    Version,
    /// `run`
    Run(Box<Options>),
    /// `check`
    Check(Box<Options>, check::Asked),
    /// `diagnose`
    Diagnose(Box<Options>, bool),
    /// `device-info`, offline.
    LocalDeviceInfo(Box<Options>, bool),
    /// `device-info --id`, offline; whether the state directory counts.
    LocalIdentifier(Box<Options>, bool),
    /// `device-info --id --bus`
    Identifier(BusAddress),
    /// `device-info --bus`
    DeviceInfo(BusAddress, bool),
    /// `status`
    Status(BusAddress, Option<AppId>, bool),
    /// `status --watch`
    Watch(BusAddress, Option<AppId>, bool),
    /// `token`
    Token(BusAddress, AppId),
    /// `headers`
    Headers(BusAddress, AppId),
    /// `reload`
    Reload(BusAddress),
    /// `forget`
    Forget(BusAddress, AppId, bool),
    /// `reseal`: the configuration in force, and the directory of the old one.
    Reseal(Box<Options>, PathBuf),
    /// What tokend runs itself, with a PKCS#11 module in it.
    #[cfg(feature = "pkcs11")]
    Pkcs11Child,
}

/// Reads the arguments behind the program's name.
///
/// # Errors
/// What is wrong with them, and what is legal.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, Usage> {
    let mut given = Given::default();
    let mut words = Vec::new();
    let mut parser = Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("help") | Arg::Short('h') => return Ok(Command::Help),
            Arg::Long("version") | Arg::Short('V') => return Ok(Command::Version),
            Arg::Long("config") => given.config = Some(parser.value()?.into()),
            Arg::Long("from") => given.from = Some(parser.value()?.into()),
            Arg::Long("state") => given.state = Some(parser.value()?.into()),
            Arg::Long("root") => given.root = Some(parser.value()?.into()),
            Arg::Long("bus") => given.bus = Some(parser.value()?.parse()?),
            Arg::Long("json") => given.json = true,
            Arg::Long("id") => given.id = true,
            Arg::Long("strict") => given.strict = true,
            Arg::Long("yes") => given.yes = true,
            Arg::Long("watch") => given.watch = true,
            Arg::Value(word) => words.push(word.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    given.command(words)
}

/// The options as given.
#[derive(Debug, Default)]
struct Given {
    config: Option<PathBuf>,
    from: Option<PathBuf>,
    state: Option<PathBuf>,
    root: Option<PathBuf>,
    bus: Option<BusAddress>,
    json: bool,
    id: bool,
    strict: bool,
    yes: bool,
    watch: bool,
}

impl Given {
    fn command(mut self, words: Vec<String>) -> Result<Command, Usage> {
        let mut words = words.into_iter();
        let Some(name) = words.next() else { return Err(Usage("a command is missing".into())) };
        let id = words.next();
        if let Some(surplus) = words.next() {
            return Err(Usage(format!("unexpected argument \"{surplus}\"")));
        }
        let (legal, command): (&[&str], _) = match name.as_str() {
            "run" => (&["config", "state", "root", "bus"], Command::Run(self.options())),
            "check" => {
                let asked = check::Asked { json: self.json, strict: self.strict };
                (
                    &["config", "state", "root", "json", "strict"],
                    Command::Check(self.options(), asked),
                )
            }
            "diagnose" => (
                &["config", "state", "root", "bus", "json"],
                Command::Diagnose(self.options(), self.json),
            ),
            "device-info" => {
                let legal: &[&str] = match self.id {
                    true => &["config", "state", "root", "bus", "id"],
                    false => &["config", "state", "root", "bus", "json"],
                };
                // The state of this machine says nothing of a copied tree.
                let looks = self.state.is_some() || self.root.is_none();
                (
                    legal,
                    match (self.bus.clone(), self.id) {
                        (Some(bus), true) => Command::Identifier(bus),
                        (Some(bus), false) => Command::DeviceInfo(bus, self.json),
                        (None, true) => Command::LocalIdentifier(self.options(), looks),
                        (None, false) => Command::LocalDeviceInfo(self.options(), self.json),
                    },
                )
            }
            "status" => {
                let id = id.as_deref().map(application).transpose()?;
                let command = if self.watch { Command::Watch } else { Command::Status };
                (&["bus", "json", "watch"], command(self.bus(), id, self.json))
            }
            "token" => (&["bus"], Command::Token(self.bus(), needed(&name, id.as_deref())?)),
            "headers" => (&["bus"], Command::Headers(self.bus(), needed(&name, id.as_deref())?)),
            "reload" => (&["bus"], Command::Reload(self.bus())),
            "reseal" => {
                let from = reseal::needed(self.from.clone())?;
                (&["config", "from", "state"], Command::Reseal(self.options(), from))
            }
            "forget" => {
                let id = needed(&name, id.as_deref())?;
                (&["bus", "yes"], Command::Forget(self.bus(), id, self.yes))
            }
            #[cfg(feature = "pkcs11")]
            crate::seal::pkcs11::child::ARGUMENT => (&[], Command::Pkcs11Child),
            _ => return Err(Usage(format!("unknown command \"{name}\""))),
        };
        let takes_id = matches!(name.as_str(), "status" | "token" | "headers" | "forget");
        if let (false, Some(surplus)) = (takes_id, id) {
            return Err(Usage(format!("unexpected argument \"{surplus}\"")));
        }
        match self.given().into_iter().find(|option| !legal.contains(option)) {
            Some(option) => Err(Usage(format!("{name} takes no --{option}"))),
            None => Ok(command),
        }
    }

    fn given(&mut self) -> Vec<&'static str> {
        let all = [
            ("config", self.config.is_some()),
            ("from", self.from.is_some()),
            ("state", self.state.is_some()),
            ("root", self.root.is_some()),
            ("bus", self.bus.is_some()),
            ("json", self.json),
            ("id", self.id),
            ("strict", self.strict),
            ("yes", self.yes),
            ("watch", self.watch),
        ];
        all.into_iter().filter(|(_, given)| *given).map(|(option, _)| option).collect()
    }

    fn bus(&self) -> BusAddress {
        self.bus.clone().unwrap_or_default()
    }

    fn options(&self) -> Box<Options> {
        // Several state directories are joined by colons; ours is the first.
        let from_systemd = || {
            let directories =
                std::env::var_os("STATE_DIRECTORY").filter(|value| !value.is_empty())?;
            std::env::split_paths(&directories).next()
        };
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").filter(|v| !v.is_empty());
        Box::new(Options {
            config: Source {
                directory: self.config.clone(),
                credentials: credentials.map(PathBuf::from),
            },
            state: self.state.clone().or_else(from_systemd).unwrap_or(STATE_DIRECTORY.into()),
            root: self.root.clone().unwrap_or("/".into()),
            bus: self.bus(),
        })
    }
}

fn needed(command: &str, id: Option<&str>) -> Result<AppId, Usage> {
    id.map_or_else(
        || Err(Usage(format!("{command} needs the name of an application"))),
        application,
    )
}

fn application(text: &str) -> Result<AppId, Usage> {
    text.parse().map_err(|error| Usage(format!("\"{text}\" is no application: {error}")))
}

/// Runs a command other than `run`, prints what it says, and says what to exit with.
#[must_use]
pub fn execute(command: Command) -> ExitCode {
    let now = crate::system::clock::wall();
    let said = match command {
        Command::Help => Ok(HELP.to_owned()),
        Command::Version => Ok(format!("tokend {}\n", env!("CARGO_PKG_VERSION"))),
        Command::Check(options, asked) => {
            // It reads the root key. Where that cannot be done, the check is still worth having.
            let _ = crate::system::process::harden();
            let (text, good) = check::run(&options, asked, now);
            let code = if good { ExitCode::SUCCESS } else { ExitCode::from(exit::CONFIG) };
            return print(&text, code);
        }
        Command::Diagnose(options, json) => {
            // As of check.
            let _ = crate::system::process::harden();
            let (text, good) = diagnose::run(&options, json, now);
            return print(&text, if good { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Command::LocalDeviceInfo(options, _) | Command::LocalIdentifier(options, _)
            if !options.root.is_dir() =>
        {
            let error = crate::daemon::RunError::Root(options.root);
            eprintln!("tokend: {error}");
            return ExitCode::from(error.exit_code());
        }
        Command::LocalIdentifier(options, looks) => {
            match device_info::identifier(&options, looks) {
                Ok(text) => return print(&text, ExitCode::SUCCESS),
                Err((message, code)) => {
                    eprintln!("tokend: {message}");
                    return ExitCode::from(code);
                }
            }
        }
        Command::Identifier(bus) => device_info::identifier_of_the_daemon(&bus),
        Command::LocalDeviceInfo(options, json) => Ok(device_info::local(&options, json)),
        Command::DeviceInfo(bus, json) => device_info::run(&bus, json),
        Command::Status(bus, id, json) => status::run(&bus, id.as_ref(), json, now),
        Command::Watch(bus, id, json) => return status::watch::run(&bus, id, json),
        Command::Token(bus, id) => match token::run(&bus, &id) {
            Ok(secret) => return print(secret.expose(), ExitCode::SUCCESS),
            Err(error) => Err(error),
        },
        Command::Headers(bus, id) => match headers::run(&bus, &id) {
            Ok(secret) => return print(secret.expose(), ExitCode::SUCCESS),
            Err(error) => Err(error),
        },
        Command::Reload(bus) => reload::run(&bus),
        Command::Reseal(options, from) => match reseal::run(&options, &from) {
            Ok(text) => return print(&text, ExitCode::SUCCESS),
            Err(failure) => {
                eprintln!("tokend: {}", failure.text());
                return ExitCode::from(failure.exit_code());
            }
        },
        Command::Forget(bus, id, yes) => forget::run(&bus, &id, yes),
        Command::Run(_) => return ExitCode::from(exit::USAGE),
        #[cfg(feature = "pkcs11")]
        Command::Pkcs11Child => return crate::seal::pkcs11::child::run(),
    };
    match said {
        Ok(text) => print(&text, ExitCode::SUCCESS),
        Err(error) => fail(&error),
    }
}

fn print(text: &str, code: ExitCode) -> ExitCode {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => code,
        Err(error) => unwritten(&error, code),
    }
}

/// What to exit with where the output cannot be written, and `code` was due.
fn unwritten(error: &std::io::Error, code: ExitCode) -> ExitCode {
    // Whoever closed the pipe has read enough.
    if error.kind() == std::io::ErrorKind::BrokenPipe {
        return code;
    }
    eprintln!("tokend: cannot write the output: {error}");
    ExitCode::from(exit::IOERR)
}

fn fail(error: &ClientError) -> ExitCode {
    eprintln!("tokend: {}", chain(error));
    ExitCode::from(error.exit_code())
}

/// What is wrong with a command line.
#[derive(Debug)]
pub struct Usage(String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

impl From<lexopt::Error> for Usage {
    fn from(error: lexopt::Error) -> Self {
        Self(chain(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, Usage> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn every_command_takes_the_options_that_make_sense_for_it() {
        for line in [
            "run --config /c --state /s --root /r --bus session",
            "check --config /c --state /s --root=/r --json",
            "diagnose --config /c --state /s --root /r --bus session --json",
            "status --json --bus unix:path=/bus",
            "status cinema",
            "status cinema --watch --json",
            "token cinema --bus system",
            "headers cinema",
            "device-info --root /r",
            "device-info --bus session --json",
            "device-info --id --root /r --state /s --config /c",
            "device-info --id --bus session",
            "reload",
            "forget cinema --yes",
            "reseal --from /old --config /c --state /s",
            "--help",
            "run --version",
        ] {
            assert!(parsed(line).is_ok(), "{line}: {:?}", parsed(line));
        }
    }

    #[test]
    fn a_wrong_command_line_is_explained() {
        for (line, message) in [
            ("", "a command is missing"),
            ("dance", "unknown command \"dance\""),
            ("run now", "unexpected argument \"now\""),
            ("token", "token needs the name of an application"),
            ("token a-b", "\"a-b\" is no application"),
            ("token a b", "unexpected argument \"b\""),
            ("check --bus session", "check takes no --bus"),
            ("run --yes", "run takes no --yes"),
            ("check --id", "check takes no --id"),
            ("diagnose cinema", "unexpected argument \"cinema\""),
            ("device-info --id --json", "device-info takes no --json"),
            ("check --watch", "check takes no --watch"),
            ("run --from /old", "run takes no --from"),
            ("reseal", "reseal needs --from DIR"),
            ("run --quick", "invalid option '--quick'"),
            ("run --bus", "missing argument for option '--bus'"),
            ("run --bus nonsense", "nonsense"),
        ] {
            let usage = parsed(line).unwrap_err().to_string();
            assert!(usage.contains(message), "{line}: {usage}");
        }
    }

    #[test]
    fn the_help_names_every_command_and_option() {
        for word in [
            "run",
            "check",
            "status",
            "token",
            "headers",
            "device-info",
            "diagnose",
            "reload",
            "forget",
            "reseal",
            "--from",
            "--config",
            "--state",
            "--root",
            "--bus",
            "--id",
            "--json",
            "--yes",
            "--watch",
            "--help",
            "--version",
        ] {
            assert!(HELP.contains(word), "{word}");
        }
        assert!(HELP.lines().all(|line| line.len() <= 96));
    }
}
