// SPDX-License-Identifier: MIT OR Apache-2.0
//! Owners and modes of what tokend is, reads and writes.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::bounded;
use super::installed::Installed;
use super::redact::Redactor;
use super::step::{Level, Step};
use crate::config;
use crate::daemon::Options;

pub(super) fn step(
    options: &Options,
    redactor: &Redactor,
    installed: Installed,
    limit: Duration,
) -> Step {
    let mut step = Step::begin("files");
    let Installed { files: found, user, program, .. } = installed;
    let mut files = vec![("program", program)];
    files.extend(found);
    let mut directories: Vec<PathBuf> = Vec::new();
    for file in &redactor.files {
        let directory = file.parent().unwrap_or(Path::new("/")).to_owned();
        if !directories.contains(&directory) {
            directories.push(directory);
        }
    }
    files.extend(directories.into_iter().map(|path| ("configuration", path)));
    files.extend(redactor.files.iter().map(|path| ("configuration", path.clone())));
    files.push(("state", options.state.clone()));

    let looked = bounded::run(limit, move || {
        let uid = config::user_id(&user);
        let look = |(what, path): (&'static str, PathBuf)| {
            let metadata = path.metadata();
            (what, path, metadata)
        };
        (user, uid, files.into_iter().map(look).collect::<Vec<_>>())
    });
    let Some((user, uid, looked)) = looked else { return step.late(limit) };
    for (what, path, metadata) in looked {
        let path = path.display();
        let metadata = match metadata {
            Ok(metadata) => metadata,
            Err(error) => {
                let absent = error.kind() == std::io::ErrorKind::NotFound && what == "state";
                let level = if absent { Level::Info } else { Level::Warning };
                step.line(level, format!("{what} {path}: {error}"));
                continue;
            }
        };
        let (mode, owner, group) = (metadata.mode() & 0o7777, metadata.uid(), metadata.gid());
        let line = format!("{what} {path}: {mode:04o}, uid {owner}, gid {group}");
        match remark(what, &metadata, &user, uid) {
            Some(remark) => step.line(Level::Warning, format!("{line}: {remark}")),
            None => step.line(Level::Ok, line),
        }
    }
    step.end()
}

/// What is wrong with a file, as far as owner and mode tell.
fn remark(what: &str, metadata: &Metadata, user: &str, uid: Option<u32>) -> Option<String> {
    remark_on(what, (metadata.mode(), metadata.uid(), metadata.gid()), user, uid)
}

fn remark_on(
    what: &str,
    (mode, owner, group): (u32, u32, u32),
    user: &str,
    uid: Option<u32>,
) -> Option<String> {
    let of_user = uid == Some(owner);
    if what == "state" {
        return match () {
            () if uid.is_some() && !of_user && owner != 0 => {
                Some(format!("it does not belong to {user}, who runs tokend"))
            }
            () if mode & 0o077 != 0 => Some("others than its owner can enter it: 0700".into()),
            () => None,
        };
    }
    if mode & 0o022 != 0 {
        return Some("others than its owner can write it".into());
    }
    if owner != 0 && !(of_user && what == "configuration") {
        return Some(format!("it belongs to uid {owner}: expected root"));
    }
    let readable = of_user && mode & 0o400 != 0 || group != 0 && mode & 0o040 != 0;
    if what == "program" && uid != Some(0) && (readable || mode & 0o004 != 0) {
        return Some(format!(
            "{user} can read it, so another process of that user can open tokend's memory as it \
             starts: chown root:root, chmod 0711"
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_can_write_or_the_units_user_can_read_is_remarked_on() {
        let remark = |what, owner_and_mode| remark_on(what, owner_and_mode, "tokend", Some(990));
        for good in [
            ("program", (0o711, 0, 0)),
            ("program", (0o750, 0, 0)),
            ("unit", (0o644, 0, 0)),
            ("configuration", (0o644, 0, 0)),
            ("configuration", (0o640, 990, 990)),
            ("state", (0o700, 990, 990)),
        ] {
            assert_eq!(remark(good.0, good.1), None, "{good:?}");
        }
        for (what, file, words) in [
            ("program", (0o755, 0, 0), "chmod 0711"),
            ("program", (0o750, 0, 990), "chmod 0711"),
            ("program", (0o711, 990, 0), "expected root"),
            ("unit", (0o666, 0, 0), "can write it"),
            ("bus policy", (0o644, 1000, 0), "expected root"),
            ("configuration", (0o644, 1000, 0), "expected root"),
            ("state", (0o755, 990, 990), "0700"),
            ("state", (0o700, 991, 990), "does not belong to tokend"),
        ] {
            let said = remark(what, file).unwrap_or_default();
            assert!(said.contains(words), "{what} {file:?}: {said}");
        }
        // Root opens whatever it likes.
        assert_eq!(remark_on("program", (0o755, 0, 0), "root", Some(0)), None);
    }
}
