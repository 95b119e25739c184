// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which program this is, on what, run by whom, and when.

use super::causes::Symptom;
use super::step::{Level, Step};
use crate::common::time::WallTime;
use crate::daemon::Options;
use crate::system::clock;

pub(super) fn step(options: &Options, now: WallTime) -> Step {
    let mut step = Step::begin("build");
    let features: Vec<_> =
        [("pkcs11", cfg!(feature = "pkcs11")), ("roots", cfg!(feature = "roots"))]
            .into_iter()
            .filter_map(|(name, on)| on.then_some(name))
            .collect();
    let kind = if cfg!(debug_assertions) { ", with debug checks" } else { "" };
    let libc = match () {
        () if cfg!(target_env = "musl") => "musl",
        () if cfg!(target_env = "gnu") => "glibc",
        () => "another C library",
    };
    step.line(
        Level::Info,
        format!(
            "tokend {} for {} ({}-bit), {libc}, features: {}{kind}",
            env!("CARGO_PKG_VERSION"),
            std::env::consts::ARCH,
            usize::BITS,
            if features.is_empty() { "none".to_owned() } else { features.join(" ") },
        ),
    );
    let kernel = rustix::system::uname();
    step.line(
        Level::Info,
        format!(
            "{} {} on {}, as uid {}",
            kernel.sysname().to_string_lossy(),
            kernel.release().to_string_lossy(),
            kernel.machine().to_string_lossy(),
            rustix::process::geteuid().as_raw()
        ),
    );
    let date = crate::cli::status::date(now.unix_seconds()).unwrap_or_default();
    if clock::is_set(now) {
        step.line(Level::Info, format!("the clock says {date}"));
    } else {
        step.symptoms.push(Symptom::ClockUnset);
        step.line(Level::Warning, format!("the clock is not set: it says {date}"));
    }
    for (option, path) in [("--state", &options.state), ("--root", &options.root)] {
        step.line(Level::Info, format!("{option} {}", path.display()));
    }
    step.end()
}
