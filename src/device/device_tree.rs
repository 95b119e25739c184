// SPDX-License-Identifier: MIT OR Apache-2.0
//! The device tree, as the boot loader handed it to the kernel.

use super::{DeviceInfo, Field};
use crate::system::fs::rooted::Root;

const MODEL: &str = "/sys/firmware/devicetree/base/model";
const COMPATIBLE: &str = "/sys/firmware/devicetree/base/compatible";

/// The board's serial number.
pub(super) const SERIAL_NUMBER: &str = "/sys/firmware/devicetree/base/serial-number";

pub(super) fn add(info: &mut DeviceInfo, root: &Root) {
    if let Some(model) = root.text(MODEL) {
        info.offer(Field::Model, model, MODEL);
    }
    if let Some(vendor) = root.text(COMPATIBLE).as_deref().and_then(vendor) {
        info.offer(Field::Manufacturer, vendor, COMPATIBLE);
    }
}

/// The vendor prefix of the first, most specific string: `raspberrypi` of
/// `raspberrypi,4-model-b\0brcm,bcm2711\0`.
fn vendor(compatible: &str) -> Option<&str> {
    Some(compatible.split('\0').next()?.split_once(',')?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manufacturer_is_the_vendor_of_the_first_compatible_string() {
        assert_eq!(vendor("raspberrypi,4-model-b\0brcm,bcm2711\0"), Some("raspberrypi"));
        assert_eq!(vendor("board\0brcm,bcm2711\0"), None);
        assert_eq!(vendor(""), None);
    }
}
