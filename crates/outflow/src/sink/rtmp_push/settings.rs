//! What a push is told by its word beside its connection: where to begin, how far it may fall behind, which tracks.

use std::time::Duration;

use crate::error::SpecError;
use crate::hub::Start;
use crate::node::Node;
use crate::options::share::Share;
use crate::stream::Selection;

/// How to send.
pub(super) struct Settings {
    pub start: Start,
    pub max_lag: Duration,
    pub latency: Duration,
    pub delay: Duration,
    pub share: Share,
    pub selection: Selection,
}

/// Reads a word's options.
pub(super) fn read(node: &Node) -> Result<Settings, SpecError> {
    let options = &node.options;
    Ok(Settings {
        start: if options.text("start").as_deref() == Some("gop") { Start::Group } else { Start::Next },
        max_lag: options.duration("max_lag").unwrap_or(Duration::from_secs(4)),
        latency: options.duration("latency").unwrap_or_default(),
        delay: options.duration("delay").unwrap_or_default(),
        share: crate::sink::share(node)?,
        selection: crate::sink::selection(node)?,
    })
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
