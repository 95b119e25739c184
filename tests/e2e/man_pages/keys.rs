// SPDX-License-Identifier: MIT OR Apache-2.0
//! `tokend.toml(5)`: its keys, types and legal values are those that `tokend check` names.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::man_pages::{entries, read, tokend};
use crate::support::manual::part;

/// What `check` says of a configuration: of its settings, or of its one application.
fn faults(settings: &str, application: &str) -> String {
    let dir = crate::support::scratch("tokend-test-").unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    };
    fs::create_dir(dir.path().join("applications.d")).unwrap();
    for directory in [dir.path(), &dir.path().join("applications.d")] {
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
    }
    write("tokend.toml", settings);
    write("applications.d/cinema.toml", application);
    let directory = dir.path().to_str().unwrap();
    let state = dir.path().join("state");
    let state = state.to_str().unwrap();
    let output = tokend(&["check", "--config", directory, "--state", state, "--root", directory]);
    String::from_utf8(output.stdout).unwrap()
}

/// The legal values that a fault of this key names.
fn legal<'a>(said: &'a str, key: &str) -> &'a str {
    let line = said.lines().find(|line| {
        line.contains(&format!(" {key}: found")) || line.contains(&format!(" {key}: unknown key"))
    });
    let line = line.unwrap_or_else(|| panic!("nothing is said of {key}: {said}"));
    line.rsplit_once("legal: ").unwrap().1.trim_end_matches('.')
}

const GOOD: &str = "storage.seal = \"generated\"\n";

/// Each part of the page and the table that it describes; `None` for an application's file.
fn tables() -> Vec<(String, Option<String>)> {
    let said = faults(&format!("nonsense = 1\n{GOOD}"), "");
    let top: Vec<_> = legal(&said, "nonsense").split(", ").map(str::to_owned).collect();
    let (mut keys, mut tables) = (Vec::new(), Vec::new());
    for name in top {
        let said = faults(
            &format!("{name} = 1979-05-27\n{}", if name == "storage" { "" } else { GOOD }),
            "",
        );
        if legal(&said, &name) == "a table" { tables.push(name) } else { keys.push(name) }
    }
    assert_eq!(keys, ["reload_users"]);
    let mut parts = vec![(".Ss Top level".to_owned(), Some(String::new()))];
    parts.extend(tables.into_iter().map(|table| (format!(".Ss [{table}]\\&"), Some(table))));
    parts.push((".Ss applications.d/ID.toml".to_owned(), None));
    parts
}

/// What is said of one line in a table.
fn said_of(table: Option<&str>, line: &str) -> String {
    match table {
        None => faults(GOOD, &format!("{line}\n")),
        Some("") => faults(&format!("{line}\n{GOOD}"), ""),
        Some("storage") => {
            let seal = match line.split('_').next() {
                Some("key") => "seal = \"key-file\"\n",
                Some("pkcs11") => "seal = \"pkcs11\"\n",
                _ => "",
            };
            faults(&format!("[storage]\n{seal}{line}\n"), "")
        }
        Some(table) => faults(&format!("{GOOD}[{table}]\n{line}\n"), ""),
    }
}

fn full(table: Option<&str>, key: &str) -> String {
    match table {
        None | Some("") => key.to_owned(),
        Some(table) => format!("{table}.{key}"),
    }
}

#[test]
fn the_page_has_every_key_of_every_table_with_its_type_and_default_and_no_other() {
    let page = read("docs/man/tokend.toml.5");
    let tables = tables();
    let headings: BTreeSet<_> = page.lines().filter(|line| line.starts_with(".Ss ")).collect();
    assert_eq!(headings, tables.iter().map(|(heading, _)| heading.as_str()).collect());
    for (heading, table) in &tables {
        let table = table.as_deref();
        let said = said_of(table, "nonsense = 1");
        let program = legal(&said, &full(table, "nonsense")).split(", ").map(str::to_owned);
        let mut program: BTreeSet<_> = program.collect();
        if table == Some("") {
            program.retain(|key| key == "reload_users");
        }
        let described = entries(part(&page, heading), "Cm");
        let keys: BTreeSet<_> = described.iter().map(|(key, _)| key.clone()).collect();
        assert_eq!(keys, program, "{heading}");
        assert_eq!(keys.len(), described.len(), "{heading}: a key twice");
        for (key, text) in described {
            let said = said_of(table, &format!("{key} = 1979-05-27"));
            let kind = match legal(&said, &full(table, &key)) {
                "a string" | "a string or an array of strings" => "String",
                "an integer" => "Integer",
                "a number" => "Number",
                "true or false" => "Boolean",
                array if array.starts_with("an array") => "Array",
                other => panic!("{key}: {other}"),
            };
            assert!(text.starts_with(kind), "{key} is a {kind}: {text}");
            assert!(text.contains("Default:") || text.contains("Required"), "{key}: {text}");
        }
    }
}

/// The words that an entry begins with, up to the end of the sentence.
fn listed(text: &str) -> BTreeSet<String> {
    let words = text.split_whitespace().skip(1).take_while(|word| !matches!(*word, "." | ";"));
    let words =
        words.filter(|word| *word != ".Li").map(|word| if word == "or" { "," } else { word });
    words.collect::<Vec<_>>().join(" ").split(" , ").map(str::to_owned).collect()
}

#[test]
fn the_page_has_every_word_and_limit_that_the_program_names_as_legal() {
    let page = read("docs/man/tokend.toml.5");
    let mut lists = 0;
    for (heading, table) in tables() {
        let table = table.as_deref();
        for (key, text) in entries(part(&page, &heading), "Cm") {
            let wrong = if text.starts_with("Integer") || text.starts_with("Number") {
                "0"
            } else if text.starts_with("String") {
                "\"\\u0001\""
            } else {
                continue;
            };
            let said = said_of(table, &format!("{key} = {wrong}"));
            let legal = legal(&said, &full(table, &key));
            let words = legal.split(", ").map(|word| word.trim_start_matches("one of "));
            let words: BTreeSet<_> = words.map(|word| word.trim_matches('"').to_owned()).collect();
            if words.len() > 2 && !legal.contains("character") {
                assert_eq!(listed(&text), words, "{key}");
                lists += 1;
                continue;
            }
            let numbers = legal.split(|c: char| !c.is_ascii_digit());
            for number in numbers.filter(|number| number.len() > 1) {
                let general = part(&page, ".Ss [device]\\&").split("\n.Bl").next().unwrap();
                let known =
                    text.contains(number) || (table == Some("device") && general.contains(number));
                assert!(known, "{key}: no {number}: {legal}");
            }
        }
    }
    assert!(lists >= 9, "{lists}");
}
