// SPDX-License-Identifier: MIT OR Apache-2.0
//! os-release(5): `/etc/os-release`, else `/usr/lib/os-release`, never both.

use super::{DeviceInfo, Field, key_value};
use crate::system::fs::rooted::Root;

pub(super) fn add(info: &mut DeviceInfo, root: &Root) {
    let file = ["/etc/os-release", "/usr/lib/os-release"]
        .into_iter()
        .find_map(|path| Some((path, root.text(path)?)));
    if let Some((path, text)) = file {
        add_text(info, path, &text);
    }
}

fn add_text(info: &mut DeviceInfo, path: &str, text: &str) {
    let values = key_value::parse(text, &['=']);
    for key in ["VERSION_ID", "BUILD_ID"] {
        if let Some(version) = values.get(key) {
            info.offer(Field::OsVersion, version.as_str(), format!("{path} {key}"));
        }
    }
    let id = values.get("ID").map(|id| id.to_ascii_lowercase());
    let (name, family, vendor) = system(id.as_deref().unwrap_or_default());
    for (field, value) in
        [(Field::OsName, name), (Field::OsFamily, family), (Field::OsVendor, vendor)]
    {
        if let Some(value) = value {
            info.offer(field, value, format!("{path} ID"));
        }
    }
}

/// The published name, family and vendor of a distribution, where they are on the lists.
fn system(id: &str) -> (Option<&'static str>, Option<&'static str>, Option<&'static str>) {
    match id {
        "android" => (Some("Android"), Some("Android"), None),
        "chromeos" => (Some("Chrome OS"), None, None),
        "tizen" => (None, Some("Tizen"), Some("Tizen Project")),
        "webos" => (Some("webOS"), Some("webOS"), None),
        _ => (None, None, None),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn of(text: &str) -> String {
        let mut info = DeviceInfo::default();
        add_text(&mut info, "/etc/os-release", text);
        info.json(None)
    }

    #[test]
    fn only_what_is_on_the_published_lists_is_said() {
        assert_eq!(of("ID=debian\nVERSION_ID=\"13\"\n"), r#"{"osVersion":"13"}"#);
        assert_eq!(
            of("ID=tizen\nVERSION_ID=\"8.0.0\"\n"),
            r#"{"osFamily":"Tizen","osVendor":"Tizen Project","osVersion":"8.0.0"}"#
        );
        assert_eq!(
            of("ID=chromeos\nBUILD_ID=1.2\n"),
            r#"{"osName":"Chrome OS","osVersion":"1.2"}"#
        );
        assert_eq!(of("\u{0}=\n=x\nID"), "{}");
    }

    #[test]
    fn the_vendors_file_is_read_only_where_there_is_no_local_one() {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir_all(tree.path().join("etc")).unwrap();
        fs::create_dir_all(tree.path().join("usr/lib")).unwrap();
        fs::write(tree.path().join("usr/lib/os-release"), "VERSION_ID=2\n").unwrap();
        let collected = || {
            let mut info = DeviceInfo::default();
            add(&mut info, &Root::new(tree.path()));
            info.json(None)
        };
        assert_eq!(collected(), r#"{"osVersion":"2"}"#);
        fs::write(tree.path().join("etc/os-release"), "ID=debian\n").unwrap();
        assert_eq!(collected(), "{}");
    }
}
