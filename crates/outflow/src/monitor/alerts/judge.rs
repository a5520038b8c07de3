//! Figures held against limits: for each rule, whether it is kept. What platforms say stands in
//! [`crate::options::platforms`].

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::look::{OutputLook, StreamLook};
use super::{Rule, Thresholds};
use crate::monitor::State;
use crate::options::platforms::{BFrames, DOUBT, KEY_ROUNDING, Platform};

/// Over which time bitrates and skips are averaged, and the shortest that they can be judged by.
pub const BITRATE: Duration = Duration::from_secs(10);
/// The same for skips.
pub const SKIPS: Duration = Duration::from_secs(60);
const LEAST: Duration = Duration::from_secs(5);
/// A figure that was over its limit counts as right again when it is under the limit by so much.
const BACK: f64 = 0.9;

/// How a rule is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is broken.
    Bad,
    /// It is neither broken nor well kept: what was said of it still holds.
    Doubt,
    /// It is kept.
    Good,
}

/// What a rule says now.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The rule.
    pub rule: Rule,
    /// How it is kept.
    pub verdict: Verdict,
    /// The figure, in the rule's unit.
    pub figure: f64,
    /// The limit, in the same.
    pub limit: f64,
    /// How long it has to be broken before anybody is told.
    pub hold: Duration,
    /// The platform that the limit is of.
    pub platform: Option<&'static Platform>,
}

/// Counters as they were at the looks of a while.
#[derive(Debug, Default)]
pub struct History(VecDeque<(Instant, u64, u64)>);

