// SPDX-License-Identifier: MIT OR Apache-2.0
//! `docs/dbus.md` is the interface: it has each object, member, argument, type, value and error of
//! the interface files and of the program, and no other. (Its lines for the shell are tried in
//! tests/foreign.)

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::bus_rig::{MANAGER, Rig};
use roxmltree::{Document, Node, ParsingOptions};

const OBJECT_MANAGER: &str = "org.freedesktop.DBus.ObjectManager";
/// What zbus answers by itself, and what the bus module makes of `Set`: `tests/bus_interface` has a
/// test of each.
const STANDARD: [&str; 4] =
    ["UnknownInterface", "UnknownMethod", "UnknownProperty", "PropertyReadOnly"];

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn reference() -> String {
    read("docs/dbus.md")
}

/// What stands below a heading, up to the next one of its level or above.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let (level, name) = heading.split_once(' ').unwrap();
    let begin = text.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading:?}"));
    let body = &text[begin + heading.len() + 2..];
    let ends = |line: &str| {
        let of = line.split_once(' ').map_or("", |(marks, _)| marks);
        !of.is_empty() && of.bytes().all(|b| b == b'#') && of.len() <= level.len()
    };
    let end: usize = body.split_inclusive('\n').take_while(|line| !ends(line)).map(str::len).sum();
    assert!(end > 0, "nothing is said of {name}");
    &body[..end]
}

/// The cells of the rows whose first cell is in backticks, without those.
fn rows(section: &str) -> Vec<Vec<&str>> {
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| row.split('|').skip(1).map(|cell| cell.trim().trim_matches('`')).collect())
        .collect()
}

/// The names of the headings of a level.
fn headings<'a>(section: &'a str, mark: &'a str) -> impl Iterator<Item = &'a str> {
    section
        .lines()
        .filter_map(move |line| line.strip_prefix(mark)?.strip_prefix(" `")?.strip_suffix('`'))
}

/// Every member that the document describes, one line each, and each argument.
fn documented(interface: &str) -> BTreeSet<String> {
    let document = reference();
    let about = section(&document, &format!("## `{interface}`"));
    let mut all = BTreeSet::new();
    for member in headings(about, "###") {
        let text = section(about, &format!("### `{member}`"));
        let signal = text.trim_start().starts_with("A signal:");
        all.insert(format!("{} {member}", if signal { "signal" } else { "method" }));
        let arguments = rows(text).into_iter().enumerate();
        all.extend(
            arguments.map(|(n, row)| format!("{member} {n} {} {} {}", row[1], row[0], row[2])),
        );
    }
    if about.contains("\n### Properties\n") {
        for row in rows(section(about, "### Properties")).iter().filter(|row| row.len() == 6) {
            let [name, kind, access, signal] = [row[0], row[1], row[2], row[3]];
            all.insert(format!("property {name} {kind} {access} {signal}"));
        }
    }
    all
}

/// The same of an interface in introspection data. Annotations for code generators say nothing of
/// the bus.
fn described(xml: &str, interface: &str) -> BTreeSet<String> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let document = Document::parse_with_options(xml.trim_start(), options).unwrap();
    let named = |node: &Node<'_, '_>| {
        node.has_tag_name("interface") && node.attribute("name") == Some(interface)
    };
    let element = document.descendants().find(named).expect("the interface is there");
    let mut all = BTreeSet::new();
    for member in element.children().filter(Node::is_element) {
        let kind = member.tag_name().name();
        let name = member.attribute("name").unwrap();
        if kind == "annotation" {
            continue;
        }
        if kind == "property" {
            let signal = "org.freedesktop.DBus.Property.EmitsChangedSignal";
            let mut annotations =
                member.children().filter(|node| node.attribute("name") == Some(signal));
            let signal = annotations.next().and_then(|node| node.attribute("value"));
            let signal = match signal {
                Some("false") => "no",
                other => other.unwrap_or("yes"),
            };
            let attribute = |name| member.attribute(name).unwrap();
            all.insert(format!(
                "property {name} {} {} {signal}",
                attribute("type"),
                attribute("access")
            ));
            continue;
        }
        all.insert(format!("{kind} {name}"));
        let arguments = member.children().filter(|node| node.has_tag_name("arg")).enumerate();
        all.extend(arguments.map(|(n, node)| {
            let attribute = |name| node.attribute(name).unwrap_or("out");
            let [direction, argument, of] = ["direction", "name", "type"].map(attribute);
            format!("{name} {n} {direction} {argument} {of}")
        }));
    }
    all
}

#[test]
fn it_has_every_member_and_argument_of_the_interface_files_and_no_other() {
    for interface in ["tv.tokend.Application1", "tv.tokend.Manager1"] {
        let file = described(&read(&format!("systemd/{interface}.xml")), interface);
        assert!(file.len() > 10 || interface.contains("Manager"), "{file:?}");
        assert_eq!(documented(interface), file, "{interface}");
    }
}

#[test]
fn it_has_the_object_manager_as_the_program_shows_it() {
    let rig = Rig::start();
    let live: String = rig
        .client()
        .call(MANAGER, "org.freedesktop.DBus.Introspectable", "Introspect", &())
        .unwrap();
    assert_eq!(documented(OBJECT_MANAGER), described(&live, OBJECT_MANAGER));
}

