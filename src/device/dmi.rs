// SPDX-License-Identifier: MIT OR Apache-2.0
//! DMI, the firmware tables of PC-like devices (SMBIOS specification, 7.2 and 7.4).

use super::{DeviceInfo, Field};
use crate::system::fs::rooted::Root;

/// The system's UUID. Readable by root alone.
pub(super) const PRODUCT_UUID: &str = "/sys/class/dmi/id/product_uuid";

/// The serial number of the mainboard. Readable by root alone.
pub(super) const BOARD_SERIAL: &str = "/sys/class/dmi/id/board_serial";

const CHASSIS_TYPE: &str = "/sys/class/dmi/id/chassis_type";

pub(super) fn add(info: &mut DeviceInfo, root: &Root) {
    for (field, path) in [
        (Field::Manufacturer, "/sys/class/dmi/id/sys_vendor"),
        (Field::Model, "/sys/class/dmi/id/product_name"),
        (Field::Version, "/sys/class/dmi/id/product_version"),
    ] {
        if let Some(value) = root.text(path) {
            info.offer(field, value, path);
        }
    }
    let chassis = root.text(CHASSIS_TYPE).and_then(|text| text.trim().parse().ok());
    if let Some(hardware) = chassis.and_then(hardware_type) {
        info.offer(Field::PrimaryHardwareType, hardware, CHASSIS_TYPE);
    }
}

/// The published type of a chassis, where that is certain.
const fn hardware_type(chassis: u8) -> Option<&'static str> {
    match chassis {
        // Desktop, low-profile desktop, pizza box, mini tower, tower, all in one, space-saving,
        // lunch box, sealed-case PC, mini PC, stick PC.
        3..=7 | 13 | 15 | 16 | 24 | 35 | 36 => Some("Desktop"),
        30 => Some("Tablet"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chassis_is_mapped_only_where_that_is_certain() {
        assert_eq!(hardware_type(3), Some("Desktop"));
        assert_eq!(hardware_type(35), Some("Desktop"));
        assert_eq!(hardware_type(30), Some("Tablet"));
        for uncertain in [0, 1, 2, 8, 9, 10, 17, 23, 33, 255] {
            assert_eq!(hardware_type(uncertain), None, "{uncertain}");
        }
    }
}
