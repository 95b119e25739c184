// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the players' README tells to do, and its doing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

/// Where the README's commands are run: the root of the checkout.
pub(crate) fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// The command that runs this player, once it is built.
pub(crate) fn run_line(player: &'static str) -> String {
    // One build for each player, and players side by side.
    type Builds = BTreeMap<&'static str, Arc<OnceLock<String>>>;
    static BUILDS: LazyLock<Mutex<Builds>> = LazyLock::new(Mutex::default);
    let build = {
        let mut builds = BUILDS.lock().unwrap_or_else(PoisonError::into_inner);
        builds.entry(player).or_default().clone()
    };
    build.get_or_init(|| build_as_told(player)).clone()
}

fn build_as_told(player: &str) -> String {
    let readme = fs::read_to_string(checkout().join("examples/players/README.md")).unwrap();
    let section = readme.split(&format!("\n### {player}\n")).nth(1).expect("a section for it");
    let section = section.split("\n#").next().unwrap();
    let block = section.split("```").nth(1).expect("a block of commands");
    let mut lines: Vec<&str> = block.lines().skip(1).collect();
    let run = lines.pop().expect("the command that runs it");
    let packages = section.lines().find(|line| line.starts_with("Debian:")).unwrap_or_default();
    for line in lines {
        let built = shell(line).output().expect("sh runs");
        let (out, err) =
            (String::from_utf8_lossy(&built.stdout), String::from_utf8_lossy(&built.stderr));
        assert!(built.status.success(), "{line}\n{out}{err}\n{player} needs: {packages}");
    }
    let program = run.split(' ').next().unwrap();
    let found = shell(&format!("command -v {program}")).output().expect("sh runs");
    assert!(found.status.success(), "{program} is missing; {player} needs: {packages}");
    run.to_owned()
}

/// A command line in the root of the checkout.
fn shell(line: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(checkout()).stdin(Stdio::null());
    // The README's `target/` is the checkout's own. And what cargo tells a test, cargo takes for a
    // reason to build ring anew.
    let told = |name: &str| name.starts_with("CARGO_MANIFEST_") || name == "CARGO_TARGET_DIR";
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(told)) {
        command.env_remove(name);
    }
    command
}
