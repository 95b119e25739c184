// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an interface is, looked at through bridges, bonds and the like to the devices below them.

use crate::system::fs::rooted::Root;

pub(super) const INTERFACES: &str = "/sys/class/net";

/// More interfaces than any device has below one another, and an end to those that form a ring.
const MOST: usize = 64;

/// How a device is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Medium {
    WiFi,
    Cellular,
    /// Whatever is neither.
    Lan,
}

impl Medium {
    /// As the header has it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::WiFi => "WiFi",
            Self::Cellular => "cellular",
            Self::Lan => "LAN",
        }
    }
}

/// The name becomes part of a path, and of what `device-info` shows. The kernel takes 15 bytes, and
/// control characters too.
pub(super) fn is_name(name: &str) -> bool {
    !matches!(name, "" | "lo" | "*" | "." | "..")
        && !name.chars().any(|c| c == '/' || c.is_control())
        && name.chars().count() <= 15
}

/// The medium of an interface, and the lowest interface that it is that of. If there are several
/// and they differ, those that are up decide; if those differ too, it is `Lan`.
pub(super) fn medium(root: &Root, interface: &str) -> (Medium, String) {
    let lowest = lowest(root, interface);
    let up: Vec<_> = lowest.iter().filter(|name| is_up(root, name)).collect();
    let judged = if up.is_empty() { lowest.iter().collect() } else { up };
    let media: Vec<_> = judged.iter().map(|name| own_medium(root, name)).collect();
    match (media.first(), judged.first()) {
        (Some(medium), Some(name)) if media.iter().all(|other| other == medium) => {
            (*medium, (*name).clone())
        }
        _ => (Medium::Lan, interface.to_owned()),
    }
}

/// Whether there is hardware behind the interface: a tunnel has none.
pub(super) fn is_physical(root: &Root, interface: &str) -> bool {
    lowest(root, interface).iter().any(|name| {
        root.exists(&format!("{INTERFACES}/{name}/device")) || own_medium(root, name) != Medium::Lan
    })
}

fn own_medium(root: &Root, name: &str) -> Medium {
    let interface = format!("{INTERFACES}/{name}");
    let event = root.text(&format!("{interface}/uevent")).unwrap_or_default();
    let is = |kind: &str| event.lines().any(|line| line.strip_prefix("DEVTYPE=") == Some(kind));
    let has = |mark: &str| root.exists(&format!("{interface}/{mark}"));
    if is("wlan") || has("wireless") || has("phy80211") {
        Medium::WiFi
    } else if is("wwan") {
        Medium::Cellular
    } else {
        Medium::Lan
    }
}

/// A driver that does not know its carrier counts as up.
fn is_up(root: &Root, name: &str) -> bool {
    let state = root.text(&format!("{INTERFACES}/{name}/operstate")).unwrap_or_default();
    matches!(state.trim(), "" | "up" | "unknown")
}

/// The interfaces at the bottom: the given one, if there is none below it.
fn lowest(root: &Root, interface: &str) -> Vec<String> {
    let mut seen = vec![interface.to_owned()];
    let mut lowest = Vec::new();
    let mut next = 0;
    while let Some(name) = seen.get(next).cloned() {
        next += 1;
        let below = below(root, &name);
        if below.is_empty() {
            lowest.push(name);
        }
        for name in below {
            if !seen.contains(&name) && seen.len() < MOST {
                seen.push(name);
            }
        }
    }
    lowest
}

