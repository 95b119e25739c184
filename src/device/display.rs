// SPDX-License-Identifier: MIT OR Apache-2.0
//! The display, as the kernel's graphics drivers (DRM) see it.

use super::edid::{self, Size};
use super::files::Root;
use super::{DeviceInfo, Field};

const CONNECTORS: &str = "/sys/class/drm";

/// The longest side of a picture that is believed, in pixels.
const MOST_PIXELS: u32 = 65_535;

/// Asks the first connector, by name, that has a display with modes on it.
pub(super) fn add(info: &mut DeviceInfo, root: &Root) {
    for name in root.names(CONNECTORS) {
        let connector = format!("{CONNECTORS}/{name}");
        if let Some((width, height)) = preferred_mode(root, &connector) {
            return add_connector(info, root, &connector, width, height);
        }
    }
}

fn preferred_mode(root: &Root, connector: &str) -> Option<(u32, u32)> {
    let status = root.text(&format!("{connector}/status"))?;
    if status.trim() != "connected" {
        return None;
    }
    root.text(&format!("{connector}/modes"))?.lines().find_map(pixels)
}

fn add_connector(info: &mut DeviceInfo, root: &Root, connector: &str, width: u32, height: u32) {
    let modes = format!("{connector}/modes");
    info.offer(Field::DisplayWidth, width, modes.as_str());
    info.offer(Field::DisplayHeight, height, modes.as_str());
    let path = format!("{connector}/edid");
    let Some(size) = root.bytes(&path).ok().and_then(|bytes| edid::size(&bytes)) else { return };
    let inches = diagonal_inches(size);
    let ppi = (f64::from(width).hypot(f64::from(height)) / inches).round() as u32;
    if ppi > 0 {
        info.offer(Field::DisplayPpi, ppi, path.as_str());
    }
    info.offer(Field::DiagonalScreenSize, inches, path);
}

/// `1920x1080`, `1920x1080i`. A forced mode may have no name: its line is empty.
fn pixels(mode: &str) -> Option<(u32, u32)> {
    let (width, height) = mode.trim().split_once('x')?;
    let height = height.trim_end_matches('i');
    let legal = |text: &str| text.parse().ok().filter(|side| (1..=MOST_PIXELS).contains(side));
    Some((legal(width)?, legal(height)?))
}

fn diagonal_inches(size: Size) -> f64 {
    f64::from(size.width).hypot(f64::from(size.height)) / 25.4
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_mode_is_read_with_or_without_interlacing() {
        assert_eq!(pixels("1920x1080"), Some((1920, 1080)));
        assert_eq!(pixels("1920x1080i\n"), Some((1920, 1080)));
        for bad in ["", "x", "1920", "0x1080", "-1x5", "1920x1080p60", "99999999999x1", "70000x1"] {
            assert_eq!(pixels(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_first_connector_with_a_display_is_asked_and_no_other() {
        let tree = tempfile::tempdir().unwrap();
        for (name, status, modes) in [
            ("card0-DP-1", "disconnected\n", "800x600\n"),
            ("card0-HDMI-A-1", "connected\n", ""),
            ("card0-HDMI-A-2", "connected\n", "\n1280x720\n1920x1080\n"),
            ("card0-HDMI-A-3", "connected\n", "640x480\n"),
            ("card0-Writeback-1", "unknown\n", "320x200\n"),
        ] {
            let connector = tree.path().join("sys/class/drm").join(name);
            fs::create_dir_all(&connector).unwrap();
            fs::write(connector.join("status"), status).unwrap();
            fs::write(connector.join("modes"), modes).unwrap();
            fs::write(connector.join("edid"), "no EDID").unwrap();
        }
        let mut info = DeviceInfo::default();
        add(&mut info, &Root::new(tree.path()));
        assert_eq!(info.json(None), r#"{"displayWidth":1280,"displayHeight":720}"#);
    }
}
