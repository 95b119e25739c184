// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel's network tables, as text: `route`, `fib_trie`, `ipv6_route`, `if_inet6` of
//! `/proc/net`. Lines that cannot be read are passed over.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::interfaces::is_name;

// <linux/route.h>, the same for both families.
const RTF_UP: u32 = 0x1;
const RTF_GATEWAY: u32 = 0x2;
const RTF_REJECT: u32 = 0x200;

// <linux/if_addr.h>
const IFA_F_TEMPORARY: u32 = 0x01;
const IFA_F_DADFAILED: u32 = 0x08;
const IFA_F_DEPRECATED: u32 = 0x20;
const IFA_F_TENTATIVE: u32 = 0x40;

/// The number of the main routing table.
const MAIN: u32 = 254;

/// A route that is up and leads somewhere.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Route4 {
    pub(super) interface: String,
    pub(super) destination: u32,
    pub(super) mask: u32,
    /// None if the network is directly connected.
    pub(super) gateway: Option<Ipv4Addr>,
    pub(super) metric: u32,
    pub(super) table: u32,
}

impl Route4 {
    pub(super) const fn is_default(&self) -> bool {
        self.destination == 0 && self.mask == 0
    }

    /// 0 and 1 are the two halves of the Internet, by which tunnels stand in for a default route.
    pub(super) fn half(&self) -> Option<u8> {
        let is_half = self.mask == mask(1) && self.destination & !self.mask == 0;
        is_half.then_some(u8::from(self.destination != 0))
    }

    /// The lower, the better: what the main table says, and a lower metric.
    pub(super) const fn preference(&self) -> (bool, u32, u32) {
        (self.table != MAIN, self.metric, self.table)
    }
}

/// The network mask of a prefix with this length.
pub(super) fn mask(length: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0)
}

/// A row of `ipv6_route` to all of the Internet or to half of it, that is up and leads somewhere.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Route6 {
    pub(super) interface: String,
    pub(super) gateway: Option<Ipv6Addr>,
    pub(super) metric: u32,
    /// None for all of the Internet.
    pub(super) half: Option<u8>,
}

/// A usable address of global scope in `if_inet6`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address6 {
    pub(super) interface: String,
    pub(super) address: Ipv6Addr,
    /// One of those that a host makes up anew each day (RFC 8981).
    pub(super) temporary: bool,
}

/// The rows of `route`: interface, destination, gateway, flags, …, metric (decimal), mask.
pub(super) fn routes4(text: &str) -> Vec<Route4> {
    text.lines().skip(1).filter_map(route4).collect()
}

fn route4(line: &str) -> Option<Route4> {
    let columns: Vec<_> = line.split_ascii_whitespace().collect();
    let &[interface, destination, gateway, flags, _, _, metric, mask, ..] = columns.as_slice()
    else {
        return None;
    };
    let flags = leads_somewhere(interface, flags)?;
    let gateway = Ipv4Addr::from_bits(address4(gateway)?);
    Some(Route4 {
        interface: interface.to_owned(),
        destination: address4(destination)?,
        mask: address4(mask)?,
        gateway: (flags & RTF_GATEWAY != 0).then_some(gateway),
        metric: metric.parse().ok()?,
        table: MAIN,
    })
}

/// An address that the kernel printed as a number of its own byte order.
fn address4(digits: &str) -> Option<u32> {
    let number = u32::from_str_radix(digits, 16).ok().filter(|_| is_hex(digits, 8))?;
    Some(u32::from_be_bytes(number.to_ne_bytes()))
}

/// The rows of `ipv6_route` that lead out, of every table: destination, its length, source, its
/// length, next hop, metric, references, use, flags (all hexadecimal), interface.
pub(super) fn routes6(text: &str) -> Vec<Route6> {
    text.lines().filter_map(route6).collect()
}

fn route6(line: &str) -> Option<Route6> {
    let columns: Vec<_> = line.split_ascii_whitespace().collect();
    let &[destination, length, _, _, gateway, metric, _, _, flags, interface] = columns.as_slice()
    else {
        return None;
    };
    let half = match (address6(destination)?.to_bits(), length) {
        (0, "00") => None,
        (0, "01") => Some(0),
        (FIRST_BIT, "01") => Some(1),
        _ => return None,
    };
    let flags = leads_somewhere(interface, flags)?;
    let gateway = address6(gateway)?;
    Some(Route6 {
        interface: interface.to_owned(),
        gateway: (flags & RTF_GATEWAY != 0).then_some(gateway),
        metric: u32::from_str_radix(metric, 16).ok()?,
        half,
    })
}

const FIRST_BIT: u128 = 1 << 127;

