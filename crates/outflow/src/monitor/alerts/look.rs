//! What rules look at: the figures of streams and outputs at one instant, as plain values.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::Thresholds;
use crate::monitor::board::View;
use crate::monitor::{InputStats, OutputStats, State};
use crate::options::platforms::Platform;

/// Everything at one instant.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// The streams.
    pub streams: Vec<StreamLook>,
    /// The outputs.
    pub outputs: Vec<OutputLook>,
}

/// A stream's figures.
#[derive(Debug, Clone, Default)]
pub struct StreamLook {
    /// Its id.
    pub id: String,
    /// The limits that hold for it and its outputs.
    pub thresholds: Thresholds,
    /// True while media comes.
    pub live: bool,
    /// Bytes of media so far.
    pub bytes: u64,
    /// Bytes of video so far, of the source that is there.
    pub video_bytes: u64,
    /// Seconds between the last two key frames, or since the last one, whichever is more.
    pub key_interval: Option<f64>,
    /// Frames come in another order than they are shown.
    pub b_frames: bool,
    /// For how long there has been no sound.
    pub silent: Option<Duration>,
}

/// An output's figures.
#[derive(Debug, Clone)]
pub struct OutputLook {
    /// Its id.
    pub id: String,
    /// The id of its stream.
    pub stream: String,
    /// Where it leads, if that is known.
    pub platform: Option<&'static Platform>,
    /// It is to run.
    pub wanted: bool,
    /// Its state.
    pub state: State,
    /// What went wrong last.
    pub reason: Option<String>,
    /// How long it is held back on purpose.
    pub held_back: Duration,
    /// Video frames sent so far.
    pub frames: u64,
    /// Video frames left out so far.
    pub skipped_frames: u64,
    /// Within which time 95 of 100 frames were at the destination.
    pub delay: Option<Duration>,
    /// For how long it has been sending without a break.
    pub session: Option<Duration>,
}

impl StreamLook {
    /// Takes the figures of an input; the locks that media takes too are held for as long as that takes.
    pub fn of(id: &str, thresholds: Thresholds, live: bool, stats: &InputStats, now: Instant) -> Self {
        let bytes = OutputStats::get(&stats.bytes);
        let media = stats.media.lock();
        let last = media.video.as_ref().and_then(|video| video.keyframe_interval);
        let key_interval = last.max(media.since_key()).map(|millis| Duration::from_millis(millis).as_secs_f64());
        Self {
            id: id.to_owned(),
            thresholds,
            live,
            bytes,
            video_bytes: media.video_bytes(),
            key_interval,
            b_frames: media.has_b_frames(),
            silent: media.silent(now),
        }
    }
}

impl OutputLook {
    /// Takes the counters of an output.
    pub fn of(id: &str, stream: &str, state: State, stats: &OutputStats, now: Instant) -> Self {
        let since = stats.session.lock().since();
        Self {
            id: id.to_owned(),
            stream: stream.to_owned(),
            platform: None,
            wanted: false,
            state,
            reason: None,
            held_back: Duration::ZERO,
            frames: OutputStats::get(&stats.frames),
            skipped_frames: OutputStats::get(&stats.skipped_frames),
            delay: stats.delay_p95(now).filter(|_| state.sends()),
            session: since.map(|since| now.saturating_duration_since(since)),
        }
    }
}

/// What a graph looks like: its streams have the names of its inputs. `fed` tells for each output by which input it is
/// fed, and how long it is held back.
///
/// Who types words may leave sound out on purpose: without it they are only told where a platform wants it.
pub fn of_board(view: &View, fed: &HashMap<String, (String, Duration)>, now: Instant) -> Look {
    let outputs = view.outputs.iter().filter_map(|output| {
        let (input, held_back) = fed.get(&output.name)?;
        let reason = output.reason.as_ref().filter(|reason| !reason.is_clean());
        Some(OutputLook {
            platform: output.platform,
            wanted: output.is_wanted(),
            reason: reason.map(|reason| reason.text.clone()),
            held_back: *held_back,
            ..OutputLook::of(&output.name, input, output.state, &output.stats, now)
        })
    });
    let outputs: Vec<OutputLook> = outputs.collect();
    let streams = view.inputs.iter().map(|input| {
        let known = outputs.iter().any(|output| output.stream == input.name && output.platform.is_some());
        let standard = Thresholds::default();
        let thresholds = Thresholds { no_audio: if known { standard.no_audio } else { Duration::ZERO }, ..standard };
        StreamLook::of(&input.name, thresholds, input.up_since.is_some(), &input.stats, now)
    });
    Look { streams: streams.collect(), outputs }
}
