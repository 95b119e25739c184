//! The lifecycle's promises.

mod random;
mod rows;
mod world;
