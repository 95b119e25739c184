// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who ends the children of a test that is killed: a shell that hears of each process group, and of
//! the end of this process by the end of its input.
//!
//! The kernel could do it (`PR_SET_PDEATHSIG`), but each child would then begin as a copy of this
//! process: with four hundred tests in it, those copies took a third of all processor time.

use std::io::{PipeWriter, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

const SCRIPT: &str = r#"
trap '' HUP INT QUIT TERM
groups=' '
while read -r sign group; do
    case $sign in
    +) groups="$groups$group " ;;
    -) groups="${groups%% $group *} ${groups#* $group }" ;;
    esac
done
# Not kill -KILL -- "-$group": dash takes -- for a number there.
for group in $groups; do kill -s KILL -- "-$group"; done
"#;

static INPUT: LazyLock<Mutex<PipeWriter>> = LazyLock::new(|| {
    let (reader, writer) = std::io::pipe().expect("a pipe can be made");
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", SCRIPT]).stdin(reader).stdout(Stdio::null()).stderr(Stdio::null());
    // No Ctrl-C on the terminal reaches it.
    #[allow(clippy::zombie_processes, reason = "it ends by itself, a moment after this process")]
    let _shell = shell.process_group(0).spawn().expect("every system has /bin/sh");
    Mutex::new(writer)
});

/// From now on this process group ends with this process.
pub(super) fn guard(group: u32) {
    tell('+', group);
}

/// This process group has ended.
pub(super) fn release(group: u32) {
    tell('-', group);
}

fn tell(sign: char, group: u32) {
    let mut input = INPUT.lock().unwrap_or_else(PoisonError::into_inner);
    writeln!(input, "{sign} {group}").expect("the guardian lives as long as this process");
}
