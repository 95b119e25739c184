// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the numbers stand that a board has for itself alone. Each is one that may be junk on some
//! vendor's boards: that is why all of them count together.

use std::io;

use zeroize::Zeroizing;

use crate::device::placeholder::{is_no_serial, trimmed};
use crate::device::{device_tree, dmi, webos};
use crate::system::fs::rooted::Root;

/// No number of a board is longer. Bytes.
const LONGEST: usize = 256;

/// No board has more storage devices, or interfaces, that count.
const MOST: usize = 64;

const BLOCK_DEVICES: &str = "/sys/block";
const INTERFACES: &str = "/sys/class/net";

/// The files that hold one number each, and the names of their kinds. The names are part of every
/// derived identity, so they are never to be changed.
const FILES: [(&str, &str); 4] = [
    ("device-tree serial-number", device_tree::SERIAL_NUMBER),
    ("soc serial_number", "/sys/devices/soc0/serial_number"),
    ("dmi product_uuid", dmi::PRODUCT_UUID),
    ("dmi board_serial", dmi::BOARD_SERIAL),
];
const NYX: &str = "nyx serial_number";
const EMMC: &str = "emmc cid";
const ADDRESS: &str = "interface address";

/// A number, and where it stands.
pub(super) struct Source {
    pub(super) kind: &'static str,
    /// Its path, for a person.
    pub(super) origin: String,
    /// Without NUL and white space at both ends; wiped when dropped.
    pub(super) value: Zeroizing<Vec<u8>>,
}

/// All that are there and are no placeholders. Interface addresses only if the others say fewer
/// than two different things: adapters come and go.
pub(super) fn gather(root: &Root) -> Vec<Source> {
    let mut sources: Vec<_> =
        FILES.into_iter().filter_map(|(kind, path)| source(root, kind, path)).collect();
    sources.extend(nyx(root));
    sources.extend(emmc(root));
    let differ = |sources: &[Source]| sources.iter().any(|one| one.value != sources[0].value);
    if !differ(&sources) {
        sources.extend(addresses(root));
    }
    sources
}

fn source(root: &Root, kind: &'static str, path: &str) -> Option<Source> {
    let bytes = root.bytes(path).ok()?;
    let value = trimmed(&bytes);
    let is_one = value.len() <= LONGEST && !is_no_serial(value);
    let value = Zeroizing::new(value.to_vec());
    is_one.then(|| Source { kind, origin: path.to_owned(), value })
}

fn nyx(root: &Root) -> Option<Source> {
    let (serial, origin) = webos::serial_number(root)?;
    let value = Zeroizing::new(trimmed(serial.as_bytes()).to_vec());
    (value.len() <= LONGEST).then_some(Source { kind: NYX, origin, value })
}

/// The card identification of a built-in eMMC. That of an SD card goes with the card.
fn emmc(root: &Root) -> Vec<Source> {
    let devices = root.names(BLOCK_DEVICES).into_iter().filter(|name| name.starts_with("mmcblk"));
    let device = |name: String| {
        let device = format!("{BLOCK_DEVICES}/{name}/device");
        let is_built_in = trimmed(&root.bytes(&format!("{device}/type")).ok()?) == b"MMC";
        is_built_in.then(|| source(root, EMMC, &format!("{device}/cid")))?
    };
    devices.take(MOST).filter_map(device).collect()
}

/// The addresses that interfaces of the board have had from the factory on.
fn addresses(root: &Root) -> Vec<Source> {
    let interfaces = root.names(INTERFACES).into_iter().filter(|name| {
        let interface = format!("{INTERFACES}/{name}");
        root.exists(&format!("{interface}/device"))
            && is_permanent(root, &interface)
            && !is_on_usb(root, &interface)
    });
    let address = |name: String| source(root, ADDRESS, &format!("{INTERFACES}/{name}/address"));
    interfaces.take(MOST).filter_map(address).collect()
}

/// Kernels before 3.15 do not tell.
fn is_permanent(root: &Root, interface: &str) -> bool {
    match root.bytes(&format!("{interface}/addr_assign_type")) {
        Ok(text) => trimmed(&text) == b"0",
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// By the bus of the interface's device, or by a USB bus on the way to it.
fn is_on_usb(root: &Root, interface: &str) -> bool {
    let is_bus = |part: &str| {
        let number = part.strip_prefix("usb");
        number.is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()))
    };
    let device = format!("{interface}/device");
    let links = [interface, &device, &format!("{device}/subsystem")].map(|path| root.link(path));
    let says = |file: &str, words: &[&str]| {
        let text = root.text(&format!("{device}/{file}")).unwrap_or_default();
        text.lines().any(|line| words.iter().any(|word| line.starts_with(word)))
    };
    links.into_iter().flatten().any(|link| link.split('/').any(is_bus))
        || says("uevent", &["DEVTYPE=usb_", "MODALIAS=usb:"])
        || says("modalias", &["usb:"])
}