#[test]
fn it_has_every_object_with_its_interfaces() {
    let document = reference();
    let objects: Vec<_> = rows(section(&document, "## Objects"))
        .iter()
        .map(|row| [row[0], row[1]].map(str::to_owned))
        .collect();
    let both = format!("tv.tokend.Manager1`, `{OBJECT_MANAGER}");
    let application = "tv.tokend.Application1".to_owned();
    assert_eq!(
        objects,
        [["/tv/tokend".into(), both], ["/tv/tokend/application/ID".into(), application]]
    );
    // Each has a section, and nothing else has.
    let sections: Vec<_> = headings(&document, "##").collect();
    assert_eq!(sections, ["tv.tokend.Application1", "tv.tokend.Manager1", OBJECT_MANAGER]);
}

/// The texts that a function of the program maps its variants to.
fn words(source: &str, of: &str) -> BTreeSet<String> {
    let text = read(source);
    let body = text.split_once(&format!("impl {of} {{")).unwrap().1.split_once("\n}\n").unwrap().0;
    let arms = body.lines().filter(|line| line.contains("Self::") && line.contains("=> \""));
    arms.map(|line| line.split('"').nth(1).unwrap().to_owned()).collect()
}

#[test]
fn it_has_every_error_of_the_program_and_no_other() {
    let document = reference();
    let errors = section(&document, "## Errors");
    let documented: BTreeSet<_> = rows(errors)
        .iter()
        .filter(|row| row.len() == 4 && row[0].contains(".Error."))
        .map(|row| row[0].to_owned())
        .collect();
    let mut program = words("src/lifecycle/view.rs", "ErrorName");
    assert!(program.len() >= 8, "{program:?}");
    program.extend(STANDARD.map(|name| format!("org.freedesktop.DBus.Error.{name}")));
    assert_eq!(documented, program);
    // And what the gate answers besides is among them.
    let gate = read("src/bus/gate.rs");
    let names: Vec<_> = gate.split("standard!(\"").skip(1).collect();
    assert!(names.len() >= 5, "{names:?}");
    for name in names {
        let name: String = name.chars().take_while(char::is_ascii_alphanumeric).collect();
        assert!(documented.contains(&format!("org.freedesktop.DBus.Error.{name}")), "{name}");
    }
}

#[test]
fn the_errors_of_each_method_are_errors_of_the_table() {
    let document = reference();
    let known = rows(section(&document, "## Errors")).into_iter().map(|row| row[0].to_owned());
    let known: BTreeSet<_> =
        known.map(|name| name.rsplit('.').next().unwrap().to_owned()).collect();
    let lines: Vec<_> = document.lines().filter(|line| line.starts_with("Errors: ")).collect();
    assert_eq!(lines.len(), 6, "one for each method");
    for line in lines {
        for name in line.split('`').skip(1).step_by(2).filter(|name| *name != "GetToken") {
            assert!(known.contains(name), "{name}: {line}");
        }
    }
}

#[test]
fn it_has_every_state_and_every_kind_of_seal() {
    let document = reference();
    let application = section(&document, "## `tv.tokend.Application1`");
    let states = rows(section(application, "### Properties"));
    let states: BTreeSet<_> =
        states.iter().filter(|row| row.len() == 4).map(|row| row[0].to_owned()).collect();
    assert_eq!(states, words("src/lifecycle/view.rs", "AppState"));

    let seals = read("src/config/settings.rs");
    let seals = seals.split_once("const SEALS").unwrap().1.split_once("];").unwrap().0;
    let seals: Vec<_> = seals.split('"').skip(1).step_by(2).collect();
    let manager = section(&document, "## `tv.tokend.Manager1`");
    let row = manager.lines().find(|line| line.starts_with("| `Sealing`")).unwrap();
    let documented: Vec<_> = row.split('`').skip(1).step_by(2).skip(2).collect();
    assert_eq!(documented, seals);
}

#[test]
fn its_limits_are_those_of_the_program() {
    // Wherever its lines break.
    let document = reference().split_whitespace().collect::<Vec<_>>().join(" ");
    let waiting = read("src/bus/waiting.rs");
    for (constant, said) in [
        ("const PER_CONNECTION: usize = 64;", "64 calls of this connection"),
        ("const PER_APPLICATION: usize = 256;", "256 for this application"),
        ("SAFETY_NET: Duration = Duration::from_millis(20_500);", "ends after 20.5 s"),
    ] {
        assert!(waiting.contains(constant), "{constant}");
        assert!(document.contains(said), "{said}");
    }
    assert_eq!(tokend::lifecycle::PATIENCE.as_secs(), 20);
    assert!(document.contains("is answered within 20 s"));
    assert_eq!(tokend::lifecycle::view::SERVE_MARGIN.as_secs(), 5);
    assert!(document.contains("not handed out in its last 5 seconds"));
}

#[test]
fn every_link_leads_somewhere() {
    let document = reference();
    let anchors: BTreeSet<String> = document
        .lines()
        .filter_map(|line| {
            line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#'))
        })
        .map(|title| {
            let kept = title.to_lowercase().replace(' ', "-");
            kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
        })
        .collect();
    let links: Vec<_> =
        document.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()).collect();
    assert!(links.len() > 15, "{links:?}");
    for link in links {
        match link.strip_prefix('#') {
            Some(anchor) => assert!(anchors.contains(anchor), "{link}"),
            None => {
                let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(link);
                assert!(file.exists(), "{link}");
            }
        }
    }
}
