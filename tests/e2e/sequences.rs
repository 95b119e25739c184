// SPDX-License-Identifier: MIT OR Apache-2.0
//! `docs/sequences`: each picture can be read by everyone and is shown somewhere. (That the sources
//! tell the truth is tested beside the lifecycle; that the pictures are drawn from them, in
//! tests/foreign.)

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use roxmltree::Document;

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
fn every_picture_is_good_xml_for_light_and_dark_pages_and_for_those_who_cannot_see_it() {
    for (name, picture) in files(&directory(), "svg") {
        let document = Document::parse(&picture).unwrap();
        let svg = "http://www.w3.org/2000/svg";
        let found = ["title", "desc"].map(|tag| {
            let mut nodes = document.descendants().filter(|n| n.has_tag_name((svg, tag)));
            nodes.next().and_then(|node| node.text()).unwrap_or_default().to_owned()
        });
        assert!(found.iter().all(|text| !text.is_empty()), "{}", name.display());
        assert!(picture.contains("prefers-color-scheme: dark"), "{}", name.display());
    }
}

#[test]
fn every_picture_is_shown_in_the_reference_with_a_text_of_its_own() {
    let reference = directory().join("../dbus.md");
    let reference = fs::read_to_string(reference).unwrap();
    for name in files(&directory(), "svg").keys() {
        let link = format!("](sequences/{}.svg)", name.display());
        let line = reference.lines().find(|line| line.ends_with(&link));
        let line = line.unwrap_or_else(|| panic!("docs/dbus.md does not show {}", name.display()));
        assert!(line.len() > link.len() + 60, "{line}");
    }
}
