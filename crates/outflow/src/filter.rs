//! Filters between source and sinks: plain functions on packets, and the registry that feeds parser and help.

pub mod inspect;
pub mod reframer;

use crate::error::SpecError;
use crate::media::Feed;
use crate::node::Node;
use crate::options::OptionSpec;

/// The description of one kind of filter.
pub struct FilterKind {
    /// Its name, as in `help filters`.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Its options.
    pub options: &'static [&'static [OptionSpec]],
    /// Validates the word; starts nothing.
    pub check: fn(&Node) -> Result<(), SpecError>,
    /// Validates the word and puts the filter in front of `next`.
    pub open: fn(&Node, Feed) -> Result<Feed, SpecError>,
}

/// Every kind of filter.
pub static FILTERS: &[&FilterKind] = &[&reframer::KIND, &inspect::KIND];
