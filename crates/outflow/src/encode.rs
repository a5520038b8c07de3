//! Encoders: the record of each kind, and the registry that feeds parser and help.

#[cfg(feature = "encoders")]
pub mod aac;
#[cfg(feature = "encoders")]
pub mod avc;

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use crate::error::{Ended, SpecError};
use crate::media::Feed;
use crate::media::raw::{Picture, Samples};
use crate::node::Node;
use crate::options::OptionSpec;
use crate::stop::Stop;

/// What an encoder takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Pictures.
    Video,
    /// Samples.
    Audio,
}

/// The raw media of one encoder.
pub enum RawInput {
    /// Pictures.
    Video(Receiver<Arc<Picture>>),
    /// Samples.
    Audio(Receiver<Arc<Samples>>),
}

/// The description of one kind of encoder (`c=NAME`).
pub struct EncoderKind {
    /// Its name: `avc`, `aac`.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// What it takes.
    pub takes: Takes,
    /// Its options.
    pub options: &'static [&'static [OptionSpec]],
    /// Validates the word; `target_rate` is the bit rate that the source asks for (`avgen:rates=`), in bits per
    /// second, used where the word names none.
    pub open: fn(&Node, target_rate: Option<u64>) -> Result<Box<dyn Encoder>, SpecError>,
}

/// One encoder, with its own time from its first picture or sample.
pub trait Encoder: Send {
    /// Encodes until the input ends or stop is asked for, on the calling thread. Pushes its sequence header first.
    fn run(self: Box<Self>, input: RawInput, feed: Feed, stop: Stop) -> Ended;
}

/// Every kind of encoder.
#[cfg(feature = "encoders")]
pub static ENCODERS: &[&EncoderKind] = &[&avc::KIND, &aac::KIND];

/// Every kind of encoder: none in a build without the feature `encoders`.
#[cfg(not(feature = "encoders"))]
pub static ENCODERS: &[&EncoderKind] = &[];
