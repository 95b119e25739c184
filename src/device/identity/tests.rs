// SPDX-License-Identifier: MIT OR Apache-2.0
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::common::secret::Secret;

const SERIAL: &str = "sys/firmware/devicetree/base/serial-number";
const SOC: &str = "sys/devices/soc0/serial_number";
const UUID: &str = "sys/class/dmi/id/product_uuid";
const BOARD: &str = "sys/class/dmi/id/board_serial";
const NYX: &str = "var/run/nyx/device_info.json";
const CID: &str = "sys/block/mmcblk0/device/cid";
const ETH0: &str = "sys/class/net/eth0/address";

/// The files of a device, by their paths below its root.
type Files = BTreeMap<String, Vec<u8>>;

fn plant(files: &Files) -> tempfile::TempDir {
    let tree = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = tree.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    tree
}

fn files(of: &[(&str, &str)]) -> Files {
    of.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
}

/// A tree with these files, and its identity.
fn of(files: &Files, overrides: &Overrides) -> Identity {
    identity(plant(files).path(), overrides).unwrap()
}

fn alone(files: &[(&str, &str)]) -> Identity {
    of(&self::files(files), &Overrides::default())
}

/// Serial numbers and the like that are no two the same.
struct Numbers(fastrand::Rng);

impl Numbers {
    fn digits(&mut self, length: usize) -> String {
        (0..length).map(|_| char::from(b"0123456789abcdef"[self.0.usize(..16)])).collect()
    }

    fn address(&mut self) -> String {
        let pair =
            |digits: &str| digits.as_bytes().chunks(2).map(<[u8]>::to_vec).collect::<Vec<_>>();
        let pairs = pair(&format!("d4{}", self.digits(10)));
        String::from_utf8(pairs.join(&b':')).unwrap()
    }

    fn uuid(&mut self) -> String {
        let parts: Vec<_> = [8, 4, 4, 4, 12].map(|length| self.digits(length)).into();
        parts.join("-")
    }
}

/// Every kind of board source; each device has some of them.
const BOARD_SOURCES: [&str; 6] = [SERIAL, SOC, UUID, BOARD, NYX, CID];

fn source(path: &str, numbers: &mut Numbers) -> Vec<u8> {
    match path {
        SERIAL => format!("{}\0", numbers.digits(16)),
        UUID => format!("{}\n", numbers.uuid()),
        NYX => format!("{{\"serial_number\":\"{}\"}}", numbers.digits(12)),
        CID => format!("{}\n", numbers.digits(32)),
        ETH0 => format!("{}\n", numbers.address()),
        _ => format!("{}\n", numbers.digits(14)),
    }
    .into_bytes()
}

/// A device with the sources of a bit set, two interfaces and a machine-id.
fn device(sources: usize, numbers: &mut Numbers) -> Files {
    let mut device = files(&[
        ("sys/block/mmcblk0/device/type", "MMC\n"),
        ("sys/class/net/eth0/addr_assign_type", "0\n"),
        ("sys/class/net/eth0/device/uevent", "DRIVER=stmmac\n"),
        ("sys/class/net/wlan0/device/uevent", "DRIVER=mwifiex\n"),
    ]);
    for (bit, path) in BOARD_SOURCES.iter().enumerate() {
        if sources >> bit & 1 == 1 {
            device.insert((*path).to_owned(), source(path, numbers));
        }
    }
    device.insert(ETH0.to_owned(), source(ETH0, numbers));
    device.insert("sys/class/net/wlan0/address".to_owned(), source(ETH0, numbers));
    device.insert("etc/machine-id".to_owned(), numbers.digits(32).into_bytes());
    device
}

/// The files behind what `identity` says it rests on.
fn used(identity: &Identity) -> Vec<String> {
    let path = |source: &String| source.split(' ').next().unwrap()[1..].to_owned();
    identity.sources.iter().map(path).collect()
}

#[test]
fn devices_that_differ_in_any_source_that_is_used_differ_and_in_no_other() {
    let mut numbers = Numbers(fastrand::Rng::with_seed(17));
    for sources in 0..1 << BOARD_SOURCES.len() {
        let device = device(sources, &mut numbers);
        let identity = of(&device, &Overrides::default());
        assert_eq!(identity.basis, Basis::Board, "{sources:b}");
        // With fewer than two board sources the two interfaces count too.
        let count = sources.count_ones() as usize;
        let expected = if count < 2 { count + 2 } else { count };
        assert_eq!(identity.sources.len(), expected, "{sources:b}: {identity:?}");
        let used = used(&identity);
        for path in device.keys().filter(|path| !path.contains("type") && !path.contains("uevent"))
        {
            let mut other = device.clone();
            let kind = if path.ends_with("address") { ETH0 } else { path };
            other.insert(path.clone(), source(kind, &mut numbers));
            let is_same = of(&other, &Overrides::default()).id == identity.id;
            assert_eq!(is_same, !used.contains(path), "{sources:b} {path}");
        }
    }
}

