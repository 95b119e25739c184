// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which bus.

use std::fmt;
use std::str::FromStr;

/// A message bus: the value of `--bus`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BusAddress {
    /// The system bus.
    #[default]
    System,
    /// The session bus of this user.
    Session,
    /// A bus at an address of the D-Bus Specification, section "Server Addresses".
    Explicit(String),
}

impl BusAddress {
    /// As an address of the D-Bus Specification.
    pub(super) fn resolve(&self) -> zbus::Result<zbus::Address> {
        match self {
            Self::System => zbus::Address::system(),
            Self::Session => zbus::Address::session(),
            Self::Explicit(address) => zbus::Address::try_from(address.as_str()),
        }
    }

    pub(super) fn builder(&self) -> zbus::connection::Builder<'static> {
        match self {
            Self::System => zbus::connection::Builder::system(),
            Self::Session => zbus::connection::Builder::session(),
            Self::Explicit(address) => zbus::connection::Builder::address(address.as_str()),
        }
    }
}

impl FromStr for BusAddress {
    type Err = BadBusAddress;

    /// `system`, `session`, or an address.
    fn from_str(text: &str) -> Result<Self, BadBusAddress> {
        match text {
            "system" => Ok(Self::System),
            "session" => Ok(Self::Session),
            address => match zbus::Address::try_from(address) {
                Ok(_) => Ok(Self::Explicit(address.to_owned())),
                Err(source) => Err(BadBusAddress { text: address.to_owned(), source }),
            },
        }
    }
}

impl fmt::Display for BusAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("the system bus"),
            Self::Session => f.write_str("the session bus"),
            Self::Explicit(address) => write!(f, "the bus at {address}"),
        }
    }
}

/// A text that names no bus.
#[derive(Debug)]
pub struct BadBusAddress {
    text: String,
    source: zbus::Error,
}

impl fmt::Display for BadBusAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is no bus: legal are system, session, and an address such as \
             unix:path=/run/dbus/system_bus_socket",
            self.text
        )
    }
}

impl std::error::Error for BadBusAddress {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bus_is_system_session_or_an_address() {
        assert_eq!("system".parse::<BusAddress>().unwrap(), BusAddress::System);
        assert_eq!("session".parse::<BusAddress>().unwrap(), BusAddress::Session);
        let address = "unix:path=/run/bus";
        assert_eq!(
            address.parse::<BusAddress>().unwrap(),
            BusAddress::Explicit(address.to_owned())
        );
        let message = "sytem".parse::<BusAddress>().unwrap_err().to_string();
        assert!(message.contains("\"sytem\"") && message.contains("session"), "{message}");
    }
}
