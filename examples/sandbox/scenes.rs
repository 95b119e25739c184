// SPDX-License-Identifier: MIT OR Apache-2.0
//! The scenes: what goes wrong in them, and what an application sees of it.

use std::time::Duration;

use rustix::process::Signal;

use super::events::{Events, Stop, show};
use super::stand_in::StandIn;
use super::support::BOUND;
use super::support::authority::{Authority, Endpoint, Fault};
use super::support::bus::Bus;
use super::support::tokend::{Device, ENDED, Tokend};
use super::{CINEMA, end};

/// A scene: its name, what it does, and what an application sees.
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    does: &'static str,
    sees: &'static str,
}

/// Less than a caller of tokend waits.
const SLOW: Duration = Duration::from_secs(8);

pub(crate) const SERVE: Scene = Scene {
    name: "serve",
    does: "all works again; what tokend holds back it tries at once (SIGHUP)",
    sees: "at the latest at RetryAt, a token that the API takes",
};

const SCENES: [Scene; 9] = [
    SERVE,
    Scene {
        name: "expire",
        does: "the server takes none of its tokens any more; it gives new ones",
        sees: "401 from the API; ReplaceToken gives a token that works",
    },
    Scene {
        name: "revoke",
        does: "no token is taken, and the client is unknown (invalid_client)",
        sees: "401 from the API; ReplaceToken ends with Unavailable; the old token is served",
    },
    Scene {
        name: "refuse",
        does: "no token is taken, and the software statement is withdrawn",
        sees: "401 from the API; ReplaceToken ends with Rejected; the old token is served",
    },
    Scene {
        name: "moved",
        does: "the server has another name, and the configuration lists the old one \
               (same_server_as)",
        sees: "nothing: the same token, and no registration",
    },
    Scene {
        name: "throttle",
        does: "429 to each request, to tokend's and to those to the API",
        sees: "429 from the API; GetHeaders works; ReplaceToken ends with Throttled",
    },
    Scene {
        name: "offline",
        does: "each connection to the server breaks off at once",
        sees: "no answer from the API; GetHeaders works; ReplaceToken: Unavailable",
    },
    Scene {
        name: "slow",
        does: "each answer of the server comes 8 s late",
        sees: "GetHeaders answers at once, the API and ReplaceToken after 8 s",
    },
    Scene {
        name: "clock-unset",
        does: "tokend ends; a stand-in with its name on the bus says what tokend says while \
               the clock is not set (the clock of this machine stays as it is)",
        sees: "the state clock-unset; ClockSet is false; each call ends with Unavailable",
    },
];

/// For the help.
pub(crate) fn list() -> String {
    let line = |scene: &Scene| {
        let Scene { name, does, sees } = scene;
        format!("  {name}: {does}.\n      An application sees: {sees}.\n")
    };
    SCENES.iter().map(line).collect()
}

/// All that scenes act upon.
pub(crate) struct Stage<'a> {
    pub(crate) events: &'a Events,
    pub(crate) authority: &'a Authority,
    pub(crate) bus: &'a Bus,
    pub(crate) device: &'a mut Device,
    pub(crate) statement: String,
    /// None: a stand-in is there.
    pub(crate) tokend: Option<Tokend>,
    pub(crate) stand_in: Option<StandIn>,
    pub(crate) scene: &'static str,
}

impl Stage<'_> {
    /// Plays a scene; returns the line for the one who asked.
    pub(crate) fn play(&mut self, name: &str) -> Result<String, Stop> {
        let Some(scene) = SCENES.iter().find(|scene| scene.name == name) else {
            let names: Vec<_> = SCENES.iter().map(|scene| scene.name).collect();
            return Ok(format!("error: no scene {name:?}: legal are {}", names.join(", ")));
        };
        self.serve()?;
        match scene.name {
            "expire" => self.authority.expire_tokens(),
            "revoke" => {
                self.authority.always(Endpoint::Token, Fault::invalid_client());
                self.authority.expire_tokens();
            }
            "refuse" => {
                self.authority.revoke(&self.statement);
                self.authority.expire_tokens();
            }
            "moved" => {
                let old = self.authority.origin();
                self.call_server(&old.replace("127.0.0.1", "localhost"), &old)?;
            }
            "throttle" => self.everywhere(&Fault::throttled()),
            "offline" => self.authority.set_down(true),
            "slow" => self.everywhere(&Fault::Late(SLOW)),
            "clock-unset" => self.stand_in()?,
            _ => {}
        }
        self.scene = scene.name;
        let line = format!("{}: {}. An application sees: {}.", scene.name, scene.does, scene.sees);
        show(&format!("scene | {line}"));
        Ok(line)
    }

    fn everywhere(&self, fault: &Fault) {
        for endpoint in [Endpoint::Register, Endpoint::Token, Endpoint::Hello] {
            self.authority.always(endpoint, fault.clone());
        }
    }

    /// Ends whatever the last scene did.
    fn serve(&mut self) -> Result<(), Stop> {
        self.authority.end_faults();
        self.authority.set_down(false);
        // What the last scene has used up of the household's burst is not its player's fault.
        self.authority.set_throttle(true);
        self.authority.approve(&self.statement);
        if self.stand_in.take().is_some() {
            let tokend = self.device.spawn()?;
            tokend.notified().listen(self.events.notifications());
            self.tokend = Some(tokend);
            self.events.wait_notified("READY=1")?;
        }
        if self.scene == "refuse" {
            self.reload()?;
        }
        if self.scene == "moved" {
            let old = self.authority.origin();
            self.call_server(&old, &old.replace("127.0.0.1", "localhost"))?;
        }
        self.scene = SERVE.name;
        Ok(())
    }

    /// Gives the server another name; `other` is one that it has too.
    fn call_server(&mut self, url: &str, other: &str) -> Result<(), Stop> {
        self.device.set("server", "url", &format!("\"{url}\""));
        self.device.set("server", "same_server_as", &format!("[\"{other}\"]"));
        self.reload()
    }

    /// As the service manager does it for root: that ends waits, whoever has started the sandbox.
    fn reload(&mut self) -> Result<(), Stop> {
        if let Some(tokend) = &self.tokend {
            tokend.signal(Signal::HUP);
            self.events.wait_notified("READY=1")?;
        }
        Ok(())
    }

    fn stand_in(&mut self) -> Result<(), Stop> {
        if let Some(mut tokend) = self.tokend.take() {
            tokend.signal(Signal::TERM);
            self.events.wait_notified(ENDED)?;
            end(&mut tokend)?;
        }
        let address = self.bus.address().to_owned();
        let version = env!("CARGO_PKG_VERSION");
        let stand_in = self.events.run(move || StandIn::start(&address, CINEMA, version))??;
        self.stand_in = Some(stand_in);
        Ok(())
    }

    /// Ends what is on the bus in tokend's name.
    pub(crate) fn close(&mut self) -> Result<(), Stop> {
        self.stand_in = None;
        match &mut self.tokend {
            Some(tokend) => end(tokend),
            None => Ok(()),
        }
    }

    /// What the daemon says of its end, if it has ended by itself.
    pub(crate) fn ended(&mut self) -> Option<String> {
        let status = self.tokend.as_mut()?.wait(BOUND)?;
        Some(format!("tokend has ended by itself ({status})"))
    }
}
