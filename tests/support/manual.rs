// SPDX-License-Identifier: MIT OR Apache-2.0
//! The manual page of the command line, as far as tests go by it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A section of a page, `.Sh NAME`, or a part of one, `.Ss NAME`.
pub fn part<'a>(page: &'a str, heading: &str) -> &'a str {
    let begin = page.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    let body = &page[begin + heading.len() + 2..];
    let ends = if heading.starts_with(".Ss") { &["\n.Sh ", "\n.Ss "][..] } else { &["\n.Sh "] };
    let end = ends.iter().filter_map(|end| body.find(end)).min().unwrap_or(body.len());
    &body[..end]
}

/// The commands of the synopsis, each with the options that it takes.
pub fn synopsis() -> BTreeMap<String, BTreeSet<String>> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/man/tokend.8");
    let page = fs::read_to_string(page).unwrap();
    let mut all = BTreeMap::new();
    for form in part(&page, ".Sh SYNOPSIS").split(".Nm\n").skip(1) {
        let mut lines = form.lines();
        let Some(command) = lines.next().unwrap().strip_prefix(".Cm ") else { continue };
        let options = lines.filter_map(|line| line.split_once("Fl -"));
        let names = options.map(|(_, rest)| rest.split(' ').next().unwrap().to_owned());
        all.insert(command.to_owned(), names.collect());
    }
    all
}
