// SPDX-License-Identifier: MIT OR Apache-2.0
//! What tokend says of many kinds of device: every field with its origin, the header as a server
//! decodes it, and the identity.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokend::bus::BusAddress;
use tokend::cli::device_info;
use tokend::common::secret::Secret;
use tokend::config::Source;
use tokend::daemon::Options;
use tokend::device::{self, DeviceInfo, Field, Overrides, Value};

fn trees() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trees")
}

fn tree(name: &str) -> PathBuf {
    trees().join(name)
}

/// The names of all trees.
fn names() -> Vec<String> {
    let entries = fs::read_dir(trees()).unwrap().map(Result::unwrap);
    let trees = entries.filter(|entry| entry.path().is_dir());
    let mut names: Vec<_> = trees.map(|it| it.file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

fn collected(name: &str) -> DeviceInfo {
    device::collect(&tree(name), &Overrides::default())
}

/// The JSON text in an `X-Device-Info` header.
fn decoded(header: &str) -> String {
    String::from_utf8(STANDARD.decode(header).unwrap()).unwrap()
}

fn identity(name: &str) -> device::Identity {
    device::identity(&tree(name), &Overrides::default()).unwrap()
}

/// A configuration without a `[device]` table.
fn config() -> tempfile::TempDir {
    let config = crate::support::scratch("tokend-test-").unwrap();
    fs::set_permissions(config.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let file = config.path().join("tokend.toml");
    fs::write(&file, "[storage]\nseal = \"generated\"\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    config
}

#[test]
fn each_device_tells_what_the_file_beside_its_tree_expects() {
    let config = config();
    let names = names();
    assert!(names.len() >= 18, "{names:?}");
    for name in names {
        let options = Options {
            config: Source { directory: Some(config.path().to_owned()), credentials: None },
            state: "/nonexistent".into(),
            root: tree(&name),
            bus: BusAddress::default(),
        };
        let expected = fs::read_to_string(trees().join(format!("{name}.expected"))).unwrap();
        let told = device_info::local(&options, false);
        assert!(told == expected, "{name}: expected\n{expected}\nfound\n{told}");
        for (field, found) in &collected(&name).0 {
            assert_eq!(device::check(*field, &found.value), Ok(()), "{name} {field:?}");
        }
    }
}

#[test]
fn the_header_is_the_same_data_as_a_server_decodes_it() {
    assert_eq!(
        decoded(&collected("rdk").header(Some("REF30"))),
        r#"{"primaryHardwareType":"SetTopBox","model":"Streaming Box 4K","version":"SCXI55BEI","manufacturer":"Sercomm","osName":"Linux","osFamily":"Linux","osVersion":"17.3","displayWidth":3840,"displayHeight":2160,"displayPpi":81,"diagonalScreenSize":54.6,"connectionType":"LAN","applicationId":"REF30"}"#
    );
    assert_eq!(
        decoded(&collected("webos").header(None)),
        r#"{"primaryHardwareType":"TV","model":"OLED55CXPUA","version":"HE_DTV_W20O_AFADABAA","manufacturer":"lge","osName":"webOS","osFamily":"webOS","osVendor":"LG","osVersion":"5.5.0","connectionType":"WiFi"}"#
    );
}

#[test]
fn what_no_source_gives_is_warned_of() {
    assert_eq!(collected("rdk").warnings(), [""; 0]);
    assert_eq!(
        collected("container").warnings(),
        [
            "primaryHardwareType: no source gives it, so the server cannot tell a TV from a phone; \
             set it in [device]",
            "model: no source gives it; sent as \"Unknown\", unless [device] sets it",
            "version: no source gives it; sent as \"Unknown\", unless [device] sets it",
            "connectionType: no default route; sent as \"notConnected\"",
        ]
    );
}

#[test]
fn an_identity_stays_what_it_is_in_every_version_of_tokend() {
    // A device whose state is lost must find it again: none of these may ever change.
    for (name, id) in [
        ("rdk", "fecb3b009f164e53cf232ef02a194749da45b747db4670719a038467d4d4b95d"),
        ("pc", "68d3314a5f0b880cf8fe931d723dcdfca37a1e1af3b3a3116db84cb7b51dfb09"),
        ("webos-ose", "afd1659b761c8011e65c80d04bf433dfbd397b6c9de54fb1f8702a3db5ba31b0"),
        ("rockchip", "6126d7362e4f1362fa602e3c31131222fb016961bcaea873aeac9b69c9170b64"),
    ] {
        assert_eq!(identity(name).id, id, "{name}");
    }
    let ids: Vec<_> = names().iter().map(|name| identity(name).id).collect();
    for (at, id) in ids.iter().enumerate() {
        assert!(!ids[..at].contains(id), "two of the devices are one");
    }
    assert_ne!(identity("container").id, identity("container").id);
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
    for name in &names() {
        let info = device::collect(&tree(name), &overrides);
        assert!(info.0.values().all(|found| found.origin == "tokend.toml"), "{name}");
        let values: Vec<_> =
            info.0.into_iter().map(|(field, found)| (field, found.value)).collect();
        assert_eq!(values, fields, "{name}");
        let identity = device::identity(&tree(name), &overrides).unwrap();
        assert_eq!(identity.origin(), "tokend.toml identity", "{name}");
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
fn no_serial_number_address_or_machine_id_is_in_the_data_the_origins_or_the_identity() {
    let is_secret = |path: &Path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        ["serial-number", "serial_number", "product_uuid", "board_serial", "cid", "address"]
            .contains(&name)
            || name == "machine-id"
    };
    let mut secrets = 0;
    for name in names() {
        let info = collected(&name);
        let identity = identity(&name);
        let shown = format!("{info:?} {identity:?} {}", decoded(&info.header(None)));
        let mut all = Vec::new();
        files(&tree(&name), Path::new(""), &mut all);
        for (path, content) in all.into_iter().filter(|(path, _)| is_secret(path)) {
            let secret = String::from_utf8(content).unwrap();
            let secret = secret.trim_matches(['\0', '\n']);
            // "Default string" is none.
            if secret.len() > 14 {
                secrets += 1;
                assert!(!shown.contains(secret), "{name} {path:?}");
            }
        }
    }
    assert!(secrets > 40, "{secrets}");
    for secret in ["008MAXWD5N42", "5a2f8c1e97b3d46000c1d2e3f4a5b6c7d8e9f0a1"] {
        for name in ["webos", "webos-ose"] {
            assert!(!format!("{:?} {:?}", collected(name), identity(name)).contains(secret));
        }
    }
}

#[test]
fn the_identifier_header_is_the_fingerprint_in_base64() {
    let id = identity("pc").id;
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
    for name in ["rdk", "webos", "amlogic", "broadcom", "pc"] {
        let mut originals = Vec::new();
        files(&tree(name), Path::new(""), &mut originals);
        let copy = crate::support::scratch("tokend-test-").unwrap();
        for _ in 0..15 {
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
