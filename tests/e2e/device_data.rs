// SPDX-License-Identifier: MIT OR Apache-2.0
//! What tokend says of five kinds of device: every field with its origin, the header as a server
//! decodes it, and the identity.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokend::device::{self, DeviceInfo, Field, Overrides, Value};
use tokend::secret::Secret;

fn tree(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trees").join(name)
}

fn collected(name: &str) -> DeviceInfo {
    device::collect(&tree(name), &Overrides::default())
}

/// One line for each field: key, value, origin.
fn listed(info: &DeviceInfo) -> Vec<String> {
    let line = |(field, found): (&Field, &device::Found)| {
        let value = serde_json::to_string(&found.value).unwrap();
        format!("{} = {value} <- {}", field.key(), found.origin)
    };
    info.0.iter().map(line).collect()
}

/// The JSON text in an `X-Device-Info` header.
fn decoded(header: &str) -> String {
    String::from_utf8(STANDARD.decode(header).unwrap()).unwrap()
}

fn identity(name: &str) -> (String, String) {
    let identity = device::identity(&tree(name), &Overrides::default()).unwrap();
    (identity.id, identity.origin)
}

#[test]
fn an_rdk_box_tells_what_its_properties_and_its_image_say() {
    let info = collected("rdk");
    assert_eq!(
        listed(&info),
        [
            r#"primaryHardwareType = "SetTopBox" <- /etc/device.properties DEVICE_TYPE"#,
            r#"model = "SCXI55BEI" <- /etc/device.properties MODEL_NUM"#,
            r#"version = "SCXI55BEI_VBN_24Q2_sprint_20240611010203sdy" <- /version.txt imagename"#,
            r#"manufacturer = "Sercomm" <- /etc/device.properties MFG_NAME"#,
            r#"osName = "Linux" <- /etc/device.properties"#,
            r#"osFamily = "Linux" <- /etc/device.properties"#,
            r#"osVersion = "17.3" <- /version.txt SDK_VERSION"#,
            r#"displayWidth = 3840 <- /sys/class/drm/card0-HDMI-A-1/modes"#,
            r#"displayHeight = 2160 <- /sys/class/drm/card0-HDMI-A-1/modes"#,
            r#"displayPpi = 81 <- /sys/class/drm/card0-HDMI-A-1/edid"#,
            r#"diagonalScreenSize = 54.6 <- /sys/class/drm/card0-HDMI-A-1/edid"#,
            r#"connectionIp = "10.0.0.57" <- /proc/net/fib_trie eth0"#,
            r#"connectionType = "LAN" <- /sys/class/net/eth0"#,
        ]
    );
    assert_eq!(
        decoded(&info.header(Some("REF30"))),
        r#"{"primaryHardwareType":"SetTopBox","model":"SCXI55BEI","version":"SCXI55BEI_VBN_24Q2_sprint_20240611010203sdy","manufacturer":"Sercomm","osName":"Linux","osFamily":"Linux","osVersion":"17.3","displayWidth":3840,"displayHeight":2160,"displayPpi":81,"diagonalScreenSize":54.6,"connectionIp":"10.0.0.57","connectionType":"LAN","applicationId":"REF30"}"#
    );
    assert_eq!(info.warnings(), [""; 0]);
    let (id, origin) = identity("rdk");
    assert_eq!(origin, "/sys/firmware/devicetree/base/serial-number");
    assert_eq!(id, "f8fb43ddede8ae4413f4c9520cfaae4717c1a07e7b5957a9ad5c5613fab64e5e");
}