#[test]
fn a_device_keeps_its_identity_whatever_it_loses_that_is_not_used() {
    let mut numbers = Numbers(fastrand::Rng::with_seed(18));
    for sources in 0..1 << BOARD_SOURCES.len() {
        let device = device(sources, &mut numbers);
        let identity = of(&device, &Overrides::default());
        // After the state is lost, and in any order of the directories.
        assert_eq!(of(&device, &Overrides::default()), identity);
        let mut poorer = device.clone();
        poorer.remove("etc/machine-id");
        if sources.count_ones() >= 2 {
            poorer.retain(|path, _| !path.starts_with("sys/class/net"));
        }
        assert_eq!(of(&poorer, &Overrides::default()).id, identity.id, "{sources:b}");
    }
}

#[test]
fn the_order_of_reading_does_not_matter_and_each_value_counts_once() {
    let source = |kind: &'static str, value: &str| Source {
        kind,
        origin: String::new(),
        value: Zeroizing::new(value.as_bytes().to_vec()),
    };
    let all = [("a", "1x"), ("b", "2x"), ("c", "3x"), ("c", "4x")];
    let forward = combined(all.map(|(kind, value)| source(kind, value)).into());
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..100 {
        let mut shuffled = all.to_vec();
        random.shuffle(&mut shuffled);
        shuffled.push(("d", "2x"));
        shuffled.push(("b", "2x"));
        let sources = shuffled.into_iter().map(|(kind, value)| source(kind, value)).collect();
        assert_eq!(combined(sources), forward);
    }
    // Neither the kind of a value nor where it ends can be mistaken.
    let pairs = [("a", "1x"), ("b", "1x"), ("a", "1x2x"), ("a1", "x")];
    let ids: BTreeSet<_> =
        pairs.map(|(kind, value)| combined(vec![source(kind, value)])).into_iter().collect();
    assert_eq!(ids.len(), pairs.len());
}

#[test]
fn a_vendors_shared_value_makes_no_two_devices_one() {
    let mut numbers = Numbers(fastrand::Rng::with_seed(19));
    for shared in BOARD_SOURCES {
        let value = source(shared, &mut numbers);
        let mut ids = BTreeSet::new();
        for _ in 0..20 {
            let mut device = device(0, &mut numbers);
            device.insert(shared.to_owned(), value.clone());
            assert!(ids.insert(of(&device, &Overrides::default()).id), "{shared}");
        }
    }
    // One value in two places is one source.
    let twice = |address| {
        let device: &[(&str, &str)] = &[
            (SERIAL, "5a5b71c2d3e4\0"),
            (SOC, "5a5b71c2d3e4\n"),
            (ETH0, address),
            ("sys/class/net/eth0/device/uevent", ""),
        ];
        alone(device).id
    };
    assert_ne!(twice("d4:81:d7:11:22:31"), twice("d4:81:d7:11:22:32"));
    let alone = alone(&[(SERIAL, "5a5b71c2d3e4\0"), (SOC, "5a5b71c2d3e4\n")]);
    assert_eq!((alone.sources.len(), alone.values), (2, 1));
    assert!(alone.weakness().unwrap().contains("one source alone"));
}

#[test]
fn a_placeholder_is_no_source_and_the_others_count() {
    let machine_id = ("etc/machine-id", "0123456789abcdef0123456789abcde7\n");
    for junk in ["c3d9b8674f4b94f6", "\u{1}\u{1}\u{1}\u{1}", "0123456789ABCDEF", "N/A", "none"] {
        for path in [SERIAL, SOC, UUID, BOARD, CID] {
            let identity =
                alone(&[(path, junk), ("sys/block/mmcblk0/device/type", "MMC"), machine_id]);
            assert_eq!(identity.basis, Basis::MachineId, "{path} {junk}");
            let identity = alone(&[(path, junk), (SERIAL, "10000000a3b5c7d9\0")]);
            let sources = if path == SERIAL { 0 } else { 1 };
            assert!(identity.sources.len() >= sources, "{path} {junk}");
        }
    }
    let mut erased = files(&[machine_id]);
    erased.insert(SERIAL.to_owned(), vec![0xff; 16]);
    assert_eq!(of(&erased, &Overrides::default()).basis, Basis::MachineId);
}

