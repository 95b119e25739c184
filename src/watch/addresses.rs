//! Tells a change of the network from a lifetime that is prolonged: routers and DHCP servers do
//! that every few minutes, and the kernel reports it like a new address. Without this, each of
//! them would end a back-off early.

use std::collections::HashMap;

use libc::{IFA_ADDRESS, IFA_CACHEINFO, IFA_LOCAL, RTM_DELADDR, RTM_NEWADDR};

/// Lengths of `nlmsghdr`, `ifaddrmsg` and `rtattr`.
const HEADER: usize = 16;
const ADDRESS_HEADER: usize = 8;
const ATTRIBUTE_HEADER: usize = 4;

/// The addresses that messages have named so far.
#[derive(Debug, Default)]
pub(super) struct Addresses(HashMap<Vec<u8>, Vec<u8>>);

/// The parts of an address message (`RTM_NEWADDR`, `RTM_DELADDR`).
struct Address {
    /// Interface and address.
    id: Vec<u8>,
    /// All that is said of it, but for its lifetimes.
    facts: Vec<u8>,
}

impl Addresses {
    /// Whether a datagram holds anything but prolonged lifetimes. What cannot be read is news.
    pub(super) fn is_news(&mut self, mut datagram: &[u8]) -> bool {
        let mut news = false;
        while !datagram.is_empty() {
            let Some((kind, body, rest)) = message(datagram) else { return true };
            news |= self.is_message_news(kind, body);
            datagram = rest;
        }
        news
    }

    /// After messages have been lost, what is remembered may be wrong.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }

    fn is_message_news(&mut self, kind: u16, body: &[u8]) -> bool {
        if kind != RTM_NEWADDR && kind != RTM_DELADDR {
            return true;
        }
        let Some(address) = address(body) else { return true };
        if kind == RTM_DELADDR {
            self.0.remove(&address.id);
            return true;
        }
        let known = self.0.get(&address.id) == Some(&address.facts);
        self.0.insert(address.id, address.facts);
        !known
    }
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
        let mut addresses = Addresses::default();
        assert!(addresses.is_news(&address_message(RTM_NEWADDR, 1, TENTATIVE, 9)));
        assert!(addresses.is_news(&address_message(RTM_NEWADDR, 1, PERMANENT, 9)));
        assert!(!addresses.is_news(&address_message(RTM_NEWADDR, 1, PERMANENT, 8)));
        assert!(addresses.is_news(&address_message(RTM_NEWADDR, 2, PERMANENT, 9)));
        assert!(!addresses.is_news(&address_message(RTM_NEWADDR, 1, PERMANENT, 7)));
        assert!(addresses.is_news(&address_message(RTM_DELADDR, 1, PERMANENT, 7)));
        assert!(addresses.is_news(&address_message(RTM_NEWADDR, 1, PERMANENT, 7)));
        assert!(addresses.is_news(&route_message(libc::RTM_NEWROUTE, &[0; 12])));
        addresses.forget();
        assert!(addresses.is_news(&address_message(RTM_NEWADDR, 1, PERMANENT, 6)));
    }

    #[test]
    fn every_message_of_a_datagram_counts() {
        let mut addresses = Addresses::default();
        let known = address_message(RTM_NEWADDR, 1, PERMANENT, 9);
        assert!(addresses.is_news(&known));
        assert!(!addresses.is_news(&[known.clone(), known.clone()].concat()));
        let route = route_message(libc::RTM_DELROUTE, &[0; 12]);
        assert!(addresses.is_news(&[known.clone(), route.clone()].concat()));
        assert!(addresses.is_news(&[route, known].concat()));
    }

    #[test]
    fn what_cannot_be_read_is_news() {
        let whole = address_message(RTM_NEWADDR, 1, PERMANENT, 9);
        for length in 1..whole.len() {
            assert!(Addresses::default().is_news(&whole[..length]));
        }
        let mut addresses = Addresses::default();
        addresses.is_news(&whole);
        for at in [0, HEADER + ADDRESS_HEADER] {
            for wrong in [0, 1, 3, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] = wrong;
                assert!(addresses.is_news(&damaged), "{at} {wrong}");
            }
        }
    }
}
