//! Hostile peers against the real program: floods at full speed beside players that must not miss a frame, servers that attack
//! whoever dials them, and each deadline by its name.
//!
//! The long form (`scripts/test-long`) takes `OUTFLOW_HOSTILE_SECONDS` for each of three rounds, 60 if that is not said;
//! `OUTFLOW_HOSTILE_SEED` repeats a run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // figures of a run are for people

mod caps;
mod deadlines;
mod dialled;
mod rig;
mod rounds;
