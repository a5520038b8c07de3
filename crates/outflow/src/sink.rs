//! Sinks: the record of each kind, and the registry that feeds parser, help and documentation.

use crate::error::SpecError;
use crate::node::{MediaUrl, Node};
use crate::options::OptionSpec;

/// The description of one kind of sink.
pub struct SinkKind {
    /// Its name, as in `help outputs`.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Its options.
    pub options: &'static [&'static [OptionSpec]],
    /// Whether `-o URL` means this kind. Asked in the registry's order; the first that accepts wins. The second
    /// argument tells whether the word has `rtmp_listen`.
    pub accepts: fn(&MediaUrl, bool) -> bool,
    /// True for a network sink: its source is paced in real time.
    pub live: bool,
    /// Validates the word; opens nothing.
    pub open: fn(&Node) -> Result<Box<dyn Sink>, SpecError>,
}

/// One sink.
pub trait Sink: Send {}

/// Every kind of sink.
pub static SINKS: &[&SinkKind] = &[];
