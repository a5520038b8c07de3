//! Looking before going live: `probe` and `check` against servers that are right, and wrong in every way.
#![allow(clippy::unwrap_used, clippy::panic)]

mod bandwidth;
mod check;
mod cost;
mod probe;
mod rig;
mod top;
