//! The targets by name.
mod aggregates;
mod amf;
mod bodies;
mod chunks;
mod client;
mod dialogue;
mod script;
mod server;
mod tags;
mod urls;
#[cfg(feature = "words")]
mod words;

use crate::seeds;

/// Something that takes any bytes, and what is known to reach much of it.
pub struct Target {
    /// What scripts call it.
    pub name: &'static str,
    /// Runs one input; panics where a property does not hold.
    pub run: fn(&[u8]),
    /// Inputs to begin with: recordings, and what our own encoders write.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target { name: "chunks", run: chunks::run, seeds: seeds::chunks },
    Target { name: "amf0", run: amf::amf0, seeds: seeds::amf0 },
    Target { name: "amf3", run: amf::amf3, seeds: seeds::amf3 },
    Target { name: "tags", run: tags::run, seeds: seeds::tags },
    Target { name: "bodies", run: bodies::run, seeds: seeds::bodies },
    Target { name: "aggregates", run: aggregates::run, seeds: seeds::aggregates },
    Target { name: "urls", run: urls::run, seeds: seeds::urls },
    Target { name: "server", run: server::run, seeds: seeds::server },
    Target { name: "client", run: client::run, seeds: seeds::client },
    #[cfg(feature = "words")]
    Target { name: "words", run: words::run, seeds: seeds::words },
];

/// The target of that name.
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
