// SPDX-License-Identifier: MIT OR Apache-2.0
use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::files::{Place, Role};
use super::*;
use crate::device::{Field, Value};

const GOOD: &str = "[storage]\nseal = \"generated\"\n";
const APPLICATION: &str = "software_statement_file = \"a.jwt\"\n";

/// A vendor's, an administrator's and a run-time directory, and one of credentials.
struct Device(tempfile::TempDir);

impl Device {
    fn new(files: &[(&str, &str)]) -> Self {
        let device = Self(tempfile::tempdir().unwrap());
        for directory in ["usr", "etc", "run", "credentials"] {
            device.make_directory(directory);
        }
        for (name, text) in files {
            device.write(name, text);
        }
        device
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn make_directory(&self, name: &str) {
        fs::create_dir(self.path(name)).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn write(&self, name: &str, text: &str) {
        let parent = Path::new(name).parent().unwrap().to_str().unwrap();
        if !self.path(parent).exists() {
            self.make_directory(parent);
        }
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o644)).unwrap();
    }

    fn load(&self) -> Result<Config, String> {
        let place = |name, role| Place { directory: self.path(name), role };
        let places =
            [place("usr", Role::Whole), place("etc", Role::Whole), place("run", Role::Adds)];
        let credentials = self.path("credentials");
        let root = format!("{}/", self.0.path().display());
        load_from(&places, Some(&credentials))
            .map_err(|faults| faults.to_string().replace(&root, ""))
    }

    fn said(&self, config: &Config) -> Vec<String> {
        let root = format!("{}/", self.0.path().display());
        let faults = config.faults.iter().map(ToString::to_string);
        faults.chain(config.warnings.iter().cloned()).map(|s| s.replace(&root, "")).collect()
    }
}

fn id(text: &str) -> AppId {
    text.parse().unwrap()
}

#[test]
fn what_is_left_out_has_the_defaults_of_the_contract() {
    let device = Device::new(&[("etc/tokend.toml", GOOD)]);
    let settings = device.load().unwrap().settings;
    assert_eq!(
        settings,
        Settings {
            server: Server {
                origin: Origin("https://api.auth.adobe.com".into()),
                same_server_as: vec![],
                ca_file: None,
                timeout: Duration::from_secs(15),
                user_agent: None,
                reregister_after: Duration::from_secs(300),
            },
            seal: Seal::Generated,
            device: Overrides::default(),
            synchronized_files: Vec::new(),
            log: Log { target: Target::Auto, level: log::LevelFilter::Info },
            reload_users: Vec::new(),
        }
    );
}

#[test]
fn every_key_of_the_settings_is_read() {
    let text = r#"
        reload_users = ["root", 990]
        [server]
        url = "HTTPS://sp.auth.example:8443/"
        same_server_as = ["https://API.auth.example/", "https://sp.auth.example:8443",
            "https://api.auth.example", "http://localhost:81"]
        ca_file = "ca.pem"
        timeout_seconds = 300
        user_agent = "Player/1.0 (TV)"
        reregister_after_seconds = 1
        [storage]
        seal = "pkcs11"
        pkcs11_module = "/usr/lib/libckteec.so.0"
        pkcs11_token = "device token"
        pkcs11_key = "tokend"
        pkcs11_pin_file = "pin"
        [device]
        primaryHardwareType = "SetTopBox"
        model = "X1"
        displayWidth = 3_840
        diagonalScreenSize = 55
        connectionSecure = true
        identity = "serial"
        [clock]
        synchronized_file = ["/tmp/clock-event", "/run/synchronized"]
        [log]
        target = "syslog"
        level = "debug"
    "#;
    let device = Device::new(&[("etc/tokend.toml", text)]);
    let settings = device.load().unwrap().settings;
    let fields = [
        (Field::PrimaryHardwareType, Value::Text("SetTopBox".into())),
        (Field::Model, Value::Text("X1".into())),
        (Field::DisplayWidth, Value::Number(3840)),
        (Field::DiagonalScreenSize, Value::Decimal(55.0)),
        (Field::ConnectionSecure, Value::Flag(true)),
    ];
    let name = |text: &str, id| Name { text: text.into(), id: Some(id) };
    assert_eq!(
        settings,
        Settings {
            server: Server {
                origin: Origin("https://sp.auth.example:8443".into()),
                same_server_as: vec![
                    Origin("https://api.auth.example".into()),
                    Origin("http://localhost:81".into()),
                ],
                ca_file: Some(device.path("etc/ca.pem")),
                timeout: Duration::from_secs(300),
                user_agent: Some("Player/1.0 (TV)".into()),
                reregister_after: Duration::from_secs(1),
            },
            seal: Seal::Pkcs11(Pkcs11 {
                module: "/usr/lib/libckteec.so.0".into(),
                token: "device token".into(),
                key: "tokend".into(),
                pin_file: Some(device.path("etc/pin")),
            }),
            device: Overrides {
                fields: fields.into(),
                identity: Some(crate::common::secret::Secret::new("serial".into())),
                identity_file: None,
            },
            synchronized_files: vec!["/tmp/clock-event".into(), "/run/synchronized".into()],
            log: Log { target: Target::Syslog, level: log::LevelFilter::Debug },
            reload_users: vec![name("root", 0), name("990", 990)],
        }
    );
    assert!(!format!("{settings:?}").contains("\"serial\""));
}

