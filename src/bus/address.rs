// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which bus (D-Bus Specification, section "Server Addresses").

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A message bus: the value of `--bus`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BusAddress {
    /// The system bus.
    #[default]
    System,
    /// The session bus of this user.
    Session,
    /// A bus at an address of the D-Bus Specification, or at the first of several that is there.
    Explicit(String),
}

/// Where the system bus is, if the environment does not say.
const SYSTEM: &str = "unix:path=/var/run/dbus/system_bus_socket";

/// One of several addresses.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    Path(PathBuf),
    Abstract(Vec<u8>),
}

impl BusAddress {
    /// Tries each address in its order, until `connected` has done what it does with one.
    ///
    /// # Errors
    /// The last one's, or why the address is none.
    pub(crate) fn connect<T>(
        &self,
        mut connected: impl FnMut(UnixStream) -> io::Result<T>,
    ) -> io::Result<T> {
        let text = self.text();
        let invalid = |message| io::Error::new(io::ErrorKind::InvalidInput, message);
        let mut last = invalid("the address is empty".to_owned());
        for address in text.split(';').filter(|address| !address.is_empty()) {
            let result = target(address).map_err(invalid).and_then(|target| {
                let socket = match &target {
                    Target::Path(path) => UnixStream::connect(path),
                    Target::Abstract(name) => {
                        UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?)
                    }
                };
                connected(socket?)
            });
            match result {
                Ok(done) => return Ok(done),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// As an address of the D-Bus Specification.
    fn text(&self) -> String {
        match self {
            Self::Explicit(address) => address.clone(),
            Self::System => {
                env::var("DBUS_SYSTEM_BUS_ADDRESS").unwrap_or_else(|_| SYSTEM.to_owned())
            }
            Self::Session => env::var("DBUS_SESSION_BUS_ADDRESS").unwrap_or_else(|_| {
                let uid = rustix::process::getuid().as_raw();
                let own = || OsString::from(format!("/run/user/{uid}"));
                let dir = env::var_os("XDG_RUNTIME_DIR").unwrap_or_else(own);
                format!("unix:path={}", escaped(&Path::new(&dir).join("bus")))
            }),
        }
    }
}

/// One address: `unix:path=…` or `unix:abstract=…`. The error says what was found.
fn target(address: &str) -> Result<Target, String> {
    let (transport, list) = address.split_once(':').unwrap_or((address, ""));
    if transport != "unix" {
        return Err(format!(
            "{address:?} has the transport {transport:?}; expected: unix, as on every system bus"
        ));
    }
    let mut found = None;
    for pair in list.split(',').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let bytes = unescaped(value)
            .ok_or_else(|| format!("{address:?} has a \"%\" without two hexadecimal digits"))?;
        let target = match key {
            "path" => Target::Path(OsString::from_vec(bytes).into()),
            "abstract" => Target::Abstract(bytes),
            // `guid`, and what this version of the specification does not know.
            _ => continue,
        };
        if value.is_empty() || found.replace(target).is_some() {
            return Err(format!("{address:?} needs one of path= and abstract=, with a value"));
        }
    }
    found.ok_or_else(|| format!("{address:?} has neither path= nor abstract="))
}

fn unescaped(value: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        let mut digit = || char::from(rest.next()?).to_digit(16);
        bytes.push(if byte == b'%' { (digit()? << 4 | digit()?) as u8 } else { byte });
    }
    Some(bytes)
}

fn escaped(path: &Path) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_/.\\*".contains(&byte);
    let escape = |&byte: &u8| {
        if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02x}") }
    };
    path.as_os_str().as_bytes().iter().map(escape).collect()
}

impl FromStr for BusAddress {
    type Err = BadBusAddress;

    /// `system`, `session`, or an address.
    fn from_str(text: &str) -> Result<Self, BadBusAddress> {
        let bad = |why| BadBusAddress { text: text.to_owned(), why };
        match text {
            "system" => Ok(Self::System),
            "session" => Ok(Self::Session),
            _ => {
                let mut addresses = text.split(';').filter(|address| !address.is_empty());
                let first = addresses.next().ok_or_else(|| bad("it is empty".into()))?;
                // One that can be used will do: the others may be for other programs.
                match target(first).err().filter(|_| !addresses.any(|a| target(a).is_ok())) {
                    None => Ok(Self::Explicit(text.to_owned())),
                    Some(why) => Err(bad(why)),
                }
            }
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

/// A text that does not name a bus.
#[derive(Debug)]
pub struct BadBusAddress {
    text: String,
    why: String,
}

impl fmt::Display for BadBusAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not a bus: expected system, session, or an address such as \
             unix:path=/run/dbus/system_bus_socket ({})",
            self.text, self.why
        )
    }
}

impl std::error::Error for BadBusAddress {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bus_is_system_session_or_an_address() {
        assert_eq!("system".parse::<BusAddress>().unwrap(), BusAddress::System);
        assert_eq!("session".parse::<BusAddress>().unwrap(), BusAddress::Session);
        for address in ["unix:path=/run/bus", "tcp:host=a;unix:abstract=b", ";unix:path=/x;"] {
            let parsed = address.parse::<BusAddress>().unwrap();
            assert_eq!(parsed, BusAddress::Explicit(address.to_owned()));
        }
        for bad in ["sytem", "", ";", "tcp:host=a", "unix:", "unix:path=", "unix:path=%2"] {
            let message = bad.parse::<BusAddress>().unwrap_err().to_string();
            assert!(message.contains(&format!("{bad:?} is not a bus")), "{message}");
            assert!(message.contains("expected system, session"), "{message}");
        }
    }

    #[test]
    fn an_address_may_be_escaped_and_have_further_keys() {
        let path = |path: &str| Ok(Target::Path(path.into()));
        assert_eq!(target("unix:path=/run/a%20b%2cc"), path("/run/a b,c"));
        assert_eq!(target("unix:guid=00,path=/run/bus,later=x"), path("/run/bus"));
        assert_eq!(target("unix:abstract=/tmp/x%00y"), Ok(Target::Abstract(b"/tmp/x\0y".into())));
        assert!(target("unix:path=/a,abstract=b").is_err());
        assert_eq!(escaped(Path::new("/run/a b,c")), "/run/a%20b%2cc");
        assert_eq!(unescaped("%zz"), None);
    }

    #[test]
    fn several_addresses_are_tried_in_their_order_until_one_does() {
        let dir = tempfile::tempdir().unwrap();
        let bind = |name: &str| std::os::unix::net::UnixListener::bind(dir.path().join(name));
        let (_first, _second) = (bind("first").unwrap(), bind("second").unwrap());
        let at = |name: &str| format!("unix:path={}", escaped(&dir.path().join(name)));
        let list = [at("nothing"), "tcp:host=x".into(), at("first"), at("second")].join(";");
        let name = |stream: UnixStream| {
            let peer = stream.peer_addr().unwrap();
            peer.as_pathname().unwrap().file_name().unwrap().to_owned()
        };
        let address = BusAddress::Explicit(list);
        assert_eq!(address.connect(|stream| Ok(name(stream))).unwrap(), "first");
        let picky = |stream| match name(stream) {
            name if name == "first" => Err(io::Error::other("not this one")),
            name => Ok(name),
        };
        assert_eq!(address.connect(picky).unwrap(), "second");
        let nowhere = BusAddress::Explicit(at("nothing"));
        let error = nowhere.connect(|_| Ok(())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