/// The flags of a row, where it is up, rejects nothing, and its interface is one that goes out.
fn leads_somewhere(interface: &str, flags: &str) -> Option<u32> {
    let flags = u32::from_str_radix(flags, 16).ok()?;
    let usable = flags & RTF_UP != 0 && flags & RTF_REJECT == 0;
    (usable && is_name(interface)).then_some(flags)
}

/// The rows of `if_inet6`: address, interface number, prefix length, scope, flags, interface.
pub(super) fn addresses6(text: &str) -> Vec<Address6> {
    text.lines().filter_map(inet6).collect()
}

fn inet6(line: &str) -> Option<Address6> {
    let columns: Vec<_> = line.split_ascii_whitespace().collect();
    let &[address, _, _, "00", flags, interface] = columns.as_slice() else { return None };
    let flags = u32::from_str_radix(flags, 16).ok()?;
    if flags & (IFA_F_DADFAILED | IFA_F_DEPRECATED | IFA_F_TENTATIVE) != 0 || !is_name(interface) {
        return None;
    }
    Some(Address6 {
        interface: interface.to_owned(),
        address: address6(address)?,
        temporary: flags & IFA_F_TEMPORARY != 0,
    })
}

fn address6(digits: &str) -> Option<Ipv6Addr> {
    let number = u128::from_str_radix(digits, 16).ok().filter(|_| is_hex(digits, 32))?;
    Some(Ipv6Addr::from_bits(number))
}