#[test]
fn only_an_interface_of_the_board_with_its_factory_address_counts() {
    const ADDRESS: &str = "d4:81:d7:11:22:31\n";
    let counts = |entries: &[(&str, &str)]| {
        let mut device = files(&[(ETH0, ADDRESS)]);
        for (name, text) in entries {
            let path = format!("sys/class/net/eth0/{name}");
            device.insert(path, text.as_bytes().to_vec());
        }
        of(&device, &Overrides::default()).basis == Basis::Board
    };
    const DEVICE: (&str, &str) = ("device/uevent", "DRIVER=r8169\nMODALIAS=pci:v000010EC\n");
    assert!(counts(&[DEVICE]));
    assert!(counts(&[DEVICE, ("addr_assign_type", "0\n")]));
    assert!(!counts(&[]), "a virtual interface");
    for other in ["1\n", "2\n", "3\n", "", "x"] {
        assert!(!counts(&[DEVICE, ("addr_assign_type", other)]), "{other}");
    }
    assert!(!counts(&[("device/uevent", "DEVTYPE=usb_interface\nDRIVER=r8152\n")]));
    assert!(!counts(&[("device/uevent", "MODALIAS=usb:v0BDAp8153\n")]));
    assert!(!counts(&[DEVICE, ("device/modalias", "usb:v0BDAp8153\n")]));
    for (link, target, on_board) in [
        ("device", "../../../devices/platform/soc/fe300000.ethernet", true),
        ("device", "../../../devices/platform/fd500000.usb@1/pci", true),
        ("device", "../../../devices/platform/usb1/1-1/1-1:1.0", false),
        ("device", "../../../devices/pci0000:00/usb12/12-1", false),
        ("device/subsystem", "../../../../bus/usb", false),
        ("device/subsystem", "../../../../bus/platform", true),
    ] {
        let tree = plant(&files(&[(ETH0, ADDRESS)]));
        let link = tree.path().join("sys/class/net/eth0").join(link);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(target, link).unwrap();
        let identity = identity(tree.path(), &Overrides::default()).unwrap();
        assert_eq!(identity.basis == Basis::Board, on_board, "{target}");
    }
    let zero = alone(&[(ETH0, "00:00:00:00:00:00\n"), ("sys/class/net/eth0/device/uevent", "")]);
    assert_eq!(zero.basis, Basis::Random);
}

#[test]
fn only_a_built_in_emmc_counts() {
    const DIGITS: &str = "150100424a544434520a6b1c9f2b7a00\n";
    for (kind, basis) in [("MMC\n", Basis::Board), ("SD\n", Basis::Random), ("", Basis::Random)] {
        let identity = alone(&[(CID, DIGITS), ("sys/block/mmcblk0/device/type", kind)]);
        assert_eq!(identity.basis, basis, "{kind}");
    }
    assert_eq!(alone(&[(CID, DIGITS)]).basis, Basis::Random);
    let other = "sys/block/sda/device/cid";
    let disk = alone(&[(other, DIGITS), ("sys/block/sda/device/type", "MMC")]);
    assert_eq!(disk.basis, Basis::Random);
}

#[test]
fn the_machine_id_counts_only_if_the_board_says_nothing_and_is_hashed() {
    // As `systemd-id128 machine-id -a d3e8caa980ae9fdd083b1fcc2c48c039` prints it.
    let identity = alone(&[("etc/machine-id", "0123456789abcdef0123456789abcde0\n")]);
    assert_eq!(identity.id, sha256(b"1c98aca1dc3e46cfa9618b06bb48688b"));
    assert_eq!(identity.origin(), "/etc/machine-id (application-specific hash)");
    assert!(identity.weakness().unwrap().contains("in the image"));
    let machine_id = ("etc/machine-id", "0123456789abcdef0123456789abcde0\n");
    let identity = alone(&[machine_id, (SERIAL, "10000000a3b5c7d9\0")]);
    assert_eq!(identity.basis, Basis::Board);
    assert!(identity.weakness().unwrap().contains("one source alone"));
    for bad in ["", "uninitialized\n", "00000000000000000000000000000000", "0123456789abcdef0123"] {
        assert_eq!(alone(&[("etc/machine-id", bad)]).basis, Basis::Random, "{bad}");
    }
    let (first, second) = (alone(&[]), alone(&[]));
    assert_ne!(first.id, second.id);
    assert!(first.weakness().is_some());
}