#[test]
fn a_webos_tv_tells_what_nyx_says() {
    let info = collected("webos");
    assert_eq!(
        listed(&info),
        [
            r#"model = "OLED55CXPUA" <- /var/run/nyx/device_info.json product_id"#,
            r#"version = "HE_DTV_W20O_AFADABAA" <- /var/run/nyx/device_info.json hardware_revision"#,
            r#"manufacturer = "lge" <- /sys/firmware/devicetree/base/compatible"#,
            r#"osName = "webOS" <- /var/run/nyx/device_info.json"#,
            r#"osFamily = "webOS" <- /var/run/nyx/device_info.json"#,
            r#"osVendor = "LG" <- /var/run/nyx/device_info.json"#,
            r#"osVersion = "5.5.0" <- /var/run/nyx/os_info.json webos_release"#,
            r#"connectionIp = "192.168.178.44" <- /proc/net/fib_trie wlan0"#,
            r#"connectionType = "WiFi" <- /sys/class/net/wlan0"#,
        ]
    );
    assert_eq!(
        decoded(&info.header(None)),
        r#"{"model":"OLED55CXPUA","version":"HE_DTV_W20O_AFADABAA","manufacturer":"lge","osName":"webOS","osFamily":"webOS","osVendor":"LG","osVersion":"5.5.0","connectionIp":"192.168.178.44","connectionType":"WiFi"}"#
    );
    assert_eq!(info.warnings(), [""; 0]);
    let (id, origin) = identity("webos");
    assert_eq!(origin, "/var/run/nyx/device_info.json serial_number");
    assert_eq!(id, "af0c8c68e7c5e196d278170639c6a922ffa809508c3b22c917cd6416556897de");
}

#[test]
fn a_device_tree_board_tells_its_model_its_display_and_its_wi_fi() {
    let info = collected("raspberry-pi");
    assert_eq!(
        listed(&info),
        [
            r#"model = "Raspberry Pi 4 Model B Rev 1.4" <- /sys/firmware/devicetree/base/model"#,
            r#"version = "Unknown" <- unknown"#,
            r#"manufacturer = "raspberrypi" <- /sys/firmware/devicetree/base/compatible"#,
            r#"osName = "Linux" <- uname"#,
            r#"osFamily = "Linux" <- uname"#,
            r#"osVersion = "12" <- /etc/os-release VERSION_ID"#,
            r#"displayWidth = 1920 <- /sys/class/drm/card1-HDMI-A-2/modes"#,
            r#"displayHeight = 1080 <- /sys/class/drm/card1-HDMI-A-2/modes"#,
            r#"displayPpi = 52 <- /sys/class/drm/card1-HDMI-A-2/edid"#,
            r#"diagonalScreenSize = 42.5 <- /sys/class/drm/card1-HDMI-A-2/edid"#,
            r#"connectionIp = "192.168.1.23" <- /proc/net/fib_trie wlan0"#,
            r#"connectionType = "WiFi" <- /sys/class/net/wlan0"#,
        ]
    );
    assert_eq!(
        decoded(&info.header(None)),
        r#"{"model":"Raspberry Pi 4 Model B Rev 1.4","version":"Unknown","manufacturer":"raspberrypi","osName":"Linux","osFamily":"Linux","osVersion":"12","displayWidth":1920,"displayHeight":1080,"displayPpi":52,"diagonalScreenSize":42.5,"connectionIp":"192.168.1.23","connectionType":"WiFi"}"#
    );
    let unknown = "version: no source gives it; sent as \"Unknown\", unless [device] sets it";
    assert_eq!(info.warnings(), [unknown]);
    let (id, origin) = identity("raspberry-pi");
    assert_eq!(origin, "/sys/firmware/devicetree/base/serial-number");
    assert_eq!(id, "632643a3d67062e8cd81a04b87f09ed3b4bfbdff8443812eb78956df6f828017");
}

