// SPDX-License-Identifier: MIT OR Apache-2.0
//! uname(2): the last word on the system, which is always a Linux.

use super::files::Root;
use super::{DeviceInfo, Field};

const RELEASE: &str = "/proc/sys/kernel/osrelease";

pub(super) fn add(info: &mut DeviceInfo, root: &Root) {
    info.offer(Field::OsName, "Linux", "uname");
    info.offer(Field::OsFamily, "Linux", "uname");
    // What uname says is in this file too, so that a copied tree can tell of its own kernel.
    let copied = if root.is_host() { None } else { root.value(RELEASE) };
    if let Some(release) = copied {
        info.offer(Field::OsVersion, release, RELEASE);
    }
    let uname = rustix::system::uname();
    info.offer(Field::OsVersion, uname.release().to_string_lossy().into_owned(), "uname");
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
}
