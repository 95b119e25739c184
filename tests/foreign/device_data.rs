// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a device says of its network, which `ip` changes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::child;

#[test]
fn a_default_route_of_any_table_or_in_two_halves_is_a_connection() {
    // A network of its own, in which the shell may do as it likes: -r lets another user than root.
    let script = r#"
        set -e
        ip link add d0 type veth peer name d1
        ip link set d0 up
        ip link set d1 up
        ip address add 192.0.2.9/24 dev d0
        say() { echo "$1 $("$0" device-info --config "$CONFIG" | grep ^connectionType)"; }
        say none
        ip route add default via 192.0.2.1 table 4711
        say table
        ip route flush table 4711
        ip route add 0.0.0.0/1 via 192.0.2.1
        say half
        ip route add 128.0.0.0/1 via 192.0.2.1
        say halves
        ip route del 128.0.0.0/1
        ip -6 route add default dev d0 table 4712
        say six
    "#;
    child::find("ip", "iproute2").unwrap();
    let config = crate::support::scratch("tokend-test-").unwrap();
    let settings = config.path().join("tokend.toml");
    fs::write(&settings, "[storage]\nseal = \"generated\"\n").unwrap();
    for (path, mode) in [(config.path(), 0o755), (&settings, 0o644)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let mut command = child::command(child::find("unshare", "util-linux").unwrap());
    command.args(["--net", "--map-root-user", "sh", "-c", script, env!("CARGO_BIN_EXE_tokend")]);
    let output = command.env("CONFIG", config.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    let found: Vec<_> = said
        .lines()
        .map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            (words[0], words[2])
        })
        .collect();
    assert_eq!(
        found,
        [
            ("none", "notConnected"),
            ("table", "LAN"),
            ("half", "notConnected"),
            ("halves", "LAN"),
            ("six", "LAN"),
        ]
    );
}
