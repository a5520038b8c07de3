//! What is fuzzed and what has to hold: targets, their seeds, and the corpus that every test run replays.
//!
//! A target takes any bytes and panics where a property does not hold. Who makes the bytes is another matter: the tests
//! of this crate replay the corpus and change it a little; `scripts/fuzz` lets libFuzzer look for new ones. See
//! `docs/fuzzing.md`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod corpus;
pub mod dice;
pub mod meter;
pub mod mutate;
mod seeds;
mod targets;

pub use targets::{TARGETS, Target, find};
