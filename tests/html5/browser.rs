// SPDX-License-Identifier: MIT OR Apache-2.0
//! A browser engine with the bridge.

use std::env;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use super::show::Engine;
use super::support::child::{self, Child};
use super::support::lines::Lines;

/// Longer than any engine takes to start and to load a page, on a machine that is slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// A user of each Debian who is not root and owns no files (`daemon`).
pub(crate) const USER: u32 = 1;

/// A running browser. Dropped: killed with all its processes.
pub(crate) struct Browser {
    child: Child,
    pub(crate) output: Lines,
    /// The display, if the engine needs one.
    _display: Option<Child>,
}

/// Builds the bridge for this engine, with a configuration at this path.
pub(crate) fn build_bridge(engine: Engine, out: &Path, configuration: &Path) {
    let mut make = child::command(child::find("make", "build-essential").unwrap());
    make.arg("-C").arg(source("examples/players/html5"));
    let name = if engine == Engine::Wpe { "wpe" } else { "gtk" };
    make.arg(format!("ENGINE={name}")).arg(format!("OUT={}", out.display()));
    make.arg(format!("CONFIGURATION={}", configuration.display()));
    run(make, "libwpewebkit-1.1-dev, libwebkit2gtk-4.1-dev, pkgconf");
}

impl Browser {
    /// Loads `url`. `dir` has the bridge and the user's directories.
    pub(crate) fn start(
        engine: Engine,
        dir: &Path,
        configuration: &Path,
        bus: &str,
        url: &str,
    ) -> Self {
        let bridge = dir.join("bridge");
        let (home, output) = (home(engine, dir), Lines::default());
        let mut command = match engine {
            Engine::Wpe => {
                let mut cog = child::command(child::find("cog", "cog").unwrap());
                cog.args(["-P", "headless", "--ignore-tls-errors"]);
                cog.arg(format!("--web-extensions-dir={}", bridge.display()));
                cog.arg("--enable-write-console-messages-to-stdout=1");
                cog.arg("--javascript-can-open-windows-automatically=1");
                cog.args(["--enable-developer-extras=1", url]);
                cog
            }
            Engine::Gtk | Engine::GtkSandboxed => {
                let socket = bus.trim_start_matches("unix:path=").split(',').next().unwrap();
                let mut host = child::command(&*HOST);
                host.arg(bridge).arg(home.join("data")).arg(socket).arg(configuration);
                host.arg(if engine == Engine::Gtk { "open" } else { "sandbox" }).arg(url);
                host
            }
        };
        let display = (engine != Engine::Wpe).then(|| display(&mut command, dir));
        if engine == Engine::GtkSandboxed {
            child::becomes(&mut command, USER, &[]);
        }
        for proxy in ["http_proxy", "https_proxy", "all_proxy"] {
            command.env_remove(proxy).env_remove(proxy.to_uppercase());
        }
        // cargo sets it, for programs of Rust; the sandbox would look there.
        command.env_remove("LD_LIBRARY_PATH");
        command.env("DBUS_SYSTEM_BUS_ADDRESS", bus).env_remove("DBUS_SESSION_BUS_ADDRESS");
        command
            .env("HOME", &home)
            .env("XDG_RUNTIME_DIR", home.join("run"))
            .env("NO_AT_BRIDGE", "1");
        for name in ["XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
            command.env_remove(name);
        }
        output.collect(child::capture(&mut command).unwrap(), || {});
        let child = Child::spawn(command).unwrap();
        Self { child, output, _display: display }
    }

    pub(crate) fn end(mut self) -> String {
        self.child.kill();
        assert!(self.output.wait_for_end(PATIENCE), "a process of the browser is left");
        self.output.text(0)
    }
}

/// Where a user of the browser is at home.
pub(crate) fn home(engine: Engine, dir: &Path) -> PathBuf {
    let home = dir.join("home");
    for dir in [home.clone(), home.join("run")] {
        fs::create_dir_all(&dir).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
        if engine == Engine::GtkSandboxed {
            chown(&dir, Some(USER), Some(USER)).unwrap();
        }
    }
    home
}

/// A display of its own, on a number that Xvfb finds and that is open to every user of the test.
fn display(command: &mut Command, dir: &Path) -> Child {
    let mut xvfb = child::command(child::find("Xvfb", "xvfb").unwrap());
    xvfb.args(["-displayfd", "1", "-screen", "0", "640x360x24", "-nolisten", "tcp", "-ac"]);
    xvfb.env("HOME", dir);
    let output = Lines::default();
    output.collect(child::capture(&mut xvfb).unwrap(), || {});
    let child = Child::spawn(xvfb).unwrap();
    let is_number = |line: &str| !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit());
    let number = output.wait_for(0, PATIENCE, is_number);
    let number = number.unwrap_or_else(|| panic!("Xvfb does not start:\n{}", output.text(0)));
    command.env("DISPLAY", format!(":{number}"));
    child
}

/// The host for WebKitGTK, built once.
static HOST: LazyLock<PathBuf> = LazyLock::new(|| {
    let host = Path::new(env!("CARGO_TARGET_TMPDIR")).join("html5-host");
    let mut shell = child::command("sh");
    let line =
        "cc -std=c11 -Wall -Wextra -o \"$1\" \"$0\" $(pkg-config --cflags --libs webkit2gtk-4.1)";
    shell.args(["-c", line]).arg(source("tests/html5/host.c")).arg(&host);
    run(shell, "libwebkit2gtk-4.1-dev, pkgconf");
    host
});

fn run(mut command: Command, packages: &str) {
    let built = child::output(&mut command).unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&built.stdout), text(&built.stderr));
    assert!(built.status.success(), "{out}{err}\nit needs the packages {packages}");
}

/// A file of the checkout.
pub(crate) fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
