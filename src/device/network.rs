// SPDX-License-Identifier: MIT OR Apache-2.0
//! How this device is connected: what carries its default route.

mod dump;
mod interfaces;
mod tables;

use std::net::Ipv4Addr;
use std::path::Path;

use self::interfaces::{INTERFACES, is_physical, medium};
use self::tables::{Address6, Route4, Route6};
use super::{DeviceInfo, Field};
use crate::system::fs::rooted::Root;

pub(super) fn add(info: &mut DeviceInfo, root: &Root) {
    let network = Network::read(root);
    let interfaces = network.interfaces();
    // A tunnel stands in front of the interface that carries it.
    let carries = interfaces.iter().find(|name| is_physical(root, name));
    let Some(interface) = carries.or(interfaces.first()) else { return };
    let (medium, lowest) = medium(root, interface);
    let origin = if lowest == **interface {
        format!("{INTERFACES}/{interface}")
    } else {
        format!("{INTERFACES}/{lowest}, below {interface}")
    };
    info.offer(Field::ConnectionType, medium.word(), origin);
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
    /// Some table has a default route, whether or not it is among the routes.
    has_default4: bool,
    addresses4: Vec<Ipv4Addr>,
    routes6: Vec<Route6>,
    addresses6: Vec<Address6>,
}

impl Network {
    fn read(root: &Root) -> Self {
        // The same tables; but a hardened service may see no more of /proc than its processes.
        let directory = if root.is_host() { "/proc/self/net" } else { "/proc/net" };
        let table = |name| root.text(&format!("{directory}/{name}")).unwrap_or_default();
        let trie = table("fib_trie");
        let main_table = || tables::routes4(&table("route"));
        Self {
            routes4: if root.is_host() {
                dump::routes4().unwrap_or_else(|_| main_table())
            } else {
                main_table()
            },
            has_default4: tables::has_default4(&trie),
            addresses4: tables::addresses4(&trie),
            routes6: tables::routes6(&table("ipv6_route")),
            addresses6: tables::addresses6(&table("if_inet6")),
        }
    }

    /// The interfaces by which the Internet is reached, the likeliest first: by both halves of it,
    /// which count before a default route; by a default route, of the main table first; IPv4 first.
    fn interfaces(&self) -> Vec<&str> {
        let mut routes4: Vec<_> = self.routes4.iter().collect();
        routes4.sort_by_key(|route| route.preference());
        let mut routes6: Vec<_> = self.routes6.iter().collect();
        routes6.sort_by_key(|route| route.metric);
        let halves4 = routes4.iter().filter_map(|r| Some((r.interface.as_str(), r.half()?)));
        let halves6 = routes6.iter().filter_map(|r| Some((r.interface.as_str(), r.half?)));
        let default4 = routes4.iter().filter(|r| r.is_default()).map(|r| r.interface.as_str());
        let default6 = routes6.iter().filter(|r| r.half.is_none()).map(|r| r.interface.as_str());
        let mut found = both(halves4.collect());
        found.extend(default4);
        if found.is_empty() && self.has_default4 {
            // In a table of which only that much is told.
            found.extend(routes4.first().map(|route| route.interface.as_str()));
        }
        found.extend(both(halves6.collect()));
        found.extend(default6);
        found
    }

    fn fingerprint(&self) -> Vec<String> {
        let route = |gateway: Option<String>, interface: &str| match gateway {
            Some(gateway) => format!("default via {gateway} dev {interface}"),
            None => format!("default dev {interface}"),
        };
        let out4 = self.routes4.iter().filter(|r| r.is_default() || r.half().is_some());
        let out4 = out4.map(|r| route(r.gateway.map(|g| g.to_string()), &r.interface));
        let out6 = self.routes6.iter();
        let out6 = out6.map(|r| route(r.gateway.map(|g| g.to_string()), &r.interface));
        let address4 = self.addresses4.iter().filter(|address| !address.is_link_local());
        let address4 = address4.map(|address| format!("address {address}"));
        let address6 = self.addresses6.iter().filter(|found| !found.temporary);
        let address6 = address6.map(|f| format!("address {} dev {}", f.address, f.interface));
        address4.chain(address6).chain(out4).chain(out6).collect()
    }
}

