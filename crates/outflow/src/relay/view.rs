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
    /// `rtmp` or `rtmps`.
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
    /// Whose it is: `file`, `api` or `hook`.
    pub origin: &'static str,
    /// Groups that it belongs to.
    pub groups: Vec<String>,
    /// It starts by itself with its stream.
    pub auto_start: bool,
    /// It stops for good with the broadcast.
    pub auto_stop: bool,
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
