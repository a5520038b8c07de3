//! `/metrics`: the figures of streams and outputs for Prometheus, read when they are asked for. Labels are names; never a
//! URL or a key.

use std::fmt::{Display, Write as _};
use std::time::Duration;

use super::schema::STATES;
use crate::monitor::alerts::engine::Judged;
use crate::relay::measure::{OutputFigures, StreamFigures, Whole};

/// The type of what [`text`] gives.
pub(super) const TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Names and values of labels.
type Labels<'a> = [(&'a str, &'a str)];

/// One family of figures, for the page of reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// `gauge`, `counter` or `summary`.
    pub kind: &'static str,
    /// What its lines are told apart by.
    pub labels: &'static [&'static str],
    /// One sentence.
    pub help: &'static str,
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn family(&mut self, family: &Family) {
        let Family { name, kind, help, .. } = family;
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn line(&mut self, name: &str, labels: &Labels<'_>, more: &Labels<'_>, value: impl Display) {
        self.0.push_str(name);
        let mut begin = '{';
        for (label, text) in labels.iter().chain(more) {
            self.0.push(begin);
            begin = ',';
            let _ = write!(self.0, "{label}=\"{}\"", escaped(text));
        }
        if begin == ',' {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[allow(clippy::cast_precision_loss)] // milliseconds: far below 2^52
fn seconds(millis: u64) -> f64 {
    millis as f64 / 1000.0
}

/// One family of figures of an output or a stream; `None` where there is no value now.
struct Figure<T> {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    of: fn(&T) -> Option<f64>,
}

impl<T> Figure<T> {
    fn family(&self, labels: &'static [&'static str]) -> Family {
        Family { name: self.name, kind: self.kind, labels, help: self.help }
    }
}

const OF_OUTPUT: &[&str] = &["stream", "output", "protocol"];
const OF_STREAM: &[&str] = &["stream"];

#[rustfmt::skip]
const BUILD: Family = Family { name: "outflow_build_info", kind: "gauge", labels: &["version"],
    help: "The program; always 1." };
#[rustfmt::skip]
const UPTIME: Family = Family { name: "outflow_uptime_seconds", kind: "gauge", labels: &[],
    help: "How long the API has been running." };
#[rustfmt::skip]
const FORMAT: Family = Family { name: "outflow_input_info", kind: "gauge",
    labels: &["stream", "video_codec", "width", "height", "audio_codec", "sample_rate", "channels"],
    help: "What the stream is made of; always 1." };
#[rustfmt::skip]
const STATE: Family = Family { name: "outflow_output_state", kind: "gauge", labels: &["stream", "output", "protocol", "state"],
    help: "1 for the state that the output is in, 0 for the others." };
#[rustfmt::skip]
const DELAY: Family = Family { name: "outflow_output_delay_seconds", kind: "summary", labels: &["stream", "output", "protocol", "quantile"],
    help: "From a frame's arrival to its acknowledgement by the destination's host, without the output's delay; quantiles of the last minute, sum and count since the start." };
#[rustfmt::skip]
const STABILITY: Family = Family { name: "outflow_output_stability_ratio", kind: "gauge", labels: &["stream", "output", "protocol", "window"],
    help: "Share of the last minute or hour that it was wanted on, and media was there, in which it was sending without a skip." };
#[rustfmt::skip]
const ALERT: Family = Family { name: "outflow_alert_active", kind: "gauge", labels: &["rule", "stream", "output"],
    help: "1 while the alert of this rule is raised, 0 while the rule is kept; a rule that cannot be judged now has no line. Of a stream as a whole, output is empty." };

#[rustfmt::skip]
const WHOLE: &[Figure<Whole>] = &[
    Figure { name: "outflow_ring_bytes", kind: "gauge", help: "Bytes of media that all streams keep for their readers; in memory up to twice as much.",
        of: |whole| count(whole.kept) },
    Figure { name: "outflow_ring_limit_bytes", kind: "gauge", help: "How many of them there may be (limits.process_bytes); beyond it each stream keeps its share.",
        of: |whole| whole.kept_limit.and_then(count) },
    Figure { name: "outflow_connections", kind: "gauge", help: "Connections to the RTMP ports.",
        of: |whole| whole.connections.and_then(count) },
    Figure { name: "outflow_connections_half_open", kind: "gauge", help: "Those of them that have not yet asked to publish or to play.",
        of: |whole| whole.half_open.and_then(count) },
];

/// Every family that `/metrics` may give.
pub fn families() -> Vec<Family> {
    let inputs = INPUTS.iter().map(|figure| figure.family(OF_STREAM)).chain([FORMAT]);
    let outputs = OUTPUTS.iter().map(|figure| figure.family(OF_OUTPUT)).chain([STATE, DELAY, STABILITY]);
    let whole = WHOLE.iter().map(|figure| figure.family(&[]));
    [BUILD, UPTIME].into_iter().chain(whole).chain(inputs).chain(outputs).chain([ALERT]).collect()
}

#[allow(clippy::cast_precision_loss)] // Prometheus has floats only
fn count(number: u64) -> Option<f64> {
    Some(number as f64)
}

fn truth(is: bool) -> Option<f64> {
    Some(f64::from(u8::from(is)))
}

#[rustfmt::skip]
const OUTPUTS: &[Figure<OutputFigures>] = &[
    Figure { name: "outflow_output_bytes_total", kind: "counter", help: "Bytes sent, protocol included.",
        of: |output| count(output.view.bytes) },
    Figure { name: "outflow_output_frames_total", kind: "counter", help: "Video frames sent.",
        of: |output| count(output.frames) },
    Figure { name: "outflow_output_skips_total", kind: "counter", help: "Times it skipped forward to a key frame.",
        of: |output| count(output.view.skips) },
    Figure { name: "outflow_output_skipped_frames_total", kind: "counter", help: "Video frames left out by skips.",
        of: |output| count(output.view.skipped_frames) },
    Figure { name: "outflow_output_skipped_groups_total", kind: "counter", help: "Groups of pictures that lack something because of skips.",
        of: |output| count(output.view.skipped_groups) },
    Figure { name: "outflow_output_yields_total", kind: "counter", help: "Times it left the uplink to an output of higher priority.",
        of: |output| count(output.view.yields) },
    Figure { name: "outflow_output_attempts_total", kind: "counter", help: "Attempts to connect.",
        of: |output| count(output.attempts) },
    Figure { name: "outflow_output_reconnects_total", kind: "counter", help: "Times it was connected again, after the first.",
        of: |output| count(output.view.reconnects) },
    Figure { name: "outflow_output_retransmits_total", kind: "counter", help: "Segments that TCP sent again.",
        of: |output| count(output.view.retransmits) },
    Figure { name: "outflow_output_lag_seconds", kind: "gauge", help: "Age of the oldest media not yet sent, without the output's delay.",
        of: |output| Some(seconds(output.view.lag_ms)) },
    Figure { name: "outflow_output_last_byte_age_seconds", kind: "gauge", help: "How long ago the last byte left this machine (where the system does not tell: was given to the kernel).",
        of: |output| output.view.last_byte_age_ms.map(seconds) },
    Figure { name: "outflow_output_rtt_seconds", kind: "gauge", help: "Round-trip time to the destination.",
        of: |output| output.view.rtt_ms.map(|rtt| rtt / 1000.0) },
    Figure { name: "outflow_output_unsent_bytes", kind: "gauge", help: "Bytes that wait in this machine's kernel.",
        of: |output| count(output.view.unsent_bytes) },
    Figure { name: "outflow_output_unacked_bytes", kind: "gauge", help: "Bytes that were sent and are not acknowledged.",
        of: |output| count(output.view.unacked_bytes) },
    Figure { name: "outflow_output_session_seconds", kind: "gauge", help: "How long it has been sending without a break, where it leads to a known platform.",
        of: |output| output.view.session.as_ref().and_then(|session| count(session.lasted_s)) },
    Figure { name: "outflow_output_session_limit_seconds", kind: "gauge", help: "How long a session may last at its platform.",
        of: |output| output.view.session.as_ref().and_then(|session| session.limit_s).and_then(count) },
    Figure { name: "outflow_output_rtmp_unacknowledged_bytes", kind: "gauge", help: "Bytes that the destination's program has not said it received, by RTMP's acknowledgements: up to its window is usual.",
        of: |output| output.view.rtmp_unacknowledged_bytes.and_then(count) },
    Figure { name: "outflow_output_window_closed", kind: "gauge", help: "1 while the destination's host takes nothing more, since its program does not read.",
        of: |output| truth(output.view.window_closed) },
];

#[rustfmt::skip]
const INPUTS: &[Figure<StreamFigures>] = &[
    Figure { name: "outflow_input_live", kind: "gauge", help: "1 while media comes.",
        of: |stream| truth(stream.view.live) },
    Figure { name: "outflow_input_bytes_total", kind: "counter", help: "Bytes of media received.",
        of: |stream| count(stream.view.bytes) },
    Figure { name: "outflow_input_frames_total", kind: "counter", help: "Video frames received.",
        of: |stream| count(stream.frames) },
    Figure { name: "outflow_input_keyframes_total", kind: "counter", help: "Key frames received.",
        of: |stream| count(stream.view.keyframes) },
    Figure { name: "outflow_input_gaps_total", kind: "counter", help: "Times that nothing came, or that the stream's time left something out, for a second or more.",
        of: |stream| count(stream.view.gaps) },
    Figure { name: "outflow_input_time_jumps_total", kind: "counter", help: "Times that the source's time went back or jumped and was mended.",
        of: |stream| count(stream.time_jumps) },
    Figure { name: "outflow_input_keyframe_interval_seconds", kind: "gauge", help: "Between the last two key frames.",
        of: |stream| stream.view.video.as_ref().and_then(|video| video.keyframe_interval_ms).map(seconds) },
    Figure { name: "outflow_input_jitter_seconds", kind: "gauge", help: "How irregularly media comes: the smoothed difference between the clock and the stream's own time, from frame to frame.",
        of: |stream| stream.view.jitter_ms.map(|millis| millis / 1000.0) },
    Figure { name: "outflow_input_av_offset_seconds", kind: "gauge", help: "How far sound is ahead of the picture that comes with it; negative where it is behind.",
        of: |stream| stream.view.av_offset_ms.map(|millis| millis / 1000.0) },
    Figure { name: "outflow_input_ring_bytes", kind: "gauge", help: "Bytes of media that the stream keeps for its readers.",
        of: |stream| count(stream.kept) },
    Figure { name: "outflow_input_players", kind: "gauge", help: "Players right now.",
        of: |stream| count(stream.view.players) },
    Figure { name: "outflow_input_player_bytes_total", kind: "counter", help: "Bytes sent to players.",
        of: |stream| count(stream.player_bytes) },
    Figure { name: "outflow_input_player_skips_total", kind: "counter", help: "Times that players skipped forward to a key frame.",
        of: |stream| count(stream.player_skips) },
];

/// All figures in Prometheus' text format.
pub(super) fn text(
    streams: &[StreamFigures],
    outputs: &[OutputFigures],
    judged: &[Judged],
    whole: &Whole,
    uptime: Duration,
) -> String {
    let mut page = Page::default();
    page.family(&BUILD);
    page.line(BUILD.name, &[("version", env!("CARGO_PKG_VERSION"))], &[], 1);
    page.family(&UPTIME);
    page.line(UPTIME.name, &[], &[], uptime.as_secs());
    for figure in WHOLE {
        if let Some(value) = (figure.of)(whole) {
            page.family(&figure.family(&[]));
            page.line(figure.name, &[], &[], value);
        }
    }
    for figure in INPUTS {
        let values = streams.iter().filter_map(|stream| Some((stream, (figure.of)(stream)?)));
        let mut told = false;
        for (stream, value) in values {
            if !std::mem::replace(&mut told, true) {
                page.family(&figure.family(OF_STREAM));
            }
            page.line(figure.name, &[("stream", &stream.view.id)], &[], value);
        }
    }
    formats(&mut page, streams);
    for figure in OUTPUTS {
        let values = outputs.iter().filter_map(|output| Some((output, (figure.of)(output)?)));
        let mut told = false;
        for (output, value) in values {
            if !std::mem::replace(&mut told, true) {
                page.family(&figure.family(OF_OUTPUT));
            }
            page.line(figure.name, &labels(output), &[], value);
        }
    }
    if !outputs.is_empty() {
        states(&mut page, outputs);
        delays(&mut page, outputs);
        stability(&mut page, outputs);
    }
    alerts(&mut page, judged);
    page.0
}

fn labels(output: &OutputFigures) -> [(&str, &str); 3] {
    let view = &output.view;
    [("stream", &view.stream), ("output", &view.id), ("protocol", &view.protocol)]
}

fn formats(page: &mut Page, streams: &[StreamFigures]) {
    let known = || streams.iter().filter(|stream| stream.view.video.is_some() || stream.view.audio.is_some());
    if known().next().is_none() {
        return;
    }
    page.family(&FORMAT);
    let number = |number: Option<u32>| number.map(|number| number.to_string()).unwrap_or_default();
    for stream in known() {
        let (video, audio) = (stream.view.video.as_ref(), stream.view.audio.as_ref());
        let texts = [
            ("video_codec", video.map(|video| video.codec.clone()).unwrap_or_default()),
            ("width", number(video.and_then(|video| video.width))),
            ("height", number(video.and_then(|video| video.height))),
            ("audio_codec", audio.map(|audio| audio.codec.clone()).unwrap_or_default()),
            ("sample_rate", number(audio.and_then(|audio| audio.sample_rate))),
            ("channels", number(audio.and_then(|audio| audio.channels))),
        ];
        let more: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (*name, text.as_str())).collect();
        page.line(FORMAT.name, &[("stream", &stream.view.id)], &more, 1);
    }
}

fn states(page: &mut Page, outputs: &[OutputFigures]) {
    page.family(&STATE);
    for output in outputs {
        for state in STATES {
            let is = u8::from(output.view.state == *state);
            page.line(STATE.name, &labels(output), &[("state", state)], is);
        }
    }
}

fn delays(page: &mut Page, outputs: &[OutputFigures]) {
    let name = DELAY.name;
    page.family(&DELAY);
    for output in outputs {
        if let Some(delay) = &output.view.delay_ms {
            for (quantile, millis) in [("0.5", delay.p50), ("0.95", delay.p95), ("0.99", delay.p99)] {
                page.line(name, &labels(output), &[("quantile", quantile)], seconds(millis));
            }
        }
        page.line(&format!("{name}_sum"), &labels(output), &[], output.delay_sum.as_secs_f64());
        page.line(&format!("{name}_count"), &labels(output), &[], output.delays);
    }
}

fn stability(page: &mut Page, outputs: &[OutputFigures]) {
    let known = || outputs.iter().filter(|output| output.view.stability.hour.is_some());
    if known().next().is_none() {
        return;
    }
    page.family(&STABILITY);
    for output in known() {
        let shares = [("minute", output.view.stability.minute), ("hour", output.view.stability.hour)];
        for (window, share) in shares {
            if let Some(share) = share {
                page.line(STABILITY.name, &labels(output), &[("window", window)], share);
            }
        }
    }
}

fn alerts(page: &mut Page, judged: &[Judged]) {
    if judged.is_empty() {
        return;
    }
    page.family(&ALERT);
    for rule in judged {
        let labels = [("rule", rule.rule.name()), ("stream", &rule.stream)];
        // Of a stream as a whole where there is no output.
        let output = [("output", rule.output.as_deref().unwrap_or_default())];
        page.line(ALERT.name, &labels, &output, u8::from(rule.active));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut page = Page::default();
        page.line("a", &[("x", "q\"\\\n")], &[("y", "z")], 1);
        page.line("b", &[], &[], 0.5);
        assert_eq!(page.0, "a{x=\"q\\\"\\\\\\n\",y=\"z\"} 1\nb 0.5\n");
    }

    #[test]
    fn without_streams_and_outputs_there_are_no_empty_families() {
        let text = text(&[], &[], &[], &Whole::default(), Duration::from_secs(5));
        assert_eq!(text.lines().filter(|line| line.starts_with("# TYPE")).count(), 3, "{text}");
    }
}
