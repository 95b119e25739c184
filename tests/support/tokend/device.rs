// SPDX-License-Identifier: MIT OR Apache-2.0
//! A device's directories and files, and how the daemon is started on it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::super::authority::Authority;
use super::super::child::Start;
use super::super::lines::Lines;
use super::super::{Failure, bus::Bus, scratch};
use super::notify::Notifications;
use super::{Program, Ran, Tokend, text};

/// Bytes of PEM, as Debian's ca-certificates has them.
const BUNDLE: usize = 220_000;

/// A device: configuration, state and device tree in directories of its own. Dropped: gone.
pub struct Device {
    dir: TempDir,
    root: PathBuf,
    program: Program,
    bus: String,
    /// Section to key to value, as TOML writes them; the section "" is the top of the file.
    settings: BTreeMap<String, BTreeMap<String, String>>,
    environment: BTreeMap<String, OsString>,
    /// Everything that any run has printed.
    output: Lines,
}

impl Device {
    /// A device whose daemon uses this server and this bus, with the seal `generated` and no
    /// application.
    ///
    /// # Errors
    /// The temporary files cannot be made.
    pub fn new(authority: &Authority, bus: &Bus, program: Program) -> Result<Self, Failure> {
        let dir = scratch("tokend-device-");
        let dir = dir.map_err(|error| Failure::new("cannot make a temporary directory", error))?;
        let mut device = Self {
            root: dir.path().join("root"),
            dir,
            program,
            bus: bus.address().to_owned(),
            settings: BTreeMap::new(),
            environment: BTreeMap::new(),
            output: Lines::default(),
        };
        for private in [device.config().join("applications.d"), device.state(), device.root()] {
            make_private_dir(&private)?;
        }
        device.settings.insert(String::new(), BTreeMap::new());
        device.set("server", "url", &quote(&authority.origin()));
        if authority.origin().starts_with("https:") {
            device.set("server", "ca_file", &quote(text(&authority.ca_file())));
        }
        device.set("storage", "seal", "\"generated\"");
        device.set("log", "target", "\"stderr\"");
        device.set("log", "level", "\"debug\"");
        device.write_settings(&device.settings_text())?;
        Ok(device)
    }

    /// [`Device::new`] with the binary that cargo built for the tests.
    pub fn of_this_build(authority: &Authority, bus: &Bus) -> Self {
        Self::new(authority, bus, Program::of_this_build()).unwrap()
    }

    /// From now on this is the daemon, as after an update.
    pub fn set_program(&mut self, program: Program) {
        self.program = program;
    }

    /// From now on every run goes through this, as `strace -o LOG`; empty: nothing any more.
    pub fn set_runner(&mut self, runner: Vec<OsString>) {
        self.program.runner = runner;
    }

    /// From now on every run starts so.
    pub fn set_start(&mut self, start: Start) {
        self.program.start = start;
    }

    /// `--config`.
    pub fn config(&self) -> PathBuf {
        self.dir.path().join("config")
    }

    /// `--state`.
    pub fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// `--root`: an empty device tree, until the test fills it.
    pub fn root(&self) -> PathBuf {
        self.root.clone()
    }

    /// Takes another device tree, as `/` for this machine's own.
    pub fn set_root(&mut self, root: impl Into<PathBuf>) {
        self.root = root.into();
    }

    /// Sets one key of `tokend.toml` (`value` as TOML writes it; the section "" is the top) and
    /// writes the file. A running daemon learns of it by a reload.
    pub fn set(&mut self, section: &str, key: &str, value: &str) {
        let section = self.settings.entry(section.to_owned()).or_default();
        section.insert(key.to_owned(), value.to_owned());
        self.write_settings(&self.settings_text()).unwrap();
    }

    /// Makes the bundle of root certificates as large as a system's: each request reads it.
    ///
    /// # Errors
    /// The authority's certificate cannot be read.
    pub fn trust_many(&mut self, authority: &Authority) -> Result<(), Failure> {
        let pem = fs::read_to_string(authority.ca_file());
        let pem = pem.map_err(|error| Failure::new("no certificate of the server", error))?;
        self.write_config("bundle.pem", &pem.repeat(BUNDLE.div_ceil(pem.len())));
        self.set("server", "ca_file", &quote(text(&self.config().join("bundle.pem"))));
        Ok(())
    }

    /// Takes one key of `tokend.toml` out and writes the file.
    pub fn unset(&mut self, section: &str, key: &str) {
        self.settings.get_mut(section).and_then(|section| section.remove(key));
        self.write_settings(&self.settings_text()).unwrap();
    }

