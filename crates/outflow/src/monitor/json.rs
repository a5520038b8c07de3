//! Events and figures as JSON lines, for programs that watch this one. Field names are stable.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::alerts::Change;
use super::board::{OutputView, View};
use super::{Event, InputStats, OutputStats};
use crate::error::{Ended, Retry};

fn seconds(time: Duration) -> Value {
    json!((time.as_secs_f64() * 1000.0).round() / 1000.0)
}

fn ended(reason: &Ended) -> Value {
    let retry = match reason.retry {
        Retry::Now => "now",
        Retry::Backoff => "backoff",
        Retry::Slow => "slow",
        Retry::Never => "never",
    };
    json!({ "code": reason.reason.code(), "origin": reason.origin.name(), "retry": retry, "text": reason.text })
}

/// One event as a line, with the seconds since 1970 at which it was taken.
pub fn event(event: &Event, time: Duration) -> String {
    let (name, fields) = parts(event);
    line(name, fields, time)
}

/// The name of an event, and its fields.
pub fn parts(event: &Event) -> (&'static str, Value) {
    match event {
        Event::Listening { address, serves } => {
            ("listening", json!({ "address": address.to_string(), "serves": serves }))
        }
        Event::Output { output, state, reason, attempt, retry_in } => (
            "output",
            json!({
                "output": output,
                "state": state.name(),
                "attempt": attempt,
                "reason": reason.as_ref().map(ended),
                "retry_in": retry_in.map(seconds),
            }),
        ),
        Event::PlayerJoined { output, peer } => {
            ("player_joined", json!({ "output": output, "peer": peer.to_string() }))
        }
        Event::PlayerLeft { output, peer, reason } => {
            ("player_left", json!({ "output": output, "peer": peer.to_string(), "reason": reason }))
        }
        Event::Skipped { output, peer, packets, millis, why } => {
            let peer = peer.map(|peer| peer.to_string());
            ("skipped", json!({ "output": output, "peer": peer, "packets": packets, "millis": millis, "why": why }))
        }
        Event::InputStarted { input, what } => ("input_started", json!({ "input": input, "what": what })),
        Event::InputEnded { input, reason, retry_in } => {
            ("input_ended", json!({ "input": input, "reason": ended(reason), "retry_in": retry_in.map(seconds) }))
        }
        Event::Alert(change) => ("alert", alert(change)),
        Event::Failure { who, reason } => ("failure", json!({ "who": who, "reason": ended(reason) })),
        Event::Note { who, text } => ("note", json!({ "who": who, "text": text })),
        Event::Warning { who, text } => ("warning", json!({ "who": who, "text": text })),
    }
}

/// An alert that was raised or cleared; also what a hook is told of it.
pub fn alert(change: &Change) -> Value {
    let alert = &change.alert;
    let lasted = change.cleared.map_or_else(|| alert.since.elapsed(), |cleared| cleared.lasted);
    json!({
        "rule": alert.rule.name(),
        "severity": alert.rule.severity().name(),
        "raised": change.cleared.is_none(),
        "cleared": change.cleared.map(|cleared| cleared.name()),
        "stream": alert.stream,
        "output": alert.output,
        "lasted_s": seconds(lasted),
        "figure": rounded(alert.figure),
        "limit": alert.limit,
        "unit": alert.rule.unit(),
        "text": alert.text,
        "mend": alert.mend,
    })
}

/// A figure, to a thousandth.
pub fn rounded(figure: f64) -> f64 {
    (figure * 1000.0).round() / 1000.0
}

/// For how long an output has been sending, against what its platform allows; null where neither is known.
fn session(output: &OutputView, now: Instant) -> Value {
    let since = output.stats.session.lock().since();
    let (Some(platform), Some(since)) = (output.platform, since) else { return Value::Null };
    let lasted = now.saturating_duration_since(since).as_secs();
    let limit = platform.longest_session().map(|longest| longest.as_secs());
    json!({ "platform": platform.name, "lasted_s": lasted, "limit_s": limit })
}

