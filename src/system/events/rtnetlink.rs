// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tells a change of the network from what the kernel reports just like one: a lifetime that is
//! prolonged, as routers and DHCP servers do every few minutes; a wireless interface that scans.
//! Without this, each of them would end a back-off early.

use std::collections::HashMap;

use libc::{
    IFA_ADDRESS, IFA_CACHEINFO, IFA_LOCAL, RTM_DELADDR, RTM_DELLINK, RTM_NEWADDR, RTM_NEWLINK,
};

/// Lengths of `nlmsghdr`, `ifaddrmsg` and `rtattr`.
const HEADER: usize = 16;
const ADDRESS_HEADER: usize = 8;
const ATTRIBUTE_HEADER: usize = 4;

/// A link that carries packets: it is switched on, and has its carrier (or does not know).
const CARRYING: u32 = (libc::IFF_UP | libc::IFF_RUNNING).cast_unsigned();
const LOOPBACK: u32 = libc::IFF_LOOPBACK.cast_unsigned();

/// The addresses and links that messages have named so far.
#[derive(Debug, Default)]
pub(super) struct Known {
    addresses: HashMap<Vec<u8>, Vec<u8>>,
    /// Whether the link with this number carries packets.
    links: HashMap<u32, bool>,
}

/// What a message means, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum News {
    /// Nothing has changed.
    None,
    /// Something has come, gone or changed.
    Change,
    /// A link carries packets that did not, or of which nothing was known.
    Return,
}

impl Known {
    /// What a datagram brings. What cannot be read is a change.
    pub(super) fn news(&mut self, mut datagram: &[u8]) -> News {
        let mut news = News::None;
        while !datagram.is_empty() {
            let Some((kind, body, rest)) = message(datagram) else {
                return news.max(News::Change);
            };
            news = news.max(self.message_news(kind, body).unwrap_or(News::Change));
            datagram = rest;
        }
        news
    }

    /// After messages have been lost, what is remembered may be wrong.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    fn message_news(&mut self, kind: u16, body: &[u8]) -> Option<News> {
        Some(match kind {
            RTM_NEWADDR => {
                let address = address(body)?;
                let known = self.addresses.get(&address.id) == Some(&address.facts);
                self.addresses.insert(address.id, address.facts);
                if known { News::None } else { News::Change }
            }
            RTM_DELADDR => {
                self.addresses.remove(&address(body)?.id);
                News::Change
            }
            RTM_NEWLINK => {
                let link = link(body)?;
                if !link.counts {
                    return Some(News::None);
                }
                match (self.links.insert(link.number, link.carries), link.carries) {
                    (before, carries) if before == Some(carries) => News::None,
                    (_, true) => News::Return,
                    (_, false) => News::Change,
                }
            }
            RTM_DELLINK => {
                let link = link(body)?;
                if !link.counts {
                    return Some(News::None);
                }
                self.links.remove(&link.number);
                News::Change
            }
            _ => News::Change,
        })
    }
}

/// The parts of an address message.
struct Address {
    /// Interface and address.
    id: Vec<u8>,
    /// All that is said of it, but for its lifetimes.
    facts: Vec<u8>,
}

/// The parts of a link message.
struct Link {
    number: u32,
    carries: bool,
    /// It leads somewhere, and the message is about the link itself: a bridge tells of its ports
    /// too.
    counts: bool,
}

/// The first message of a datagram: its type, its body, and what follows.
fn message(datagram: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = u32::from_ne_bytes(*datagram.first_chunk()?) as usize;
    let kind = u16::from_ne_bytes(*datagram.get(4..)?.first_chunk()?);
    let body = datagram.get(HEADER..length)?;
    Some((kind, body, datagram.get(aligned(length)..).unwrap_or_default()))
}

fn address(body: &[u8]) -> Option<Address> {
    let (header, mut attributes) = body.split_at_checked(ADDRESS_HEADER)?;
    let mut address = Address { id: header[4..].to_vec(), facts: header.to_vec() };
    while !attributes.is_empty() {
        let length = usize::from(u16::from_ne_bytes(*attributes.first_chunk()?));
        let kind = u16::from_ne_bytes(*attributes.get(2..)?.first_chunk()?);
        let value = attributes.get(ATTRIBUTE_HEADER..length)?;
        if kind == IFA_ADDRESS || kind == IFA_LOCAL {
            address.id.extend(value);
        }
        if kind != IFA_CACHEINFO {
            address.facts.extend(kind.to_ne_bytes());
            address.facts.extend(value);
        }
        attributes = attributes.get(aligned(length)..).unwrap_or_default();
    }
    Some(address)
}

/// An `ifinfomsg`: family, padding, type, number, flags, and more.
fn link(body: &[u8]) -> Option<Link> {
    let number = u32::from_ne_bytes(*body.get(4..)?.first_chunk()?);
    let flags = u32::from_ne_bytes(*body.get(8..)?.first_chunk()?);
    let itself = i32::from(*body.first()?) == libc::AF_UNSPEC;
    Some(Link {
        number,
        carries: flags & CARRYING == CARRYING,
        counts: itself && flags & LOOPBACK == 0,
    })
}

