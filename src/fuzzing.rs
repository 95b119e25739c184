// SPDX-License-Identifier: MIT OR Apache-2.0
//! What must hold for any input from outside: one function for each kind of input, beside the code
//! that it is about. `tests/fuzz` calls them with what cargo-fuzz makes up, the tests below with the
//! seeds alone. Each panics where its promise is broken. No build that ships has this module.

pub use crate::bus::fuzzing::bus_gate;
pub use crate::config::fuzzing::{configuration, statement};
pub use crate::device::fuzzing::{device_files, edid};
pub use crate::oauth::wire::fuzzing::server_answers;
pub use crate::seal::envelope::fuzzing::sealed_files;
pub use crate::store::fuzzing::{documents, state_directory};
pub use crate::system::events::kernel_messages;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

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
