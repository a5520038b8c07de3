//! The relay as it is shown: streams, outputs, players, publishers as plain values.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::core::Core;
use super::outputs::Output;
use super::rates::Rates;
use super::streams::Live;
use super::view::{
    AudioView, DelayView, GroupView, OutputView, PlatformSessionView, PlayerView, PublisherView, ReasonView,
    StabilityView, StreamView, VideoView,
};
use super::{Fault, Relay};
use crate::config::StreamId;
use crate::error::Ended;
use crate::monitor::{InputStats, OutputStats, State};
use crate::options::platforms::Platform;

impl Relay {
    /// The streams.
    pub fn streams(&self) -> Vec<StreamView> {
        let core = self.core.lock();
        core.streams.iter().map(|(id, live)| stream(id, live, &core)).collect()
    }

    /// A stream, by `app/name`.
    pub fn stream(&self, id: &str) -> Option<StreamView> {
        let id = StreamId::parse(id)?;
        let core = self.core.lock();
        core.streams.get(&id).map(|live| stream(&id, live, &core))
    }

    /// The outputs.
    pub fn outputs(&self) -> Vec<OutputView> {
        self.core.lock().outputs.values().map(output).collect()
    }

    /// An output.
    pub fn output(&self, id: &str) -> Option<OutputView> {
        self.core.lock().outputs.get(id).map(output)
    }

    /// The groups, with their outputs.
    pub fn groups(&self) -> Vec<GroupView> {
        let mut groups: Vec<GroupView> = Vec::new();
        for (id, output) in &self.core.lock().outputs {
            for name in &output.plan.groups {
                match groups.iter_mut().find(|group| group.name == *name) {
                    Some(group) => group.outputs.push(id.clone()),
                    None => groups.push(GroupView { name: name.clone(), outputs: vec![id.clone()] }),
                }
            }
        }
        groups.sort_by(|one, other| one.name.cmp(&other.name));
        groups
    }

    /// The players.
    pub fn players(&self) -> Vec<PlayerView> {
        let core = self.core.lock();
        let of = |id: &StreamId, live: &Live| {
            let players = live.offer.players.list().into_iter();
            let view = |player: crate::registry::Player| PlayerView {
                id: player.id,
                stream: id.to_string(),
                peer: player.peer.to_string(),
                since: date(player.since),
                bytes: OutputStats::get(&player.figures.bytes),
                lag_ms: OutputStats::get(&player.figures.lag_millis),
                skips: OutputStats::get(&player.figures.skips),
                rtt_ms: rtt(OutputStats::get(&player.figures.rtt_micros)),
                unsent_bytes: OutputStats::get(&player.figures.unsent),
                unacked_bytes: OutputStats::get(&player.figures.unacked),
                rtmp_unacknowledged_bytes: player.figures.rtmp_unacknowledged(),
                window_closed: OutputStats::get(&player.figures.window_closed) > 0,
            };
            players.map(view).collect::<Vec<_>>()
        };
        core.streams.iter().flat_map(|(id, live)| of(id, live)).collect()
    }

    /// Lets a player go.
    pub fn kick_player(&self, id: u64) -> Result<(), Fault> {
        let core = self.core.lock();
        let mut all = core.streams.values().flat_map(|live| live.offer.players.list());
        let player = all.find(|player| player.id == id).ok_or(Fault::NotFound)?;
        player.dismiss();
        Ok(())
    }

    /// The publishers.
    pub fn publishers(&self) -> Vec<PublisherView> {
        self.core.lock().streams.iter().filter_map(|(id, live)| publisher(id, live)).collect()
    }

    /// Lets a publisher go.
    pub fn kick_publisher(&self, id: u64) -> Result<(), Fault> {
        for live in self.core.lock().streams.values() {
            if let Some(current) = live.slot.current.lock().as_ref().filter(|current| current.id == id) {
                current.stopper.stop();
                return Ok(());
            }
        }
        Err(Fault::NotFound)
    }
}

fn publisher(id: &StreamId, live: &Live) -> Option<PublisherView> {
    let current = live.slot.current.lock();
    current.as_ref().map(|current| PublisherView {
        id: current.id,
        stream: id.to_string(),
        peer: current.peer.to_string(),
        since: date(current.since),
    })
}

pub(super) fn stream(id: &StreamId, live: &Live, core: &Core) -> StreamView {
    let outputs = core.outputs.iter().filter(|(_, output)| output.plan.stream == *id);
    StreamView {
        id: id.to_string(),
        app: id.app.clone(),
        name: id.name.clone(),
        live: live.is_live(),
        publisher: publisher(id, live),
        bitrate_bps: live.rates.bits(),
        fps: live.rates.frames(),
        players: live.offer.players.count() as u64,
        outputs: outputs.map(|(id, _)| id.clone()).collect(),
        ..media(&live.stats)
    }
}

/// What is known of media that comes in; where from is for the caller to say.
pub(super) fn media(stats: &InputStats) -> StreamView {
    let media = stats.media.lock();
    StreamView {
        id: String::new(),
        app: String::new(),
        name: String::new(),
        live: false,
        publisher: None,
        bytes: OutputStats::get(&stats.bytes),
        bitrate_bps: 0,
        fps: 0.0,
        keyframes: OutputStats::get(&stats.keyframes),
        players: 0,
        outputs: Vec::new(),
        video: media.video.as_ref().map(|video| VideoView {
            codec: video.codec.clone(),
            width: video.size.map(|(width, _)| width),
            height: video.size.map(|(_, height)| height),
            keyframe_interval_ms: video.keyframe_interval,
        }),
        audio: media.audio.as_ref().map(|audio| AudioView {
            codec: audio.codec.clone(),
            sample_rate: audio.sample_rate,
            channels: audio.channels,
        }),
        jitter_ms: media.jitter(),
        av_offset_ms: media.av_offset(),
        gaps: media.gaps,
    }
}

