//! Sources: the record of each kind, and the registry that feeds parser, help and documentation.

pub mod avgen;
pub mod ffmpeg;
pub mod file;
pub mod pipe;
pub mod rtmp_listen;
pub mod rtmp_pull;

use std::sync::Arc;

use crate::env::Env;
use crate::error::{Ended, SpecError};
use crate::media::{Feed, raw::RawOut};
use crate::monitor;
pub use crate::net::BoxFuture;
use crate::node::{MediaUrl, Node};
use crate::options::OptionSpec;
use crate::stop::Stop;

/// What a source gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Produces {
    /// Packets of FLV/E-RTMP bodies.
    Encoded,
    /// Pictures and samples that need `c=avc`, `c=aac`.
    Raw,
}

/// The description of one kind of source.
pub struct SourceKind {
    /// Its name, as in `help sources`; a source without a URL is used by this name.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Its options.
    pub options: &'static [&'static [OptionSpec]],
    /// Whether `-i URL` means this kind. Asked in the registry's order; the first that accepts wins. The second
    /// argument tells whether the word has `rtmp_listen`.
    pub accepts: fn(&MediaUrl, bool) -> bool,
    /// What it gives.
    pub produces: Produces,
    /// True if it has no pace of its own and may run free (`reframer:rt=off`).
    pub may_run_free: bool,
    /// Validates the word; opens nothing.
    pub open: fn(&Node) -> Result<Box<dyn Source>, SpecError>,
}

/// What a source is given for one run.
pub struct SourceJob {
    /// Where packets go.
    pub feed: Feed,
    /// Where pictures and samples go, for a raw source.
    pub raw: RawOut,
    /// True: keep to real time (the default); false: as fast as the sinks take it.
    pub realtime: bool,
    /// Ends the run.
    pub stop: Stop,
    /// Its counters (the feed counts packets; a source counts starts).
    pub stats: Arc<monitor::InputStats>,
    /// Where its events go.
    pub events: monitor::Sink,
    /// Its name in events.
    pub name: String,
    /// The shared parts of the program.
    pub env: Env,
}

/// One source.
pub trait Source: Send {
    /// Binds what must be bound before anything of the graph starts: the port of a listening input.
    fn prepare<'a>(&'a mut self, env: &'a Env) -> BoxFuture<'a, Result<(), Ended>> {
        let _ = env;
        Box::pin(async { Ok(()) })
    }

    /// Runs once, from opening to the end of the media: calls `feed.start`, pushes, and calls `feed.end`. The caller
    /// decides by [`Ended::retry`] whether and when to call it again. Must return within 2 s of `stop`.
    fn run(&mut self, job: SourceJob) -> BoxFuture<'_, Ended>;
}

/// Every kind of source.
pub static SOURCES: &[&SourceKind] =
    &[&rtmp_listen::KIND, &rtmp_pull::KIND, &pipe::KIND, &file::KIND, &ffmpeg::KIND, &avgen::KIND];
