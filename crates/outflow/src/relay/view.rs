//! What the relay shows of itself: plain values for the API, the page and tests. They hold no secret.

use serde::Serialize;

/// A stream.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StreamView {
    /// App and name, joined by a slash.
    pub id: String,
    /// The app.
    pub app: String,
    /// The name within it.
    pub name: String,
    /// True while media comes.
    pub live: bool,
    /// Who publishes it now.
    pub publisher: Option<PublisherView>,
    /// Bytes of media received, all publishers together.
    pub bytes: u64,
    /// Bits per second, over the last seconds.
    pub bitrate_bps: u64,
    /// Video frames per second, over the last seconds.
    pub fps: f64,
    /// Key frames received.
    pub keyframes: u64,
    /// Players right now.
    pub players: u64,
    /// Names of its outputs.
    pub outputs: Vec<String>,
    /// The picture, once there was one.
    pub video: Option<VideoView>,
    /// The sound, once there was any.
    pub audio: Option<AudioView>,
    /// How irregularly the picture comes, in milliseconds.
    pub jitter_ms: Option<f64>,
    /// How far sound is ahead of the picture that comes with it, in milliseconds.
    pub av_offset_ms: Option<f64>,
    /// Times that nothing came, or that time was left out, for a second or more.
    pub gaps: u64,
}

/// A stream's picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VideoView {
    /// The codec.
    pub codec: String,
    /// Width in pixels, where known.
    pub width: Option<u32>,
    /// Height in pixels, where known.
    pub height: Option<u32>,
    /// Between the last two key frames.
    pub keyframe_interval_ms: Option<u64>,
}

/// A stream's sound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AudioView {
    /// The codec.
    pub codec: String,
    /// Samples a second, where known.
    pub sample_rate: Option<u32>,
    /// Channels, where known.
    pub channels: Option<u32>,
}

/// Who publishes a stream, or where it is pulled from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PublisherView {
    /// Its number, for `DELETE /v1/publishers/{id}`.
    pub id: u64,
    /// The stream.
    pub stream: String,
    /// Its address and port.
    pub peer: String,
    /// Since when, RFC 3339 in UTC.
    pub since: String,
}

/// A player.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlayerView {
    /// Its number, for `DELETE /v1/players/{id}`.
    pub id: u64,
    /// The stream that it plays.
    pub stream: String,
    /// Its address and port.
    pub peer: String,
    /// Since when, RFC 3339 in UTC.
    pub since: String,
    /// Bytes sent to it, as of the last look at it: each second, less often where there are more than 256 players.
    pub bytes: u64,
    /// Age of the oldest media not yet sent to it, in milliseconds.
    pub lag_ms: u64,
    /// Times that it skipped forward to a key frame.
    pub skips: u64,
    /// The round-trip time, where the system tells it.
    pub rtt_ms: Option<f64>,
    /// Bytes for it that wait in this machine's kernel.
    pub unsent_bytes: u64,
    /// Bytes that were sent and are not acknowledged.
    pub unacked_bytes: u64,
    /// Bytes that it has not said it received, by RTMP's own acknowledgements; `None` where it sends none.
    pub rtmp_unacknowledged_bytes: Option<u64>,
    /// Its host takes nothing more, since its program does not read.
    pub window_closed: bool,
}

/// Why something is as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReasonView {
    /// The stable code: see the list of reasons.
    pub code: &'static str,
    /// One sentence for a person.
    pub text: String,
    /// Whose fault: `config`, `network`, `peer`, `protocol` or `internal`.
    pub origin: &'static str,
}

