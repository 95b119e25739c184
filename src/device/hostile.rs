// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files that nobody expects in the place of each file that is read: nothing waits, nothing is read
//! without an end, and what cannot be read is as good as not there.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, FileType, Mode};

use super::fuzzing::{FILES, plant};
use super::*;
use crate::system::fs::rooted::Reader;
use crate::system::fs::scratch::Scratch;

/// A device that has something in most of its files.
const DEVICE: &[u8] = b"--- /etc/device.properties
MODEL_NUM=X1
RDK_PROFILE=STB
--- /version.txt
SDK_VERSION=17.3
--- /var/run/nyx/device_info.json
{\"product_id\":\"P1\",\"serial_number\":\"208MAXW1\"}
--- /sys/firmware/devicetree/base/serial-number
10000000a3b5c7d9
--- /sys/devices/soc0/serial_number
5a5b71c2d3e4
--- /sys/class/dmi/id/product_uuid
4c4c4544-0042-4a10-8036-b7c04f4b3233
--- /sys/class/dmi/id/board_serial
PF2X7Q1Z
--- /sys/block/mmcblk0/device/type
MMC
--- /sys/block/mmcblk0/device/cid
150100424a544434520a6b1c9f2b7a1d
--- /sys/class/net/eth0/address
d4:81:d7:11:22:31
--- /sys/class/net/eth0/uevent
DEVTYPE=wlan
--- /sys/class/net/eth0/device/uevent
DRIVER=mwifiex
--- /sys/class/net/br0/lower_eth0

--- /proc/net/route
Iface
br0 00000000 00000000 0001 0 0 0 00000000 0 0 0
--- /etc/os-release
VERSION_ID=7
";

/// Paths at which it counts that something is there, whatever it is.
const MARKS: [&str; 3] =
    ["sys/class/net/eth0/wireless", "sys/class/net/br0/lower_eth0", "sys/class/net/br0/lower_br0"];

/// All that is told of a device.
fn told(root: &Path, reader: Option<Reader>) -> (DeviceInfo, Vec<String>, Vec<String>) {
    let info = collect(root, &Overrides::default());
    for (field, found) in &info.0 {
        assert_eq!(check(*field, &found.value), Ok(()), "{field:?} {found:?}");
    }
    let identity = identity_for(root, &Overrides::default(), reader).unwrap();
    (info, identity.sources, network_fingerprint(root))
}

fn device() -> Scratch {
    let tree = Scratch::new();
    plant(&tree, DEVICE);
    tree
}

#[test]
fn a_fifo_a_loop_a_directory_and_an_unreadable_file_are_as_good_as_none_at_each_path() {
    for path in FILES {
        let without = device();
        let file = without.0.join(path);
        let _ = fs::remove_file(&file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let expected = told(&without.0, None);

        let make_fifo = |file: &Path| rustix::fs::mknodat(CWD, file, FileType::Fifo, Mode::RUSR, 0);
        make_fifo(&file).unwrap();
        let with_fifo = told(&without.0, None);
        fs::remove_file(&file).unwrap();
        symlink(file.file_name().unwrap(), &file).unwrap();
        let with_loop = told(&without.0, None);
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        let with_directory = told(&without.0, None);
        if !MARKS.contains(&path) {
            assert_eq!(with_fifo, expected, "{path} is a FIFO");
            assert_eq!(with_loop, expected, "{path} is a loop");
            assert_eq!(with_directory, expected, "{path} is a directory");
        }

        let unreadable = device();
        let file = unreadable.0.join(path);
        if file.exists() {
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
            let (_, sources, _) = told(&unreadable.0, Some(Reader::of(64_999)));
            assert!(!sources.iter().any(|source| source[1..].starts_with(path)), "{path}");
        }
    }
}

#[test]
fn a_file_without_an_end_is_read_to_a_bound_at_each_path() {
    for path in FILES {
        let tree = device();
        let file = tree.0.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        File::create(&file).unwrap().set_len(1 << 40).unwrap();
        told(&tree.0, None);
        fs::write(&file, "7f3a9c0112b4e8d5\n".repeat(8000)).unwrap();
        let (_, sources, _) = told(&tree.0, None);
        let is_nyx = path.starts_with("var/run/nyx");
        assert!(is_nyx || !sources.iter().any(|source| source[1..] == *path), "{path}");
    }
}

#[test]
fn files_that_grow_while_they_are_read_have_an_end() {
    let tree = device();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let mut files: Vec<_> = FILES
            .into_iter()
            .filter_map(|path| OpenOptions::new().append(true).open(tree.0.join(path)).ok())
            .collect();
        assert!(files.len() > 12, "{}", files.len());
        let stop = &stop;
        scope.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                for file in &mut files {
                    file.write_all(b"one more line of text\n").unwrap();
                }
            }
        });
        for _ in 0..5 {
            told(&tree.0, None);
        }
        stop.store(true, Ordering::Relaxed);
    });
}
