// SPDX-License-Identifier: MIT OR Apache-2.0
//! What must hold for any input from outside: one function for each kind of input, beside the code
//! that it is about. `tests/fuzz` calls them with what cargo-fuzz makes up, the tests below with the
//! seeds alone. Each panics where its promise is broken. No build that ships has this module.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

pub use crate::bus::fuzzing::bus_gate;
pub use crate::config::fuzzing::{configuration, statement};
pub use crate::device::fuzzing::{device_files, edid};
pub use crate::oauth::wire::fuzzing::server_answers;
pub use crate::seal::envelope::fuzzing::sealed_files;
pub use crate::store::fuzzing::{documents, state_directory};
pub use crate::watch::kernel_messages;

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

/// A directory of its own for one input, removed with it.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tokend-fuzzing-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).expect("the directory for temporary files can be written");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Whether a text is fit for one line of a log or a terminal.
pub(crate) fn is_one_line(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Every seed of a target, by name: the fuzzer starts from them too.
    fn replay(target: &str, holds: impl Fn(&[u8])) {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds").join(target);
        let mut seeds: Vec<_> = fs::read_dir(seeds).unwrap().map(|e| e.unwrap().path()).collect();
        seeds.sort();
        assert!(!seeds.is_empty());
        for seed in seeds {
            // Shown where the next line panics.
            println!("{}", seed.display());
            holds(&fs::read(seed).unwrap());
        }
        holds(b"");
    }

    macro_rules! seeds_hold {
        ($($target:ident)*) => {$(
            #[test]
            fn $target() {
                replay(stringify!($target), crate::fuzzing::$target);
            }
        )*};
    }

    /// The promise that each name stands for holds for all its seeds.
    mod every_seed_holds {
        use super::replay;

        seeds_hold! {
            bus_gate configuration device_files documents edid kernel_messages sealed_files
            server_answers state_directory statement
        }
    }
}