/// Messages and attributes begin at multiples of four.
fn aligned(length: usize) -> usize {
    length.next_multiple_of(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERMANENT: u8 = 0x80;
    const TENTATIVE: u8 = 0x40;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = (ATTRIBUTE_HEADER + value.len()) as u16;
        let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend(value);
        bytes.resize(aligned(bytes.len()), 0);
        bytes
    }

    fn address_message(kind: u16, host: u8, flags: u8, lifetime: u8) -> Vec<u8> {
        let body = [
            vec![2, 24, flags, 0, 3, 0, 0, 0],
            attribute(IFA_ADDRESS, &[192, 0, 2, host]),
            attribute(3, b"wlan0\0"),
            attribute(IFA_CACHEINFO, &[lifetime; 16]),
        ]
        .concat();
        route_message(kind, &body)
    }

    fn route_message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.resize(HEADER, 0);
        bytes.extend(body);
        bytes
    }

    #[test]
    fn a_prolonged_lifetime_is_no_news_and_all_else_is() {
        let mut known = Known::default();
        assert_eq!(known.news(&address_message(RTM_NEWADDR, 1, TENTATIVE, 9)), News::Change);
        assert_eq!(known.news(&address_message(RTM_NEWADDR, 1, PERMANENT, 9)), News::Change);
        assert_eq!(known.news(&address_message(RTM_NEWADDR, 1, PERMANENT, 8)), News::None);
        assert_eq!(known.news(&address_message(RTM_NEWADDR, 2, PERMANENT, 9)), News::Change);
        assert_eq!(known.news(&address_message(RTM_NEWADDR, 1, PERMANENT, 7)), News::None);
        assert_eq!(known.news(&address_message(RTM_DELADDR, 1, PERMANENT, 7)), News::Change);
        assert_eq!(known.news(&address_message(RTM_NEWADDR, 1, PERMANENT, 7)), News::Change);
        assert_eq!(known.news(&route_message(libc::RTM_NEWROUTE, &[0; 12])), News::Change);
        known.forget();
        assert_eq!(known.news(&address_message(RTM_NEWADDR, 1, PERMANENT, 6)), News::Change);
    }

    fn link_message(kind: u16, family: u8, number: u32, flags: i32) -> Vec<u8> {
        let mut body = vec![family, 0, 1, 0];
        body.extend(number.to_ne_bytes());
        body.extend(flags.cast_unsigned().to_ne_bytes());
        body.extend([0xff; 4]);
        body.extend(attribute(3, b"wlan0\0"));
        route_message(kind, &body)
    }

    #[test]
    fn a_link_that_comes_up_is_a_return_and_one_that_scans_is_no_news() {
        const UP: i32 = libc::IFF_UP | libc::IFF_RUNNING | libc::IFF_BROADCAST;
        const NO_CARRIER: i32 = libc::IFF_UP | libc::IFF_BROADCAST;
        let mut known = Known::default();
        let mut said =
            |kind, family, number, flags| known.news(&link_message(kind, family, number, flags));
        assert_eq!(said(RTM_NEWLINK, 0, 3, UP), News::Return, "it may have been down");
        assert_eq!(said(RTM_NEWLINK, 0, 3, UP), News::None);
        assert_eq!(said(RTM_NEWLINK, 0, 3, UP | libc::IFF_PROMISC), News::None);
        assert_eq!(said(RTM_NEWLINK, 0, 4, NO_CARRIER), News::Change);
        assert_eq!(said(RTM_NEWLINK, 0, 4, NO_CARRIER), News::None);
        assert_eq!(said(RTM_NEWLINK, 0, 3, NO_CARRIER), News::Change);
        assert_eq!(said(RTM_NEWLINK, 0, 3, UP), News::Return);
        assert_eq!(said(RTM_DELLINK, 0, 3, UP), News::Change);
        assert_eq!(said(RTM_NEWLINK, 0, 3, UP), News::Return);
        // A bridge's port, and loopback.
        assert_eq!(said(RTM_DELLINK, 7, 3, UP), News::None);
        assert_eq!(said(RTM_NEWLINK, 7, 4, UP), News::None);
        assert_eq!(said(RTM_NEWLINK, 0, 1, UP | libc::IFF_LOOPBACK), News::None);
        let flap = [NO_CARRIER, UP].map(|flags| link_message(RTM_NEWLINK, 0, 3, flags));
        assert_eq!(known.news(&flap.concat()), News::Return);
        assert_eq!(known.news(&route_message(RTM_NEWLINK, &[0; 8])), News::Change);
    }

    #[test]
    fn every_message_of_a_datagram_counts() {
        let mut known = Known::default();
        let address = address_message(RTM_NEWADDR, 1, PERMANENT, 9);
        assert_eq!(known.news(&address), News::Change);
        assert_eq!(known.news(&[address.clone(), address.clone()].concat()), News::None);
        let route = route_message(libc::RTM_DELROUTE, &[0; 12]);
        assert_eq!(known.news(&[address.clone(), route.clone()].concat()), News::Change);
        assert_eq!(known.news(&[route, address].concat()), News::Change);
    }

    #[test]
    fn what_cannot_be_read_is_news() {
        let whole = address_message(RTM_NEWADDR, 1, PERMANENT, 9);
        for length in 1..whole.len() {
            assert_eq!(Known::default().news(&whole[..length]), News::Change);
        }
        let mut known = Known::default();
        known.news(&whole);
        for at in [0, HEADER + ADDRESS_HEADER] {
            for wrong in [0, 1, 3, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] = wrong;
                assert_eq!(known.news(&damaged), News::Change, "{at} {wrong}");
            }
        }
    }
}
