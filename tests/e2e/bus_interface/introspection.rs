// SPDX-License-Identifier: MIT OR Apache-2.0
//! The interface files are the contract: they say what introspection says.

use std::collections::BTreeMap;
use std::fs;

use roxmltree::{Document, Node, ParsingOptions};

use crate::bus_rig::*;

fn parse(xml: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(xml.trim_start(), options).unwrap()
}

/// Everything that a caller relies on, by member: arguments with names, types and directions;
/// properties with type, access and annotations.
fn members(document: &Document<'_>, interface: &str) -> BTreeMap<String, Vec<String>> {
    let named = |node: &Node<'_, '_>| {
        node.has_tag_name("interface") && node.attribute("name") == Some(interface)
    };
    let interface = document.descendants().find(named).expect("the interface is there");
    let line = |node: Node<'_, '_>| {
        let mut attributes: Vec<_> =
            node.attributes().map(|a| format!("{}={}", a.name(), a.value())).collect();
        attributes.sort();
        format!("{} {}", node.tag_name().name(), attributes.join(" "))
    };
    // Hints for Qt's code generator: no part of what goes over the bus.
    let hint = |node: &Node<'_, '_>| {
        let name = node.attribute("name").unwrap_or_default();
        node.has_tag_name("annotation") && name.starts_with("org.qtproject.")
    };
    let member = |node: Node<'_, '_>| {
        let parts = node.children().filter(|part| part.is_element() && !hint(part));
        let parts = parts.map(line).collect();
        (line(node), parts)
    };
    interface.children().filter(Node::is_element).map(member).collect()
}

fn introspect(client: &Client, path: &str) -> String {
    client.call(path, "org.freedesktop.DBus.Introspectable", "Introspect", &()).unwrap()
}

#[test]
fn the_interface_files_say_what_introspection_says() {
    let rig = Rig::start();
    let client = rig.client();
    for (path, interface) in [(CINEMA, APPLICATION1), (MANAGER, MANAGER1)] {
        let file = format!("{}/systemd/{interface}.xml", env!("CARGO_MANIFEST_DIR"));
        let file = fs::read_to_string(file).unwrap();
        let live = introspect(&client, path);
        let expected = members(&parse(&file), interface);
        assert!(!expected.is_empty());
        assert_eq!(members(&parse(&live), interface), expected);
    }
}

#[test]
fn the_manager_object_has_an_object_manager_and_leads_to_the_applications() {
    let rig = Rig::start();
    let live = introspect(&rig.client(), MANAGER);
    let document = parse(&live);
    let members = members(&document, "org.freedesktop.DBus.ObjectManager");
    let names: Vec<_> = members.keys().map(String::as_str).collect();
    let expected = [
        "method name=GetManagedObjects",
        "signal name=InterfacesAdded",
        "signal name=InterfacesRemoved",
    ];
    assert_eq!(names, expected);
    let nodes: Vec<_> = document
        .descendants()
        .filter(|node| node.has_tag_name("node"))
        .filter_map(|node| node.attribute("name"))
        .collect();
    assert_eq!(nodes, ["application", "cinema"]);
}

#[test]
fn every_member_in_the_files_has_its_documentation() {
    for interface in [APPLICATION1, MANAGER1] {
        let file = format!("{}/systemd/{interface}.xml", env!("CARGO_MANIFEST_DIR"));
        let file = fs::read_to_string(file).unwrap();
        let document = parse(&file);
        let element = document.descendants().find(|n| n.has_tag_name("interface")).unwrap();
        for member in element.children().filter(Node::is_element) {
            let name = member.attribute("name").unwrap();
            let before = member.prev_siblings().skip(1).find(|node| !node.is_text()).unwrap();
            let comment = before.text().unwrap_or_default().trim();
            assert!(before.is_comment() && comment.starts_with(&format!("{name}:")), "{name}");
        }
    }
}
