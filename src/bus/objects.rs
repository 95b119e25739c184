// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tree of objects, and what introspection says of it. The interfaces come from the files in
//! `systemd/`, which are the contract.

use super::wire::Writer;
use super::{APPLICATION_INTERFACE, MANAGER_INTERFACE};

pub(super) const PEER: &str = "org.freedesktop.DBus.Peer";
pub(super) const INTROSPECTABLE: &str = "org.freedesktop.DBus.Introspectable";
pub(super) const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
pub(super) const OBJECT_MANAGER: &str = "org.freedesktop.DBus.ObjectManager";

/// Something with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Object<'p> {
    /// A node above an object, which has this one child.
    Above(&'static str),
    /// The node above all applications.
    Applications,
    Manager,
    Application(&'p str),
}

impl Object<'_> {
    /// Its interfaces.
    pub(super) fn interfaces(self) -> &'static [&'static str] {
        match self {
            Self::Above(_) | Self::Applications => &[INTROSPECTABLE, PEER],
            Self::Manager => &[MANAGER_INTERFACE, PROPERTIES, OBJECT_MANAGER, INTROSPECTABLE, PEER],
            Self::Application(_) => &[APPLICATION_INTERFACE, PROPERTIES, INTROSPECTABLE, PEER],
        }
    }

    /// The answer to `Introspect`, with these applications.
    pub(super) fn introspect<'a>(
        self,
        applications: impl Iterator<Item = &'a str>,
        answer: &mut Writer<'_>,
    ) {
        let mut parts = vec![DOCTYPE, "<node>"];
        for interface in self.interfaces() {
            parts.push(match *interface {
                MANAGER_INTERFACE => MANAGER,
                APPLICATION_INTERFACE => APPLICATION,
                PROPERTIES => PROPERTIES_XML,
                OBJECT_MANAGER => OBJECT_MANAGER_XML,
                INTROSPECTABLE => INTROSPECTABLE_XML,
                _ => PEER_XML,
            });
        }
        let child = |parts: &mut Vec<_>, name| parts.extend(["<node name=\"", name, "\"/>"]);
        let applications = |parts: &mut Vec<_>| {
            applications.for_each(|id| child(parts, id));
        };
        match self {
            Self::Above(name) => child(&mut parts, name),
            Self::Applications => applications(&mut parts),
            Self::Manager => {
                parts.push("<node name=\"application\">");
                applications(&mut parts);
                parts.push("</node>");
            }
            Self::Application(_) => {}
        }
        parts.push("</node>\n");
        answer.strings(&parts);
    }
}

/// The interface out of a file, at compile time: the program has nothing of its comments.
macro_rules! interface {
    ($file:literal) => {{
        const FILE: &[u8] = include_bytes!($file);
        const LENGTH: usize = strip(FILE, &mut [0; FILE.len()]);
        const STRIPPED: [u8; LENGTH] = {
            let mut stripped = [0; LENGTH];
            strip(FILE, &mut stripped);
            stripped
        };
        match str::from_utf8(&STRIPPED) {
            Ok(text) => text,
            Err(_) => panic!("an interface file is UTF-8"),
        }
    }};
}
const DOCTYPE: &str = r#"<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">
"#;
const PEER_XML: &str = concat!(
    r#"<interface name="org.freedesktop.DBus.Peer"><method name="Ping"/>"#,
    r#"<method name="GetMachineId"><arg name="machine_uuid" type="s" direction="out"/></method>"#,
    "</interface>"
);
const INTROSPECTABLE_XML: &str = concat!(
    r#"<interface name="org.freedesktop.DBus.Introspectable"><method name="Introspect">"#,
    r#"<arg name="xml_data" type="s" direction="out"/></method></interface>"#
);
const PROPERTIES_XML: &str = concat!(
    r#"<interface name="org.freedesktop.DBus.Properties"><method name="Get">"#,
    r#"<arg name="interface_name" type="s" direction="in"/>"#,
    r#"<arg name="property_name" type="s" direction="in"/>"#,
    r#"<arg name="value" type="v" direction="out"/></method>"#,
    r#"<method name="GetAll"><arg name="interface_name" type="s" direction="in"/>"#,
    r#"<arg name="props" type="a{sv}" direction="out"/></method>"#,
    r#"<method name="Set"><arg name="interface_name" type="s" direction="in"/>"#,
    r#"<arg name="property_name" type="s" direction="in"/>"#,
    r#"<arg name="value" type="v" direction="in"/></method>"#,
    r#"<signal name="PropertiesChanged"><arg name="interface_name" type="s"/>"#,
    r#"<arg name="changed_properties" type="a{sv}"/>"#,
    r#"<arg name="invalidated_properties" type="as"/></signal></interface>"#
);
const OBJECT_MANAGER_XML: &str = concat!(
    r#"<interface name="org.freedesktop.DBus.ObjectManager"><method name="GetManagedObjects">"#,
    r#"<arg name="objpath_interfaces_and_properties" type="a{oa{sa{sv}}}" direction="out"/>"#,
    r#"</method><signal name="InterfacesAdded"><arg name="object_path" type="o"/>"#,
    r#"<arg name="interfaces_and_properties" type="a{sa{sv}}"/></signal>"#,
    r#"<signal name="InterfacesRemoved"><arg name="object_path" type="o"/>"#,
    r#"<arg name="interfaces" type="as"/></signal></interface>"#
);
const MANAGER: &str = interface!("../../systemd/tv.tokend.Manager1.xml");
const APPLICATION: &str = interface!("../../systemd/tv.tokend.Application1.xml");

/// Copies the element `interface` without comments and the space between elements, and returns its
/// length.
const fn strip(file: &[u8], out: &mut [u8]) -> usize {
    let (mut at, mut length, mut inside) = (0, 0, false);
    while at < file.len() {
        if begins(file, at, b"<!--") {
            while !begins(file, at, b"-->") {
                at += 1;
            }
            at += 3;
            continue;
        }
        inside = inside || begins(file, at, b"<interface ");
        if begins(file, at, b"</node>") {
            break;
        }
        let space = matches!(file[at], b' ' | b'\n') && length > 0 && out[length - 1] == b'>';
        if inside && !space {
            out[length] = file[at];
            length += 1;
        }
        at += 1;
    }
    length
}

const fn begins(file: &[u8], at: usize, with: &[u8]) -> bool {
    let mut i = 0;
    while i < with.len() {
        if at + i >= file.len() || file[at + i] != with[i] {
            return false;
        }
        i += 1;
    }
    true
}
