// SPDX-License-Identifier: MIT OR Apache-2.0
//! uname(2): the last word on the system, which is always a Linux.

use super::{DeviceInfo, Field};
use crate::system::fs::rooted::Root;

const RELEASE: &str = "/proc/sys/kernel/osrelease";

pub(super) fn add(info: &mut DeviceInfo, root: &Root) {
    info.offer(Field::OsName, "Linux", "uname");
    info.offer(Field::OsFamily, "Linux", "uname");
    if root.is_host() {
        let uname = rustix::system::uname();
        info.offer(Field::OsVersion, uname.release().to_string_lossy().into_owned(), "uname");
    } else if let Some(release) = root.text(RELEASE) {
        // What uname says is in this file too: a copied tree tells of its own kernel alone.
        info.offer(Field::OsVersion, release, RELEASE);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_running_system_is_a_linux_with_the_release_of_its_kernel() {
        let mut info = DeviceInfo::default();
        add(&mut info, &Root::new(Path::new("/")));
        let release = std::fs::read_to_string(RELEASE).unwrap();
        assert_eq!(
            info.json(None),
            format!(r#"{{"osName":"Linux","osFamily":"Linux","osVersion":"{}"}}"#, release.trim())
        );
        assert!(info.0.values().all(|found| found.origin == "uname"));
    }

    #[test]
    fn a_copied_tree_without_a_kernel_release_does_not_tell_that_of_this_machine() {
        let tree = tempfile::tempdir().unwrap();
        let mut info = DeviceInfo::default();
        add(&mut info, &Root::new(tree.path()));
        assert_eq!(info.json(None), r#"{"osName":"Linux","osFamily":"Linux"}"#);
    }
}
