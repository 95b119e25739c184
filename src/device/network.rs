// SPDX-License-Identifier: MIT OR Apache-2.0
//! How this device is connected: the interface of the default route, its kind and its address.

mod tables;

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

use self::tables::{Address6, Default6, Route4};
use super::files::Root;
use super::{DeviceInfo, Field};

pub(super) fn add(info: &mut DeviceInfo, root: &Root) {
    let network = Network::read(root);
    let Some(interface) = network.interface() else { return };
    let path = format!("/sys/class/net/{interface}");
    let wireless =
        ["wireless", "phy80211"].iter().any(|mark| root.exists(&format!("{path}/{mark}")));
    info.offer(Field::ConnectionType, if wireless { "WiFi" } else { "LAN" }, path);
    if let Some((address, table)) = network.address(interface) {
        info.offer(Field::ConnectionIp, address, format!("/proc/net/{table} {interface}"));
    }
}

/// What makes a network that one can get out by: the default routes with gateway and interface,
/// and the local addresses, one line each. The network "came back" when a line is new.
///
/// Without the addresses of loopback and of one link, and without IPv6 addresses that are
/// temporary or not usable yet: they come and go by themselves.
#[must_use]
pub fn network_fingerprint(root: &Path) -> Vec<String> {
    Network::read(&Root::new(root)).fingerprint()
}

/// The kernel's tables.
struct Network {
    routes4: Vec<Route4>,
    addresses4: Vec<Ipv4Addr>,
    defaults6: Vec<Default6>,
    addresses6: Vec<Address6>,
}

impl Network {
    fn read(root: &Root) -> Self {
        // The same tables; but a hardened service may see no more of /proc than its processes.
        let directory = if root.is_host() { "/proc/self/net" } else { "/proc/net" };
        let table = |name| root.text(&format!("{directory}/{name}")).unwrap_or_default();
        Self {
            routes4: tables::routes4(&table("route")),
            addresses4: tables::addresses4(&table("fib_trie")),
            defaults6: tables::defaults6(&table("ipv6_route")),
            addresses6: tables::addresses6(&table("if_inet6")),
        }
    }

    /// The interface of the default route with the lowest metric; IPv4 before IPv6.
    fn interface(&self) -> Option<&str> {
        let default4 = self.routes4.iter().filter(|route| route.is_default());
        let default4 = default4.min_by_key(|route| route.metric).map(|route| &route.interface);
        let default6 = self.defaults6.iter().min_by_key(|route| route.metric);
        default4.or(default6.map(|route| &route.interface)).map(String::as_str)
    }

    /// The address of an interface, and the table that it is from.
    fn address(&self, interface: &str) -> Option<(String, &'static str)> {
        let address4 = self.address4(interface).map(|address| (address.to_string(), "fib_trie"));
        address4.or_else(|| Some((self.address6(interface)?.to_string(), "if_inet6")))
    }

    /// The local address that lies in a network directly connected to the interface. The tables do
    /// not say whose an address is: where another interface is in the same network, and the
    /// addresses are several, none is named.
    fn address4(&self, interface: &str) -> Option<Ipv4Addr> {
        let connects = |address: &Ipv4Addr, own: bool| {
            let mut routes = self.routes4.iter();
            routes.any(|route| (route.interface == interface) == own && route.connects(*address))
        };
        let found: Vec<_> = self.addresses4.iter().filter(|a| connects(a, true)).collect();
        if found.len() > 1 && found.iter().any(|address| connects(address, false)) {
            return None;
        }
        found.into_iter().min_by_key(|address| address.is_link_local()).copied()
    }

    /// A lasting address of the interface before a temporary one, one of the Internet before a
    /// unique local one.
    fn address6(&self, interface: &str) -> Option<Ipv6Addr> {
        let own = self.addresses6.iter().filter(|found| found.interface == interface);
        own.min_by_key(|found| (found.address.is_unique_local(), found.temporary))
            .map(|found| found.address)
    }

