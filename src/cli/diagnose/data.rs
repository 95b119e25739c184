// SPDX-License-Identifier: MIT OR Apache-2.0
//! The device data, with their origins; not what the configuration sets.

use std::time::Duration;

use super::bounded;
use super::checked::copy;
use super::step::{Level, Step};
use crate::config;
use crate::daemon::Options;
use crate::device::{self, Overrides, Value};

pub(super) fn step(options: &Options, limit: Duration) -> Step {
    let mut step = Step::begin("device");
    if !options.root.is_dir() {
        return step.skip("there is no such directory as --root names");
    }
    let options = copy(options);
    let collected = bounded::run(limit, move || {
        let config = config::load(&options.config);
        let overrides = config.map_or_else(|_| Overrides::default(), |it| it.settings.device);
        device::collect(&options.root, &overrides)
    });
    let Some(info) = collected else { return step.late(limit) };
    for (field, found) in &info.0 {
        let line = match &found.value {
            _ if found.origin == device::CONFIGURED => "set in [device]".to_owned(),
            Value::Text(text) => format!("{text}  ({})", found.origin),
            Value::Number(number) => format!("{number}  ({})", found.origin),
            Value::Decimal(decimal) => format!("{decimal}  ({})", found.origin),
            Value::Flag(flag) => format!("{flag}  ({})", found.origin),
        };
        step.line(Level::Info, format!("{}: {line}", field.key()));
    }
    step.end()
}
