// SPDX-License-Identifier: MIT OR Apache-2.0
//! The display, as the kernel's graphics drivers (DRM) see it.

use super::edid;
use super::{DeviceInfo, Field};
use crate::system::fs::rooted::Root;

const CONNECTORS: &str = "/sys/class/drm";

/// The longest side of a picture that is believed, in pixels.
const MOST_PIXELS: u32 = 65_535;

/// Asks one connector: the best of those that have a display with modes on it.
pub(super) fn add(info: &mut DeviceInfo, root: &Root) {
    let connected = root.names(CONNECTORS).into_iter().filter_map(|name| {
        let connector = format!("{CONNECTORS}/{name}");
        let mode = preferred_mode(root, &connector)?;
        let enabled = root.text(&format!("{connector}/enabled"));
        let enabled = enabled.is_some_and(|enabled| enabled.trim() == "enabled");
        Some((rank(kind(&name), enabled), connector, mode))
    });
    // Of equals the first, by name.
    if let Some((_, connector, (width, height))) = connected.min_by_key(|(rank, ..)| *rank) {
        add_connector(info, root, &connector, width, height);
    }
}

/// The kernel's name of a connector's kind: `HDMI-A` of `card0-HDMI-A-1`.
fn kind(name: &str) -> &str {
    let kind = name.split_once('-').map_or(name, |(_, kind)| kind);
    kind.rsplit_once('-').map_or(kind, |(kind, _)| kind)
}

/// The lower, the better: a built-in panel that is on, a digital connector that is on, any other
/// that may have a display on it. Analogue ones come last: many drivers call them "connected"
/// always, since they cannot tell.
fn rank(kind: &str, enabled: bool) -> u8 {
    match (kind, enabled) {
        ("Composite" | "SVIDEO" | "TV" | "VGA" | "Component" | "DIN" | "DVI-A", true) => 3,
        ("Composite" | "SVIDEO" | "TV" | "VGA" | "Component" | "DIN" | "DVI-A", false) => 4,
        ("eDP" | "LVDS" | "DSI" | "DPI", true) => 0,
        (_, true) => 1,
        (_, false) => 2,
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
    let inches = size.diagonal();
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

    /// What is told of these connectors: name, `enabled`, width.
    fn told(connectors: &[(&str, &str, u32)]) -> String {
        let tree = tempfile::tempdir().unwrap();
        for (name, enabled, width) in connectors {
            let connector = tree.path().join("sys/class/drm").join(name);
            fs::create_dir_all(&connector).unwrap();
            fs::write(connector.join("status"), "connected\n").unwrap();
            fs::write(connector.join("enabled"), format!("{enabled}\n")).unwrap();
            fs::write(connector.join("modes"), format!("\n{width}x720\n640x480\n")).unwrap();
            fs::write(connector.join("edid"), "no EDID").unwrap();
        }
        let mut info = DeviceInfo::default();
        add(&mut info, &Root::new(tree.path()));
        info.json(None)
    }

    #[test]
    fn only_a_connector_with_a_display_and_modes_is_asked() {
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
        }
        let mut info = DeviceInfo::default();
        add(&mut info, &Root::new(tree.path()));
        assert_eq!(info.json(None), r#"{"displayWidth":1280,"displayHeight":720}"#);
    }

    #[test]
    fn of_two_connectors_the_better_one_is_asked_whatever_their_names() {
        // From the best to the worst.
        let classes: [(&[&str], &str); 4] = [
            (&["eDP", "LVDS", "DSI", "DPI"], "enabled"),
            (&["HDMI-A", "HDMI-B", "DP", "DVI-D", "DVI-I", "Virtual"], "enabled"),
            (&["eDP", "DSI", "HDMI-A", "DP"], "disabled"),
            (&["Composite", "SVIDEO", "TV", "VGA"], "enabled"),
        ];
        for (place, (better, better_is)) in classes.iter().enumerate() {
            for (worse, worse_is) in &classes[place + 1..] {
                for (better, worse) in
                    better.iter().flat_map(|b| worse.iter().map(move |w| (*b, *w)))
                {
                    for (first, second) in [("card0", "card1"), ("card1", "card0")] {
                        let better = format!("{first}-{better}-1");
                        let worse = format!("{second}-{worse}-2");
                        let json = told(&[(&better, better_is, 1280), (&worse, worse_is, 720)]);
                        assert!(
                            json.contains(r#""displayWidth":1280"#),
                            "{better} {worse}: {json}"
                        );
                    }
                }
            }
        }
    }
}
