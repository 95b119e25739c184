// SPDX-License-Identifier: MIT OR Apache-2.0
//! hosts(5): for a name that stands there, its entries alone count. `getaddrinfo` keeps to that
//! when it is asked for both families in one; asked for IPv6 alone it goes on to the name servers
//! if the file has an IPv4 address only, and a device would bypass what was pinned for it.

use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::OFlags;

use super::plan::Family;

const HOSTS: &str = "/etc/hosts";
/// The longest file that is looked at, in bytes. The lists of advertisers that some put there are
/// longer, and then `getaddrinfo` alone decides.
const LONGEST: u64 = 1024 * 1024;

/// Whether this family's addresses of a name may come from elsewhere.
pub(super) fn leaves_open(host: &str, family: Family) -> bool {
    let families = families(&contents().unwrap_or_default(), host);
    families.is_empty() || families.contains(&family)
}

fn contents() -> Option<String> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(HOSTS).ok()?;
    let metadata = file.metadata().ok()?;
    if !metadata.is_file() || metadata.len() > LONGEST {
        return None;
    }
    let mut text = Vec::new();
    file.take(LONGEST).read_to_end(&mut text).ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

/// The families for which the file has an address of this name.
fn families(text: &str, host: &str) -> Vec<Family> {
    let host = host.strip_suffix('.').unwrap_or(host);
    let entry = |line: &str| {
        let mut words = line.split('#').next()?.split_ascii_whitespace();
        // A link-local address may carry its interface.
        let address = words.next()?.split('%').next()?.parse::<IpAddr>().ok()?;
        words.any(|name| name.eq_ignore_ascii_case(host)).then_some(match address {
            IpAddr::V4(_) => Family::Four,
            IpAddr::V6(_) => Family::Six,
        })
    };
    text.lines().filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_families_that_the_file_has_for_a_name_are_its_families() {
        let text = "127.0.0.1 localhost\n::1\tip6-localhost localhost # 192.0.2.9 both\n\
                    # 192.0.2.1 api.test\n192.0.2.2 other.test API.test\nrubbish api6.test\n\
                    fe80::1%eth0 link.test";
        assert_eq!(families(text, "localhost"), [Family::Four, Family::Six]);
        assert_eq!(families(text, "api.test."), [Family::Four]);
        assert_eq!(families(text, "link.test"), [Family::Six]);
        for unknown in ["both", "api6.test", "test", "", "192.0.2.2"] {
            assert_eq!(families(text, unknown), [], "{unknown}");
        }
    }
}
