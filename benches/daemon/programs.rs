// SPDX-License-Identifier: MIT OR Apache-2.0
//! The programs that are measured: the release, the service of sd-bus and that of zbus.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::support::{Failure, child};

const MANIFEST: &str = env!("CARGO_MANIFEST_DIR");

pub(crate) struct Programs {
    pub(crate) tokend: PathBuf,
    pub(crate) floor: PathBuf,
    pub(crate) bare: PathBuf,
    _dir: TempDir,
}

impl Programs {
    /// Builds what is not given, as a release.
    pub(crate) fn new(tokend: Option<PathBuf>) -> Result<Self, Failure> {
        let dir = tempfile::Builder::new().prefix("tokend-bench-").tempdir();
        let dir = dir.map_err(|error| Failure::new("no temporary directory", error))?;
        let floor = dir.path().join("floor");
        compile("floor.c", &floor, &libsystemd()?)?;
        let release = target().join("release");
        let built = release.join("tokend");
        let bare = release.join("examples/bare");
        cargo(&["--example", "bare"])?;
        let tokend = match tokend {
            Some(given) if is_same(&given, &built) => {
                // With the profile of the benchmarks, a moment ago.
                let built = built.display();
                return Err(Failure(format!(
                    "--tokend {built}: cargo bench has just written that; without the option the \
                     release is built and measured, and a copy of it can be given"
                )));
            }
            Some(given) => given,
            None => {
                cargo(&["--bin", "tokend"])?;
                built
            }
        };
        for program in [&tokend, &bare] {
            if !program.exists() {
                return Err(Failure(format!("{} is not there", program.display())));
            }
        }
        Ok(Self { tokend, floor, bare, _dir: dir })
    }
}

fn is_same(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// Where cargo and cross/build leave what they build.
pub(crate) fn target() -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    Path::new(MANIFEST).join(target.unwrap_or_else(|| "target".into()))
}

fn cargo(what: &[&str]) -> Result<(), Failure> {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(MANIFEST).args(["build", "--quiet", "--release", "--locked"]).args(what);
    run(&mut command, "cargo build")
}

/// A file in C of this directory, by the system's compiler.
pub(crate) fn compile<T: AsRef<OsStr>>(
    source: &str,
    output: &Path,
    flags: &[T],
) -> Result<(), Failure> {
    let source = Path::new(MANIFEST).join("benches/daemon").join(source);
    let mut command = Command::new(child::find("cc", "gcc")?);
    command.args(["-O2", "-Wall", "-Wextra", "-Werror", "-o"]).arg(output).arg(source);
    run(command.args(flags), "cc")
}

/// What a program with sd-bus is compiled with.
fn libsystemd() -> Result<Vec<String>, Failure> {
    let config = child::find("pkg-config", "pkgconf")?;
    let flags = Command::new(config).args(["--cflags", "--libs", "libsystemd"]).output();
    let flags = flags.map_err(|error| Failure::new("pkg-config", error))?;
    if !flags.status.success() {
        return Err(Failure("install the package libsystemd-dev".into()));
    }
    let flags = String::from_utf8_lossy(&flags.stdout);
    Ok(flags.split_whitespace().map(str::to_owned).collect())
}

fn run(command: &mut Command, what: &str) -> Result<(), Failure> {
    let status = command.status().map_err(|error| Failure::new(what, error))?;
    if status.success() { Ok(()) } else { Err(Failure::new(what, status)) }
}
