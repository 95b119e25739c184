// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whatever the kernel tells: what cannot be read counts as a change, and nothing else is lost.

use libc::{RTM_DELLINK, RTM_NEWADDR, RTM_NEWLINK};

use super::netlink::is_of_a_display;
use super::rtnetlink::{Known, News};
use crate::common::recipe::Recipe;

/// Datagrams, each after two bytes with its length: of rtnetlink, and as uevents.
pub fn kernel_messages(input: &[u8]) {
    let mut recipe = Recipe(input);
    let mut known = Known::default();
    while !recipe.is_over() {
        let length = recipe.number();
        let datagram = recipe.take(length);
        let of_display = datagram.split(|byte| *byte == 0).any(|f| f == b"SUBSYSTEM=drm");
        assert_eq!(is_of_a_display(datagram), of_display);

        let first = known.news(datagram);
        let second = known.news(datagram);
        assert!(first > News::None || second == News::None, "what was known once is known");
        // More than one message may name the same address; one alone is known the second time.
        assert!(first > News::None || all_may_be_known(datagram), "no change is lost");
        if is_one_whole_address(datagram) {
            assert_eq!(Known::default().news(datagram), News::Change, "an address that is new");
            assert_eq!(second, News::None, "a lifetime that is prolonged is no change");
        }
    }
}

/// Whether a datagram holds messages of new addresses and of links, and nothing else.
fn all_may_be_known(mut datagram: &[u8]) -> bool {
    while let [a, b, c, d, kind, high, ..] = *datagram {
        let length = u32::from_ne_bytes([a, b, c, d]) as usize;
        let kind = u16::from_ne_bytes([kind, high]);
        if ![RTM_NEWADDR, RTM_NEWLINK, RTM_DELLINK].contains(&kind) || length < 16 {
            return false;
        }
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    datagram.is_empty()
}

/// A datagram that is one message of a new address, without attributes.
fn is_one_whole_address(datagram: &[u8]) -> bool {
    all_may_be_known(datagram)
        && datagram.len() == 24
        && datagram[4..6] == RTM_NEWADDR.to_ne_bytes()
        && datagram.first_chunk().is_some_and(|length| u32::from_ne_bytes(*length) == 24)
}
