//! Which alerts are raised, from look to look: what has to hold before one is raised, and before it is cleared.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::judge::{self, History, Reading, Verdict};
use super::look::{Look, OutputLook, StreamLook};
use super::{Alert, Change, Cleared, Rule, Thresholds, words};
use crate::monitor::State;
use crate::options::platforms::Platform;

/// An alert about what can't be judged any more (its source is away) is cleared after so long.
pub const GONE: Duration = Duration::from_secs(30);

/// Everything that is remembered between looks. What is not looked at any more is forgotten.
#[derive(Debug, Default)]
pub struct Engine {
    streams: HashMap<String, Subject>,
    outputs: HashMap<String, Subject>,
}

/// One stream or output.
#[derive(Debug, Default)]
struct Subject {
    history: History,
    /// Since when it should have been sending, and was not.
    idle: Option<Instant>,
    /// Why, as it was said last: while it tries again nothing is said.
    why: Option<String>,
    tracks: Vec<Track>,
    /// The stream that it is, or that it sends.
    stream: String,
    /// It was looked at.
    seen: bool,
}

/// One rule of a subject.
#[derive(Debug)]
struct Track {
    rule: Rule,
    /// Since when it has been broken, kept, or could not be judged; one of them.
    bad: Option<Instant>,
    good: Option<Instant>,
    lost: Option<Instant>,
    alert: Option<Alert>,
}

/// A rule that is judged, and whether its alert is raised.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Judged {
    /// The rule.
    pub rule: Rule,
    /// The stream.
    pub stream: String,
    /// The output, where it is one output's.
    pub output: Option<String>,
    /// Its alert is raised.
    pub active: bool,
}

/// Whose readings are taken.
struct Whose<'a> {
    stream: &'a str,
    output: Option<&'a OutputLook>,
    /// Why it does not send.
    why: Option<&'a str>,
    /// What holds for it.
    thresholds: Thresholds,
    /// What is not judged is so on purpose.
    off: bool,
}

impl Engine {
    /// Takes a look, about once a second; gives what has changed.
    pub fn look(&mut self, look: &Look, now: Instant) -> Vec<Change> {
        let mut changes = Vec::new();
        self.streams.values_mut().chain(self.outputs.values_mut()).for_each(|subject| subject.seen = false);
        let mut platforms: HashMap<&str, Vec<&'static Platform>> = HashMap::new();
        for output in look.outputs.iter().filter(|output| output.wanted) {
            platforms.entry(&output.stream).or_default().extend(output.platform);
        }
        for stream in &look.streams {
            let subject = known(&mut self.streams, &stream.id);
            let mut readings = Vec::new();
            if stream.live {
                subject.history.push(now, stream.bytes, stream.video_bytes, judge::BITRATE);
                let platforms = platforms.get(stream.id.as_str()).map(Vec::as_slice).unwrap_or_default();
                readings = judge::stream(stream, &subject.history, platforms);
            } else {
                subject.history.clear();
            }
            let whose =
                Whose { stream: &stream.id, output: None, why: None, thresholds: stream.thresholds, off: false };
            subject.take(&readings, &whose, now, &mut changes);
        }
        let streams: HashMap<&str, &StreamLook> =
            look.streams.iter().map(|stream| (stream.id.as_str(), stream)).collect();
        for output in &look.outputs {
            let subject = known(&mut self.outputs, &output.id);
            subject.history.push(now, output.frames, output.skipped_frames, judge::SKIPS);
            let source = streams.get(output.stream.as_str()).copied();
            let flows = source.filter(|source| output.wanted && source.live);
            let idle = flows.is_some() && output.state != State::Live;
            subject.idle = if idle { subject.idle.or(Some(now)) } else { None };
            subject.why = output.reason.clone().or(subject.why.take().filter(|_| idle));
            let idle = subject.idle.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
            let readings = match (flows, self.streams.get(&output.stream)) {
                (Some(look), Some(stream)) => {
                    judge::output(output, judge::Source { look, history: &stream.history }, &subject.history, idle)
                }
                _ => Vec::new(),
            };
            let thresholds = source.map(|source| source.thresholds).unwrap_or_default();
            let why = subject.why.clone();
            let (stream, why) = (output.stream.as_str(), why.as_deref());
            let whose = Whose { stream, output: Some(output), why, thresholds, off: !output.wanted };
            subject.take(&readings, &whose, now, &mut changes);
        }
        for subjects in [&mut self.streams, &mut self.outputs] {
            subjects.retain(|_, subject| {
                if !subject.seen {
                    subject.tracks.iter_mut().for_each(|track| changes.extend(track.clear(now, false)));
                }
                subject.seen
            });
        }
        changes
    }

    /// The alerts that are raised: what matters most first, then the oldest.
    pub fn active(&self) -> Vec<Alert> {
        let tracks = self.subjects().flat_map(|subject| &subject.tracks);
        let mut alerts: Vec<Alert> = tracks.filter_map(|track| track.alert.clone()).collect();
        alerts.sort_by(|one, other| {
            let key = |alert: &Alert| (alert.rule.severity(), alert.since, alert.rule);
            key(one).cmp(&key(other)).then_with(|| one.who().cmp(other.who()))
        });
        alerts
    }

