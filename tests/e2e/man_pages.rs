// SPDX-License-Identifier: MIT OR Apache-2.0
//! `docs/man`: the manual pages have each command, option, exit code, variable,
//! signal and key of the program, as the program itself tells them, and no other.

mod keys;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::manual::{part, synopsis};

const OPTIONS_WITH_VALUE: [&str; 5] = ["config", "from", "state", "root", "bus"];
const WITH_ID: [&str; 4] = ["status", "token", "headers", "forget"];

fn checkout(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(checkout(path)).unwrap()
}

/// The entries of the lists of a part: the words of each `.It MACRO`, and the text below it.
fn entries(part: &str, macro_name: &str) -> Vec<(String, String)> {
    let mark = format!("{macro_name} ");
    let items = part.split("\n.It ").skip(1);
    items
        .filter_map(|item| {
            let (title, text) = item.split_once('\n').unwrap_or((item, ""));
            Some((title.strip_prefix(&mark)?.to_owned(), text.to_owned()))
        })
        .collect()
}

fn tokend(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tokend")).env_clear().args(arguments).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The commands of the help text.
fn commands() -> BTreeSet<String> {
    let help = String::from_utf8(tokend(&["--help"]).stdout).unwrap();
    let list = help.split_once("Commands:\n").unwrap().1.split_once("\n\n").unwrap().0;
    let lines = list.lines().filter(|line| !line.starts_with("   "));
    lines.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

/// The long options that the program reads.
fn options() -> BTreeSet<String> {
    let source = read("src/cli.rs");
    let parsed = source.split("Arg::Long(\"").skip(1);
    parsed.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

#[test]
fn the_page_has_every_command_and_no_other() {
    let page = read("docs/man/tokend.8");
    let described = entries(part(&page, ".Sh COMMANDS"), "Cm").into_iter();
    let described: BTreeSet<_> =
        described.map(|(title, _)| title.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(described, commands());
    assert_eq!(synopsis().into_keys().collect::<BTreeSet<_>>(), commands());
    // The help text has them all, too.
    let source = read("src/cli.rs");
    let table =
        source.split_once("match name.as_str() {").unwrap().1.split_once("_ => return").unwrap().0;
    let arms = table.lines().filter_map(|line| line.trim().strip_prefix('"')?.split_once("\" =>"));
    assert_eq!(arms.map(|(name, _)| name.to_owned()).collect::<BTreeSet<_>>(), commands());
}

#[test]
fn the_page_has_every_option_and_no_other() {
    let page = read("docs/man/tokend.8");
    let described = entries(part(&page, ".Sh OPTIONS"), "Fl").into_iter();
    let described: BTreeSet<_> = described
        .map(|(title, _)| title.split(' ').next().unwrap().trim_start_matches('-').to_owned())
        .collect();
    assert_eq!(described, options());
    let help = String::from_utf8(tokend(&["--help"]).stdout).unwrap();
    let list = help.split_once("Options:\n").unwrap().1;
    let helped = list.lines().filter_map(|line| line.trim().strip_prefix("--"));
    let helped: BTreeSet<_> =
        helped.map(|rest| rest.split(' ').next().unwrap().to_owned()).collect();
    // `--yes` stands beside its command there.
    assert!(help.contains("forget ID --yes"));
    assert_eq!(helped, options().into_iter().filter(|name| name != "yes").collect());
}

#[test]
fn each_command_takes_the_options_that_its_synopsis_names_and_no_other() {
    let nowhere = crate::support::scratch("tokend-test-").unwrap();
    let missing = nowhere.path().join("missing").to_str().unwrap().to_owned();
    let bus = format!("unix:path={missing}");
    let takes = |command: &str, option: &str| {
        let mut line = vec![command.to_owned()];
        line.extend(WITH_ID.contains(&command).then(|| "cinema".to_owned()));
        let give = |line: &mut Vec<String>, option: &str| {
            line.push(format!("--{option}"));
            if OPTIONS_WITH_VALUE.contains(&option) {
                line.push(if option == "bus" { bus.clone() } else { missing.clone() });
            }
        };
        give(&mut line, option);
        // Nothing that this machine really has is touched.
        let local = ["run", "check", "device-info", "diagnose", "reseal"].contains(&command);
        let on_a_bus = !local || command == "diagnose";
        for (needed, wanted) in
            [("config", local), ("from", command == "reseal"), ("bus", on_a_bus)]
        {
            if wanted && option != needed {
                give(&mut line, needed);
            }
        }
        let said = stderr(&tokend(&line.iter().map(String::as_str).collect::<Vec<_>>()));
        assert!(!said.contains("invalid option"), "{line:?}: {said}");
        !said.contains(&format!("{command} takes no --{option}"))
    };
    let known = options().into_iter().filter(|name| name != "help" && name != "version");
    let known: Vec<_> = known.collect();
    for (command, named) in synopsis() {
        let taken = known.iter().filter(|option| takes(&command, option)).cloned();
        assert_eq!(taken.collect::<BTreeSet<_>>(), named, "{command}");
    }
}

#[test]
fn the_page_has_every_exit_code_and_no_other() {
    let page = read("docs/man/tokend.8");
    let described = entries(part(&page, ".Sh EXIT STATUS"), "Li").into_iter();
    let described: BTreeSet<u8> = described.map(|(title, _)| title.parse().unwrap()).collect();
    // And `ExitCode::FAILURE`, of `diagnose`.
    let mut program = BTreeSet::from([0, 1]);
    let (codes, source) = (read("src/common/exit.rs"), source());
    for constant in codes.split("pub const ").skip(1) {
        let (name, rest) = constant.split_once(": u8 = ").unwrap();
        if source.contains(&format!("exit::{name}")) {
            program.insert(rest.split(';').next().unwrap().parse::<u8>().unwrap());
        }
    }
    assert_eq!(described, program);
}

/// Every file of the program, tests left out.
fn source() -> String {
    fn add(directory: &Path, all: &mut String) {
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                add(&path, all);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                all.push_str(text.split("#[cfg(test)]\nmod").next().unwrap());
            }
        }
    }
    let mut all = String::new();
    add(&checkout("src"), &mut all);
    all
}

#[test]
fn the_page_has_every_variable_and_signal() {
    let page = read("docs/man/tokend.8");
    let listed = |section: &str, macro_name: &str| {
        let titles = entries(part(&page, section), macro_name).into_iter().map(|(title, _)| title);
        titles
            .flat_map(|t| t.split(" , ").map(str::to_owned).collect::<Vec<_>>())
            .collect::<BTreeSet<_>>()
    };
    let variables = listed(".Sh ENVIRONMENT", "Ev");
    let source = source();
    let read: BTreeSet<_> = ["env::var_os(\"", "env::var(\""]
        .iter()
        .flat_map(|mark| source.split(mark).skip(1))
        .map(|rest| rest.split('"').next().unwrap().to_owned())
        .filter(|name| !name.starts_with("TOKEND_")) // The tests' own.
        .collect();
    assert!(read.len() >= 4 && read.is_subset(&variables), "{read:?}, {variables:?}");
    // The others are read by libraries.
    let by_libraries = ["SSL_CERT_DIR", "SSL_CERT_FILE", "WATCHDOG_PID", "WATCHDOG_USEC"];
    let rest: BTreeSet<_> = variables.difference(&read).map(String::as_str).collect();
    assert_eq!(rest, BTreeSet::from(by_libraries));

    let awaited = self::read("src/system/events/signals.rs");
    let awaited = awaited.split_once("SigSet::from_iter([").unwrap().1.split_once(']').unwrap().0;
    let awaited: BTreeSet<_> = awaited
        .split("Signal::")
        .skip(1)
        .map(|s| s.trim_end_matches([',', ' ']).to_owned())
        .collect();
    assert_eq!(listed(".Sh SIGNALS", "Dv"), awaited);
}