impl History {
    /// Keeps the counters of this look, and forgets what is older than `window`.
    pub fn push(&mut self, now: Instant, one: u64, other: u64, window: Duration) {
        // Counters of another source begin anew.
        if self.0.back().is_some_and(|(_, last, more)| one < *last || other < *more) {
            self.0.clear();
        }
        self.0.push_back((now, one, other));
        while self.0.len() > 2 && self.0.get(1).is_some_and(|(at, ..)| now.saturating_duration_since(*at) >= window) {
            self.0.pop_front();
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Over which time, and by how much each of the two has grown, where that is long enough to be judged.
    fn grown(&self) -> Option<(Duration, u64, u64)> {
        let ((begin, one, other), (end, more, others)) = (self.0.front()?, self.0.back()?);
        let span = end.saturating_duration_since(*begin);
        (span >= LEAST).then(|| (span, more.saturating_sub(*one), others.saturating_sub(*other)))
    }
}

/// Bits per second.
#[allow(clippy::cast_precision_loss)] // far below 2^52
fn rate(bytes: u64, span: Duration) -> f64 {
    bytes as f64 * 8.0 / span.as_secs_f64()
}

#[allow(clippy::cast_precision_loss)] // a limit that somebody typed
fn float(number: u64) -> f64 {
    number as f64
}

/// More than the limit is bad.
fn most(figure: f64, limit: f64) -> Verdict {
    match figure {
        figure if figure > limit => Verdict::Bad,
        figure if figure > limit * BACK => Verdict::Doubt,
        _ => Verdict::Good,
    }
}

fn reading(rule: Rule, verdict: Verdict, figure: f64, limit: f64, hold: Duration) -> Reading {
    Reading { rule, verdict, figure, limit, hold, platform: None }
}

/// What the rules say of a stream that media comes for; `platforms` are those that its outputs lead to.
pub fn stream(look: &StreamLook, history: &History, platforms: &[&'static Platform]) -> Vec<Reading> {
    let Thresholds { hold, .. } = look.thresholds;
    let limits = &look.thresholds;
    let mut readings = Vec::new();
    if let Some((seconds, platform, limit)) = look.key_interval.and_then(|seconds| {
        let (limit, platform) = key_limit(limits, platforms)?;
        Some((seconds, platform, limit))
    }) {
        let verdict = if seconds > limit * KEY_ROUNDING { Verdict::Bad } else { Verdict::Good };
        readings.push(Reading { platform, ..reading(Rule::KeyFrameInterval, verdict, seconds, limit, hold) });
    }
    if let Some((span, bytes, _)) = history.grown() {
        let bits = rate(bytes, span);
        let (above, below) = (float(limits.bitrate_above), float(limits.bitrate_below));
        if above > 0.0 {
            readings.push(reading(Rule::BitrateAbove, most(bits, above), bits, above, hold));
        }
        if below > 0.0 {
            let verdict = match bits {
                bits if bits < below => Verdict::Bad,
                bits if bits * BACK < below => Verdict::Doubt,
                _ => Verdict::Good,
            };
            readings.push(reading(Rule::BitrateBelow, verdict, bits, below, hold));
        }
    }
    if let Some(silent) = look.silent.filter(|_| !limits.no_audio.is_zero()) {
        let verdict = if silent > limits.no_audio { Verdict::Bad } else { Verdict::Good };
        let (figure, limit) = (silent.as_secs_f64(), limits.no_audio.as_secs_f64());
        readings.push(reading(Rule::NoAudio, verdict, figure, limit, Duration::ZERO));
    }
    readings
}

/// The limit that counts for key frames, and whose it is: the strictest.
fn key_limit(limits: &Thresholds, platforms: &[&'static Platform]) -> Option<(f64, Option<&'static Platform>)> {
    let own = Some(limits.key_frame_interval.as_secs_f64()).filter(|limit| *limit > 0.0);
    let known = platforms.iter().filter(|_| limits.platforms);
    let theirs = known.filter_map(|platform| Some((platform.key_interval?.value.limit(), Some(*platform))));
    let all = theirs.chain(own.map(|limit| (limit, None)));
    all.min_by(|(one, _), (other, _)| one.total_cmp(other))
}

/// What is known of the stream of an output.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// Its figures.
    pub look: &'a StreamLook,
    /// Its bytes over a while.
    pub history: &'a History,
}

/// What the rules say of an output that is wanted on while media comes. `idle` is for how long it has not been sending.
pub fn output(look: &OutputLook, source: Source<'_>, history: &History, idle: Duration) -> Vec<Reading> {
    let limits = &source.look.thresholds;
    let hold = limits.hold;
    let mut readings = Vec::new();
    if !limits.not_sending.is_zero() {
        // What is held back on purpose begins so much later.
        let limit = limits.not_sending + look.held_back;
        let verdict = match look.state {
            State::Live => Verdict::Good,
            _ if idle > limit => Verdict::Bad,
            _ => Verdict::Doubt,
        };
        let (figure, limit) = (idle.as_secs_f64(), limit.as_secs_f64());
        readings.push(reading(Rule::NotSending, verdict, figure, limit, Duration::ZERO));
    }
    if let Some((_, sent, skipped)) = history.grown().filter(|(_, sent, skipped)| sent + skipped > 0)
        && limits.skips > 0
    {
        let percent = float(skipped) * 100.0 / float(sent + skipped);
        let limit = float(limits.skips);
        readings.push(reading(Rule::Skips, most(percent, limit), percent, limit, Duration::ZERO));
    }
    if let Some(delay) = look.delay.filter(|_| !limits.delay.is_zero()) {
        let (figure, limit) = (delay.as_secs_f64(), limits.delay.as_secs_f64());
        readings.push(reading(Rule::Delay, most(figure, limit), figure, limit, hold));
    }
    if let Some(platform) = look.platform {
        let theirs = of_platform(look, source, platform, limits);
        readings.extend(theirs.into_iter().map(|reading| Reading { platform: Some(platform), ..reading }));
    }
    readings
}

/// What a platform says of what is sent there.
fn of_platform(look: &OutputLook, source: Source<'_>, platform: &Platform, limits: &Thresholds) -> Vec<Reading> {
    let mut readings = Vec::new();
    if let Some(longest) = platform.longest_session().filter(|_| !limits.session.is_zero()) {
        let lasts = look.session.unwrap_or_default();
        let near = look.session.is_some() && lasts + limits.session >= longest;
        let verdict = if near { Verdict::Bad } else { Verdict::Good };
        let (figure, limit) = (lasts.as_secs_f64(), longest.as_secs_f64());
        readings.push(reading(Rule::Session, verdict, figure, limit, Duration::ZERO));
    }
    if !limits.platforms {
        return readings;
    }
    if let (Some(limit), Some((span, _, video))) = (platform.video_kbps, source.history.grown()) {
        let (bits, limit) = (rate(video, span), f64::from(limit.value) * 1000.0);
        let verdict = match most(bits, limit * DOUBT) {
            // Between the limit and what is still in doubt nothing is said, and what was said is not taken back.
            Verdict::Good if bits > limit => Verdict::Doubt,
            verdict => verdict,
        };
        readings.push(reading(Rule::BitrateAbove, verdict, bits, limit, limits.hold));
    }
    if let Some(BFrames::Refused | BFrames::SometimesRefused) = platform.b_frames.map(|rule| rule.value) {
        let there = source.look.b_frames;
        let verdict = if there { Verdict::Bad } else { Verdict::Good };
        readings.push(reading(Rule::BFrames, verdict, f64::from(u8::from(there)), 0.0, limits.hold));
    }
    readings
}
