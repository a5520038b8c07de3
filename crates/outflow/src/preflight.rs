//! Looking before going live: at one URL stage by stage (`probe`), and at everything of a graph or file (`check`).

pub mod bandwidth;
pub mod check;
pub mod cost;
pub mod finding;
mod media;
mod ports;
pub mod probe;
mod publish;
mod rules;
mod stages;

pub use finding::{Finding, Report, Verdict};
