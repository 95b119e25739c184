//! Whatever the kernel tells: what cannot be read counts as a change, and nothing else is lost.

use libc::RTM_NEWADDR;

use super::addresses::Addresses;
use super::netlink::is_of_a_display;
use crate::fuzzing::Recipe;

/// Datagrams, each after two bytes with its length: of rtnetlink, and as uevents.
pub fn kernel_messages(input: &[u8]) {
    let mut recipe = Recipe(input);
    let mut addresses = Addresses::default();
    while !recipe.is_over() {
        let length = recipe.number();
        let datagram = recipe.take(length);
        let of_display = datagram.split(|byte| *byte == 0).any(|f| f == b"SUBSYSTEM=drm");
        assert_eq!(is_of_a_display(datagram), of_display);

        assert_eq!(Addresses::default().is_news(datagram), !datagram.is_empty(), "all is new");
        let first = addresses.is_news(datagram);
        let second = addresses.is_news(datagram);
        assert!(first || !second, "what was known once is known");
        // More than one message may name the same address; one alone is known the second time.
        assert!(first || only_addresses(datagram), "no change is lost");
        if is_one_whole_address(datagram) {
            assert!(!second, "a lifetime that is prolonged is no change");
        }
    }
}

/// Whether a datagram holds messages of new addresses and nothing else.
fn only_addresses(mut datagram: &[u8]) -> bool {
    while let [a, b, c, d, kind, high, ..] = *datagram {
        let length = u32::from_ne_bytes([a, b, c, d]) as usize;
        if u16::from_ne_bytes([kind, high]) != RTM_NEWADDR || length < 16 {
            return false;
        }
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    datagram.is_empty()
}

/// A datagram that is one message of a new address, without attributes.
fn is_one_whole_address(datagram: &[u8]) -> bool {
    only_addresses(datagram)
        && datagram.len() == 24
        && datagram.first_chunk().is_some_and(|length| u32::from_ne_bytes(*length) == 24)
}