/// An output.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OutputView {
    /// Its id: the name; for an instance of a pattern `name@app/stream`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The stream that it sends.
    pub stream: String,
    /// Where to, masked.
    pub url: String,
    /// `rtmp` or `rtmps`; of a graph also another kind of output, as `file`.
    pub protocol: String,
    /// Its state: see the list of states.
    pub state: &'static str,
    /// Why, where something went wrong.
    pub reason: Option<ReasonView>,
    /// Since when it has been in its state, RFC 3339 in UTC.
    pub since: String,
    /// Attempts so far.
    pub attempt: u32,
    /// When the next attempt is due, in backoff, RFC 3339 in UTC.
    pub next_retry_at: Option<String>,
    /// Bytes sent.
    pub bytes: u64,
    /// Bits per second, over the last seconds.
    pub bitrate_bps: u64,
    /// Video frames per second, over the last seconds.
    pub fps: f64,
    /// Age of the oldest media not yet sent, in milliseconds, without `delay`.
    pub lag_ms: u64,
    /// Times it skipped forward to a key frame.
    pub skips: u64,
    /// Video frames left out by skips.
    pub skipped_frames: u64,
    /// Groups of pictures that lack something because of skips.
    pub skipped_groups: u64,
    /// Times it left the uplink to an output of higher priority.
    pub yields: u64,
    /// Times it was connected again, after the first.
    pub reconnects: u64,
    /// How long ago the last byte left; `None` if none did.
    pub last_byte_age_ms: Option<u64>,
    /// From a frame's arrival here to its acknowledgement by the destination's host, without `delay`.
    pub delay_ms: Option<DelayView>,
    /// The round-trip time, where the system tells it.
    pub rtt_ms: Option<f64>,
    /// Bytes that wait in this machine's kernel.
    pub unsent_bytes: u64,
    /// Bytes that were sent and are not acknowledged.
    pub unacked_bytes: u64,
    /// Bytes that the destination's program has not said it received, by RTMP's own acknowledgements, which come once for each
    /// window; `None` where it sends none.
    pub rtmp_unacknowledged_bytes: Option<u64>,
    /// The destination's host takes nothing more, since its program does not read.
    pub window_closed: bool,
    /// Segments that TCP sent again.
    pub retransmits: u64,
    /// How much of the time it was sending.
    pub stability: StabilityView,
    /// For how long it has been sending without a break, where it leads to a known platform.
    pub session: Option<PlatformSessionView>,
    /// Players, for an output that serves whoever comes; `None` for one that sends to a destination.
    pub players: Option<u64>,
    /// Whose it is: `file`, `api`, `hook` or `words`.
    pub origin: &'static str,
    /// Groups that it belongs to.
    pub groups: Vec<String>,
    /// It starts by itself with its stream.
    pub auto_start: bool,
    /// It stops for good with the broadcast.
    pub auto_stop: bool,
}

/// Delay to the destination over the last minute, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct DelayView {
    /// Half of the frames had a shorter one.
    pub p50: u64,
    /// 95 of 100 had.
    pub p95: u64,
    /// 99 of 100 had.
    pub p99: u64,
    /// The destination's host takes nothing more, since its program does not read.
    pub window_closed: bool,
}

/// The share of the time that it was wanted on, and media was there, in which it was sending without a skip.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct StabilityView {
    /// Over the last minute, from 0 to 1; `None` if it was not wanted on.
    pub minute: Option<f64>,
    /// Over the last hour.
    pub hour: Option<f64>,
    /// Seconds of the last hour in which it was wanted on.
    pub watched_s: u64,
}

/// The session of an output at its platform. A break of less than a minute is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlatformSessionView {
    /// The platform's word.
    pub platform: &'static str,
    /// Since when, RFC 3339 in UTC.
    pub since: String,
    /// How many seconds it has lasted.
    pub lasted_s: u64,
    /// How many seconds a session may last there, where that is known.
    pub limit_s: Option<u64>,
}

/// An alert that is raised.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AlertView {
    /// What it is about: see the list of alerts.
    pub rule: &'static str,
    /// `critical` or `warning`.
    pub severity: &'static str,
    /// The stream.
    pub stream: String,
    /// The output, where it is one output's.
    pub output: Option<String>,
    /// Since when it has been so, RFC 3339 in UTC.
    pub since: String,
    /// The figure as it was last.
    pub figure: f64,
    /// What it should not go beyond.
    pub limit: f64,
    /// The unit of both: `s`, `bit/s`, `%`, or nothing.
    pub unit: &'static str,
    /// What is wrong, in one sentence.
    pub text: String,
    /// What to do about it.
    pub mend: String,
}

/// A group of outputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupView {
    /// Its name.
    pub name: String,
    /// Ids of its outputs.
    pub outputs: Vec<String>,
}

/// What a reload changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Applied {
    /// Outputs that are new.
    pub added: Vec<String>,
    /// Outputs that are gone.
    pub removed: Vec<String>,
    /// Outputs that were started anew with other settings.
    pub changed: Vec<String>,
    /// Outputs that were not touched.
    pub unchanged: usize,
    /// What takes effect only after a restart.
    pub needs_restart: Vec<String>,
}