pub(super) fn output(output: &Output) -> OutputView {
    let (plan, status) = (&output.plan, output.status());
    let state = output.state();
    let wrong = !matches!(state, State::Stopped | State::Idle);
    OutputView {
        id: plan.id.clone(),
        name: plan.name.clone(),
        stream: plan.stream.to_string(),
        url: plan.shown(),
        protocol: plan.protocol(),
        reason: status.as_ref().and_then(|status| status.reason.as_ref()).filter(|_| wrong).map(reason),
        since: date(status.as_ref().map_or(output.made, |status| status.since)),
        attempt: status.as_ref().map_or(0, |status| status.attempt),
        next_retry_at: status.as_ref().and_then(|status| status.next_attempt).filter(|_| wrong).map(date),
        session: session(output.platform, &output.stats),
        origin: plan.origin.name(),
        groups: plan.groups.clone(),
        auto_start: plan.auto_start,
        auto_stop: plan.auto_stop,
        ..figures(&output.stats, state, &output.rates)
    }
}

/// An output's figures; who it is and what it is to be is for the caller to say.
pub(super) fn figures(stats: &OutputStats, state: State, rates: &Rates) -> OutputView {
    let (now, flows) = (Instant::now(), state.sends());
    // Nothing leaves, though the kernel may have taken some of it in the seconds that rates are of.
    let moves = flows && !matches!(state, State::Stalled | State::Yielding);
    OutputView {
        id: String::new(),
        name: String::new(),
        stream: String::new(),
        url: String::new(),
        protocol: String::new(),
        state: state.name(),
        reason: None,
        since: String::new(),
        attempt: 0,
        next_retry_at: None,
        bytes: OutputStats::get(&stats.bytes),
        bitrate_bps: if moves { rates.bits() } else { 0 },
        fps: if moves { rates.frames() } else { 0.0 },
        lag_ms: if flows { stats.lag_millis.get() } else { 0 },
        skips: OutputStats::get(&stats.skips),
        skipped_frames: OutputStats::get(&stats.skipped_frames),
        skipped_groups: OutputStats::get(&stats.skipped_groups),
        yields: OutputStats::get(&stats.yields),
        reconnects: stats.reconnects(),
        last_byte_age_ms: stats.last_byte_age(now).map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
        delay_ms: if flows { delay(stats, now) } else { None },
        rtt_ms: rtt(OutputStats::get(&stats.rtt_micros)).filter(|_| flows),
        unsent_bytes: OutputStats::get(&stats.unsent),
        unacked_bytes: OutputStats::get(&stats.unacked),
        rtmp_unacknowledged_bytes: stats.rtmp_unacknowledged().filter(|_| flows),
        window_closed: flows && OutputStats::get(&stats.windows_closed) > 0,
        retransmits: OutputStats::get(&stats.retransmits),
        stability: stability(stats),
        session: None,
        players: None,
        origin: "",
        groups: Vec::new(),
        auto_start: true,
        auto_stop: true,
    }
}

/// Milliseconds, to a hundredth.
#[allow(clippy::cast_precision_loss)] // minutes at most
fn rtt(micros: u64) -> Option<f64> {
    (micros > 0).then(|| (micros as f64 / 10.0).round() / 100.0)
}

fn delay(stats: &OutputStats, now: Instant) -> Option<DelayView> {
    let window_closed = OutputStats::get(&stats.windows_closed) > 0;
    stats.delay(now).map(|found| DelayView { p50: found.p50, p95: found.p95, p99: found.p99, window_closed })
}

fn stability(stats: &OutputStats) -> StabilityView {
    let shares = stats.stability.lock().shares();
    StabilityView { minute: shares.minute, hour: shares.hour, watched_s: shares.watched }
}

/// How long a session at a platform has lasted.
pub(super) fn session(platform: Option<&'static Platform>, stats: &OutputStats) -> Option<PlatformSessionView> {
    let (platform, since) = (platform?, stats.session.lock().since()?);
    Some(PlatformSessionView {
        platform: platform.name,
        since: date(since),
        lasted_s: since.elapsed().as_secs(),
        limit_s: platform.longest_session().map(|longest| longest.as_secs()),
    })
}

pub(super) fn reason(ended: &Ended) -> ReasonView {
    ReasonView { code: ended.reason.code(), text: ended.text.clone(), origin: ended.origin.name() }
}

/// An instant as a date: RFC 3339, UTC.
pub(super) fn date(instant: Instant) -> String {
    let (now, clock) = (Instant::now(), SystemTime::now());
    let date = match instant.checked_duration_since(now) {
        Some(ahead) => clock + ahead,
        None => clock - now.saturating_duration_since(instant),
    };
    humantime::format_rfc3339_millis(date).to_string()
}

/// Every field that the API shows of an output, for whoever needs them together.
impl Relay {
    pub(super) fn shown(self: &Arc<Self>, core: &Core, id: &str) -> Result<OutputView, Fault> {
        core.outputs.get(id).map(output).ok_or(Fault::NotFound)
    }
}