    /// Writes this `tokend.toml`, whatever was set before.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write_settings(&self, text: &str) -> Result<(), Failure> {
        write(self.dir.path(), &self.config().join("tokend.toml"), text)
    }

    fn settings_text(&self) -> String {
        let mut text = String::new();
        for (section, keys) in &self.settings {
            if !section.is_empty() {
                text.push_str(&format!("[{section}]\n"));
            }
            keys.iter().for_each(|(key, value)| text.push_str(&format!("{key} = {value}\n")));
        }
        text
    }

    /// Writes an application's two files; again, to change them.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn add(&self, application: &Application) -> Result<(), Failure> {
        let id = &application.id;
        let dir = self.config().join("applications.d");
        write(self.dir.path(), &dir.join(format!("{id}.jwt")), &application.statement)?;
        write(self.dir.path(), &dir.join(format!("{id}.toml")), &application.text())
    }

    /// Removes an application's two files.
    pub fn remove(&self, id: &str) {
        let dir = self.config().join("applications.d");
        fs::remove_file(dir.join(format!("{id}.toml"))).unwrap();
        fs::remove_file(dir.join(format!("{id}.jwt"))).unwrap();
    }

    /// Writes a file below the configuration directory, 0600.
    pub fn write_config(&self, name: &str, text: &str) {
        write(self.dir.path(), &self.config().join(name), text).unwrap();
    }

    /// Writes a file of the device tree, as `/etc/os-release`.
    pub fn write_root(&self, path: &str, content: &str) {
        let file = self.root().join(path.trim_start_matches('/'));
        make_private_dir(file.parent().expect("a file has a directory")).unwrap();
        write(self.dir.path(), &file, content).unwrap();
    }

    /// Sets a variable of the daemon's environment, which is else nearly empty.
    pub fn set_environment(&mut self, name: &str, value: impl Into<OsString>) {
        self.environment.insert(name.to_owned(), value.into());
    }

    /// Starts the daemon and waits until it has said `READY=1`. Panics where it does not.
    pub fn start(&self) -> Tokend {
        let mut tokend = self.spawn().unwrap();
        tokend.wait_notified("READY=1").unwrap();
        tokend
    }

    /// Starts the daemon and waits for nothing.
    ///
    /// # Errors
    /// It cannot be started at all.
    pub fn spawn(&self) -> Result<Tokend, Failure> {
        let notifications = Notifications::listen(self.dir.path())?;
        let mut command = self.program.command();
        command.arg("run").args(self.options()).args(["--bus", &self.bus]);
        command.env("NOTIFY_SOCKET", &notifications.path).envs(&self.environment);
        Tokend::spawn(command, &self.output, notifications)
    }

    /// Runs another command to its end, as `["status", "--json"]`. What options it needs, the
    /// caller gives; [`Device::options`] has the usual ones.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.program.command();
        command.args(arguments).envs(&self.environment);
        let output = command.output().unwrap_or_else(|error| panic!("cannot run tokend: {error}"));
        let decode = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ran {
            code: output.status.code(),
            stdout: decode(&output.stdout),
            stderr: decode(&output.stderr),
        }
    }

    /// `--config … --state … --root …` of this device, for [`Device::run`].
    pub fn options(&self) -> [String; 6] {
        let option = |name: &str, path: &Path| [name.to_owned(), text(path).to_owned()];
        let [a, b] = option("--config", &self.config());
        let [c, d] = option("--state", &self.state());
        let [e, f] = option("--root", &self.root());
        [a, b, c, d, e, f]
    }

    /// The daemon's binary.
    pub fn tokend(&self) -> &Path {
        &self.program.tokend
    }

    /// The address of the bus, for `--bus`.
    pub fn bus(&self) -> &str {
        &self.bus
    }

    /// Everything that any run of the daemon has printed, and will print.
    pub fn lines(&self) -> Lines {
        self.output.clone()
    }

    /// Everything that any run of the daemon has printed so far.
    pub fn all_output(&self) -> String {
        self.output.text(0)
    }
}

/// A player application, as its file names it.
#[derive(Clone, Debug)]
pub struct Application {
    pub id: String,
    /// The software statement; `statement::issue` makes one.
    pub statement: String,
    /// Lines of its file besides the statement's, as TOML writes them.
    pub keys: BTreeMap<String, String>,
}

impl Application {
    /// One that the user who runs the tests may use.
    pub fn new(id: &str, statement: &str) -> Self {
        let uid = rustix::process::geteuid().as_raw();
        let application =
            Self { id: id.to_owned(), statement: statement.to_owned(), keys: BTreeMap::new() };
        application.with("allow_users", &format!("[{uid}]"))
    }

    /// The same with this key, whose value is written as TOML writes it.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.keys.insert(key.to_owned(), value.to_owned());
        self
    }

    /// The same without this key.
    #[must_use]
    pub fn without(mut self, key: &str) -> Self {
        self.keys.remove(key);
        self
    }

    fn text(&self) -> String {
        let mut text = format!("software_statement_file = \"{}.jwt\"\n", self.id);
        self.keys.iter().for_each(|(key, value)| text.push_str(&format!("{key} = {value}\n")));
        text
    }
}

fn make_private_dir(dir: &Path) -> Result<(), Failure> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|error| Failure::new(format_args!("cannot make {}", dir.display()), error))
}

/// Replaces a file at once, so that a daemon which watches it never sees half of one. The new one
/// is 0600: that is how temporary files are made. It is made in `beside`, on the same disk.
fn write(beside: &Path, file: &Path, text: &str) -> Result<(), Failure> {
    let failure = |error| Failure::new(format_args!("cannot write {}", file.display()), error);
    let mut fresh = tempfile::NamedTempFile::new_in(beside).map_err(failure)?;
    fresh.write_all(text.as_bytes()).map_err(failure)?;
    fresh.persist(file).map_err(|error| failure(error.error))?;
    Ok(())
}

/// A TOML string.
fn quote(text: &str) -> String {
    format!("{text:?}")
}