    fn fingerprint(&self) -> Vec<String> {
        let route = |gateway: Option<String>, interface: &str| match gateway {
            Some(gateway) => format!("default via {gateway} dev {interface}"),
            None => format!("default dev {interface}"),
        };
        let default4 = self.routes4.iter().filter(|route| route.is_default());
        let default4 = default4.map(|r| route(r.gateway.map(|g| g.to_string()), &r.interface));
        let default6 = self.defaults6.iter();
        let default6 = default6.map(|r| route(r.gateway.map(|g| g.to_string()), &r.interface));
        let address4 = self.addresses4.iter().filter(|address| !address.is_link_local());
        let address4 = address4.map(|address| format!("address {address}"));
        let address6 = self.addresses6.iter().filter(|found| !found.temporary);
        let address6 = address6.map(|f| format!("address {} dev {}", f.address, f.interface));
        address4.chain(address6).chain(default4).chain(default6).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: &str = "00000000000000000000000000000000";

    fn hex(address: [u8; 4]) -> String {
        format!("{:08X}", u32::from_ne_bytes(address))
    }

    fn default4(interface: &str, gateway: [u8; 4], metric: u32) -> String {
        format!("{interface} 00000000 {} 0003 0 0 {metric} 00000000 0 0 0\n", hex(gateway))
    }

    fn connected(interface: &str, network: [u8; 4]) -> String {
        let mask = hex([255, 255, 255, 0]);
        format!("{interface} {} 00000000 0001 0 0 0 {mask} 0 0 0\n", hex(network))
    }

    fn network(routes: &str, addresses: &[&str], defaults6: &str, addresses6: &str) -> Network {
        Network {
            routes4: tables::routes4(&format!("Iface\n{routes}")),
            addresses4: addresses.iter().map(|address| address.parse().unwrap()).collect(),
            defaults6: tables::defaults6(defaults6),
            addresses6: tables::addresses6(addresses6),
        }
    }

    fn address(network: &Network) -> Option<String> {
        network.address(network.interface()?).map(|(address, _)| address)
    }

    #[test]
    fn the_default_route_with_the_lowest_metric_names_the_interface_and_its_address() {
        let routes = [
            default4("wlan0", [10, 0, 0, 1], 600),
            default4("eth0", [192, 0, 2, 1], 100),
            connected("wlan0", [10, 0, 0, 0]),
            connected("eth0", [192, 0, 2, 0]),
        ]
        .concat();
        let network = network(&routes, &["10.0.0.9", "192.0.2.9"], "", "");
        assert_eq!(network.interface(), Some("eth0"));
        assert_eq!(address(&network).as_deref(), Some("192.0.2.9"));
    }

    #[test]
    fn an_address_that_may_be_another_interfaces_is_not_named() {
        let routes = [
            default4("eth0", [192, 0, 2, 1], 100),
            connected("eth0", [192, 0, 2, 0]),
            connected("wlan0", [192, 0, 2, 0]),
        ]
        .concat();
        assert_eq!(address(&network(&routes, &["192.0.2.8", "192.0.2.9"], "", "")), None);
        let one = network(&routes, &["192.0.2.8"], "", "");
        assert_eq!(address(&one).as_deref(), Some("192.0.2.8"));
    }

    #[test]
    fn without_an_ipv4_default_route_the_ipv6_one_decides() {
        let via = "fe800000000000000000000000000001";
        let route = format!("{NONE} 00 {NONE} 00 {via} 00000400 00000001 00000000 00000003 eth1\n");
        let addresses = "fd000000000000000000000000000007 02 40 00 80 eth1\n\
                         20010db8000000000000000000000008 02 40 00 01 eth1\n\
                         20010db8000000000000000000000007 02 40 00 80 eth1\n\
                         20010db8000000000000000000000006 02 40 00 80 eth2\n";
        let network = network("", &[], &route, addresses);
        assert_eq!(network.interface(), Some("eth1"));
        assert_eq!(address(&network).as_deref(), Some("2001:db8::7"));
    }

    #[test]
    fn without_a_default_route_there_is_no_interface() {
        let unreachable = format!("{NONE} 00 {NONE} 00 {NONE} ffffffff 1 0 00200200 lo\n");
        let network = network(&connected("eth0", [192, 0, 2, 0]), &["192.0.2.9"], &unreachable, "");
        assert_eq!(network.interface(), None);
    }

    #[test]
    fn the_fingerprint_names_ways_out_and_lasting_addresses() {
        let routes = default4("eth0", [192, 0, 2, 1], 100) + &connected("eth0", [192, 0, 2, 0]);
        let via = "fe800000000000000000000000000001";
        let route = format!("{NONE} 00 {NONE} 00 {via} 00000400 00000001 00000000 00000003 eth0\n");
        let addresses = "20010db8000000000000000000000007 02 40 00 80 eth0\n\
                         20010db8000000000000000000000008 02 40 00 01 eth0\n";
        let network = network(&routes, &["192.0.2.9", "169.254.3.4"], &route, addresses);
        let lines: Vec<_> = network.fingerprint().into_iter().collect();
        assert_eq!(
            lines,
            [
                "address 192.0.2.9",
                "address 2001:db8::7 dev eth0",
                "default via 192.0.2.1 dev eth0",
                "default via fe80::1 dev eth0",
            ]
        );
    }

    #[test]
    fn the_running_devices_tables_are_read_where_a_hardened_service_sees_them() {
        assert!(Path::new("/proc/self/net/route").exists());
        let _ = network_fingerprint(Path::new("/"));
    }
}
