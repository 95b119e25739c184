// SPDX-License-Identifier: MIT OR Apache-2.0
//! A device at home, the world outside with its name server and its authorization server, and
//! nothing in between yet.

use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};

use super::dns::{Dns, Mode};
use super::hosts::{World, ip, set_resolver};
use super::support::authority::{Authority, Options};
use super::support::bus::Bus;
use super::support::player::Player;
use super::support::statement;
use super::support::tls::Certificates;
use super::support::tokend::{Application, Device, Tokend};

pub const HOST: &str = "sp.auth.test";
pub const RESOLVER: &str = "nameserver 198.51.100.53\n";
/// The server's only IPv4 address.
pub const FOUR: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 10);

/// The server's IPv6 addresses.
pub fn six(n: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, n)
}

/// The name has an IPv4 address alone.
pub fn four_alone() -> Mode {
    Mode::Answers(vec![FOUR], Vec::new())
}

pub struct Home {
    pub device: Device,
    pub bus: Bus,
    pub authority: Authority,
    pub dns: Dns,
    pub world: World,
}

impl Home {
    /// With these applications.
    pub fn new(applications: &[&str]) -> Self {
        Self::at("[::]:443", &Certificates::of(HOST).unwrap(), applications)
    }

    /// With a server that listens there alone, and has these certificates. `six(1)` and `six(2)` are
    /// addresses of the world.
    pub fn at(listens: &'static str, certificates: &Certificates, applications: &[&str]) -> Self {
        let world = World::new();
        world.ip(&format!("address add {FOUR}/32 dev lo"));
        world.ip("address add 198.51.100.53/32 dev lo");
        for n in [1, 2] {
            world.ip(&format!("-6 address add {}/128 dev lo nodad", six(n)));
        }
        let listener = world.run(move || TcpListener::bind(listens).unwrap());
        let options = Options { throttle: false, ..Options::default() };
        let authority =
            Authority::start_on(listener, HOST.to_owned(), certificates, options).unwrap();
        let dns = name_server(&world, "198.51.100.53:53", four_alone());
        set_resolver(RESOLVER);
        let bus = Bus::start().unwrap();
        let mut device = Device::of_this_build(&authority, &bus);
        device.set_root("/");
        for id in applications {
            device.add(&Application::new(id, &statement::issue(id))).unwrap();
        }
        Self { device, bus, authority, dns, world }
    }

    /// An interface with a cable, an address and a way out: 192.0.N.2, by 192.0.N.1.
    pub fn plug(&self, name: &str, n: u8) {
        self.lay(name, n);
        self.switch_on(name, n);
    }

    /// The same before anything is switched on on the device's side.
    pub fn lay(&self, name: &str, n: u8) {
        self.world.lay_cable(name);
        self.world.ip(&format!("address add 192.0.{n}.1/24 dev far-{name}"));
        self.world.ip(&format!("-6 address add 2001:db8:{n}::1/64 dev far-{name} nodad"));
        self.world.ip(&format!("link set far-{name} up"));
        ip(&format!("address add 192.0.{n}.2/24 dev {name}"));
    }

    /// What a DHCP client does in the end.
    pub fn switch_on(&self, name: &str, n: u8) {
        ip(&format!("link set {name} up"));
        ip(&format!("route add default via 192.0.{n}.1 dev {name}"));
    }

    /// Adds IPv6 to it.
    pub fn plug_six(&self, name: &str, n: u8) {
        ip(&format!("-6 address add 2001:db8:{n}::2/64 dev {name} nodad"));
        ip(&format!("-6 route add default via 2001:db8:{n}::1 dev {name}"));
    }

    /// From now on packets for this address of the world vanish.
    pub fn swallow(&self, address: &str) {
        self.world.ip(&format!("address del {address} dev lo"));
        self.world.ip(&format!("route add blackhole {address}"));
    }

    /// They arrive again.
    pub fn deliver(&self, address: &str) {
        self.world.ip(&format!("route del blackhole {address}"));
        self.world.ip(&format!("address add {address} dev lo"));
    }

    pub fn start(&self) -> (Tokend, Player) {
        (self.device.start(), Player::connect(self.bus.address()).unwrap())
    }
}

/// A name server at this address of the world.
pub fn name_server(world: &World, address: &'static str, mode: Mode) -> Dns {
    Dns::start(world.run(move || UdpSocket::bind(address).unwrap()), HOST, mode)
}
