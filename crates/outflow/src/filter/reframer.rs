//! `reframer`: says whether its session runs in real time or as fast as its sinks take it.
//!
//! The pace is the session's, set where sources are started; packets pass this filter as they are.

use super::FilterKind;
use crate::options::{OptionSpec, Type};

/// The record of `reframer`.
pub const KIND: FilterKind = FilterKind {
    name: "reframer",
    summary: "sets the pace of its session: real time, or as fast as files take it",
    options: &[&[
        OptionSpec::new("rt", Type::Choice(&["on", "sync", "off"]), "", "real time (on, sync) or free running (off)"),
        OptionSpec::new("refs", Type::Text, "", "no effect: packets pass as they are").ignored(),
        OptionSpec::new("nosap", Type::Text, "", "no effect: packets pass as they are").ignored(),
    ]],
    check: |_| Ok(()),
    open: |_, next| Ok(next),
};
