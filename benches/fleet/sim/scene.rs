// SPDX-License-Identifier: MIT OR Apache-2.0
//! What happens to a fleet.

use super::{DAY, HOUR, MIDNIGHT};

/// One story.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    /// As the command line and the plots call it.
    pub name: &'static str,
    /// In a sentence.
    pub about: &'static str,
    /// How long it lasts.
    pub days: u64,
    /// `expires_in` of each token, in seconds.
    pub lifetime: u32,
    /// Devices behind one address. With more than one, the server throttles each address, and the
    /// players' own calls count.
    pub household: u32,
    /// What is wrong with the server from `from` to `to`.
    pub trouble: Option<Trouble>,
    /// Who has power.
    pub power: Power,
    /// When the trouble begins; in milliseconds.
    pub from: u64,
    /// When it ends. A scene without any has the whole of its time here.
    pub to: u64,
}

/// What is wrong with the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// No connection.
    Down,
    /// Each token request is answered `access_denied`, each registration refused.
    AccessDenied,
    /// Each token request is answered `invalid_client`, each registration refused.
    InvalidClient,
    /// Each request is answered with a 4xx that says nothing: an unknown error word, or HTML.
    ClientError,
}

/// Who has power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// All devices, all the time.
    Always,
    /// None from `from` to `to`. Then all boot, and the network's time confirms their clocks or not.
    Cut {
        /// Whether it does.
        confirmed: bool,
    },
    /// Switched off for a day, and switched on by a viewer between `from` and `to`.
    SwitchedOn,
}

impl Scene {
    /// Its last moment.
    pub const fn end(&self) -> u64 {
        MIDNIGHT + self.days * DAY
    }

    /// Whether anything goes wrong.
    pub fn is_quiet(&self) -> bool {
        self.trouble.is_none() && self.power == Power::Always
    }
}

const H6: u32 = 6 * 3600;
const H24: u32 = 24 * 3600;

const fn at(hour: u64) -> u64 {
    MIDNIGHT + hour * HOUR
}

const QUIET: Scene = Scene {
    name: "day-6h",
    about: "an ordinary day, tokens of 6 h",
    days: 1,
    lifetime: H6,
    household: 1,
    trouble: None,
    power: Power::Always,
    from: at(0),
    to: at(24),
};

const OUTAGE: Scene = Scene {
    name: "outage-6h",
    about: "the server is down from 20:00 to 21:00, tokens of 6 h",
    trouble: Some(Trouble::Down),
    from: at(20),
    to: at(21),
    ..QUIET
};

const CUT: Scene = Scene {
    name: "power",
    about: "a region has no power from 18:30 to 20:00, tokens of 6 h, clocks confirmed after boot",
    power: Power::Cut { confirmed: true },
    from: at(18) + HOUR / 2,
    to: at(20),
    ..QUIET
};

/// All of them.
pub const SCENES: [Scene; 12] = [
    QUIET,
    Scene { name: "day-24h", about: "an ordinary day, tokens of 24 h", lifetime: H24, ..QUIET },
    OUTAGE,
    Scene {
        name: "outage-24h",
        about: "the server is down from 20:00 to 21:00, tokens of 24 h",
        lifetime: H24,
        ..OUTAGE
    },
    Scene {
        name: "switched-on",
        about: "viewers switch on sets without a token from 20:00 to 21:00, while the server is down",
        power: Power::SwitchedOn,
        ..OUTAGE
    },
    CUT,
    Scene {
        name: "power-no-clock",
        about: "a region has no power from 18:30 to 20:00, tokens of 6 h, and no clock is confirmed after boot",
        power: Power::Cut { confirmed: false },
        ..CUT
    },
    Scene {
        name: "household",
        about: "no power from 18:30 to 20:00, in homes of three devices behind one throttled address",
        household: 3,
        ..CUT
    },
    Scene {
        name: "denied",
        about: "a statement is revoked from 6:00 to 18:00: access_denied, tokens of 6 h",
        days: 2,
        trouble: Some(Trouble::AccessDenied),
        from: at(6),
        to: at(18),
        ..QUIET
    },
    Scene {
        name: "unknown",
        about: "invalid_client from 6:00 to 18:00, and registrations are refused, tokens of 6 h",
        days: 2,
        trouble: Some(Trouble::InvalidClient),
        from: at(6),
        to: at(18),
        ..QUIET
    },
    Scene {
        name: "unknown-word",
        about: "400 with an error word that nobody knows, from 6:00 to 18:00, tokens of 6 h",
        days: 2,
        trouble: Some(Trouble::ClientError),
        from: at(6),
        to: at(18),
        ..QUIET
    },
    Scene {
        name: "firewall",
        about: "a firewall answers 403 with a page from 20:00 to 21:00, tokens of 6 h",
        trouble: Some(Trouble::ClientError),
        ..OUTAGE
    },
];
