// SPDX-License-Identifier: MIT OR Apache-2.0
//! The unit that runs tokend, as it is installed: its `User=`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const UNIT: &str = "tokend.service";

/// Where systemd looks for units, the first that has a name first (systemd.unit(5)).
const DIRECTORIES: [&str; 5] = [
    "etc/systemd/system",
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
];

/// The `User=` of the unit under `root` and its drop-ins, and the file that says so; none where no
/// unit is installed, or it names none.
pub(super) fn user(root: &Path) -> Option<(String, PathBuf)> {
    let directories: Vec<_> = DIRECTORIES.iter().map(|directory| root.join(directory)).collect();
    let unit = directories.iter().map(|dir| dir.join(UNIT)).find(|file| file.exists())?;
    // Of drop-ins of the same name the first counts; all of them in the order of their names.
    let mut drop_ins = BTreeMap::new();
    for directory in directories.iter().rev() {
        let entries = fs::read_dir(directory.join(format!("{UNIT}.d"))).into_iter().flatten();
        let files = entries.flatten().map(|entry| (entry.file_name(), entry.path()));
        drop_ins.extend(files.filter(|(name, _)| name.to_string_lossy().ends_with(".conf")));
    }
    let mut user = None;
    for file in std::iter::once(unit).chain(drop_ins.into_values()) {
        let text = fs::read(&file).unwrap_or_default();
        if let Some(name) = last_user(&String::from_utf8_lossy(&text)) {
            user = Some((name, file));
        }
    }
    user.filter(|(name, _)| !name.is_empty())
}

/// The last `User=` of the section `[Service]`; an empty one takes back what was said before.
fn last_user(text: &str) -> Option<String> {
    let mut in_service = false;
    let mut user = None;
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            in_service = line == "[Service]";
        } else if let Some((key, value)) = line.split_once('=')
            && in_service
            && key.trim_end() == "User"
        {
            user = Some(value.trim().to_owned());
        }
    }
    user
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let file = root.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    fn named(root: &Path) -> Option<String> {
        user(root).map(|(name, _)| name)
    }

    #[test]
    fn the_unit_and_its_drop_ins_count_in_the_order_of_systemd() {
        let root = crate::scratch::scratch("tokend-test-").unwrap();
        let root = root.path();
        assert_eq!(named(root), None);
        let unit = "[Unit]\nUser=no\n[Service]\n# User=no\nUser = tokend\n[Install]\nUser=no\n";
        write(root, "usr/lib/systemd/system/tokend.service", unit);
        assert_eq!(named(root).as_deref(), Some("tokend"));
        let drop_ins = "systemd/system/tokend.service.d";
        write(root, &format!("usr/lib/{drop_ins}/20-vendor.conf"), "[Service]\nUser=vendor\n");
        write(root, &format!("usr/lib/{drop_ins}/10-first.conf"), "[Service]\nUser=first\n");
        write(root, &format!("usr/lib/{drop_ins}/30-no.txt"), "[Service]\nUser=no\n");
        assert_eq!(named(root).as_deref(), Some("vendor"));
        write(root, &format!("etc/{drop_ins}/20-vendor.conf"), "[Service]\nNice=5\n");
        assert_eq!(named(root).as_deref(), Some("first"), "replaced whole");
        write(root, &format!("run/{drop_ins}/50-last.conf"), "[Service]\nUser=\n");
        assert_eq!(named(root), None, "taken back");
        write(root, &format!("run/{drop_ins}/60.conf"), "[Service]\nUser=990\n");
        let (name, file) = user(root).unwrap();
        assert_eq!((name.as_str(), file.ends_with("60.conf")), ("990", true));
    }
}
