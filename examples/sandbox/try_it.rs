// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command lines to try while the sandbox is up.

use super::CINEMA;
use super::options::Options;
use super::support::authority::Authority;
use super::support::player::path_of;
use super::support::tokend::Device;

/// One command to a line, ready to be copied.
pub(crate) fn lines(options: &Options, device: &Device, authority: &Authority) -> Vec<String> {
    let runner: Vec<_> = options.runner.iter().map(|word| word.to_string_lossy()).collect();
    let tokend = [runner.as_slice(), &[device.tokend().to_string_lossy()]].concat().join(" ");
    let (bus, ca) = (device.bus(), authority.ca_file());
    let busctl = format!("busctl --address={bus}");
    let application = format!("tv.tokend {} tv.tokend.Application1", path_of(CINEMA));
    let url = format!("{}/api/v2/hello", authority.origin());
    let mut lines = vec![
        format!("{busctl} tree tv.tokend"),
        format!("{busctl} introspect tv.tokend {}", path_of(CINEMA)),
        format!("{busctl} call {application} GetToken u 0"),
        format!("{busctl} call {application} GetHeaders u 0"),
        format!("{busctl} get-property {application} State ExpiresAt TokenNumber"),
        format!("{tokend} status --bus {bus}"),
        format!("{tokend} token {CINEMA} --bus {bus}"),
        format!(
            "{tokend} headers {CINEMA} --bus {bus} | curl --cacert {} -H @- {url}",
            ca.display()
        ),
        format!("{tokend} device-info --bus {bus}"),
        format!("{tokend} check {}", device.options().join(" ")),
    ];
    // For examples/players; in place of a device's bus, `connect` says it.
    if !options.system_like {
        let ca = ca.display();
        lines.push(format!("export DBUS_SYSTEM_BUS_ADDRESS={bus} SSL_CERT_FILE={ca} URL={url}"));
    }
    lines
}

/// How an application comes to all this in place of the device's system bus.
pub(crate) fn connect(device: &Device, authority: &Authority) -> Vec<String> {
    let bus = device.bus().split(',').next().unwrap_or_default();
    vec![
        format!("export DBUS_SYSTEM_BUS_ADDRESS='{bus}'"),
        format!("export SSL_CERT_FILE='{}'", authority.ca_file().display()),
        format!("export URL='{}/api/v2/hello'", authority.origin()),
        "scenes: serve expire revoke refuse throttle offline slow clock-unset".to_owned(),
        "in another terminal: cargo run --example sandbox -- scene NAME".to_owned(),
    ]
}
