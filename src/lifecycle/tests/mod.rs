// SPDX-License-Identifier: MIT OR Apache-2.0
//! The lifecycle's promises.

mod answer_table;
mod callers;
mod failures;
mod first_start;
mod names;
mod pictures;
mod random;
mod rules;
mod statements;
mod storage;
mod time;
mod trouble;
mod world;
