//! Raw pictures and samples, on their way from a generator to encoders.

/// A picture in I420 (BT.709, limited range).
#[derive(Debug, Clone)]
pub struct Picture {
    /// Width in pixels, even.
    pub width: u32,
    /// Height in pixels, even.
    pub height: u32,
    /// The planes one after the other: Y (width × height), U and V (a quarter each).
    pub data: Vec<u8>,
    /// Presentation time in frames: picture `n` is shown at `n × fps_den / fps_num` seconds.
    pub index: u64,
    /// Frame rate numerator.
    pub fps_num: u32,
    /// Frame rate denominator.
    pub fps_den: u32,
    /// When it was due (paced) or made: the packet's arrival.
    pub arrival: std::time::Instant,
}

/// The least bit rate that pictures of this size and frame rate can be coded at with some use: below, even the coarsest
/// ones are larger.
pub fn least_rate(width: u32, height: u32, fps_num: u32, fps_den: u32) -> u64 {
    let samples = u128::from(width) * u128::from(height) * u128::from(fps_num) / u128::from(fps_den.max(1));
    u64::try_from(samples / 250).unwrap_or(u64::MAX)
}

/// A run of samples.
#[derive(Debug, Clone)]
pub struct Samples {
    /// Samples per second.
    pub rate: u32,
    /// One plane per channel, −1.0 to 1.0, all of one length.
    pub planes: Vec<Vec<f32>>,
    /// Number of the first sample since the start.
    pub index: u64,
    /// When it was due (paced) or made.
    pub arrival: std::time::Instant,
}

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

/// Where a generator's pictures and samples go: one bounded channel per encoder. An encoder that is behind holds the
/// generator back; network outputs never do.
#[derive(Debug, Clone, Default)]
pub struct RawOut {
    /// The encoders of video.
    pub video: Vec<SyncSender<Arc<Picture>>>,
    /// The encoders of audio.
    pub audio: Vec<SyncSender<Arc<Samples>>>,
}
