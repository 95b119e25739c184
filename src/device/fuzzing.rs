// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whatever a device says of itself: what goes into the headers is what the contract allows.

use std::collections::BTreeMap;
use std::fs;

use super::*;
use crate::common::recipe::is_one_line;
use crate::system::fs::scratch::Scratch;

/// An EDID, as it came and with its header and checksum put right.
pub fn edid(input: &[u8]) {
    check_edid(input);
    let mut block = input.to_vec();
    if let Some(base) = block.first_chunk_mut::<128>() {
        base[..8].copy_from_slice(&[0, 255, 255, 255, 255, 255, 255, 0]);
        base[127] = base[..127].iter().fold(0_u8, |sum, byte| sum.wrapping_sub(*byte));
        check_edid(&block);
        // Any flipped bit of it is seen.
        let bit = usize::from(input[127]) * 4 % (128 * 8);
        block[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(edid_size(&block), None);
    }
}

fn check_edid(edid: &[u8]) {
    let Some(size) = edid_size(edid) else { return };
    assert!((1..=4095).contains(&size.width) && (1..=4095).contains(&size.height));
    assert_eq!(edid_size(&edid[..128]), Some(size), "the base block alone decides");
    let (width, height) = (u32::from(edid[21]) * 10, u32::from(edid[22]) * 10);
    assert!(width != 0 && height != 0, "a detailed timing alone is no size");
    assert!(size.width.abs_diff(width) <= 10 && size.height.abs_diff(height) <= 10);
}

/// The files that a source reads, and no other.
pub(super) const FILES: [&str; 41] = [
    "etc/device.properties",
    "version.txt",
    "var/run/nyx/device_info.json",
    "var/run/nyx/os_info.json",
    "sys/firmware/devicetree/base/model",
    "sys/firmware/devicetree/base/compatible",
    "sys/firmware/devicetree/base/serial-number",
    "sys/class/dmi/id/sys_vendor",
    "sys/class/dmi/id/product_name",
    "sys/class/dmi/id/product_version",
    "sys/class/dmi/id/product_uuid",
    "sys/class/dmi/id/chassis_type",
    "etc/os-release",
    "usr/lib/os-release",
    "etc/machine-id",
    "proc/sys/kernel/osrelease",
    "proc/net/route",
    "proc/net/fib_trie",
    "proc/net/ipv6_route",
    "proc/net/if_inet6",
    "sys/class/drm/card0-HDMI-A-1/status",
    "sys/class/drm/card0-HDMI-A-1/modes",
    "sys/class/drm/card0-HDMI-A-1/edid",
    "sys/class/drm/card0-HDMI-A-1/enabled",
    "sys/class/drm/card0-eDP-1/status",
    "sys/class/drm/card0-eDP-1/modes",
    "sys/class/net/eth0/wireless",
    "sys/class/net/eth0/address",
    "sys/class/net/eth0/addr_assign_type",
    "sys/class/net/eth0/operstate",
    "sys/class/net/eth0/uevent",
    "sys/class/net/eth0/device/uevent",
    "sys/class/net/eth0/device/modalias",
    "sys/class/net/br0/lower_eth0",
    "sys/class/net/br0/lower_br0",
    "sys/class/net/br0/bonding/slaves",
    "sys/class/net/br0/bonding/active_slave",
    "sys/class/dmi/id/board_serial",
    "sys/devices/soc0/serial_number",
    "sys/block/mmcblk0/device/type",
    "sys/block/mmcblk0/device/cid",
];

/// A device's tree: a line `--- /PATH` before the content of each file.
pub fn device_files(input: &[u8]) {
    let tree = Scratch::new();
    plant(&tree, input);

    let info = collect(&tree.0, &Overrides::default());
    assert_eq!(info, collect(&tree.0, &Overrides::default()));
    for field in Field::ALL {
        assert!(!field.required() || info.0.contains_key(&field), "{field:?} is missing");
    }
    for (field, found) in &info.0 {
        assert_eq!(check(*field, &found.value), Ok(()), "{field:?} {found:?}");
        assert!(is_one_line(&found.origin), "{found:?}");
    }
    let json: serde_json::Value = serde_json::from_str(&info.json(Some("REF30"))).unwrap();
    assert_eq!(json["applicationId"], "REF30");
    let header = info.header(None);
    assert!(header.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b)));
    assert!(info.warnings().iter().all(|warning| is_one_line(warning)));
    assert!(network_fingerprint(&tree.0).iter().all(|line| is_one_line(line)));

    let again = || identity(&tree.0, &Overrides::default()).unwrap();
    let identity = again();
    assert!(identity.basis == Basis::Random || identity == again());
    assert_eq!(identity.weakness().is_none(), identity.values > 1);
    let hexadecimal = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    assert!(identity.id.len() == 64 && identity.id.bytes().all(hexadecimal));
    assert!(is_one_line(&identity.origin()));
}

pub(super) fn plant(tree: &Scratch, input: &[u8]) {
    let mut files: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    let mut current = None;
    for line in input.split_inclusive(|byte| *byte == b'\n') {
        if let Some(path) = line.strip_prefix(b"--- /") {
            let path = String::from_utf8_lossy(path);
            current = FILES.into_iter().find(|file| *file == path.trim_end());
        } else if let Some(file) = current {
            files.entry(file).or_default().extend_from_slice(line);
        }
    }
    for (file, content) in files {
        let path = tree.0.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}