fn stability(stats: &OutputStats) -> Value {
    let shares = stats.stability.lock().shares();
    json!({ "minute": shares.minute, "hour": shares.hour, "watched_s": shares.watched })
}

/// The picture and the sound, and how regularly they come.
fn media(stats: &InputStats) -> Value {
    let media = stats.media.lock();
    json!({
        "video": media.video.as_ref().map(|video| json!({
            "codec": video.codec,
            "width": video.size.map(|(width, _)| width),
            "height": video.size.map(|(_, height)| height),
            "keyframe_interval_ms": video.keyframe_interval,
        })),
        "audio": media.audio.as_ref().map(|audio| json!({
            "codec": audio.codec,
            "sample_rate": audio.sample_rate,
            "channels": audio.channels,
        })),
        "jitter_ms": media.jitter(),
        "av_offset_ms": media.av_offset(),
        "gaps": media.gaps,
    })
}

/// Every counter, once a second and at the end.
pub fn figures(view: &View, uptime: Duration, time: Duration) -> String {
    let now = Instant::now();
    let outputs: Vec<Value> = view
        .outputs
        .iter()
        .map(|output| {
            let stats = &output.stats;
            json!({
                "output": output.name,
                "kind": output.kind,
                "state": output.state.name(),
                "in_state": seconds(output.since.elapsed()),
                "attempt": output.attempt,
                "bytes": OutputStats::get(&stats.bytes),
                "packets": OutputStats::get(&stats.packets),
                "frames": OutputStats::get(&stats.frames),
                "skips": OutputStats::get(&stats.skips),
                "skipped_packets": OutputStats::get(&stats.skipped_packets),
                "connections": OutputStats::get(&stats.connections),
                "lag_millis": stats.lag_millis.get(),
                "skipped_frames": OutputStats::get(&stats.skipped_frames),
                "skipped_groups": OutputStats::get(&stats.skipped_groups),
                "yields": OutputStats::get(&stats.yields),
                "reconnects": stats.reconnects(),
                "last_byte_age_ms": stats.last_byte_age(now).map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
                "delay_ms": stats.delay(now).filter(|_| output.state.sends()).map(|delay| json!({
                    "p50": delay.p50,
                    "p95": delay.p95,
                    "p99": delay.p99,
                    "window_closed": OutputStats::get(&stats.windows_closed) > 0,
                })),
                "rtt_ms": stats.rtt().filter(|_| output.state.sends()).map(|rtt| (rtt.as_secs_f64() * 1e5).round() / 100.0),
                "window_closed": output.state.sends() && OutputStats::get(&stats.windows_closed) > 0,
                "rtmp_unacknowledged_bytes": stats.rtmp_unacknowledged().filter(|_| output.state.sends()),
                "unsent_bytes": OutputStats::get(&stats.unsent),
                "unacked_bytes": OutputStats::get(&stats.unacked),
                "retransmits": OutputStats::get(&stats.retransmits),
                "stability": stability(stats),
                "session": session(output, now),
            })
        })
        .collect();
    let inputs: Vec<Value> = view
        .inputs
        .iter()
        .map(|input| {
            let stats: &InputStats = &input.stats;
            json!({
                "input": input.name,
                "kind": input.kind,
                "up": input.up_since.map(|since| seconds(since.elapsed())),
                "bytes": OutputStats::get(&stats.bytes),
                "packets": OutputStats::get(&stats.packets),
                "frames": OutputStats::get(&stats.frames),
                "keyframes": OutputStats::get(&stats.keyframes),
                "time_jumps": OutputStats::get(&stats.time_jumps),
                "starts": OutputStats::get(&stats.starts),
                "media": media(stats),
            })
        })
        .collect();
    line("stats", json!({ "uptime": seconds(uptime), "inputs": inputs, "outputs": outputs }), time)
}

/// One object on one line.
pub fn line(name: &str, fields: Value, time: Duration) -> String {
    let mut object = Map::new();
    object.insert("time".into(), seconds(time));
    object.insert("event".into(), json!(name));
    if let Value::Object(fields) = fields {
        object.extend(fields);
    }
    format!("{}\n", Value::Object(object))
}