/// The interfaces right below: those that the kernel links to; without such links (before 3.13) the
/// ports of a bridge and the slaves of a bond. A bond uses its active slave alone, if it has one.
fn below(root: &Root, name: &str) -> Vec<String> {
    let interface = format!("{INTERFACES}/{name}");
    let words = |file: &str| {
        let text = root.text(&format!("{interface}/bonding/{file}")).unwrap_or_default();
        let words = text.split_ascii_whitespace().map(str::to_owned);
        words.filter(|word| is_name(word)).collect::<Vec<_>>()
    };
    let active = words("active_slave");
    if !active.is_empty() {
        return active;
    }
    let linked = root.names(&interface).into_iter();
    let linked: Vec<_> = linked
        .filter_map(|entry| entry.strip_prefix("lower_").map(str::to_owned))
        .filter(|name| is_name(name))
        .collect();
    if !linked.is_empty() {
        return linked;
    }
    let mut ports = root.names(&format!("{interface}/brif"));
    ports.retain(|name| is_name(name));
    ports.extend(words("slaves"));
    ports
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// Interfaces, each with what lies in its directory: `NAME/` is a directory, `NAME>TARGET` a
    /// link, `NAME=TEXT` a file.
    fn tree(interfaces: &[(&str, &[&str])]) -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        for (interface, entries) in interfaces {
            let directory = tree.path().join("sys/class/net").join(interface);
            fs::create_dir_all(&directory).unwrap();
            for entry in *entries {
                if let Some(name) = entry.strip_suffix('/') {
                    fs::create_dir_all(directory.join(name)).unwrap();
                } else if let Some((name, target)) = entry.split_once('>') {
                    symlink(target, directory.join(name)).unwrap();
                } else {
                    let (name, text) = entry.split_once('=').unwrap();
                    fs::create_dir_all(directory.join(name).parent().unwrap()).unwrap();
                    fs::write(directory.join(name), format!("{text}\n")).unwrap();
                }
            }
        }
        tree
    }

    const WLAN: (&str, &[&str]) = ("wlan0", &["wireless/", "operstate=up", "device>../x"]);
    const ETH: (&str, &[&str]) = ("eth0", &["operstate=up", "device>../y"]);
    const WWAN: (&str, &[&str]) = ("wwan0", &["uevent=INTERFACE=wwan0\nDEVTYPE=wwan"]);

    fn of(interfaces: &[(&str, &[&str])], name: &str) -> (Medium, String) {
        let tree = tree(interfaces);
        medium(&Root::new(tree.path()), name)
    }

    #[test]
    fn an_interface_is_wireless_cellular_or_a_lan() {
        assert_eq!(of(&[WLAN], "wlan0"), (Medium::WiFi, "wlan0".into()));
        assert_eq!(of(&[("ra0", &["phy80211>../phy0"])], "ra0").0, Medium::WiFi);
        assert_eq!(of(&[("ra0", &["uevent=DEVTYPE=wlan"])], "ra0").0, Medium::WiFi);
        assert_eq!(of(&[WWAN], "wwan0"), (Medium::Cellular, "wwan0".into()));
        assert_eq!(of(&[ETH], "eth0"), (Medium::Lan, "eth0".into()));
        assert_eq!(of(&[("br0", &["uevent=DEVTYPE=bridge"])], "br0").0, Medium::Lan);
        assert_eq!(of(&[], "eth9"), (Medium::Lan, "eth9".into()));
    }

    #[test]
    fn what_lies_on_top_is_what_lies_below_it() {
        for (top, lower) in [
            ("br0", &["lower_wlan0>../wlan0"][..]),
            ("br0", &["brif/wlan0/"]),
            ("bond0", &["bonding/slaves=wlan0"]),
            ("wlan0.7", &["lower_wlan0>../wlan0"]),
            ("macvlan0", &["lower_wlan0>../wlan0", "uevent=DEVTYPE=macvlan"]),
        ] {
            let found = of(&[(top, lower), WLAN, ETH], top);
            assert_eq!(found, (Medium::WiFi, "wlan0".into()), "{top} {lower:?}");
            let found = of(&[("vlan7", &["lower_top>../top"]), ("top", lower), WLAN], "vlan7");
            assert_eq!(found, (Medium::WiFi, "wlan0".into()), "vlan7 over {top} {lower:?}");
        }
        assert_eq!(of(&[("br0", &["lower_wwan0>../wwan0"]), WWAN], "br0").0, Medium::Cellular);
        assert_eq!(of(&[("br0", &["lower_eth0>../eth0"]), WLAN, ETH], "br0").0, Medium::Lan);
    }

    #[test]
    fn of_several_lower_devices_the_active_one_or_those_that_are_up_decide() {
        const BOTH: &[&str] = &["lower_eth0>../eth0", "lower_wlan0>../wlan0"];
        assert_eq!(of(&[("br0", BOTH), WLAN, ETH], "br0"), (Medium::Lan, "br0".into()));
        let down: (&str, &[&str]) = ("eth0", &["operstate=down"]);
        assert_eq!(of(&[("br0", BOTH), WLAN, down], "br0"), (Medium::WiFi, "wlan0".into()));
        let bond: &[&str] = &["bonding/active_slave=wlan0", "bonding/slaves=eth0 wlan0"];
        let bond = [bond, BOTH].concat();
        assert_eq!(of(&[("bond0", &bond), WLAN, ETH], "bond0"), (Medium::WiFi, "wlan0".into()));
    }

    #[test]
    fn interfaces_in_a_ring_have_an_end_and_bad_names_lead_nowhere() {
        let ring: &[(&str, &[&str])] =
            &[("br0", &["lower_br1>../br1"]), ("br1", &["lower_br0>../br0"])];
        assert_eq!(of(ring, "br0"), (Medium::Lan, "br0".into()));
        let own: &[(&str, &[&str])] = &[("br0", &["lower_br0>../br0", "lower_wlan0>x"]), WLAN];
        assert_eq!(of(own, "br0").0, Medium::WiFi);
        let loop_: &[(&str, &[&str])] = &[("br0", &["lower_eth0>lower_eth0", "uevent>uevent"])];
        assert_eq!(of(loop_, "br0"), (Medium::Lan, "eth0".into()));
        let bad: &[(&str, &[&str])] = &[("br0", &["lower_>x", "lower_..>x", "lower_lo>x"])];
        assert_eq!(of(bad, "br0"), (Medium::Lan, "br0".into()));
    }

    #[test]
    fn a_tunnel_has_no_hardware() {
        let tree = tree(&[("tun0", &["operstate=up"]), ETH, ("br0", &["lower_eth0>../eth0"])]);
        let root = &Root::new(tree.path());
        assert!(is_physical(root, "eth0") && is_physical(root, "br0"));
        assert!(!is_physical(root, "tun0"));
    }
}
