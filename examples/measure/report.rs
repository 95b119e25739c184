// SPDX-License-Identifier: MIT OR Apache-2.0
//! One measurement a line, and whether a bound was missed.

use std::process::ExitCode;

/// What has been measured so far.
#[derive(Default)]
pub(crate) struct Report {
    missed: usize,
}

impl Report {
    /// A measurement that nothing bounds.
    pub(crate) fn print(&self, what: &str, value: &str) {
        println!("{what:<38} {value}");
    }

    /// A measurement and its bound.
    pub(crate) fn check(&mut self, what: &str, value: &str, bound: &str, good: bool) {
        let verdict = if good { "" } else { "   MISSED" };
        self.print(what, &format!("{value:<10} (bound: {bound}){verdict}"));
        self.missed += usize::from(!good);
    }

    /// 1 where a bound was missed.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(u8::from(self.missed > 0))
    }
}