#[test]
fn a_pc_tells_what_its_firmware_says_and_takes_the_route_that_the_kernel_takes() {
    let info = collected("pc");
    assert_eq!(
        listed(&info),
        [
            r#"primaryHardwareType = "Desktop" <- /sys/class/dmi/id/chassis_type"#,
            r#"model = "NUC11PAHi5" <- /sys/class/dmi/id/product_name"#,
            r#"version = "M15513-308" <- /sys/class/dmi/id/product_version"#,
            r#"manufacturer = "Intel(R) Client Systems" <- /sys/class/dmi/id/sys_vendor"#,
            r#"osName = "Linux" <- uname"#,
            r#"osFamily = "Linux" <- uname"#,
            r#"osVersion = "13" <- /etc/os-release VERSION_ID"#,
            r#"displayWidth = 2560 <- /sys/class/drm/card0-DP-1/modes"#,
            r#"displayHeight = 1440 <- /sys/class/drm/card0-DP-1/modes"#,
            r#"displayPpi = 109 <- /sys/class/drm/card0-DP-1/edid"#,
            r#"diagonalScreenSize = 27.0 <- /sys/class/drm/card0-DP-1/edid"#,
            r#"connectionIp = "192.168.10.5" <- /proc/net/fib_trie enp3s0"#,
            r#"connectionType = "LAN" <- /sys/class/net/enp3s0"#,
        ]
    );
    assert_eq!(
        decoded(&info.header(None)),
        r#"{"primaryHardwareType":"Desktop","model":"NUC11PAHi5","version":"M15513-308","manufacturer":"Intel(R) Client Systems","osName":"Linux","osFamily":"Linux","osVersion":"13","displayWidth":2560,"displayHeight":1440,"displayPpi":109,"diagonalScreenSize":27.0,"connectionIp":"192.168.10.5","connectionType":"LAN"}"#
    );
    assert_eq!(info.warnings(), [""; 0]);
    let (id, origin) = identity("pc");
    assert_eq!(origin, "/sys/class/dmi/id/product_uuid");
    assert_eq!(id, "aadb78678debc870a1a97a78afdafd485e679f55816ab74fd7d8bfdd5b4b1e4b");
}

#[test]
fn a_bare_container_tells_what_is_required_and_invents_nothing() {
    let info = collected("container");
    assert_eq!(
        listed(&info),
        [
            r#"model = "Unknown" <- unknown"#,
            r#"version = "Unknown" <- unknown"#,
            r#"osName = "Linux" <- uname"#,
            r#"osFamily = "Linux" <- uname"#,
            r#"osVersion = "6.1.0-28-arm64" <- /proc/sys/kernel/osrelease"#,
            r#"connectionType = "notConnected" <- unknown"#,
        ]
    );
    assert_eq!(
        decoded(&info.header(None)),
        r#"{"model":"Unknown","version":"Unknown","osName":"Linux","osFamily":"Linux","osVersion":"6.1.0-28-arm64","connectionType":"notConnected"}"#
    );
    assert_eq!(
        info.warnings(),
        [
            "model: no source gives it; sent as \"Unknown\", unless [device] sets it",
            "version: no source gives it; sent as \"Unknown\", unless [device] sets it",
            "connectionType: no default route; sent as \"notConnected\"",
        ]
    );
    let ((first, origin), (second, _)) = (identity("container"), identity("container"));
    assert_eq!((origin.as_str(), first.len()), ("random", 64));
    assert_ne!(first, second);
}

#[test]
fn the_configuration_stands_before_every_source() {
    let fields = Field::ALL.map(|field| {
        let value = match field {
            Field::ConnectionIp => "203.0.113.1".into(),
            Field::ConnectionPort => "443".into(),
            _ => match field.kind() {
                device::Kind::Text => field.legal().map_or("set", |legal| legal[0]).into(),
                device::Kind::Number => Value::Number(7),
                device::Kind::Decimal => Value::Decimal(7.5),
                device::Kind::Flag => Value::Flag(true),
            },
        };
        assert_eq!(device::check(field, &value), Ok(()), "{field:?}");
        (field, value)
    });
    let overrides = Overrides {
        fields: fields.clone().into(),
        identity: Some(Secret::new("A1B2C3".into())),
        identity_file: None,
    };
    for name in ["rdk", "webos", "raspberry-pi", "pc", "container"] {
        let info = device::collect(&tree(name), &overrides);
        assert!(info.0.values().all(|found| found.origin == "tokend.toml"), "{name}");
        let values: Vec<_> =
            info.0.into_iter().map(|(field, found)| (field, found.value)).collect();
        assert_eq!(values, fields, "{name}");
        let identity = device::identity(&tree(name), &overrides).unwrap();
        assert_eq!(identity.origin, "tokend.toml identity", "{name}");
    }
}

