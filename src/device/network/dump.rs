// SPDX-License-Identifier: MIT OR Apache-2.0
//! The IPv4 routes of every table, as the kernel lists them by rtnetlink(7): `/proc/net/route` has
//! the main table alone.

use std::io;

use libc::{
    AF_INET, NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, RT_TABLE_LOCAL, RTA_DST,
    RTA_GATEWAY, RTA_MULTIPATH, RTA_OIF, RTA_PRIORITY, RTA_TABLE, RTM_GETROUTE, RTM_NEWROUTE,
    RTN_UNICAST,
};
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netdevice, recv, sendto,
    socket_with,
};

use super::tables::{Route4, mask};

/// Lengths of `nlmsghdr`, `rtmsg`, `rtattr` and `rtnexthop`.
const HEADER: usize = 16;
const ROUTE_HEADER: usize = 12;
const ATTRIBUTE_HEADER: usize = 4;
const NEXT_HOP: usize = 8;

/// What the kernel puts into one datagram of a list at most.
const DATAGRAM: usize = 32 * 1024;

/// An end to a list that never ends. Datagrams.
const MOST: usize = 1024;

/// The routes that lead out: default ones and halves of them.
pub(super) fn routes4() -> io::Result<Vec<Route4>> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    sendto(&socket, &request(), SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut buffer = vec![0; DATAGRAM];
    let mut found = Vec::new();
    // Whole lists lie ready or are made while they are read: nothing waits.
    for _ in 0..MOST {
        let length = match recv(&socket, &mut buffer[..], RecvFlags::DONTWAIT) {
            Ok((length, _)) => length,
            Err(Errno::INTR) => continue,
            Err(Errno::AGAIN) => break,
            Err(error) => return Err(error.into()),
        };
        let more = read(&buffer[..length], &mut found);
        match more {
            Some(true) => {}
            Some(false) => break,
            None => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
    let named = found.into_iter().filter_map(|(route, interface)| {
        let interface = netdevice::index_to_name(&socket, interface).ok()?;
        Some(Route4 { interface, ..route })
    });
    Ok(named.filter(|route| super::interfaces::is_name(&route.interface)).collect())
}

fn request() -> Vec<u8> {
    let length = (HEADER + ROUTE_HEADER) as u32;
    let flags = (NLM_F_REQUEST | NLM_F_DUMP) as u16;
    let mut request = Vec::with_capacity(HEADER + ROUTE_HEADER);
    request.extend(length.to_ne_bytes());
    request.extend(RTM_GETROUTE.to_ne_bytes());
    request.extend(flags.to_ne_bytes());
    request.resize(HEADER, 0);
    request.push(AF_INET as u8);
    request.resize(HEADER + ROUTE_HEADER, 0);
    request
}

/// Takes the routes of a datagram, each with the number of its interface. Whether more follow; none
/// if it is an error.
fn read(mut datagram: &[u8], found: &mut Vec<(Route4, u32)>) -> Option<bool> {
    while !datagram.is_empty() {
        let length = u32::from_ne_bytes(*datagram.first_chunk()?) as usize;
        let kind = u16::from_ne_bytes(*datagram.get(4..)?.first_chunk()?);
        let body = datagram.get(HEADER..length)?;
        if i32::from(kind) == NLMSG_DONE {
            return Some(false);
        } else if i32::from(kind) == NLMSG_ERROR {
            return None;
        } else if kind == RTM_NEWROUTE {
            found.extend(route(body));
        }
        datagram = datagram.get(aligned(length)..).unwrap_or_default();
    }
    Some(true)
}

/// A route that leads out: its interface has no name yet.
fn route(body: &[u8]) -> Option<(Route4, u32)> {
    let (header, mut attributes) = body.split_at_checked(ROUTE_HEADER)?;
    let length = header[1];
    let mut table = u32::from(header[4]);
    if header[7] != RTN_UNICAST || length > 1 {
        return None;
    }
    let (mut destination, mut gateway, mut metric, mut interface) = (0, None, 0, None);
    while !attributes.is_empty() {
        let length = usize::from(u16::from_ne_bytes(*attributes.first_chunk()?));
        let kind = u16::from_ne_bytes(*attributes.get(2..)?.first_chunk()?);
        let value = attributes.get(ATTRIBUTE_HEADER..length)?;
        let number = value.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes));
        let address = value.first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
        match kind {
            RTA_DST => destination = address?,
            RTA_GATEWAY => gateway = Some(address?.into()),
            RTA_PRIORITY => metric = number?,
            RTA_OIF => interface = number,
            RTA_TABLE => table = number?,
            // Several ways: the first stands for all.
            RTA_MULTIPATH if interface.is_none() => {
                let way = value.get(4..NEXT_HOP)?;
                interface = way.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes));
            }
            _ => {}
        }
        attributes = attributes.get(aligned(length)..).unwrap_or_default();
    }
    let mask = mask(length);
    let route = Route4 { interface: String::new(), destination, mask, gateway, metric, table };
    (table != u32::from(RT_TABLE_LOCAL)).then_some((route, interface?))
}