fn is_hex(digits: &str, length: usize) -> bool {
    digits.len() == length && digits.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The addresses of this host in `fib_trie`, without the loopback network: the leaves that its
/// local table marks `/32 host LOCAL`.
pub(super) fn addresses4(text: &str) -> Vec<Ipv4Addr> {
    let mut in_local = false;
    let mut leaf = None;
    let mut addresses = Vec::new();
    for line in text.lines() {
        let row = line.trim();
        if !line.starts_with(' ') {
            in_local = row == "Local:";
        } else if let Some(address) = row.strip_prefix("|-- ") {
            leaf = address.parse::<Ipv4Addr>().ok();
        } else if in_local && row == "/32 host LOCAL" {
            addresses.extend(leaf.take().filter(|address| !address.is_loopback()));
        }
    }
    addresses
}

/// Whether any table of `fib_trie` has a default route: the file tells of every table, and of no
/// interface.
pub(super) fn has_default4(text: &str) -> bool {
    let mut at_zero = false;
    text.lines().map(str::trim).any(|row| {
        if let Some(address) = row.strip_prefix("|-- ") {
            at_zero = address == "0.0.0.0";
        }
        at_zero && row.starts_with("/0 ") && row.ends_with(" UNICAST")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An address as the kernel of this machine prints it.
    fn hex(address: [u8; 4]) -> String {
        format!("{:08X}", u32::from_ne_bytes(address))
    }

    #[test]
    fn a_route_is_read_with_its_gateway_and_metric() {
        let text = format!(
            "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
             eth0\t00000000\t{gateway}\t0003\t0\t0\t100\t00000000\t0\t0\t0   \n\
             eth0\t{network}\t00000000\t0001\t0\t0\t100\t{mask}\t0\t0\t0\n",
            gateway = hex([192, 168, 1, 1]),
            network = hex([192, 168, 1, 0]),
            mask = hex([255, 255, 255, 0]),
        );
        let routes = routes4(&text);
        assert_eq!(routes.len(), 2);
        assert!(routes[0].is_default() && !routes[1].is_default());
        assert_eq!(routes[0].gateway, Some(Ipv4Addr::new(192, 168, 1, 1)));
        assert_eq!((routes[0].metric, routes[0].interface.as_str()), (100, "eth0"));
    }

    #[test]
    fn the_halves_of_the_internet_are_known() {
        let row = |to: [u8; 4], mask: [u8; 4]| {
            format!("Iface\ntun0 {} 00000000 0001 0 0 0 {} 0 0 0\n", hex(to), hex(mask))
        };
        for (to, mask, half) in [
            ([0, 0, 0, 0], [128, 0, 0, 0], Some(0)),
            ([128, 0, 0, 0], [128, 0, 0, 0], Some(1)),
            ([0, 0, 0, 0], [0, 0, 0, 0], None),
            ([0, 0, 0, 0], [192, 0, 0, 0], None),
            ([128, 0, 0, 0], [255, 0, 0, 0], None),
        ] {
            assert_eq!(routes4(&row(to, mask))[0].half(), half, "{to:?} {mask:?}");
        }
        assert_eq!([0, 1, 24, 32].map(mask), [0, 1 << 31, 0xffff_ff00, u32::MAX]);
    }

    #[test]
    fn a_default_route_is_seen_in_any_table() {
        let local = "Local:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 127.0.0.1\n        /32 host LOCAL\n";
        let other =
            "Id 200:\n  +-- 0.0.0.0/0 2 0 2\n     |-- 0.0.0.0\n        /0 universe UNICAST\n";
        let unreachable = other.replace("UNICAST", "UNREACHABLE");
        assert!(has_default4(&format!("{other}{local}")));
        assert!(!has_default4(local));
        assert!(!has_default4(&unreachable));
    }

    #[test]
    fn a_route_that_is_down_rejects_or_cannot_be_read_is_passed_over() {
        let header = "Iface\tDestination\n";
        for row in [
            "eth0 00000000 0101A8C0 0002 0 0 0 00000000 0 0 0",
            "eth0 00000000 00000000 0201 0 0 0 00000000 0 0 0",
            "* 00000000 00000000 0201 0 0 0 00000000 0 0 0",
            "lo 00000000 00000000 0001 0 0 0 00000000 0 0 0",
            "../x 00000000 00000000 0001 0 0 0 00000000 0 0 0",
            "e\x1b[2J 00000000 00000000 0001 0 0 0 00000000 0 0 0",
            "e\0 00000000 00000000 0001 0 0 0 00000000 0 0 0",
            "sixteen-letters- 00000000 00000000 0001 0 0 0 00000000 0 0 0",
            "eth0 00000000 0101A8C0 0003 0 0",
            "eth0 +0000000 0101A8C0 0003 0 0 0 00000000 0 0 0",
            "eth0 0000000000 0101A8C0 0003 0 0 0 00000000 0 0 0",
            "eth0 é 0101A8C0 0003 0 0 0 00000000 0 0 0",
            "",
        ] {
            assert_eq!(routes4(&format!("{header}{row}\n")), [], "{row}");
        }
    }

    const NONE: &str = "00000000000000000000000000000000";

    #[test]
    fn an_ipv6_default_route_is_one_of_length_zero_or_a_half_of_it_that_goes_out() {
        let gateway = "fe800000000000000000000000000001";
        let good = format!("{NONE} 00 {NONE} 00 {gateway} 00000400 00000001 0 00000003    eth0\n");
        let text = format!(
            "{good}\
             {NONE} 00 {NONE} 00 {NONE} ffffffff 00000001 00000000 00200200       lo\n\
             {NONE} 40 {NONE} 00 {gateway} 00000400 00000001 00000000 00000003     eth0\n\
             20010db8000000000000000000000000 00 {NONE} 00 {gateway} 00000400 1 0 00000003 eth0\n\
             {NONE} 01 {NONE} 00 {gateway} 00000400 00000001 00000000 00000003     eth0\n\
             80000000000000000000000000000000 01 {NONE} 00 {gateway} 400 1 0 00000003 eth0\n\
             short 00\n"
        );
        let expected = [None, Some(0), Some(1)].map(|half| Route6 {
            interface: "eth0".into(),
            gateway: Some("fe80::1".parse().unwrap()),
            metric: 0x400,
            half,
        });
        assert_eq!(routes6(&text), expected);
    }

    #[test]
    fn an_ipv6_address_counts_once_it_is_global_and_usable() {
        let row = |digits: &str, scope: &str, flags: &str, interface: &str| {
            format!("{digits} 02 40 {scope} {flags} {interface:>8}\n")
        };
        let global = "20010db8000000000000000000000007";
        let text = [
            row("fe800000000000000000000000000007", "20", "80", "eth0"),
            row("00000000000000000000000000000001", "10", "80", "lo"),
            row(global, "00", "80", "eth0"),
            row("20010db8000000000000000000000008", "00", "01", "eth0"),
            row("20010db8000000000000000000000009", "00", "21", "eth0"),
            row("20010db800000000000000000000000a", "00", "40", "eth0"),
            row("+0010db800000000000000000000000a", "00", "80", "eth0"),
            row(global, "00", "80", "e\x1b[2J"),
        ]
        .concat();
        let found = addresses6(&text);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].address, "2001:db8::7".parse::<Ipv6Addr>().unwrap());
        assert!(!found[0].temporary && found[1].temporary);
    }

    #[test]
    fn the_addresses_of_this_host_are_the_local_leaves_of_the_local_table() {
        let text = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 192.0.2.9\n        /32 host LOCAL\n\
                    Local:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 127.0.0.1\n        /32 host LOCAL\n     \
                    |-- 192.0.2.0\n        /24 link UNICAST\n     |-- 192.0.2.7\n        \
                    /32 host LOCAL\n     |-- 192.0.2.255\n        /32 link BROADCAST\n     \
                    |-- nonsense\n        /32 host LOCAL\nId 200:\n     |-- 192.0.2.8\n        \
                    /32 host LOCAL\n";
        assert_eq!(addresses4(text), [Ipv4Addr::new(192, 0, 2, 7)]);
    }
}
