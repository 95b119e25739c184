//! The tokend binary.

fn main() {}
