// SPDX-License-Identifier: MIT OR Apache-2.0
//! `docs/sequences`: each picture is what `draw` makes of its source.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::child;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/sequences")
}

fn files(directory: &Path, extension: &str) -> BTreeMap<OsString, String> {
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let wanted = paths.filter(|path| path.extension().is_some_and(|found| found == extension));
    wanted
        .map(|path| (path.file_stem().unwrap().to_owned(), fs::read_to_string(path).unwrap()))
        .collect()
}

#[test]
fn every_picture_is_what_its_source_gives() {
    let python = child::find("python3", "python3").unwrap();
    let drawn = tempfile::tempdir().unwrap();
    let output =
        Command::new(python).arg(directory().join("draw")).arg(drawn.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (here, anew) = (files(&directory(), "svg"), files(drawn.path(), "svg"));
    assert!(here.keys().eq(files(&directory(), "seq").keys()), "a picture for each source");
    for (name, picture) in &anew {
        let fresh = here.get(name) == Some(picture);
        assert!(fresh, "{}.svg is stale: run docs/sequences/draw", name.display());
    }
}