#[test]
fn a_change_of_network_or_display_is_in_the_next_collection() {
    let copy = crate::support::scratch("tokend-test-").unwrap();
    let write = |path: &str, content: &[u8]| {
        let path = copy.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    let of = |tree_name: &str, path: &str| fs::read(tree(tree_name).join(path)).unwrap();
    let none = Overrides::default();
    write("sys/class/drm/card0-HDMI-A-1/status", b"disconnected\n");
    write("proc/net/route", &of("container", "proc/net/route"));
    let before = device::collect(copy.path(), &none);
    assert_eq!(before.0[&Field::ConnectionType].value, "notConnected".into());
    assert!(!before.0.contains_key(&Field::DisplayWidth));
    assert_eq!(device::network_fingerprint(copy.path()), Vec::<String>::new());

    for file in ["status", "modes", "edid"] {
        let path = format!("sys/class/drm/card0-HDMI-A-1/{file}");
        write(&path, &of("rdk", &path));
    }
    for path in ["proc/net/route", "proc/net/fib_trie"] {
        write(path, &of("rdk", path));
    }
    let after = device::collect(copy.path(), &none);
    assert_eq!(after.0[&Field::ConnectionType].value, "LAN".into());
    assert_eq!(after.0[&Field::DisplayWidth].value, Value::Number(3840));
    let came = ["address 10.0.0.57", "default via 10.0.0.1 dev eth0"].map(str::to_owned);
    assert_eq!(device::network_fingerprint(copy.path()), came);
}

#[test]
fn no_serial_number_is_in_the_data_the_origins_or_the_identity() {
    for (name, secret) in [
        ("rdk", "M12017TD4711"),
        ("webos", "008MAXWD5N42"),
        ("raspberry-pi", "10000000a3b5c7d9"),
        ("pc", "4c4c4544-0042-4a10-8036-b7c04f4b3233"),
    ] {
        let info = collected(name);
        let identity = device::identity(&tree(name), &Overrides::default()).unwrap();
        let shown = format!("{info:?} {identity:?} {}", decoded(&info.header(None)));
        assert!(!shown.contains(secret), "{name}");
    }
}

#[test]
fn the_identifier_header_is_the_fingerprint_in_base64() {
    let (id, _) = identity("pc");
    let header = device::identifier_header(&id);
    let encoded = header.strip_prefix("fingerprint ").unwrap();
    assert_eq!(decoded(encoded), id);
}

/// Every file of a tree, by its path below it.
fn files(directory: &Path, below: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let (path, below) = (entry.path(), below.join(entry.file_name()));
        if path.is_dir() {
            files(&path, &below, found);
        } else {
            found.push((below, fs::read(path).unwrap()));
        }
    }
}

#[test]
fn files_full_of_rubbish_give_legal_values_or_none() {
    let mut random = fastrand::Rng::with_seed(3);
    for name in ["rdk", "webos", "raspberry-pi", "pc"] {
        let mut originals = Vec::new();
        files(&tree(name), Path::new(""), &mut originals);
        let copy = crate::support::scratch("tokend-test-").unwrap();
        for _ in 0..60 {
            for (path, content) in &originals {
                let mut content = content.clone();
                for _ in 0..random.usize(..6) {
                    let at = random.usize(..=content.len());
                    match random.u8(..4) {
                        0 => content.truncate(at),
                        1 => content.insert(at, random.u8(..)),
                        2 => content.splice(at..at, content[..at].to_vec()).for_each(drop),
                        _ => content[at..].iter_mut().take(4).for_each(|b| *b = random.u8(..)),
                    }
                }
                let path = copy.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, content).unwrap();
            }
            let info = device::collect(copy.path(), &Overrides::default());
            for (field, found) in &info.0 {
                assert_eq!(device::check(*field, &found.value), Ok(()), "{field:?} {found:?}");
            }
            let header: serde_json::Value =
                serde_json::from_str(&decoded(&info.header(None))).unwrap();
            assert_eq!(header.as_object().unwrap().len(), info.0.len());
            let identity = device::identity(copy.path(), &Overrides::default()).unwrap();
            assert_eq!(identity.id.len(), 64);
            let _ = device::network_fingerprint(copy.path());
        }
    }
}

#[test]
fn the_running_device_tells_all_that_is_required() {
    let info = device::collect(Path::new("/"), &Overrides::default());
    for field in Field::ALL.into_iter().filter(|field| field.required()) {
        assert!(info.0.contains_key(&field), "{field:?}");
    }
    for (field, found) in &info.0 {
        assert_eq!(device::check(*field, &found.value), Ok(()), "{field:?} {found:?}");
    }
}