#[test]
fn a_configured_identity_stands_alone() {
    let mut numbers = Numbers(fastrand::Rng::with_seed(20));
    for sources in [0, 0b11, 0b11_1111] {
        let mut device = device(sources, &mut numbers);
        device.insert("factory/serial".into(), b" F-778\n\0".to_vec());
        let mut overrides =
            Overrides { identity: Some(Secret::new(" A1B2C3\0".into())), ..Overrides::default() };
        let identity = of(&device, &overrides);
        assert_eq!((identity.id.as_str(), identity.weakness()), (&*sha256(b"A1B2C3"), None));
        assert_eq!(identity.origin(), "tokend.toml identity");
        overrides.identity = None;
        overrides.identity_file = Some("/factory/serial".into());
        let identity = of(&device, &overrides);
        assert_eq!(identity.id, sha256(b"F-778"));
        assert_eq!(identity.origin(), "identity_file /factory/serial");
    }
}

#[test]
fn a_configured_placeholder_or_a_file_that_cannot_be_read_is_an_error_and_no_other_source_is_used()
{
    let mut numbers = Numbers(fastrand::Rng::with_seed(21));
    let device = device(0b11_1111, &mut numbers);
    for junk in ["0000", "0123456789ABCDEF", "To be filled by O.E.M.", "SN-1234567890", "unknown"] {
        let overrides =
            Overrides { identity: Some(Secret::new(junk.into())), ..Overrides::default() };
        let tree = plant(&device);
        let error = identity(tree.path(), &overrides).unwrap_err().to_string();
        assert!(error.starts_with("[device] identity: found a placeholder"), "{error}");
        assert!(!error.contains(junk), "{error}");
        assert!(check_configured(tree.path(), &overrides).is_err());

        fs::create_dir(tree.path().join("factory")).unwrap();
        fs::write(tree.path().join("factory/sn"), junk).unwrap();
        let overrides =
            Overrides { identity_file: Some("/factory/sn".into()), ..Overrides::default() };
        let error = identity(tree.path(), &overrides).unwrap_err().to_string();
        assert!(error.starts_with("[device] identity_file /factory/sn: found"), "{error}");
    }
    let tree = plant(&device);
    let long = tree.path().join("long");
    fs::write(&long, vec![b'x'; LONGEST_FILE]).unwrap();
    fs::write(tree.path().join("empty"), " \n\0").unwrap();
    symlink("loop", tree.path().join("loop")).unwrap();
    for (path, reason) in [
        ("/none", "No such file"),
        ("/long", "64 KiB"),
        ("/empty", "it holds nothing"),
        ("/sys", "not a regular file"),
        ("/loop", "symbolic links"),
    ] {
        let overrides = Overrides { identity_file: Some(path.into()), ..Overrides::default() };
        let error = identity(tree.path(), &overrides).unwrap_err();
        assert!(error.to_string().contains(path), "{error}");
        let source = error.source().unwrap().to_string();
        assert!(source.contains(reason), "{path}: {source}");
    }
}

#[test]
fn below_a_copied_tree_the_file_of_this_machine_is_never_read() {
    let outside = tempfile::tempdir().unwrap();
    let file = outside.path().join("serial");
    fs::write(&file, "F-778").unwrap();
    let overrides = Overrides { identity_file: Some(file.clone()), ..Overrides::default() };
    assert!(identity(Path::new("/"), &overrides).is_ok());
    let tree = plant(&files(&[]));
    symlink(&file, tree.path().join("serial")).unwrap();
    for path in [file, "/serial".into()] {
        let overrides = Overrides { identity_file: Some(path), ..Overrides::default() };
        assert!(identity(tree.path(), &overrides).is_err());
    }
}

#[test]
fn only_what_the_user_may_read_counts() {
    let device = [(SERIAL, "10000000a3b5c7d9\0"), (UUID, "4c4c4544-0042-4a10-8036-b7c04f4b3233\n")];
    let tree = plant(&files(&device));
    fs::set_permissions(tree.path().join(UUID), fs::Permissions::from_mode(0o400)).unwrap();
    let of = |uid| {
        identity_for(tree.path(), &Overrides::default(), Some(Reader::of(uid))).unwrap().sources
    };
    assert_eq!(of(0).len(), 2);
    assert_eq!(of(64_999), ["/sys/firmware/devicetree/base/serial-number"]);
}
