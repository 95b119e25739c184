// SPDX-License-Identifier: MIT OR Apache-2.0
//! An error as people read it.

/// An error with its causes: the first line says what, the rest of it why.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