/// The interfaces that both halves of the Internet lead to.
fn both(halves: Vec<(&str, u8)>) -> Vec<&str> {
    let first = halves.iter().filter(|(_, half)| *half == 0).map(|(name, _)| *name);
    first.filter(|name| halves.contains(&(name, 1))).collect()
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

    fn network(routes: &str, addresses: &[&str], routes6: &str, addresses6: &str) -> Network {
        Network {
            routes4: tables::routes4(&format!("Iface\n{routes}")),
            has_default4: false,
            addresses4: addresses.iter().map(|address| address.parse().unwrap()).collect(),
            routes6: tables::routes6(routes6),
            addresses6: tables::addresses6(addresses6),
        }
    }

    fn half4(interface: &str, to: u8) -> String {
        let mask = hex([128, 0, 0, 0]);
        format!("{interface} {} 00000000 0001 0 0 0 {mask} 0 0 0\n", hex([to, 0, 0, 0]))
    }

    #[test]
    fn the_default_route_with_the_lowest_metric_names_the_interface() {
        let routes = [
            default4("wlan0", [10, 0, 0, 1], 600),
            default4("eth0", [192, 0, 2, 1], 100),
            connected("wlan0", [10, 0, 0, 0]),
        ]
        .concat();
        assert_eq!(network(&routes, &[], "", "").interfaces(), ["eth0", "wlan0"]);
    }

    #[test]
    fn a_default_route_of_any_table_names_the_interface_after_those_of_the_main_one() {
        let mut network = network(&default4("eth0", [192, 0, 2, 1], 700), &[], "", "");
        for (interface, table, metric) in [("wlan0", 200, 5), ("wwan0", 77_000, 1)] {
            let (destination, mask, gateway) = (0, 0, None);
            let interface = interface.to_owned();
            network
                .routes4
                .insert(0, Route4 { interface, destination, mask, gateway, metric, table });
        }
        assert_eq!(network.interfaces(), ["eth0", "wwan0", "wlan0"]);
        network.routes4.retain(|route| route.interface != "eth0");
        assert_eq!(network.interfaces(), ["wwan0", "wlan0"]);
    }

    #[test]
    fn a_table_of_which_nothing_else_is_told_still_is_a_connection() {
        let mut network = network(&connected("wlan0", [10, 0, 0, 0]), &[], "", "");
        assert_eq!(network.interfaces(), [""; 0]);
        network.has_default4 = true;
        assert_eq!(network.interfaces(), ["wlan0"]);
    }

    #[test]
    fn both_halves_of_the_internet_are_a_default_route_and_one_is_none() {
        let both = half4("eth0", 0) + &half4("eth0", 128);
        assert_eq!(network(&both, &[], "", "").interfaces(), ["eth0"]);
        for half in [half4("eth0", 0), half4("eth0", 128), half4("eth0", 0) + &half4("eth1", 128)] {
            assert_eq!(network(&half, &[], "", "").interfaces(), [""; 0], "{half}");
        }
        let tunnel = half4("tun0", 0) + &half4("tun0", 128);
        let tunnel = default4("wlan0", [10, 0, 0, 1], 0) + &tunnel;
        assert_eq!(network(&tunnel, &[], "", "").interfaces(), ["tun0", "wlan0"]);
        let row = |to: &str| format!("{to} 01 {NONE} 00 {NONE} 00000400 1 0 00000001 eth6\n");
        let both6 = row(NONE) + &row("80000000000000000000000000000000");
        assert_eq!(network("", &[], &both6, "").interfaces(), ["eth6"]);
    }

    #[test]
    fn without_an_ipv4_default_route_the_ipv6_one_decides() {
        let via = "fe800000000000000000000000000001";
        let route = format!("{NONE} 00 {NONE} 00 {via} 00000400 00000001 00000000 00000003 eth1\n");
        assert_eq!(network("", &[], &route, "").interfaces(), ["eth1"]);
        let both = network(&default4("eth0", [10, 0, 0, 1], 900), &[], &route, "");
        assert_eq!(both.interfaces(), ["eth0", "eth1"]);
    }

    #[test]
    fn without_a_default_route_there_is_no_interface() {
        let unreachable = format!("{NONE} 00 {NONE} 00 {NONE} ffffffff 1 0 00200200 lo\n");
        let network = network(&connected("eth0", [192, 0, 2, 0]), &["192.0.2.9"], &unreachable, "");
        assert_eq!(network.interfaces(), [""; 0]);
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