#[test]
fn the_file_of_the_right_time_may_be_one_or_a_list_and_each_is_judged() {
    let read = |value: &str| {
        let text =
            format!("[storage]\nseal = \"generated\"\n[clock]\nsynchronized_file = {value}\n");
        Device::new(&[("etc/tokend.toml", &text)]).load()
    };
    assert_eq!(read(r#""/a""#).unwrap().settings.synchronized_files, [Path::new("/a")]);
    assert_eq!(read("[]").unwrap().settings.synchronized_files, [] as [PathBuf; 0]);
    for (value, wanted) in [
        (r#"["/a", "b"]"#, "clock.synchronized_file[1]: found \"b\"; legal: an absolute path"),
        (r#"["/a", 1]"#, "clock.synchronized_file[1]: found an integer; legal: a string"),
        ("1", "clock.synchronized_file: found an integer; legal: a string or an array of strings"),
    ] {
        let said = read(value).unwrap_err();
        assert!(said.contains(wanted), "{said}");
    }
}

#[test]
fn every_key_of_an_application_is_read() {
    let text = r#"
        software_statement_file = "cinema.jwt"
        redirect_uri = "adobepass://com.programmer"
        application_id = "REF30"
        allow_users = ["root", 1001]
        allow_groups = ["root"]
        allow_labels = ["User::App::cinema"]
    "#;
    let device =
        Device::new(&[("etc/tokend.toml", GOOD), ("usr/applications.d/cinema.toml", text)]);
    let config = device.load().unwrap();
    let name = |text: &str, id| Name { text: text.into(), id: Some(id) };
    assert_eq!(device.said(&config), [""; 0]);
    assert_eq!(
        config.applications[&id("cinema")],
        Application {
            id: id("cinema"),
            file: device.path("usr/applications.d/cinema.toml"),
            statement_credential: Some("cinema.jwt".into()),
            statement_file: device.path("usr/applications.d/cinema.jwt"),
            redirect_uri: Some("adobepass://com.programmer".into()),
            application_id: Some("REF30".into()),
            access: Rules {
                users: Some(vec![name("root", 0), name("1001", 1001)]),
                groups: Some(vec![name("root", 0)]),
                labels: Some(vec!["User::App::cinema".into()]),
            },
        }
    );
}

#[test]
fn settings_of_the_administrator_replace_those_of_the_vendor_whole() {
    let device = Device::new(&[
        ("usr/tokend.toml", "[log]\nlevel = \"debug\"\n[storage]\nseal = \"generated\""),
        ("run/tokend.toml", "no TOML"),
    ]);
    assert_eq!(device.load().unwrap().settings.log.level, log::LevelFilter::Debug);
    device.write("etc/tokend.toml", GOOD);
    assert_eq!(device.load().unwrap().settings.log.level, log::LevelFilter::Info);
    device.write("usr/tokend.toml", "no TOML");
    assert!(device.load().is_ok());
}

#[test]
fn faulty_settings_of_the_administrator_do_not_bring_the_vendors_back() {
    let device = Device::new(&[("usr/tokend.toml", GOOD), ("etc/tokend.toml", "")]);
    assert!(device.load().unwrap_err().starts_with("etc/tokend.toml: storage.seal: left out"));
    fs::remove_file(device.path("etc/tokend.toml")).unwrap();
    std::os::unix::fs::symlink("nowhere", device.path("etc/tokend.toml")).unwrap();
    assert!(device.load().unwrap_err().starts_with("etc/tokend.toml: cannot be read"));
}

#[test]
fn settings_are_never_read_from_the_run_time_directory() {
    let device = Device::new(&[("run/tokend.toml", GOOD)]);
    assert_eq!(
        device.load().unwrap_err().split(';').next().unwrap(),
        "etc/tokend.toml: found no such file, nor usr/tokend.toml"
    );
}

#[test]
fn an_application_of_the_administrator_replaces_the_vendors_and_the_run_time_only_adds() {
    let device = Device::new(&[
        ("etc/tokend.toml", GOOD),
        ("usr/applications.d/a.toml", APPLICATION),
        ("usr/applications.d/b.toml", APPLICATION),
        ("etc/applications.d/b.toml", APPLICATION),
        ("run/applications.d/b.toml", APPLICATION),
        ("run/applications.d/c.toml", APPLICATION),
    ]);
    let config = device.load().unwrap();
    let files: Vec<_> = config.applications.values().map(|app| app.file.clone()).collect();
    let wanted =
        ["usr/applications.d/a.toml", "etc/applications.d/b.toml", "run/applications.d/c.toml"];
    assert_eq!(files, wanted.map(|file| device.path(file)));
    assert_eq!(
        device.said(&config),
        ["run/applications.d/b.toml: found an application that etc/applications.d/b.toml \
          configures already, which stays in force; legal: a new name"]
    );
    assert!(config.faulty.is_empty());
}

#[test]
fn a_faulty_replacement_does_not_bring_the_vendors_application_back() {
    let device = Device::new(&[
        ("etc/tokend.toml", GOOD),
        ("usr/applications.d/a.toml", APPLICATION),
        ("etc/applications.d/a.toml", ""),
    ]);
    let config = device.load().unwrap();
    assert!(config.applications.is_empty());
    assert_eq!(config.faulty, [id("a")]);
}

#[test]
fn a_directory_of_applications_that_others_can_write_is_refused() {
    let device =
        Device::new(&[("etc/tokend.toml", GOOD), ("run/applications.d/a.toml", APPLICATION)]);
    let directory = device.path("run/applications.d");
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(device.load().unwrap_err().starts_with("run/applications.d: has mode 0777; legal"));
}

#[test]
fn no_application_at_all_is_a_warning() {
    let device = Device::new(&[("etc/tokend.toml", GOOD)]);
    let config = device.load().unwrap();
    assert_eq!(
        device.said(&config),
        ["no application is configured; where one would be: usr/applications.d/ID.toml, \
          etc/applications.d/ID.toml, run/applications.d/ID.toml"]
    );
}

#[test]
fn names_and_labels_that_match_nobody_are_warnings_with_their_line() {
    let text = "software_statement_file = \"a\"\n\
                allow_users = [\"no-such-name-here\"]\n\
                allow_labels = [\n  \"unconfined\",\n  \"a (complain)\",\n  \"a (enforce)\",\n]";
    let device = Device::new(&[
        ("etc/tokend.toml", &format!("reload_users = [\"no-such-name-here\"]\n{GOOD}")),
        ("etc/applications.d/a.toml", text),
    ]);
    let config = device.load().unwrap();
    let file = "etc/applications.d/a.toml";
    assert_eq!(
        device.said(&config),
        [
            "etc/tokend.toml:1: reload_users[0]: no user \"no-such-name-here\" on this device: \
             matches nobody"
                .to_owned(),
            format!(
                "{file}:2: allow_users[0]: no user \"no-such-name-here\" on this device: \
                 matches nobody"
            ),
            format!(
                "{file}:4: allow_labels[0]: \"unconfined\" is no label of AppArmor's enforce \
                 mode: matches nobody"
            ),
            format!(
                "{file}:5: allow_labels[1]: \"a (complain)\" is no label of AppArmor's enforce \
                 mode: matches nobody"
            ),
        ]
    );
    assert_eq!(config.applications[&id("a")].access.users.as_ref().unwrap()[0].id, None);
}

fn key_file(path: PathBuf, from_credential: bool) -> KeyFile {
    KeyFile { path, from_credential, credential: Some("seal.key".into()) }
}

#[test]
fn a_missing_statement_or_key_is_no_fault_of_the_configuration() {
    let settings = "[storage]\nseal = \"key-file\"\nkey_file = \"seal.key\"\n";
    let device =
        Device::new(&[("etc/tokend.toml", settings), ("etc/applications.d/a.toml", APPLICATION)]);
    let config = device.load().unwrap();
    assert_eq!(device.said(&config), [""; 0]);
    assert_eq!(
        config.applications[&id("a")].statement_file,
        device.path("etc/applications.d/a.jwt")
    );
    let path = device.path("credentials/seal.key");
    assert_eq!(config.settings.seal, Seal::KeyFile(key_file(path, true)));
}

#[test]
fn a_key_or_a_statement_may_be_a_credential() {
    let settings = "[storage]\nseal = \"key-file\"\nkey_file = \"seal.key\"\n";
    let device = Device::new(&[
        ("etc/tokend.toml", settings),
        ("etc/seal.key", "beside"),
        ("etc/applications.d/a.toml", APPLICATION),
        ("credentials/a.jwt", "statement"),
    ]);
    let config = device.load().unwrap();
    assert_eq!(config.applications[&id("a")].statement_file, device.path("credentials/a.jwt"));
    let path = device.path("etc/seal.key");
    assert_eq!(config.settings.seal, Seal::KeyFile(key_file(path, false)));

    device.write("credentials/seal.key", "credential");
    let path = device.path("credentials/seal.key");
    let settings = device.load().unwrap().settings;
    assert_eq!(settings.seal, Seal::KeyFile(key_file(path, true)));
}

#[test]
fn no_file_at_all_makes_it_fail_otherwise() {
    let mut random = fastrand::Rng::with_seed(5);
    let pieces = [
        "[",
        "]",
        "=",
        "\"",
        "'",
        "\n",
        ".",
        ",",
        "{",
        "}",
        "#",
        " ",
        "-",
        "1",
        "0x",
        "nan",
        "é",
        "\\u",
        "seal",
        "storage",
        "server",
        "url",
        "device",
        "displayPpi",
        "\"generated\"",
        "true",
        "\0",
        "reload_users",
        "diagonalScreenSize",
        "\"\"\"",
        "1979-05-27",
        "_",
        "e9",
        "\r",
    ];
    for _ in 0..20_000 {
        let length = random.usize(0..30);
        let text: String = (0..length).map(|_| pieces[random.usize(..pieces.len())]).collect();
        let file = Text { path: "a".into(), bytes: zeroize::Zeroizing::new(text.into()) };
        let settings = read_settings(&file, None, &mut Vec::new());
        let application = read_application(&id("a"), &file, None, &mut Vec::new());
        for Faults(faults) in
            [settings.map(drop), application.map(drop)].into_iter().flat_map(Result::err)
        {
            assert!(!faults.is_empty());
            assert!(faults.iter().all(|fault| fault.message.contains("; legal: ")), "{faults:?}");
        }
    }
}
