//! Alerts by rule: what of the figures needs somebody, since when, and the mend. Pure: figures and the time are passed in.
//!
//! A rule has to hold for a while before its alert is raised, and to be kept for a while before it is cleared, so that
//! what comes and goes tells nobody anything twice. [`engine`] does that, [`judge`] holds the figures against the limits,
//! [`words`] says what to do.

pub mod engine;
pub mod judge;
pub mod look;
#[cfg(test)]
mod tests;
pub mod words;

use std::time::{Duration, Instant};

use crate::options::platforms::KEY_INTERVAL;

/// What an alert is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// The key frames of a stream are too far apart.
    KeyFrameInterval,
    /// There is more of a stream than was allowed, or than a platform takes.
    BitrateAbove,
    /// There is less of a stream than there should be.
    BitrateBelow,
    /// A stream has B-frames, and goes to a platform that refuses them.
    BFrames,
    /// A stream has no sound.
    NoAudio,
    /// An output that is wanted on is not sending.
    NotSending,
    /// An output leaves frames out.
    Skips,
    /// Frames take long to a destination.
    Delay,
    /// A session comes near the longest that its platform allows.
    Session,
}

impl Rule {
    /// All of them.
    pub const ALL: [Rule; 9] = [
        Rule::KeyFrameInterval,
        Rule::BitrateAbove,
        Rule::BitrateBelow,
        Rule::BFrames,
        Rule::NoAudio,
        Rule::NotSending,
        Rule::Skips,
        Rule::Delay,
        Rule::Session,
    ];

    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Rule::KeyFrameInterval => "key_frame_interval",
            Rule::BitrateAbove => "bitrate_above",
            Rule::BitrateBelow => "bitrate_below",
            Rule::BFrames => "b_frames",
            Rule::NoAudio => "no_audio",
            Rule::NotSending => "not_sending",
            Rule::Skips => "skips",
            Rule::Delay => "delay",
            Rule::Session => "session",
        }
    }

    /// How much it matters.
    pub fn severity(self) -> Severity {
        match self {
            Rule::NotSending => Severity::Critical,
            _ => Severity::Warning,
        }
    }

    /// The unit of its figure and limit.
    pub fn unit(self) -> &'static str {
        match self {
            Rule::KeyFrameInterval | Rule::NoAudio | Rule::NotSending | Rule::Delay | Rule::Session => "s",
            Rule::BitrateAbove | Rule::BitrateBelow => "bit/s",
            Rule::Skips => "%",
            Rule::BFrames => "",
        }
    }
}

/// How much an alert matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// A destination has no show.
    Critical,
    /// The show goes on, and not as it should.
    Warning,
}

impl Severity {
    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Critical => "critical",
            Severity::Warning => "warning",
        }
    }
}

/// From where on a rule is broken. A limit of zero turns its rule off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// The longest time between two key frames.
    pub key_frame_interval: Duration,
    /// Bits per second of a stream at most.
    pub bitrate_above: u64,
    /// Bits per second of a stream at least.
    pub bitrate_below: u64,
    /// A stream may be without sound for so long.
    pub no_audio: Duration,
    /// An output that is wanted on may be without sending for so long.
    pub not_sending: Duration,
    /// Percent of the frames of the last minute that an output may leave out.
    pub skips: u64,
    /// 95 of 100 frames have to be at the destination within this.
    pub delay: Duration,
    /// So long before the longest session that a platform allows.
    pub session: Duration,
    /// What platforms say of key frames, bitrate and B-frames counts too.
    pub platforms: bool,
    /// How long a rule has to be broken before its alert is raised.
    pub hold: Duration,
    /// How long a rule has to be kept before its alert is cleared.
    pub clear: Duration,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            key_frame_interval: Duration::from_secs_f64(KEY_INTERVAL),
            bitrate_above: 0,
            bitrate_below: 0,
            no_audio: Duration::from_secs(10),
            not_sending: Duration::from_secs(15),
            skips: 5,
            delay: Duration::from_secs(2),
            session: Duration::from_secs(30 * 60),
            platforms: true,
            hold: Duration::from_secs(10),
            clear: Duration::from_secs(10),
        }
    }
}

impl Thresholds {
    /// True where nobody is to be told of this rule.
    pub fn is_off(&self, rule: Rule) -> bool {
        match rule {
            Rule::KeyFrameInterval => self.key_frame_interval.is_zero() && !self.platforms,
            Rule::BitrateAbove => self.bitrate_above == 0 && !self.platforms,
            Rule::BitrateBelow => self.bitrate_below == 0,
            Rule::BFrames => !self.platforms,
            Rule::NoAudio => self.no_audio.is_zero(),
            Rule::NotSending => self.not_sending.is_zero(),
            Rule::Skips => self.skips == 0,
            Rule::Delay => self.delay.is_zero(),
            Rule::Session => self.session.is_zero(),
        }
    }
}

/// One alert. Names are those of streams and outputs, never a key.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// What it is about.
    pub rule: Rule,
    /// The stream.
    pub stream: String,
    /// The output, where it is one output's.
    pub output: Option<String>,
    /// Since when it has been so.
    pub since: Instant,
    /// The figure as it was last, in the rule's unit.
    pub figure: f64,
    /// What it should not go beyond.
    pub limit: f64,
    /// What is wrong, in one sentence.
    pub text: String,
    /// What to do about it.
    pub mend: String,
}

/// An alert was raised, or cleared.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The alert, as it was last.
    pub alert: Alert,
    /// How it was cleared; `None` where it is raised.
    pub cleared: Option<Cleared>,
}

/// How an alert was cleared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cleared {
    /// How long it had been so.
    pub lasted: Duration,
    /// True where the figure is as it should be again; false where nothing is there any more to be judged.
    pub mended: bool,
}

impl Alert {
    /// The output, or else the stream.
    pub fn who(&self) -> &str {
        self.output.as_deref().unwrap_or(&self.stream)
    }
}

impl Cleared {
    /// The stable name of how.
    pub fn name(self) -> &'static str {
        if self.mended { "mended" } else { "gone" }
    }
}