    /// Every rule that can be judged, and whether its alert is raised; in order.
    pub fn judged(&self) -> Vec<Judged> {
        let of = |stream: &str, output: Option<&String>, track: &Track| Judged {
            rule: track.rule,
            stream: stream.to_owned(),
            output: output.cloned(),
            active: track.alert.is_some(),
        };
        let is_judged = |track: &&Track| track.lost.is_none() || track.alert.is_some();
        let streams = self
            .streams
            .iter()
            .flat_map(|(id, subject)| subject.tracks.iter().filter(is_judged).map(move |track| of(id, None, track)));
        let outputs = self.outputs.iter().flat_map(|(id, subject)| {
            let stream = subject.stream.as_str();
            subject.tracks.iter().filter(is_judged).map(move |track| of(stream, Some(id), track))
        });
        let mut judged: Vec<Judged> = streams.chain(outputs).collect();
        judged.sort();
        judged
    }

    fn subjects(&self) -> impl Iterator<Item = &Subject> {
        self.streams.values().chain(self.outputs.values())
    }
}

/// What is remembered of this one.
fn known<'a>(subjects: &'a mut HashMap<String, Subject>, id: &str) -> &'a mut Subject {
    let subject = subjects.entry(id.to_owned()).or_default();
    subject.seen = true;
    subject
}

impl Subject {
    fn take(&mut self, readings: &[Reading], whose: &Whose<'_>, now: Instant, changes: &mut Vec<Change>) {
        if self.stream != whose.stream {
            // An output was given another stream: what was said of it is of the old one.
            whose.stream.clone_into(&mut self.stream);
            for track in &mut self.tracks {
                changes.extend(track.clear(now, false));
            }
            self.tracks.clear();
        }
        for reading in readings {
            let at = self.tracks.iter().position(|track| track.rule == reading.rule);
            let at = at.unwrap_or_else(|| {
                self.tracks.push(Track { rule: reading.rule, bad: None, good: None, lost: None, alert: None });
                self.tracks.len() - 1
            });
            if let Some(track) = self.tracks.get_mut(at) {
                changes.extend(track.take(reading, whose, now));
            }
        }
        for track in &mut self.tracks {
            if !readings.iter().any(|reading| reading.rule == track.rule) {
                let off = whose.off || whose.thresholds.is_off(track.rule);
                changes.extend(track.miss(off, now));
            }
        }
    }
}

impl Track {
    fn take(&mut self, reading: &Reading, whose: &Whose<'_>, now: Instant) -> Option<Change> {
        self.lost = None;
        match reading.verdict {
            Verdict::Bad => {
                self.good = None;
                let bad = *self.bad.get_or_insert(now);
                if self.alert.is_none() && now.saturating_duration_since(bad) < reading.hold {
                    return None;
                }
                let (text, mend) = words::say(reading, whose.output, whose.why);
                let (figure, limit) = (reading.figure, reading.limit);
                if let Some(alert) = &mut self.alert {
                    (alert.figure, alert.limit, alert.text, alert.mend) = (figure, limit, text, mend);
                    return None;
                }
                let alert = Alert {
                    rule: self.rule,
                    stream: whose.stream.to_owned(),
                    output: whose.output.map(|output| output.id.clone()),
                    since: self.began(bad, figure, now),
                    figure,
                    limit,
                    text,
                    mend,
                };
                self.alert = Some(alert.clone());
                Some(Change { alert, cleared: None })
            }
            Verdict::Doubt => {
                (self.bad, self.good) = (None, None);
                None
            }
            Verdict::Good => {
                self.bad = None;
                let good = *self.good.get_or_insert(now);
                if now.saturating_duration_since(good) < whose.thresholds.clear { None } else { self.clear(now, true) }
            }
        }
    }

    /// It can't be judged now.
    fn miss(&mut self, off: bool, now: Instant) -> Option<Change> {
        (self.bad, self.good) = (None, None);
        let lost = *self.lost.get_or_insert(now);
        if off || now.saturating_duration_since(lost) >= GONE { self.clear(now, false) } else { None }
    }

    fn clear(&mut self, now: Instant, mended: bool) -> Option<Change> {
        let alert = self.alert.take()?;
        let lasted = now.saturating_duration_since(alert.since);
        Some(Change { alert, cleared: Some(Cleared { lasted, mended }) })
    }

    /// Since when it has been so: a figure that is a time tells it.
    fn began(&self, bad: Instant, figure: f64, now: Instant) -> Instant {
        match self.rule {
            Rule::NoAudio | Rule::NotSending => {
                let ago = Duration::try_from_secs_f64(figure).unwrap_or_default();
                now.checked_sub(ago).unwrap_or(bad)
            }
            _ => bad,
        }
    }
}
