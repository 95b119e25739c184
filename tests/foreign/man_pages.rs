// SPDX-License-Identifier: MIT OR Apache-2.0
//! `docs/man`: the manual pages are good mdoc.

use std::path::Path;
use std::process::Command;

use crate::support::child;

#[test]
fn the_pages_are_good_mdoc() {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mandoc = child::find("mandoc", "mandoc").unwrap();
    for page in ["docs/man/tokend.8", "docs/man/tokend.toml.5"] {
        let output =
            Command::new(&mandoc).args(["-T", "lint"]).arg(checkout.join(page)).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        // Whether a page that is referred to is installed here says nothing of ours.
        let found: Vec<_> =
            said.lines().filter(|line| !line.contains("referenced manual not found")).collect();
        assert_eq!(found, [""; 0]);
        let output =
            Command::new(&mandoc).args(["-T", "utf8"]).arg(checkout.join(page)).output().unwrap();
        assert!(output.status.success() && output.stdout.len() > 2000, "{page}");
    }
}