/// Messages and attributes begin at multiples of four.
const fn aligned(length: usize) -> usize {
    length.next_multiple_of(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = (ATTRIBUTE_HEADER + value.len()) as u16;
        let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend(value);
        bytes.resize(aligned(bytes.len()), 0);
        bytes
    }

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.resize(HEADER, 0);
        bytes.extend(body);
        bytes
    }

    /// A route to the first half of the Internet, or to all of it.
    fn body(length: u8, table: u32, attributes: &[Vec<u8>]) -> Vec<u8> {
        let mut body = vec![AF_INET as u8, length, 0, 0, table.min(252) as u8, 3, 0, RTN_UNICAST];
        body.resize(ROUTE_HEADER, 0);
        body.extend(attribute(RTA_TABLE, &table.to_ne_bytes()));
        body.extend(attributes.concat());
        body
    }

    fn read_all(datagram: &[u8]) -> (Option<bool>, Vec<(Route4, u32)>) {
        let mut found = Vec::new();
        (read(datagram, &mut found), found)
    }

    #[test]
    fn a_route_of_any_table_is_read_with_its_interface() {
        for table in [1_u32, 200, 252, 254, 100_200] {
            let attributes = [
                attribute(RTA_OIF, &7_u32.to_ne_bytes()),
                attribute(RTA_GATEWAY, &[192, 0, 2, 1]),
                attribute(RTA_PRIORITY, &600_u32.to_ne_bytes()),
            ];
            let datagram = message(RTM_NEWROUTE, &body(0, table, &attributes));
            let (more, found) = read_all(&datagram);
            assert_eq!((more, found.len()), (Some(true), 1));
            let (route, interface) = &found[0];
            assert!(route.is_default() && *interface == 7);
            assert_eq!((route.table, route.metric), (table, 600));
            assert_eq!(route.gateway, Some([192, 0, 2, 1].into()));
        }
        let half = [
            attribute(RTA_DST, &[128, 0, 0, 0]),
            attribute(RTA_MULTIPATH, &[[8, 0, 0, 0], 9_u32.to_ne_bytes()].concat()),
        ];
        let (_, found) = read_all(&message(RTM_NEWROUTE, &body(1, 254, &half)));
        assert_eq!((found[0].0.half(), found[0].1), (Some(1), 9));
    }

    #[test]
    fn what_does_not_lead_out_is_passed_over_and_the_end_is_seen() {
        let out = [attribute(RTA_OIF, &7_u32.to_ne_bytes())];
        let mut unreachable = body(0, 254, &out);
        unreachable[7] = libc::RTN_UNREACHABLE;
        let datagram = [
            message(RTM_NEWROUTE, &body(24, 254, &out)),
            message(RTM_NEWROUTE, &body(0, u32::from(RT_TABLE_LOCAL), &out)),
            message(RTM_NEWROUTE, &body(0, 254, &[])),
            message(RTM_NEWROUTE, &unreachable),
        ]
        .concat();
        assert_eq!(read_all(&datagram), (Some(true), vec![]));
        assert_eq!(read_all(&message(NLMSG_DONE as u16, &[0; 4])).0, Some(false));
        assert_eq!(read_all(&message(NLMSG_ERROR as u16, &[0; 4])).0, None);
        let mut random = fastrand::Rng::with_seed(5);
        let whole = message(RTM_NEWROUTE, &body(0, 254, &out));
        for _ in 0..20_000 {
            let mut bytes = whole.clone();
            bytes.truncate(random.usize(..=bytes.len()));
            for byte in &mut bytes {
                if random.u8(..8) == 0 {
                    *byte = random.u8(..);
                }
            }
            let _ = read_all(&bytes);
        }
    }

    #[test]
    fn this_machine_lists_its_routes() {
        routes4().unwrap();
    }
}
