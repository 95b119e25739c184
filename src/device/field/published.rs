// SPDX-License-Identifier: MIT OR Apache-2.0
//! The published lists: the starred keys of the contract take these values and no other.

pub(super) const HARDWARE_TYPES: &[&str] = &[
    "Camera",
    "DataCollectionTerminal",
    "Desktop",
    "EmbeddedNetworkModule",
    "eReader",
    "GamesConsole",
    "GeolocationTracker",
    "Glasses",
    "MediaPlayer",
    "MobilePhone",
    "PaymentTerminal",
    "PluginModem",
    "SetTopBox",
    "TV",
    "Tablet",
    "WirelessHotspot",
    "Wristwatch",
    "Unknown",
];

pub(super) const OS_NAMES: &[&str] = &[
    "Android",
    "Chrome OS",
    "Linux",
    "Mac OS",
    "OS X",
    "OpenBSD",
    "Roku OS",
    "Windows",
    "iOS",
    "tvOS",
    "webOS",
];

pub(super) const OS_FAMILIES: &[&str] = &[
    "Android",
    "BSD",
    "Linux",
    "PlayStation OS",
    "Roku OS",
    "Symbian",
    "Tizen",
    "Windows",
    "iOS",
    "tvOS",
    "macOS",
    "webOS",
];

pub(super) const OS_VENDORS: &[&str] = &[
    "Amazon",
    "Apple",
    "Google",
    "LG",
    "Microsoft",
    "Mozilla",
    "Nintendo",
    "Nokia",
    "Roku",
    "Samsung",
    "Sony",
    "Tizen Project",
];

pub(super) const BROWSER_NAMES: &[&str] = &[
    "Android Browser",
    "Chrome",
    "Edge",
    "Firefox",
    "Internet Explorer",
    "Opera",
    "Safari",
    "SeaMonkey",
    "Symbian Browser",
];

pub(super) const BROWSER_VENDORS: &[&str] = &[
    "Amazon",
    "Apple",
    "Google",
    "Microsoft",
    "Motorola",
    "Mozilla",
    "Netscape",
    "Nintendo",
    "Nokia",
    "Samsung",
    "Sony Ericsson",
];
