// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the promises of `fuzzing` are written with.

/// An input as a recipe: small numbers and pieces, read from its front. At its end all is zero.
pub(crate) struct Recipe<'a>(pub(crate) &'a [u8]);

impl<'a> Recipe<'a> {
    pub(crate) fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or_default()
    }

    pub(crate) fn number(&mut self) -> usize {
        usize::from(self.byte()) << 8 | usize::from(self.byte())
    }

    /// At most so many bytes.
    pub(crate) fn take(&mut self, most: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(most.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

/// Whether a text is fit for one line of a log or a terminal.
pub(crate) fn is_one_line(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(char::is_control)
}
